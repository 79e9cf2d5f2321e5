// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/store_workload.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace chronik::sim {
namespace {

constexpr uint64_t kGroups = 5;
constexpr uint32_t kLanes = 2;

bool Same(const log::Entry& a, const log::Entry& b) {
  return a.meta == b.meta && a.max_timestamp == b.max_timestamp && a.body == b.body;
}

// Small files, so that little data goes through every stage of the store.
PluginOptions SmallFiles() {
  return {{{"journal_file_size", 64 << 10}, {"segment_size", 16 << 10}, {"tail_memory", 24 << 10}}, {}};
}

}  // namespace

void LogModel::Append(const log::Append& append) {
  if (append.hard_state) hard_state = *append.hard_state;
  if (append.entries.empty()) return;
  const Offset offset = append.entries.front().meta.base_offset;
  entries.resize((append.entries.front().meta.index - first_index()));
  if (entries.empty()) empty_offset = offset;
  entries.insert(entries.end(), append.entries.begin(), append.entries.end());
}

void LogModel::TruncatePrefix(LogIndex first) {
  while (first_index() < first) {
    empty_offset = entries.front().meta.next_offset();
    previous = entries.front().meta.id();
    entries.erase(entries.begin());
  }
}

std::string LogModel::Describe() const {
  return "[" + std::to_string(first_index().value) + ", " + std::to_string(last_index().value) + "] after term " +
         std::to_string(previous.term.value) + ", last term " + std::to_string(last_term().value) + ", next offset " +
         std::to_string(next_offset().value) + ", vote " + std::to_string(hard_state.vote.value) + " in term " +
         std::to_string(hard_state.term.value) + ", checkpoint of " + std::to_string(checkpoint.size());
}

std::string LogModel::Difference(const LogModel& other) const {
  if (previous != other.previous) return "previous";
  if (entries.size() != other.entries.size()) return "last index";
  if (next_offset() != other.next_offset()) return "next offset";
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!Same(entries[i], other.entries[i])) return "entry " + std::to_string(entries[i].meta.index.value);
  }
  if (!(hard_state == other.hard_state)) return "hard state";
  return checkpoint == other.checkpoint ? "" : "checkpoint";
}

struct StoreWorkload::Node {
  Node(Scheduler& scheduler, SimDisk& disk)
      : process(scheduler, "node"),
        shards{{process, "shard0"}, {process, "shard1"}},
        log({&shards[0], &shards[1]}),
        store(process, disk, SmallFiles()) {}

  Process process;
  SimExecutor shards[kLanes];
  log::LogStore log;
  SimStore store;
  struct Open {
    ShardId lane;
    log::GroupHandle handle = nullptr;
  };
  std::map<uint64_t, Open> groups;
  bool failed = false;  // an operation failed: nothing more is submitted
};

StoreWorkload::StoreWorkload(uint64_t seed) : scheduler_(seed), disk_(scheduler_, 1), outside_(scheduler_, "outside") {
  for (uint64_t id = 1; id <= kGroups; ++id) histories_[id].states.push_back(LogModel{});
  disk_.settings().torn_percent = 30;
  disk_.settings().stall_one_in = 500;
  disk_.settings().stall_max = std::chrono::milliseconds(100);
}

StoreWorkload::~StoreWorkload() = default;

bool StoreWorkload::Round(Duration duration, End end) {
  ++rounds_;
  Node node(scheduler_, disk_);
  scheduler_.RunBlocking(node.process, "start", [&] {
    if (const Status attached = node.log.Attach(node.store.table(), node.store.self()); !attached.ok())
      return Fail(attached.error().message);
    if (const Status started = node.store.Start(node.log.sink()); !started.ok())
      return Refused(started.error().message);
    Verify(node);
  });
  const Instant until = scheduler_.Now() + duration;
  for (uint32_t lane = 0; lane < kLanes && trouble_.empty(); ++lane) {
    node.shards[lane].Post([&, lane] { Work(node, ShardId(lane), until); });
  }
  scheduler_.RunUntil(until);
  if (end == End::kPowerFails) disk_.Crash();
  if (end == End::kProcessDies) disk_.Disconnect();
  if (end != End::kOrderly) node.process.Kill();
  scheduler_.RunBlocking(outside_, "stop", [&] { node.store.Stop(); });
  if (end == End::kOrderly) scheduler_.RunFor(std::chrono::seconds(1));
  while (node.shards[0].busy() || node.shards[1].busy()) (void)scheduler_.RunOne();
  return trouble_.empty();
}

void StoreWorkload::Refused(const std::string& why) {
  if (!damaged_) return Fail(why);
  ++refused_;
}

void StoreWorkload::Verify(Node& node) {
  for (auto& [id, history] : histories_) {
    LogModel found;
    const ShardId lane(static_cast<uint32_t>(scheduler_.random().Below(kLanes)));
    if (!Find(node, id, lane, &found)) {
      if (!trouble_.empty()) return;
      node.groups.erase(id);
      continue;
    }
    std::string differences;
    bool fits = false;
    for (size_t i = damaged_ ? 0 : history.completed; i < history.states.size() && !fits; ++i) {
      const std::string difference = found.Difference(history.states[i]);
      fits = difference.empty();
      differences += "\n  " + std::to_string(i) + ": " + difference + " of " + history.states[i].Describe();
    }
    if (!fits) {
      return Fail("group " + std::to_string(id) + " after " + std::to_string(rounds_ - 1) + " rounds is " +
                  found.Describe() + "; these would do:" + differences);
    }
    ++checked_;
    history.states = {found};
    history.completed = 0;
    if (scheduler_.random().OneIn(20) && !Destroy(node, id)) return;
  }
}

// And begins it anew.
bool StoreWorkload::Destroy(Node& node, uint64_t id) {
  const auto [lane, handle] = node.groups.at(id);
  node.log.CloseGroup(handle);
  if (const Status destroyed = node.log.DestroyGroup(GroupId(id)); !destroyed.ok()) {
    Fail("group " + std::to_string(id) + " cannot be destroyed: " + destroyed.error().message);
    return false;
  }
  histories_[id].states = {LogModel{}};
  LogModel found;
  if (!Find(node, id, lane, &found)) return false;
  if (!found.Difference(LogModel{}).empty()) Fail("group " + std::to_string(id) + " outlives its destruction");
  ++destroyed_;
  return trouble_.empty();
}

bool StoreWorkload::Find(Node& node, uint64_t id, ShardId lane, LogModel* found) {
  Result<log::OpenedGroup> opened = node.log.OpenGroup(GroupId(id), lane, true);
  if (!opened.ok()) {
    Refused("group " + std::to_string(id) + " cannot be opened: " + opened.error().message);
    return false;
  }
  node.groups[id] = {lane, opened->handle};
  const log::Bounds& bounds = opened->bounds;
  found->previous = bounds.previous;
  found->empty_offset = bounds.first_offset;
  found->hard_state = bounds.hard_state;
  found->checkpoint = opened->checkpoint;
  if (!ReadAll(node, id, lane, found)) return false;
  if (found->last_index() != bounds.last_index || found->next_offset() != bounds.next_offset ||
      found->last_term() != bounds.last_term) {
    Fail("group " + std::to_string(id) + " reads as " + found->Describe() + ", not as its bounds say");
    return false;
  }
  return true;
}

// Reads wait for the shard's thread; this one waits for them.
bool StoreWorkload::ReadAll(Node& node, uint64_t id, ShardId lane, LogModel* found) {
  Mutex mutex;
  Condition arrived;
  const log::GroupHandle handle = node.groups.at(id).handle;
  for (;;) {
    std::optional<Result<std::vector<log::Entry>>> answer;
    log::ReadRequest request;
    request.key = static_cast<int64_t>((found->last_index() + 1).value);
    request.end_index = LogIndex(UINT64_MAX >> 1);
    request.max_bytes = 8 << 10;
    node.shards[lane.value].Post([&] {
      node.log.Read(lane, handle, request, [&](Result<std::vector<log::Entry>> result) {
        const std::scoped_lock lock(mutex);
        answer = std::move(result);
        arrived.notify_one();
      });
    });
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return answer.has_value(); });
    if (!answer->ok()) {
      Refused("group " + std::to_string(id) + " cannot be read: " + answer->error().message);
      return false;
    }
    if (answer->value().empty()) return true;
    for (const log::Entry& entry : answer->value()) found->entries.push_back(entry);
  }
}

void StoreWorkload::Work(Node& node, ShardId lane, Instant until) {
  if (node.failed || !trouble_.empty() || scheduler_.Now() >= until) return;
  Random& random = scheduler_.random();
  std::vector<uint64_t> mine;
  for (const auto& [id, group] : node.groups) {
    if (group.lane == lane) mine.push_back(id);
  }
  for (uint64_t i = random.Below(4); i > 0 && !mine.empty(); --i) Step(node, mine[random.Below(mine.size())]);
  const Duration pause = random.LogNormal(std::chrono::milliseconds(2));
  node.shards[lane.value].Schedule(pause, [this, &node, lane, until] { Work(node, lane, until); });
}

log::Append StoreWorkload::RandomAppend(const LogModel& state, bool replace) {
  Random& random = scheduler_.random();
  log::Append append;
  LogModel base = state;
  if (replace && !base.entries.empty()) base.entries.resize(random.Below(base.entries.size()));
  const Term term = state.last_term() + (replace || random.OneIn(30) || state.last_term() == Term(0) ? 1 : 0);
  Offset offset =
      base.entries.empty() && !state.entries.empty() ? state.entries.front().meta.base_offset : base.next_offset();
  LogIndex index = base.last_index() + 1;
  for (uint64_t i = random.Between(1, 4); i > 0; --i) {
    const uint64_t size = random.Percent(70) ? random.Below(200) : random.Below(4000);
    std::string body(size, static_cast<char>('a' + random.Below(26)));
    for (size_t at = 0; at + 8 < size; at += 61) body[at] = static_cast<char>(random.Below(256));
    const bool data = random.Percent(80);
    const auto count = static_cast<uint32_t>(data ? random.Between(1, 9) : 0);
    append.entries.push_back(log::Entry{{index, term, offset, count, static_cast<uint32_t>(size),
                                         data ? raft::EntryKind::kData : raft::EntryKind::kNoop},
                                        data ? static_cast<int64_t>(random.Below(1000)) : -1,
                                        Bytes::Copy(body)});
    index = index + 1;
    offset = offset + count;
  }
  if (random.OneIn(3)) {
    append.hard_state =
        raft::HardState{state.hard_state.term + random.Below(2), ReplicaId(random.Below(4)), state.last_index()};
    if (random.OneIn(4)) append.entries.clear();
  }
  return append;
}

void StoreWorkload::Push(uint64_t id, LogModel state) { histories_[id].states.push_back(std::move(state)); }

log::DoneCallback StoreWorkload::Done(Node& node, uint64_t id) {
  const size_t operation = histories_[id].states.size() - 1;
  return [this, &node, id, operation](Status status) {
    scheduler_.Note("done", {id, operation, status.ok() ? 1u : 0u});
    if (!status.ok()) {
      ++failed_;
      node.failed = true;
      return;
    }
    ++completed_;
    size_t& completed = histories_[id].completed;
    if (completed >= operation) Fail("group " + std::to_string(id) + ": a completion came out of order");
    completed = operation;
  };
}

void StoreWorkload::Step(Node& node, uint64_t id) {
  Random& random = scheduler_.random();
  const auto [lane, handle] = node.groups.at(id);
  LogModel state = histories_[id].states.back();
  const uint64_t dice = random.Below(100);
  if (dice < 75) {
    log::Append append = RandomAppend(state, dice >= 60);
    state.Append(append);
    Push(id, std::move(state));
    return node.log.Submit(lane, handle, std::move(append), Done(node, id));
  }
  if (dice < 82) {
    const LogIndex first = state.first_index() + random.Below(state.entries.size() + 1);
    state.TruncatePrefix(first);
    Push(id, std::move(state));
    return node.log.TruncatePrefix(lane, handle, first, Done(node, id));
  }
  if (dice < 87) {
    const Bytes blob = Bytes::Copy(std::string(random.Between(1, 3000), static_cast<char>(random.Below(256))));
    state.checkpoint = blob;
    Push(id, std::move(state));
    return node.log.Checkpoint(lane, handle, blob, Done(node, id));
  }
  if (dice < 90) return Reset(node, id, std::move(state));
  Read(node, id);
}

// Two operations of the store; only the second one's completion is heard of.
void StoreWorkload::Reset(Node& node, uint64_t id, LogModel state) {
  Random& random = scheduler_.random();
  const auto [lane, handle] = node.groups.at(id);
  state.previous = {state.last_index() + random.Below(20), state.last_term() + random.Between(1, 2)};
  state.empty_offset = state.next_offset() + random.Below(100);
  state.entries.clear();
  Push(id, state);
  state.hard_state = {state.previous.term, ReplicaId(random.Below(4)), state.previous.index};
  const LogModel last = state;
  Push(id, std::move(state));
  node.log.Reset(lane, handle, last.previous, last.empty_offset, last.hard_state, Done(node, id));
}

bool StoreWorkload::Fits(const LogModel& state, const std::vector<log::Entry>& entries) const {
  return std::all_of(entries.begin(), entries.end(), [&](const log::Entry& entry) {
    const LogIndex index = entry.meta.index;
    return index >= state.first_index() && index <= state.last_index() &&
           Same(entry, state.entries[index - state.first_index()]);
  });
}

// What is read must be what stood there at some moment between the call and the answer.
void StoreWorkload::Read(Node& node, uint64_t id) {
  const History& history = histories_[id];
  const LogModel& state = history.states[history.completed];
  if (state.entries.empty()) return;
  const auto [lane, handle] = node.groups.at(id);
  const LogIndex from = state.first_index() + scheduler_.random().Below(state.entries.size());
  log::ReadRequest request;
  request.key = static_cast<int64_t>(from.value);
  request.end_index = LogIndex(UINT64_MAX >> 1);
  request.max_bytes = scheduler_.random().Below(16 << 10);
  const size_t oldest = history.completed;
  node.log.Read(lane, handle, request, [this, &node, id, from, oldest](Result<std::vector<log::Entry>> result) {
    if (node.store.host().fatal_reports() > 0) return;  // it answers nothing more
    const std::deque<LogModel>& states = histories_[id].states;
    const auto matches = [&](const LogModel& at) {
      if (result.ok() && !result->empty()) return result->front().meta.index == from && Fits(at, *result);
      return from < at.first_index() || from > at.last_index();
    };
    if (!result.ok() && result.error().code != ErrorCode::kOffsetOutOfRange)
      return Refused("group " + std::to_string(id) + ": a read failed: " + result.error().message);
    if (std::none_of(states.begin() + static_cast<std::ptrdiff_t>(oldest), states.end(), matches)) {
      std::string text = "group " + std::to_string(id) + ": reading from " + std::to_string(from.value) + " gave ";
      text += !result.ok() ? result.error().message : std::to_string(result->size()) + " entries";
      for (size_t i = oldest; i < states.size(); ++i) text += "\n  " + states[i].Describe();
      Fail(text + "\nwhich none of these states has");
    }
    ++reads_;
  });
}

}  // namespace chronik::sim
