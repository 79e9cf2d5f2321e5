// SPDX-License-Identifier: Apache-2.0
#include "kernel/log/log_store.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <utility>

#include "kernel/base/log.h"

namespace chronik::log {
namespace {

std::string Text(chr_str text) { return text.size == 0 ? std::string() : std::string(text.data, text.size); }

chr_error NewError() {
  chr_error error{};
  error.struct_size = sizeof error;
  return error;
}

Bounds FromAbi(const chr_log_bounds& b) {
  return Bounds{.previous = {LogIndex(b.first_index - 1), Term(b.prev_term)},
                .first_index = LogIndex(b.first_index),
                .last_index = LogIndex(b.last_index),
                .last_term = Term(b.last_term),
                .first_offset = Offset(b.first_offset),
                .next_offset = Offset(b.next_offset),
                .hard_state = {Term(b.hard_state.term), ReplicaId(b.hard_state.vote), LogIndex(b.hard_state.commit)},
                .bytes = b.bytes};
}

// The payload as one block: shared where the store keeps it in one piece, else copied together.
Bytes Payload(const chr_log_entry& entry) {
  if (entry.buf_count == 1 && entry.bufs[0].owner != nullptr) return Bytes::Share(entry.bufs[0]);
  size_t size = 0;
  for (uint32_t i = 0; i < entry.buf_count; ++i) size += entry.bufs[i].size;
  uint8_t* out = nullptr;
  Bytes body = Bytes::Allocate(size, &out);
  for (uint32_t i = 0; i < entry.buf_count; ++i) {
    if (entry.bufs[i].size == 0) continue;
    std::memcpy(out, entry.bufs[i].data, entry.bufs[i].size);
    out += entry.bufs[i].size;
  }
  return body;
}

// A slice's reference, which goes back also if the task that has it is dropped.
struct ReleaseOwner {
  void operator()(chr_owner* owner) const { owner->release(owner); }
};
using SliceOwner = std::unique_ptr<chr_owner, ReleaseOwner>;

std::vector<Entry> CopyEntries(const chr_log_slice& slice) {
  std::vector<Entry> entries;
  entries.reserve(slice.count);
  for (size_t i = 0; i < slice.count; ++i) {
    const chr_log_entry& e = slice.entries[i];
    Bytes body = Payload(e);
    const auto bytes = static_cast<uint32_t>(body.size());
    entries.push_back(Entry{{LogIndex(e.index), Term(e.term), Offset(e.base_offset), e.offset_count, bytes,
                             static_cast<raft::EntryKind>(e.kind)},
                            e.max_timestamp,
                            std::move(body)});
  }
  return entries;
}

}  // namespace

Error FromAbi(chr_status status, std::string message) {
  const auto make = [&](ErrorCode code, std::string_view fallback) {
    return Error{code, message.empty() ? std::string(fallback) : std::move(message)};
  };
  switch (status) {
    case CHR_E_INVALID: return make(ErrorCode::kPlugin, "the log store refused an operation as invalid");
    case CHR_E_NOT_FOUND: return make(ErrorCode::kNotFound, "not in the log store");
    case CHR_E_BUSY: return make(ErrorCode::kOverloaded, "the log store is busy");
    case CHR_E_RANGE: return make(ErrorCode::kOffsetOutOfRange, "outside of the log");
    case CHR_E_CORRUPT: return make(ErrorCode::kCorrupt, "stored data fails its checksum");
    case CHR_E_NO_SPACE: return make(ErrorCode::kNoSpace, "the log store is full");
    case CHR_E_TIMEOUT: return make(ErrorCode::kTimedOut, "the log store timed out");
    case CHR_E_CANCELLED:
    case CHR_E_CLOSED: return make(ErrorCode::kShuttingDown, "cancelled by the log store");
    case CHR_E_IO:
    case CHR_E_FATAL: return make(ErrorCode::kStorage, "the log store failed");
    default: return make(ErrorCode::kPlugin, "log store status " + std::to_string(status));
  }
}

// One operation from Submit until its completion; the ABI wants its bytes alive for that long.
struct LogStore::PendingOp {
  uint32_t opcode = CHR_LOG_APPEND;
  GroupHandle group = nullptr;
  Append append;
  LogIndex index;  // prefix truncation, reset
  Term term;       // reset
  Offset offset;   // reset
  Bytes blob;
  DoneCallback done;
  std::vector<std::unique_ptr<PendingOp>> refused = {};  // later ones of its group, which the store refused at once
  // Those that the store has, as a list.
  PendingOp* before = nullptr;
  PendingOp* after = nullptr;
};

struct LogStore::Lane {
  Lane(LogStore* owner, ShardId lane_id, Executor* lane_executor)
      : store(owner), id(lane_id), executor(lane_executor) {}
  // The plugin was stopped: what it completed last may have met an executor that no longer runs anything.
  ~Lane() {
    while (in_flight != nullptr) (void)Take(in_flight);
  }
  void Lend(std::unique_ptr<PendingOp> op) {
    op->after = in_flight;
    if (in_flight != nullptr) in_flight->before = op.get();
    in_flight = op.release();
  }
  std::unique_ptr<PendingOp> Take(PendingOp* op) {
    (op->before != nullptr ? op->before->after : in_flight) = op->after;
    if (op->after != nullptr) op->after->before = op->before;
    return std::unique_ptr<PendingOp>(op);
  }

  LogStore* const store;
  const ShardId id;
  Executor* const executor;
  std::deque<std::unique_ptr<PendingOp>> queue;  // not yet accepted by the store
  PendingOp* in_flight = nullptr;                // accepted, not yet completed
  bool busy = false;                             // the store said CHR_E_BUSY; on_writable will tell
  bool flush_posted = false;
  std::unordered_map<uint64_t, ReadCallback> reads;
  uint64_t next_read_tag = 1;
  std::vector<chr_log_op> ops;  // reused by Flush
  std::vector<chr_log_entry> entries;
  std::vector<chr_buf> bufs;
  std::vector<chr_hard_state> hard_states;
};

LogStore::LogStore(std::vector<Executor*> executors) {
  sink_ = chr_log_sink{.struct_size = sizeof(chr_log_sink),
                       .reserved = 0,
                       .ctx = this,
                       .on_complete = &OnComplete,
                       .on_writable = &OnWritable,
                       .on_read = &OnRead};
  for (size_t i = 0; i < executors.size(); ++i) {
    lanes_.push_back(std::make_unique<Lane>(this, ShardId(static_cast<uint32_t>(i)), executors[i]));
  }
}

LogStore::~LogStore() = default;

Status LogStore::Attach(const chr_log_store& table, void* self) {
  table_ = table;
  self_ = self;
  caps_.struct_size = sizeof caps_;
  if (const chr_status status = table_.caps(self_, &caps_); status < 0) return FromAbi(status, "capabilities");
  if (caps_.max_lanes < lanes_.size()) {
    return Error{ErrorCode::kPlugin, "the log store serves " + std::to_string(caps_.max_lanes) +
                                         " lanes, this broker has " + std::to_string(lanes_.size()) +
                                         " shards: set broker.shards lower"};
  }
  return {};
}

chr_log_stats LogStore::stats() const {
  chr_log_stats out{};
  out.struct_size = sizeof out;
  if (table_.stats != nullptr) (void)table_.stats(self_, &out);
  return out;
}

Result<std::vector<GroupId>> LogStore::ListGroups() {
  std::vector<GroupId> groups;
  chr_error error = NewError();
  const auto each = [](void* ctx, uint64_t id) noexcept {
    static_cast<std::vector<GroupId>*>(ctx)->push_back(GroupId(id));
  };
  const chr_status status = table_.list_groups(self_, each, &groups, &error);
  if (status < 0) return FromAbi(status, error.message);
  return groups;
}

Result<OpenedGroup> LogStore::OpenGroup(GroupId id, ShardId lane_id, bool create) {
  chr_error error = NewError();
  chr_log_bounds bounds{};
  bounds.struct_size = sizeof bounds;
  OpenedGroup out;
  chr_status status = table_.open_group(self_, id.value, lane_id.value, create ? 1 : 0, &out.handle, &bounds, &error);
  if (status < 0) return FromAbi(status, error.message);
  if (bounds.fault_lo != 0) {
    CloseGroup(out.handle);
    return Error{ErrorCode::kCorrupt, "group " + std::to_string(id.value) + " has damaged entries [" +
                                          std::to_string(bounds.fault_lo) + ", " + std::to_string(bounds.fault_hi) +
                                          ") and no peer to repair them from"};
  }
  out.bounds = FromAbi(bounds);

  status = ReadTerms(out.handle, &out.terms);
  if (status >= 0) {
    chr_buf blob{};
    status = table_.checkpoint(self_, out.handle, &blob, &error);
    if (status >= 0) out.checkpoint = Bytes::Adopt(blob);
    if (status == CHR_E_NOT_FOUND) status = CHR_OK;
  }
  if (status < 0) {
    CloseGroup(out.handle);
    return FromAbi(status, error.message);
  }
  return out;
}

chr_status LogStore::ReadTerms(GroupHandle group, std::vector<raft::TermStart>* out) {
  size_t count = 0;
  std::vector<chr_log_term> terms(16);
  chr_status status = CHR_OK;
  for (;;) {
    status = table_.terms(self_, group, terms.data(), terms.size(), &count);
    if (status < 0) return status;
    if (count <= terms.size()) break;
    terms.resize(count);
  }
  for (size_t i = 0; i < count; ++i) {
    out->push_back({Term(terms[i].term), LogIndex(terms[i].first_index), Offset(terms[i].first_offset)});
  }
  return status;
}

Result<OpenedGroup> LogStore::Reload(GroupHandle group) {
  OpenedGroup out;
  out.handle = group;
  chr_log_bounds bounds{};
  bounds.struct_size = sizeof bounds;
  chr_status status = table_.bounds(self_, group, &bounds);
  if (status >= 0) status = ReadTerms(group, &out.terms);
  if (status < 0) return FromAbi(status, {});
  out.bounds = FromAbi(bounds);
  return out;
}

void LogStore::CloseGroup(GroupHandle group) { table_.close_group(self_, group); }

Status LogStore::DestroyGroup(GroupId id) {
  struct Outcome {
    chr_status status;
    std::string message;
  };
  std::promise<Outcome> promise;
  auto future = promise.get_future();
  const chr_done done{[](void* ctx, uint64_t, chr_status status, chr_str message) noexcept {
                        static_cast<std::promise<Outcome>*>(ctx)->set_value({status, Text(message)});
                      },
                      &promise, 0};
  chr_status status = table_.destroy_group(self_, id.value, done);
  std::string message;
  if (status == CHR_PENDING) {
    Outcome outcome = future.get();
    status = outcome.status;
    message = std::move(outcome.message);
  }
  if (status < 0) return FromAbi(status, std::move(message));
  return {};
}

void LogStore::Submit(ShardId lane_id, GroupHandle group, Append append, DoneCallback done) {
  auto op = std::make_unique<PendingOp>();
  op->group = group;
  op->append = std::move(append);
  op->done = std::move(done);
  Enqueue(lane_id, std::move(op));
}

void LogStore::Reset(ShardId lane_id, GroupHandle group, raft::EntryId last, Offset next_offset,
                     raft::HardState hard_state, DoneCallback done) {
  auto op = std::make_unique<PendingOp>();
  op->opcode = CHR_LOG_RESET;
  op->group = group;
  op->index = last.index + 1;
  op->term = last.term;
  op->offset = next_offset;
  auto outcome = std::make_shared<Status>();  // if this fails, the next one is merely cancelled
  op->done = [outcome](Status status) { *outcome = std::move(status); };
  Enqueue(lane_id, std::move(op));
  Submit(lane_id, group, Append{hard_state, {}}, [outcome, done = std::move(done)](Status status) mutable {
    done(outcome->ok() ? std::move(status) : std::move(*outcome));
  });
}

void LogStore::TruncatePrefix(ShardId lane_id, GroupHandle group, LogIndex first, DoneCallback done) {
  auto op = std::make_unique<PendingOp>();
  op->opcode = CHR_LOG_TRUNCATE_PREFIX;
  op->group = group;
  op->index = first;
  op->done = std::move(done);
  Enqueue(lane_id, std::move(op));
}

void LogStore::Checkpoint(ShardId lane_id, GroupHandle group, Bytes blob, DoneCallback done) {
  auto op = std::make_unique<PendingOp>();
  op->opcode = CHR_LOG_CHECKPOINT;
  op->group = group;
  op->blob = std::move(blob);
  op->done = std::move(done);
  Enqueue(lane_id, std::move(op));
}

// Operations of one turn of the event loop go to the store together: one lock and one wake-up for all groups.
void LogStore::Enqueue(ShardId lane_id, std::unique_ptr<PendingOp> op) {
  Lane& l = lane(lane_id);
  l.queue.push_back(std::move(op));
  if (l.flush_posted || l.busy) return;
  l.flush_posted = true;
  l.executor->Post([this, &l] {
    l.flush_posted = false;
    Flush(l);
  });
}

void LogStore::Flush(Lane& l) {
  while (!l.busy && !l.queue.empty()) {
    if (!SubmitHead(l)) return;
  }
}

// Submits up to 256 queued operations in one call. False: the store takes no more for now.
bool LogStore::SubmitHead(Lane& l) {
  constexpr size_t kOpsMax = 256;
  const size_t count = std::min(l.queue.size(), kOpsMax);
  size_t entry_count = 0;
  for (size_t i = 0; i < count; ++i) entry_count += l.queue[i]->append.entries.size();
  // Reserved first, so that pointers into the arrays stay valid while they fill.
  l.ops.clear();
  l.entries.clear();
  l.bufs.clear();
  l.hard_states.clear();
  l.entries.reserve(entry_count);
  l.bufs.reserve(entry_count);
  l.hard_states.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    PendingOp& op = *l.queue[i];
    chr_log_op abi{};
    abi.opcode = op.opcode;
    abi.group = op.group;
    abi.tag = reinterpret_cast<uintptr_t>(&op);
    abi.index = op.index.value;
    abi.term = op.term.value;
    abi.offset = op.offset.value;
    abi.blob = op.blob.abi();
    abi.entries = l.entries.data() + l.entries.size();
    abi.entry_count = op.append.entries.size();
    for (const Entry& e : op.append.entries) {
      l.bufs.push_back(e.body.abi());
      l.entries.push_back(chr_log_entry{e.meta.index.value, e.meta.term.value, e.meta.base_offset.value,
                                        e.max_timestamp, e.meta.offset_count, static_cast<uint32_t>(e.meta.kind), 1, 0,
                                        &l.bufs.back()});
    }
    if (const auto& hs = op.append.hard_state) {
      l.hard_states.push_back({hs->term.value, hs->vote.value, hs->commit.value});
      abi.hard_state = &l.hard_states.back();
    }
    l.ops.push_back(abi);
  }

  size_t accepted = 0;
  const chr_status status = table_.submit(self_, l.id.value, l.ops.data(), count, &accepted);
  CHRONIK_CHECK(accepted <= count) << "the log store accepted " << accepted << " of " << count << " operations";
  for (size_t i = 0; i < accepted; ++i) {
    l.Lend(std::move(l.queue.front()));
    l.queue.pop_front();
  }
  if (status >= 0) return true;
  if (status == CHR_E_BUSY) {
    l.busy = true;
    return false;
  }
  // The operation at the head was refused for good. If one of its group that is in flight has failed, that is why: it
  // was built on that one. So it is answered after the newest of those.
  std::unique_ptr<PendingOp> refused = std::move(l.queue.front());
  l.queue.pop_front();
  PendingOp* newest = l.in_flight;
  while (newest != nullptr && newest->group != refused->group) newest = newest->after;
  if (newest != nullptr) {
    newest->refused.push_back(std::move(refused));
  } else {
    refused->done(FromAbi(status, {}));
  }
  return true;
}

void LogStore::Complete(Lane& l, const std::vector<chr_log_cqe>& cqes, const std::string& message) {
  for (const chr_log_cqe& cqe : cqes) {
    std::unique_ptr<PendingOp> op = l.Take(reinterpret_cast<PendingOp*>(static_cast<uintptr_t>(cqe.tag)));
    op->append = {};
    op->done(cqe.status < 0 ? Status(FromAbi(cqe.status, message)) : Status());
    const chr_status refused_with = cqe.status < 0 ? CHR_E_CANCELLED : CHR_E_INVALID;
    for (std::unique_ptr<PendingOp>& refused : op->refused) refused->done(FromAbi(refused_with, {}));
  }
  Flush(l);
}

void LogStore::Read(ShardId lane_id, GroupHandle group, const ReadRequest& request, ReadCallback done) {
  Lane& l = lane(lane_id);
  chr_log_read what{};
  what.struct_size = sizeof what;
  what.by = static_cast<uint32_t>(request.by);
  what.key = request.key;
  what.end_index = request.end_index.value;
  what.max_bytes = request.max_bytes;
  what.max_entries = request.max_entries;
  what.tag = l.next_read_tag++;
  chr_log_slice slice{};
  // on_read may come from another thread before the call returns; the task it posts still runs after this one.
  const chr_status status = table_.read(self_, group, &what, &slice);
  if (status == CHR_PENDING) {
    l.reads.emplace(what.tag, std::move(done));
    return;
  }
  l.executor->Post([done = std::move(done), status, slice, owner = SliceOwner(slice.owner)]() mutable {
    if (status < 0) {
      done(FromAbi(status, {}));
    } else {
      done(CopyEntries(slice));
    }
  });
}

void LogStore::OnComplete(void* ctx, uint32_t lane_id, const chr_log_cqe* cqes, size_t count,
                          chr_str message) noexcept {
  auto* store = static_cast<LogStore*>(ctx);
  Lane& l = store->lane(ShardId(lane_id));
  l.executor->Post([store, &l, done = std::vector<chr_log_cqe>(cqes, cqes + count), text = Text(message)] {
    store->Complete(l, done, text);
  });
}

void LogStore::OnWritable(void* ctx, uint32_t lane_id) noexcept {
  auto* store = static_cast<LogStore*>(ctx);
  Lane& l = store->lane(ShardId(lane_id));
  l.executor->Post([store, &l] {
    l.busy = false;
    store->Flush(l);
  });
}

void LogStore::OnRead(void* ctx, uint32_t lane_id, uint64_t tag, chr_status status, chr_log_slice slice,
                      chr_str message) noexcept {
  Lane& l = static_cast<LogStore*>(ctx)->lane(ShardId(lane_id));
  l.executor->Post([&l, tag, status, slice, owner = SliceOwner(slice.owner), text = Text(message)] {
    const auto found = l.reads.find(tag);
    if (found == l.reads.end()) {
      CHRONIK_LOG(kError) << "the log store answered read " << tag << ", which nobody waits for";
      return;
    }
    ReadCallback done = std::move(found->second);
    l.reads.erase(found);
    if (status < 0) {
      done(FromAbi(status, text));
    } else {
      done(CopyEntries(slice));
    }
  });
}

}  // namespace chronik::log
