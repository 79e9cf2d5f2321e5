// SPDX-License-Identifier: Apache-2.0
// A log store in memory. Submit checks and copies an operation; a task of the host applies it to what readers see and
// reports it, because a completion never comes from inside a call of the host.
#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <optional>

#include <chronik/sdk/log_outline.h>
#include <chronik/sdk/log_store.h>

namespace {

namespace sdk = chronik::sdk;

class MyStore {
 public:
  struct Group {
    std::optional<uint32_t> lane;  // empty: closed
    sdk::LogOutline submitted;     // what new operations are checked against
    sdk::LogOutline completed;     // what readers see
    std::deque<sdk::Buffer> payloads;
    std::optional<sdk::Buffer> checkpoint;
    chr_hard_state state{};
  };

  // Create: options are read, nothing runs yet.
  explicit MyStore(sdk::Host& host) : host_(host), max_inflight_(uint64_t(host.GetInt("max_inflight_bytes"))) {}
  void Start(sdk::LogSink sink) { sink_ = sink; }
  chr_status Stop(uint64_t, sdk::Done& done) {
    const std::scoped_lock lock(mutex_);
    if (busy_lanes_ == 0) return CHR_OK;
    stopped_ = std::move(done);  // the last task completes it
    return CHR_PENDING;
  }

  chr_log_caps Caps() const {
    chr_log_caps caps{};  // without CHR_LOG_CAP_DURABLE: nothing here survives the process
    caps.max_entry_bytes = caps.max_checkpoint_bytes = kMaxPayload;
    caps.max_inflight_bytes = max_inflight_;
    caps.max_groups = UINT32_MAX;
    caps.max_lanes = kLanes;
    return caps;
  }
  std::vector<uint64_t> ListGroups() const {
    std::vector<uint64_t> ids;
    for (const auto& [id, group] : groups_) ids.push_back(id);
    return ids;
  }
  Group& OpenGroup(uint64_t id, uint32_t lane, bool create) {
    const std::scoped_lock lock(mutex_);
    if (id == 0 || lane >= kLanes) throw sdk::Error(CHR_E_INVALID, "open_group: no such id or lane");
    if (!create && !groups_.contains(id)) throw sdk::Error(CHR_E_NOT_FOUND, "open_group: no such group");
    Group& group = groups_[id];
    if (group.lane) throw sdk::Error(CHR_E_EXISTS, "open_group: the group is open already");
    group.lane = lane;
    return group;
  }
  void CloseGroup(Group& group) { group.lane.reset(); }
  chr_status DestroyGroup(uint64_t id, sdk::Done&) {
    const std::scoped_lock lock(mutex_);
    groups_.erase(id);
    return CHR_OK;
  }

  chr_status Submit(uint32_t lane, std::span<const chr_log_op> ops, size_t& accepted) {
    const std::scoped_lock lock(mutex_);
    for (const chr_log_op& op : ops) {
      auto* group = sdk::GroupOf<Group>(op);
      const bool barrier = op.opcode == CHR_LOG_BARRIER;
      if (lane >= kLanes || barrier != (group == nullptr) || (group != nullptr && group->lane != lane))
        return CHR_E_INVALID;
      if (group != nullptr && (!Fits(op) || group->submitted.Check(op) != nullptr)) return CHR_E_INVALID;
      if (lanes_[lane].bytes > 0 && lanes_[lane].bytes + kOpBytes + sdk::PayloadBytes(op) > max_inflight_) {
        lanes_[lane].wants_writable = true;
        return CHR_E_BUSY;
      }
      Enqueue(lane, op);
      if (group != nullptr) group->submitted.Apply(op);
      ++accepted;
    }
    return CHR_PENDING;
  }

  chr_status Bounds(Group& group, chr_log_bounds& out) {
    const std::scoped_lock lock(mutex_);
    group.completed.FillBounds(out);
    out.hard_state = group.state;
    for (const sdk::Buffer& payload : group.payloads) out.bytes += payload.size();
    return CHR_OK;
  }
  size_t Terms(Group& group, std::span<chr_log_term> out) {
    const std::scoped_lock lock(mutex_);
    const auto& terms = group.completed.terms();
    std::copy_n(terms.begin(), std::min(terms.size(), out.size()), out.begin());
    return terms.size();
  }
  chr_status Read(Group& group, const chr_log_read& what, chr_log_slice& out) {
    const std::scoped_lock lock(mutex_);
    const sdk::LogOutline& log = group.completed;
    if (what.by > CHR_LOG_BY_MAX_TIMESTAMP || what.end_index > log.end_index()) return CHR_E_INVALID;
    const std::optional<uint64_t> found = log.Find(what);
    if (!found) return CHR_E_RANGE;
    sdk::SliceBuilder slice;
    for (uint64_t index = *found; index < what.end_index; ++index) {
      const sdk::Buffer& payload = group.payloads[index - log.first_index()];
      const bool full = slice.bytes() + payload.size() > what.max_bytes ||
                        (what.max_entries != 0 && slice.count() >= what.max_entries);
      if (full && slice.count() > 0) break;
      slice.Add(log.At(index), payload);
    }
    out = slice.Finish();
    return CHR_OK;
  }
  sdk::Buffer Checkpoint(Group& group) {
    const std::scoped_lock lock(mutex_);
    if (!group.checkpoint) throw sdk::Error(CHR_E_NOT_FOUND, "there is no checkpoint");
    return *group.checkpoint;
  }
  chr_log_stats Stats() {
    const std::scoped_lock lock(mutex_);
    chr_log_stats stats{};
    stats.groups = groups_.size();
    stats.appends = appends_;
    for (const Lane& lane : lanes_) stats.inflight_bytes += lane.bytes;
    return stats;
  }

 private:
  static constexpr uint32_t kLanes = 64;
  static constexpr uint64_t kMaxPayload = 64 << 20;
  static constexpr uint64_t kOpBytes = 256;  // what an operation costs besides its payload
  // An operation whose entries and bytes are our own; what chr_log_op points to is gone after Submit.
  struct Op {
    chr_log_op op;
    std::vector<chr_log_entry> entries;
    std::vector<sdk::Buffer> payloads;  // of the entries; or the checkpoint
    std::optional<chr_hard_state> state;
  };
  struct Lane {
    std::vector<Op> queue;
    uint64_t bytes = 0;  // accepted and not completed
    bool running = false, wants_writable = false;
  };

  static bool Fits(const chr_log_op& op) {
    const auto fits = [](const chr_log_entry& entry) { return sdk::PayloadBytes(entry) <= kMaxPayload; };
    return (op.opcode != CHR_LOG_CHECKPOINT || op.blob.size <= kMaxPayload) &&
           std::ranges::all_of(std::span(op.entries, op.entry_count), fits);
  }

  void Enqueue(uint32_t id, const chr_log_op& op) {
    Op mine{op, {op.entries, op.entries + op.entry_count}, {}, {}};
    for (const chr_log_entry& e : mine.entries) mine.payloads.push_back(host_.Copy({e.bufs, e.buf_count}));
    if (op.opcode == CHR_LOG_CHECKPOINT) mine.payloads.push_back(host_.Copy({&op.blob, 1}));
    if (op.hard_state != nullptr) mine.state = *op.hard_state;
    Lane& lane = lanes_[id];
    lane.queue.push_back(std::move(mine));
    lane.bytes += kOpBytes + sdk::PayloadBytes(op);
    if (!std::exchange(lane.running, true)) {
      ++busy_lanes_;
      host_.Post([this, id] { Drain(id); });
    }
  }

  // One task at a time for each lane, so completions have the order of Submit.
  void Drain(uint32_t id) {
    std::vector<chr_log_cqe> cqes;
    bool writable = false;
    {
      const std::scoped_lock lock(mutex_);
      for (Op& op : lanes_[id].queue) cqes.push_back(Apply(op));
      lanes_[id].queue.clear();
      lanes_[id].bytes = 0;
      writable = std::exchange(lanes_[id].wants_writable, false);
    }
    sink_.Complete(id, cqes);  // never with a lock held
    if (writable) sink_.Writable(id);
    sdk::Done stopped;
    {
      const std::scoped_lock lock(mutex_);
      lanes_[id].running = !lanes_[id].queue.empty();
      if (lanes_[id].running) return host_.Post([this, id] { Drain(id); });
      if (--busy_lanes_ == 0) stopped = std::move(stopped_);
    }
    stopped.Complete(CHR_OK);  // last: the host may destroy the store now
  }

  chr_log_cqe Apply(Op& mine) {
    const chr_log_op& op = mine.op;
    if (op.group == nullptr) return {op.tag, 0, CHR_OK, 0};
    Group& group = *sdk::GroupOf<Group>(op);
    if (op.opcode == CHR_LOG_APPEND && !mine.entries.empty())
      group.payloads.resize(mine.entries[0].index - group.completed.first_index());
    if (op.opcode == CHR_LOG_CHECKPOINT) {
      group.checkpoint = std::move(mine.payloads[0]);
    } else {
      std::ranges::move(mine.payloads, std::back_inserter(group.payloads));
    }
    mine.op.entries = mine.entries.data();
    group.completed.Apply(op);
    const uint64_t kept = op.opcode == CHR_LOG_RESET ? 0 : group.completed.end_index() - group.completed.first_index();
    group.payloads.erase(group.payloads.begin(), group.payloads.end() - int64_t(kept));
    group.state = mine.state.value_or(group.state);
    appends_ += op.opcode == CHR_LOG_APPEND;
    return {op.tag, group.completed.end_index() - 1, CHR_OK, 0};
  }

  const sdk::Host& host_;
  const uint64_t max_inflight_;
  sdk::LogSink sink_;
  std::mutex mutex_;  // guards all below; never held while the host is called back
  std::map<uint64_t, Group> groups_;
  std::array<Lane, kLanes> lanes_;
  uint64_t appends_ = 0;
  size_t busy_lanes_ = 0;
  sdk::Done stopped_;
};

constexpr chr_option kOptions[] = {
    {"max_inflight_bytes", "bytes", "8MiB", "4KiB..1GiB", "A lane: how much may wait before submit says busy.", 0}};
constexpr sdk::PluginInfo kInfo{.id = "org.example.my_store", .version = "0.1.0", .options = kOptions};

}  // namespace

CHRONIK_LOG_STORE_PLUGIN(MyStore, kInfo);
