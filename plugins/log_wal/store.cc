// SPDX-License-Identifier: Apache-2.0
// Life of the store and of its groups, and what is submitted. Reading is in reader.cc, the flusher in flusher.cc.
#include "plugins/log_wal/store.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <utility>

#include "plugins/log_wal/recovery.h"

namespace chronik_log_wal {

Counters HostView::DefineCounters() const {
  Counters c;
  c.host = host_;
  c.metrics = metrics_;
  if (metrics_ == nullptr) return c;
  const auto define = [&](int32_t kind, const char* name, const char* unit, const char* help, uint64_t* handle) {
    if (metrics_->define(host_, kind, name, unit, help, nullptr, handle) < 0) *handle = 0;
  };
  define(CHR_METRIC_COUNTER, "chronik_log_wal_syncs_total", "", "fdatasync calls on the journal", &c.syncs);
  define(CHR_METRIC_HISTOGRAM, "chronik_log_wal_sync_seconds", "seconds", "How long an fdatasync of the journal took",
         &c.sync_seconds);
  define(CHR_METRIC_COUNTER, "chronik_log_wal_journal_bytes_total", "bytes", "Bytes written to the journal",
         &c.written_bytes);
  define(CHR_METRIC_COUNTER, "chronik_log_wal_operations_total", "", "Operations completed", &c.appends);
  return c;
}

Store::Store(HostView host, std::unique_ptr<FileSystem> fs, Options options)
    : host_(host), fs_(std::move(fs)), options_(std::move(options)) {
  // File ids must not repeat over runs: a recycled file's stale frames carry the old one.
  std::random_device random;
  next_file_id_ = options_.file_id_seed != 0 ? options_.file_id_seed : (uint64_t{random()} << 32 | random()) | 1;
}

Store::~Store() { Stop(); }

std::string Store::group_directory(uint64_t id, uint64_t birth) const {
  char name[64];
  std::snprintf(name, sizeof name, "/%" PRIu64 "-%016" PRIx64, id, birth);
  return groups_directory() + name;
}

uint64_t Store::NextFileId() { return next_file_id_.fetch_add(0x9e3779b97f4a7c15u); }

Failure Store::Start(const chr_log_sink* sink) {
  sink_ = sink;
  counters_ = host_.DefineCounters();
  for (const std::string& directory : {options_.directory, journal_directory(), groups_directory()}) {
    if (const int error = fs_->MakeDirectory(directory))
      return {CHR_E_IO, directory + ": " + std::strerror(error), error};
  }
  if (const int error = fs_->Lock(options_.directory)) {
    return {CHR_E_BUSY,
            options_.directory +
                (error == EWOULDBLOCK ? " is in use by another process" : std::string(": ") + std::strerror(error)),
            error};
  }
  if (const int error = fs_->SyncDirectory(options_.directory)) return {CHR_E_IO, std::strerror(error), error};
  if (Failure recovered = Recovery(*this).Run(); !recovered.ok()) return recovered;
  if (!options_.sync_always) {
    host_.Log(CHR_LOG_WARN, "sync = \"interval\": a power cut may lose the acknowledged messages of the last interval");
  }
  // The states of all groups go to the journal before the flusher may drop old files, so every lane that has groups
  // starts first.
  std::set<uint32_t> used = {0};
  for (const auto& [id, group] : groups_) used.insert(std::min(group->state.lane, kLanesMax - 1));
  for (const uint32_t lane : used) {
    if (LaneOf(lane) == nullptr)
      return {CHR_E_IO, "the journal of lane " + std::to_string(lane) + " cannot be started", EIO};
  }
  flusher_ = std::thread([this] { RunFlusher(); });
  return {};
}

void Store::Stop() {
  {
    const std::scoped_lock lock(lanes_mutex_);
    for (auto& [id, lane] : lanes_) lane->Stop();
  }
  {
    const std::scoped_lock lock(flush_mutex_);
    stopping_ = true;
  }
  flush_wake_.notify_one();
  if (flusher_.joinable()) flusher_.join();
  std::unique_lock lock(background_mutex_);
  background_done_.wait(lock, [&] { return background_ == 0; });
  // The host's buffers go back with the end of stop, even those of groups that it left open.
  const std::scoped_lock groups_lock(groups_mutex_);
  for (const auto& [id, group] : groups_) {
    const std::scoped_lock group_lock(group->mutex);
    group->tail.clear();
    group->checkpoint.reset();
  }
}

bool Store::PostBlocking(std::function<void()> work) {
  {
    const std::scoped_lock lock(background_mutex_);
    ++background_;
  }
  const auto ended = [this] {
    const std::scoped_lock lock(background_mutex_);
    --background_;
    background_done_.notify_all();
  };
  const bool taken = host_.PostBlocking([run = std::move(work), ended]() mutable {
    run();
    run = nullptr;  // what it holds goes before the store may
    ended();
  });
  if (!taken) ended();
  return taken;
}

Lane* Store::LaneOf(uint32_t id) {
  if (id >= kLanesMax) return nullptr;
  if (Lane* known = lane_table_[id].load(std::memory_order_acquire)) return known;
  const std::scoped_lock lock(lanes_mutex_);
  auto& lane = lanes_[id];
  if (!lane) {
    lane = std::make_unique<Lane>(*this, id);
    if (lane->Start() != 0) {
      lanes_.erase(id);
      return nullptr;
    }
    lane_table_[id].store(lane.get(), std::memory_order_release);
  }
  return lane.get();
}

void Store::SetFatal(const std::string& why) {
  // The host hears of it before any call answers CHR_E_FATAL; a second failure waits until the first has closed the
  // store.
  std::call_once(fatal_once_, [&] {
    host_.Fatal(CHR_E_FATAL, why + "; the log store takes nothing more until a restart");
    const std::scoped_lock lock(flush_mutex_);
    fatal_.store(true, std::memory_order_release);
    retired_room_.notify_all();
    flush_wake_.notify_all();
  });
}

GroupPtr Store::Find(uint64_t id) {
  const std::scoped_lock lock(groups_mutex_);
  const auto found = groups_.find(id);
  return found == groups_.end() ? nullptr : found->second;
}

GroupPtr Store::FindOrAdd(uint64_t id) {
  const std::scoped_lock lock(groups_mutex_);
  GroupPtr& group = groups_[id];
  if (!group) {
    GroupState state;
    state.birth = NextNumber();
    state.incarnation = state.birth;
    state.residence = state.birth;
    group = std::make_shared<Group>(id, state, group_directory(id, state.birth));
  }
  return group;
}

std::map<uint64_t, GroupState> Store::StatesOfLane(uint32_t lane) {
  std::map<uint64_t, GroupState> out;
  const std::scoped_lock lock(groups_mutex_);
  for (const auto& [id, group] : groups_) {
    // Lane and state under one lock: a group that moves away in between must not be vouched for by both lanes.
    const std::scoped_lock group_lock(group->mutex);
    if (group->exists && group->state.lane == lane) out.emplace(id, group->state);
  }
  return out;
}

void Store::ListGroups(std::vector<uint64_t>* ids) {
  const std::scoped_lock lock(groups_mutex_);
  for (const auto& [id, group] : groups_) {
    const std::scoped_lock group_lock(group->mutex);
    if (group->exists) ids->push_back(id);
  }
  std::sort(ids->begin(), ids->end());
}

Failure Store::OpenGroup(uint64_t id, uint32_t lane_id, bool create, chr_log_group** out, chr_log_bounds* bounds) {
  if (fatal()) return {CHR_E_FATAL, "an earlier write failed for good", 0};
  if (id == 0 || lane_id >= kLanesMax)
    return {CHR_E_INVALID, "group ids start at 1, lanes end at " + std::to_string(kLanesMax - 1), 0};
  GroupPtr group = create ? FindOrAdd(id) : Find(id);
  if (!group) return {CHR_E_NOT_FOUND, "there is no group " + std::to_string(id), 0};
  Lane* const lane = LaneOf(lane_id);
  if (lane == nullptr) return {CHR_E_IO, "the journal of lane " + std::to_string(lane_id) + " cannot be started", 0};
  bool moves = false;
  {
    const std::scoped_lock lock(group->mutex);
    if (group->destroying) return {CHR_E_BUSY, "group " + std::to_string(id) + " is being destroyed", 0};
    if (group->open) return {CHR_E_EXISTS, "group " + std::to_string(id) + " is open", 0};
    group->open = true;
    moves = group->exists && group->state.lane != lane_id;
    if (!group->exists) group->state.lane = lane_id;
    group->failed.store(false);
  }
  // One of an earlier move that failed here comes first: each lane it was on has to hear that the group left.
  Failure moved = RecordLeave(group);
  if (moved.ok() && moves) moved = MoveGroup(group, *lane, lane_id);
  if (moved.ok()) moved = RecordLeave(group);
  const std::scoped_lock lock(group->mutex);
  if (!moved.ok()) {
    group->open = false;
    return moved;
  }
  group->ResetSubmitted();
  group->FillBounds(bounds);
  auto handle = std::make_unique<chr_log_group>(chr_log_group{group, lane_id});
  *out = handle.get();
  const std::scoped_lock handles_lock(handles_mutex_);
  handles_.emplace(*out, std::move(handle));
  return {};
}

chr_status Store::CommitAndWait(Lane& lane, const GroupPtr& group, Record record) {
  struct Wait {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<chr_status> status;
  } wait;
  Lane::Operation operation;
  operation.group = group;
  operation.record = std::move(record);
  operation.done = {[](void* ctx, uint64_t, chr_status status, chr_str) noexcept {
                      auto* w = static_cast<Wait*>(ctx);
                      const std::scoped_lock lock(w->mutex);
                      w->status = status;
                      w->arrived.notify_one();
                    },
                    &wait, 0};
  group->in_flight.fetch_add(1);
  lane.EnqueueOwn(std::move(operation));
  std::unique_lock lock(wait.mutex);
  wait.arrived.wait(lock, [&] { return wait.status.has_value(); });
  return *wait.status;
}

// Journal files of different lanes are dropped in any order. So nothing that the old lane's journal says of the group
// may be needed from here on, and nothing it still says may be believed: first everything goes to segments, then the
// new lane says so, then the old one that it is out of it.
Failure Store::MoveGroup(const GroupPtr& group, Lane& to, uint32_t lane_id) {
  const std::string what = "group " + std::to_string(group->id) + " cannot move to lane " + std::to_string(lane_id);
  if (const int error = FlushGroup(group, true)) {
    (void)FlushFailed(error, group->directory);
    return {error == ENOSPC || error == EDQUOT ? CHR_E_NO_SPACE : CHR_E_IO, what + ": " + std::strerror(error), error};
  }
  Record arrive;
  arrive.type = RecordType::kState;
  arrive.group = group->id;
  Group::Leave leave{};
  {
    const std::scoped_lock lock(group->mutex);
    leave = {group->state.lane, group->state.residence};
    arrive.state = group->state;
    arrive.state.lane = lane_id;
    arrive.state.residence = NextNumber();
  }
  // The group's own lane changes when the record is applied, no sooner: until then the old lane vouches for the group.
  if (const chr_status status = CommitAndWait(to, group, std::move(arrive)); status < 0) return {status, what, 0};
  const std::scoped_lock lock(group->mutex);
  group->unrecorded_leave = leave;
  return {};
}

Failure Store::RecordLeave(const GroupPtr& group) {
  std::optional<Group::Leave> leave;
  {
    const std::scoped_lock lock(group->mutex);
    leave = group->unrecorded_leave;
  }
  if (!leave) return {};
  const std::string what =
      "lane " + std::to_string(leave->lane) + " cannot record that group " + std::to_string(group->id) + " left";
  Lane* const lane = LaneOf(leave->lane);
  if (lane == nullptr) return {CHR_E_IO, what, 0};
  Record record;
  record.type = RecordType::kLeave;
  record.group = group->id;
  record.residence = leave->residence;
  if (const chr_status status = CommitAndWait(*lane, group, std::move(record)); status < 0) {
    group->failed.store(false);
    return {status, what, 0};
  }
  const std::scoped_lock lock(group->mutex);
  group->unrecorded_leave.reset();
  return {};
}

void Store::CloseGroup(chr_log_group* handle) {
  {
    const std::scoped_lock lock(handle->group->mutex);
    handle->group->open = false;
  }
  const std::scoped_lock handles_lock(handles_mutex_);
  handles_.erase(handle);
}

Failure Store::DestroyGroup(uint64_t id, chr_done done) {
  if (fatal()) return {CHR_E_FATAL, "an earlier write failed for good", 0};
  const GroupPtr group = Find(id);
  if (!group) return {};
  uint32_t lane_id = 0;
  {
    const std::scoped_lock lock(group->mutex);
    if (group->open) return {CHR_E_INVALID, "group " + std::to_string(id) + " is open", 0};
    if (group->destroying) return {CHR_E_BUSY, "group " + std::to_string(id) + " is being destroyed", 0};
    group->destroying = true;
    lane_id = group->state.lane;
  }
  group->failed.store(false);
  Lane* const lane = LaneOf(lane_id);
  Failure ready;
  if (lane == nullptr) ready = {CHR_E_IO, "the journal cannot be started", 0};
  // Its old lane would bring the group back if the file with the record below were dropped first.
  if (ready.ok()) ready = RecordLeave(group);
  if (!ready.ok()) {
    const std::scoped_lock lock(group->mutex);
    group->destroying = false;
    return ready;
  }
  Lane::Operation operation;
  operation.group = group;
  operation.record.type = RecordType::kDestroy;
  operation.record.group = id;
  operation.record.birth = group->state.birth;  // never changes
  operation.done = done;
  group->in_flight.fetch_add(1);
  lane->EnqueueOwn(std::move(operation));
  return {CHR_PENDING, {}, 0};
}

// The record is durable. The flusher deletes the files, as it may be writing some.
void Store::Destroyed(const GroupPtr& group) {
  {
    const std::scoped_lock lock(groups_mutex_);
    groups_.erase(group->id);
  }
  int64_t tail_bytes = 0;
  {
    const std::scoped_lock lock(group->mutex);
    group->destroyed = true;
    tail_bytes = group->DropTail();
  }
  AddTailBytes(-tail_bytes);
  const std::scoped_lock lock(flush_mutex_);
  doomed_.push_back(group->directory);
  flush_wake_.notify_one();
}

namespace {

// Whether `op` can follow what was submitted before; moves `s` on.
bool Admit(const chr_log_op& op, Group::Submitted& s) {
  switch (op.opcode) {
    case CHR_LOG_APPEND: {
      Group::Submitted next = s;
      uint64_t total = 0;
      for (uint64_t i = 0; i < op.entry_count; ++i) {
        const chr_log_entry& e = op.entries[i];
        uint64_t size = 0;
        for (uint32_t b = 0; b < e.buf_count; ++b) size += e.bufs[b].size;
        const bool replaces = i == 0 && e.index <= next.last_index && e.index >= next.first_index;
        const bool follows =
            e.index == next.last_index + 1 && e.term >= next.last_term && e.base_offset == next.next_offset;
        total += size;
        if (size > kEntryBytesMax || total > kOperationBytesMax || e.index > kCountMax || e.base_offset < 0 ||
            static_cast<uint64_t>(e.base_offset) > kCountMax || !(replaces || follows))
          return false;
        next.last_index = e.index;
        next.last_term = e.term;
        next.next_offset = e.base_offset + e.offset_count;
      }
      s = next;
      return op.entry_count > 0 || op.hard_state != nullptr;
    }
    case CHR_LOG_TRUNCATE_PREFIX:
      if (op.index > s.last_index + 1) return false;
      s.first_index = std::max(s.first_index, op.index);
      return true;
    case CHR_LOG_RESET:
      if (op.index == 0 || op.index > kCountMax || op.offset < 0 || static_cast<uint64_t>(op.offset) > kCountMax)
        return false;
      s = {op.index, op.index - 1, op.term, op.offset, s.exists};
      return true;
    case CHR_LOG_CHECKPOINT: return op.blob.size <= kCheckpointBytesMax;
    default: return false;
  }
}

Buffer Joined(const chr_log_entry& e) {
  if (e.buf_count == 1) return Buffer(e.bufs[0]);
  size_t size = 0;
  for (uint32_t i = 0; i < e.buf_count; ++i) size += e.bufs[i].size;
  if (size == 0) return {};
  Buffer out = Buffer::Allocate(size);
  size_t at = 0;
  for (uint32_t i = 0; i < e.buf_count; ++i) {
    if (e.bufs[i].size > 0) std::memcpy(out.writable() + at, e.bufs[i].data, e.bufs[i].size);
    at += e.bufs[i].size;
  }
  return out;
}

Record MakeRecord(const chr_log_op& op, const Group& group, uint64_t incarnation) {
  Record r;
  r.group = group.id;
  if (op.hard_state != nullptr) r.hard_state = *op.hard_state;
  switch (op.opcode) {
    case CHR_LOG_APPEND:
      r.entries.reserve(op.entry_count);
      for (uint64_t i = 0; i < op.entry_count; ++i) {
        const chr_log_entry& e = op.entries[i];
        Buffer payload = Joined(e);
        const uint32_t crc = Crc32c(payload.data(), payload.size());
        r.entries.push_back({{e.index, e.term, e.base_offset, e.max_timestamp, e.offset_count, e.kind,
                              static_cast<uint32_t>(payload.size()), crc},
                             std::move(payload)});
      }
      break;
    case CHR_LOG_TRUNCATE_PREFIX:
      r.type = RecordType::kTruncatePrefix;
      r.index = op.index;
      break;
    case CHR_LOG_RESET:
      r.type = RecordType::kReset;
      r.state.incarnation = incarnation;
      r.state.first_index = op.index;
      r.state.prev_term = op.term;
      r.state.first_offset = op.offset;
      break;
    case CHR_LOG_CHECKPOINT:
      r.type = RecordType::kCheckpoint;
      r.blob = op.blob.size > 0 ? Buffer(op.blob) : Buffer();
      break;
    default: break;
  }
  return r;
}

}  // namespace

chr_status Store::Submit(uint32_t lane_id, const chr_log_op* ops, size_t count, size_t* accepted) {
  *accepted = 0;
  Lane* const lane = LaneOf(lane_id);
  if (lane == nullptr) return CHR_E_INVALID;
  if (fatal()) return CHR_E_FATAL;
  for (; *accepted < count; ++*accepted) {
    const chr_log_op& op = ops[*accepted];
    Lane::Operation operation;
    operation.tag = op.tag;
    if (op.opcode == CHR_LOG_BARRIER) {
      operation.has_record = false;
      if (const chr_status status = lane->Enqueue(std::move(operation)); status < 0) return status;
      continue;
    }
    if (op.group == nullptr || op.group->lane != lane_id) return CHR_E_INVALID;
    Group& group = *op.group->group;
    if (group.failed.load() && group.in_flight.load() == 0) {
      group.failed.store(false);
      const std::scoped_lock lock(group.mutex);
      group.ResetSubmitted();
    }
    const Group::Submitted before = group.submitted;
    if (!Admit(op, group.submitted)) {
      group.submitted = before;
      return CHR_E_INVALID;
    }
    operation.group = op.group->group;
    operation.record = MakeRecord(op, group, op.opcode == CHR_LOG_RESET ? NextNumber() : 0);
    if (!group.submitted.exists) {
      GroupState& state = operation.record.state;
      const GroupState reset = state;
      const std::scoped_lock lock(group.mutex);
      operation.record.creates = true;
      state = group.state;
      if (op.opcode == CHR_LOG_RESET) {
        state.incarnation = reset.incarnation;
        state.first_index = reset.first_index;
        state.prev_term = reset.prev_term;
        state.first_offset = reset.first_offset;
      }
      group.submitted.exists = true;
    }
    for (const Entry& entry : operation.record.entries) operation.bytes += entry.meta.size + kEntryHeaderBytes;
    operation.bytes += operation.record.blob.size() + kFrameHeaderBytes;
    group.in_flight.fetch_add(1);
    if (const chr_status status = lane->Enqueue(std::move(operation)); status < 0) {
      group.in_flight.fetch_sub(1);
      group.submitted = before;
      return status;
    }
  }
  return CHR_PENDING;
}

Failure Store::Checkpoint(chr_log_group* handle, chr_buf* out) {
  if (fatal()) return {CHR_E_FATAL, "an earlier write failed for good", 0};
  Group& group = *handle->group;
  {
    const std::scoped_lock lock(group.mutex);
    if (group.checkpoint) {
      *out = Buffer(*group.checkpoint).Release();
      return {};
    }
    if (!group.has_checkpoint_file) return {CHR_E_NOT_FOUND, "no checkpoint", 0};
  }
  const std::string path = group.directory + "/checkpoint";
  FilePtr file;
  uint64_t size = 0;
  int error = fs_->Open(path, false, &file);
  if (error == 0) error = file->Size(&size);
  if (error != 0) return {CHR_E_IO, path + ": " + std::strerror(error), error};
  Buffer content = Buffer::Allocate(size);
  if (size < 8 || file->ReadAt(0, content.writable(), size) != 0) return {CHR_E_CORRUPT, path + " is cut short", 0};
  uint32_t version = 0;
  uint32_t crc = 0;
  std::memcpy(&version, content.data(), 4);
  std::memcpy(&crc, content.data() + 4, 4);
  if (version > kFormatVersion) return {CHR_E_UNSUPPORTED, path + " was written by a newer build", 0};
  if (Crc32c(content.data() + 8, size - 8) != crc) return {CHR_E_CORRUPT, path + " fails its checksum", 0};
  *out = content.Slice(8, size - 8).Release();
  return {};
}

void Store::NoteSync(uint64_t ns) {
  syncs_.fetch_add(1);
  sync_ns_total_.fetch_add(ns);
  for (uint64_t max = sync_ns_max_.load(); ns > max && !sync_ns_max_.compare_exchange_weak(max, ns);) {
  }
  counters_.Add(counters_.syncs, 1);
  counters_.Observe(counters_.sync_seconds, static_cast<double>(ns) / 1e9);
}

void Store::NoteCompleted(uint64_t operations) {
  completed_.fetch_add(operations);
  counters_.Add(counters_.appends, static_cast<double>(operations));
}

void Store::Stats(chr_log_stats* out) {
  chr_log_stats full{};
  full.struct_size = out->struct_size;
  {
    const std::scoped_lock lock(groups_mutex_);
    full.groups = groups_.size();
    for (const auto& [id, group] : groups_) {
      const std::scoped_lock group_lock(group->mutex);
      full.bytes_used += group->bytes();
    }
  }
  (void)fs_->FreeBytes(options_.directory, &full.bytes_free);
  full.appends = completed_.load();
  full.syncs = syncs_.load();
  full.sync_ns_total = sync_ns_total_.load();
  full.sync_ns_max = sync_ns_max_.load();
  {
    const std::scoped_lock lock(lanes_mutex_);
    for (const auto& [id, lane] : lanes_) full.inflight_bytes += lane->inflight_bytes();
  }
  std::memcpy(out, &full, std::min<size_t>(out->struct_size, sizeof full));
}

}  // namespace chronik_log_wal
