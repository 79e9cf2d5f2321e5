// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/contract_log_store.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

namespace chronik::host {
namespace {

using Kind = ContractMonitor::Call::Kind;

struct Ascending {
  void (*each)(void* ctx, uint64_t id) CHR_NX;
  void* ctx;
  uint64_t last;
  bool kept;
};

void EachGroup(void* ctx, uint64_t id) noexcept {
  auto* up = static_cast<Ascending*>(ctx);
  up->kept = up->kept && id > up->last;
  up->last = id;
  up->each(up->ctx, id);
}

}  // namespace

struct ContractLogStore::Slots {
  static ContractLogStore* Me(void* self) { return static_cast<ContractLogStore*>(self); }

  // One output struct or none, and a final status.
  template <class Out, class F>
  static chr_status Ask(void* self, const char* name, Kind kind, Out* out, F call) {
    ContractLogStore* me = Me(self);
    Guarded<Out> guarded(out);
    const chr_status status = [&] {
      const ContractMonitor::Call scope(me->monitor_, name, kind);
      return call(me, guarded.get());
    }();
    guarded.Return(me->monitor_, name);
    return me->monitor_->FinalStatus(name, status);
  }

  static chr_status Caps(void* self, chr_log_caps* out) noexcept {
    return Ask(self, "caps", Kind::kControl, out, [](auto* me, auto* o) { return me->real_.caps(me->self_, o); });
  }
  static chr_status Stats(void* self, chr_log_stats* out) noexcept {
    return Ask(self, "stats", Kind::kAny, out, [](auto* me, auto* o) { return me->real_.stats(me->self_, o); });
  }
  static chr_status Bounds(void* self, chr_log_group* group, chr_log_bounds* out) noexcept {
    return Ask(self, "bounds", Kind::kIo, out,
               [&](auto* me, auto* o) { return me->real_.bounds(me->self_, group, o); });
  }
  static chr_status Terms(void* self, chr_log_group* group, chr_log_term* out, size_t cap, size_t* count) noexcept {
    chr_error* const none = nullptr;
    return Ask(self, "terms", Kind::kIo, none,
               [&](auto* me, auto*) { return me->real_.terms(me->self_, group, out, cap, count); });
  }
  static chr_status Checkpoint(void* self, chr_log_group* group, chr_buf* out, chr_error* err) noexcept {
    return Ask(self, "checkpoint", Kind::kControl, err,
               [&](auto* me, auto* e) { return me->real_.checkpoint(me->self_, group, out, e); });
  }
  static chr_status ListGroups(void* self, void (*each)(void* ctx, uint64_t id) noexcept, void* ctx,
                               chr_error* err) noexcept {
    Ascending up{each, ctx, 0, true};
    const chr_status status = Ask(self, "list_groups", Kind::kControl, err, [&](auto* me, auto* e) {
      return me->real_.list_groups(me->self_, &EachGroup, &up, e);
    });
    if (!up.kept) Me(self)->monitor_->Violation("LS-2", "list_groups", "the ids do not go up");
    return status;
  }
  static chr_status OpenGroup(void* self, uint64_t id, uint32_t lane, int32_t create, chr_log_group** group,
                              chr_log_bounds* bounds, chr_error* err) noexcept {
    Guarded<chr_log_bounds> guarded(bounds);
    const chr_status status = Ask(self, "open_group", Kind::kControl, err, [&](auto* me, auto* e) {
      return me->real_.open_group(me->self_, id, lane, create, group, guarded.get(), e);
    });
    ContractMonitor* monitor = Me(self)->monitor_;
    guarded.Return(monitor, "open_group");
    if (status < 0) return status;
    if (*group == nullptr || (bounds != nullptr && bounds->last_index + 1 < bounds->first_index)) {
      monitor->Violation("LS-3", "open_group", "it succeeded without a group, or with bounds that cannot be");
      return CHR_E_INTERNAL;
    }
    return status;
  }
  static void CloseGroup(void* self, chr_log_group* group) noexcept {
    ContractLogStore* me = Me(self);
    {
      const std::scoped_lock lock(me->mutex_);
      if (const auto it = me->order_.find(group); it != me->order_.end()) {
        if (!it->second.empty()) me->monitor_->HostViolation("LS-5", "close_group", "operations are in flight");
        me->order_.erase(it);  // the next group may get the same handle
      }
    }
    const ContractMonitor::Call scope(me->monitor_, "close_group", Kind::kControl);
    me->real_.close_group(me->self_, group);
  }
  static chr_status DestroyGroup(void* self, uint64_t id, chr_done done) noexcept {
    ContractLogStore* me = Me(self);
    return me->completions_.Run("destroy_group", Kind::kControl, done,
                                [&](chr_done mine) { return me->real_.destroy_group(me->self_, id, mine); });
  }
  static chr_status Submit(void* self, uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted) noexcept {
    return Me(self)->Submit(lane, ops, count, accepted);
  }
  static chr_status Read(void* self, chr_log_group* group, const chr_log_read* what, chr_log_slice* out) noexcept {
    return Me(self)->Read(group, *what, out);
  }
};

const chr_log_store& ContractLogStore::Table() {
  static constexpr chr_log_store kTable{.struct_size = sizeof(chr_log_store),
                                        .reserved = 0,
                                        .caps = &Slots::Caps,
                                        .list_groups = &Slots::ListGroups,
                                        .open_group = &Slots::OpenGroup,
                                        .close_group = &Slots::CloseGroup,
                                        .destroy_group = &Slots::DestroyGroup,
                                        .submit = &Slots::Submit,
                                        .bounds = &Slots::Bounds,
                                        .terms = &Slots::Terms,
                                        .read = &Slots::Read,
                                        .checkpoint = &Slots::Checkpoint,
                                        .stats = &Slots::Stats};
  return kTable;
}

ContractLogStore::ContractLogStore(const chr_log_store& real, void* self, ContractMonitor* monitor)
    : real_(real), self_(self), monitor_(monitor), completions_(monitor) {}

ContractLogStore::~ContractLogStore() {
  while (!operations_.empty()) Unregister(operations_.begin()->first);
}

const chr_log_sink* ContractLogStore::WrapSink(const chr_log_sink* kernel) {
  kernel_ = kernel;
  sink_ = {
      .struct_size = sizeof(chr_log_sink),
      .reserved = 0,
      .ctx = this,
      .on_complete =
          [](void* ctx, uint32_t lane, const chr_log_cqe* cqes, size_t count, chr_str message) noexcept {
            static_cast<ContractLogStore*>(ctx)->OnComplete(lane, cqes, count, message);
          },
      .on_writable =
          [](void* ctx, uint32_t lane) noexcept {
            auto* me = static_cast<ContractLogStore*>(ctx);
            if (me->MayDeliver("on_writable")) me->kernel_->on_writable(me->kernel_->ctx, lane);
          },
      .on_read =
          [](void* ctx, uint32_t lane, uint64_t id, chr_status status, chr_log_slice slice, chr_str message) noexcept {
            static_cast<ContractLogStore*>(ctx)->OnRead(lane, id, status, slice, message);
          }};
  return &sink_;
}

void ContractLogStore::Stopped() {
  size_t left = 0;
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    left = operations_.size() + reads_.size();
  }
  if (left > 0) monitor_->Violation("PLG-8", "stop", std::to_string(left) + " accepted operations have no completion");
  completions_.Stopped();
}

void ContractLogStore::Destroyed() { lent_.Destroyed(monitor_); }

// --- submission ---

uint64_t ContractLogStore::Register(uint32_t lane, const chr_log_op& op) {
  const uint64_t id = next_id_++;
  operations_.emplace(id, Operation{op.tag, op.group, lane, op.opcode == CHR_LOG_BARRIER, false, false, {}});
  if (op.group != nullptr) order_[op.group].push_back(id);
  return id;
}

void ContractLogStore::Unregister(uint64_t id) {
  const auto it = operations_.find(id);
  if (const auto order = order_.find(it->second.group); order != order_.end()) std::erase(order->second, id);
  LentBuffers::Drop(&it->second.lent);
  operations_.erase(it);
}

chr_status ContractLogStore::Submit(uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted) {
  // Copies, in which tags and owners are ours. Deques: what is pointed to stays where it is.
  std::vector<chr_log_op> mine(ops, ops + count);
  std::deque<std::vector<chr_log_entry>> entries;
  std::deque<std::vector<chr_buf>> bufs;
  {
    const std::scoped_lock lock(mutex_);
    if (stopped_) monitor_->HostViolation("PLG-8", "submit", "the instance is stopped");
    for (chr_log_op& op : mine) {
      const uint64_t id = Register(lane, op);
      Operation& operation = operations_.at(id);
      op.tag = id;
      op.blob = lent_.Lend(op.blob, &operation.lent);
      entries.emplace_back(op.entries, op.entries + op.entry_count);
      for (chr_log_entry& entry : entries.back()) {
        bufs.emplace_back(entry.bufs, entry.bufs + entry.buf_count);
        for (chr_buf& buf : bufs.back()) buf = lent_.Lend(buf, &operation.lent);
        entry.bufs = bufs.back().data();
      }
      op.entries = entries.back().data();
    }
  }
  size_t taken = SIZE_MAX;
  const chr_status raw = [&] {
    const ContractMonitor::Call scope(monitor_, "submit", Kind::kIo);
    return real_.submit(self_, lane, mine.data(), count, &taken);
  }();
  chr_status status = monitor_->KnownStatus("submit", raw);
  const bool legal = status == CHR_PENDING || status == CHR_E_BUSY || status == CHR_E_INVALID || status == CHR_E_FATAL;
  if (taken > count || !legal || (taken < count) != (status != CHR_PENDING)) {
    monitor_->Violation(
        "LS-7", "submit",
        "status " + std::to_string(raw) + " with accepted = " + std::to_string(taken) + " of " + std::to_string(count));
    taken = std::min(taken, count);
    // What was accepted will complete; the kernel believes that and takes what is left for refused.
    if (taken == count) status = CHR_PENDING;
    if (taken < count && status == CHR_PENDING) status = CHR_E_INTERNAL;
  }
  bool early = false;
  {
    const std::scoped_lock lock(mutex_);
    for (size_t i = 0; i < count; ++i) {
      const auto it = operations_.find(mine[i].tag);
      if (i < taken) {
        if (it != operations_.end()) it->second.accepted = true;
      } else if (it != operations_.end()) {
        Unregister(mine[i].tag);
      } else {
        early = true;
      }
    }
  }
  if (early) monitor_->Violation("LS-7", "submit", "an operation that was not accepted has completed");
  *accepted = taken;
  return status;
}

// --- completions ---

bool ContractLogStore::MayDeliver(const char* call) {
  if (monitor_->Inside()) monitor_->Violation("GEN-11", call, "it came from inside a call of the host");
  const std::scoped_lock lock(mutex_);
  if (!stopped_) return true;
  monitor_->Violation("PLG-8", call, "it came after stop had completed");
  return false;
}

void ContractLogStore::OnComplete(uint32_t lane, const chr_log_cqe* cqes, size_t count, chr_str message) {
  if (!MayDeliver("on_complete")) return;
  std::map<uint32_t, std::vector<chr_log_cqe>> by_lane;  // one, unless the plugin mixes them up
  {
    const std::scoped_lock lock(mutex_);
    for (chr_log_cqe cqe : std::span(cqes, count)) {
      const auto it = operations_.find(cqe.tag);
      const uint32_t its_lane = it == operations_.end() ? lane : it->second.lane;
      if (CheckCompletion(lane, &cqe)) by_lane[its_lane].push_back(cqe);
    }
  }
  for (const auto& [its_lane, sound] : by_lane) {
    kernel_->on_complete(kernel_->ctx, its_lane, sound.data(), sound.size(), message);
  }
}

// Puts the kernel's tag back. False: the kernel must not see it.
bool ContractLogStore::CheckCompletion(uint32_t lane, chr_log_cqe* cqe) {
  constexpr const char* kCall = "on_complete";
  const uint64_t id = cqe->tag;
  const auto it = operations_.find(id);
  if (it == operations_.end()) {
    monitor_->Violation("LS-17", kCall, id != 0 && id < next_id_ ? "an operation completed twice" : "an unknown tag");
    return false;
  }
  if (it->second.lane != lane) monitor_->Violation("LS-17", kCall, "it names another lane than its operation");
  cqe->status = monitor_->FinalStatus(kCall, cqe->status);
  if ((cqe->status < 0 || it->second.barrier) && cqe->last_index != 0) {
    monitor_->Violation("LS-19", kCall, "last_index of a failure or of a barrier is not 0");
  }
  CheckOrder(id, cqe->status);
  cqe->tag = it->second.kernel_tag;
  Unregister(id);
  return true;
}

void ContractLogStore::CheckOrder(uint64_t id, chr_status status) {
  const Operation& op = operations_.at(id);
  if (op.barrier) {
    const bool first = std::none_of(operations_.begin(), operations_.find(id),
                                    [&](const auto& other) { return other.second.lane == op.lane; });
    if (!first && status == CHR_OK) {
      monitor_->Violation("LS-14", "on_complete", "a barrier completed before an earlier operation of its lane");
    }
    return;
  }
  const std::deque<uint64_t>& order = order_[op.group];
  if (order.empty() || order.front() != id) {
    monitor_->Violation("LS-17", "on_complete", "completions of a group are not in the order of submission");
  }
  if (op.must_fail && status != CHR_E_CANCELLED && status != CHR_E_FATAL) {
    monitor_->Violation("LS-18", "on_complete", "status " + std::to_string(status) + " behind a failed operation");
  }
  if (status >= 0) return;
  for (const uint64_t later : order) {
    Operation& other = operations_.at(later);
    other.must_fail = other.must_fail || (other.accepted && later != id);
  }
}

// --- reads ---

void ContractLogStore::CheckSlice(const char* call, chr_status status, const chr_log_slice& slice) {
  if (status < 0) return;
  bool owned = true;
  for (const chr_log_entry& entry : std::span(slice.entries, slice.count)) {
    for (const chr_buf& buf : std::span(entry.bufs, entry.buf_count)) owned = owned && buf.owner != nullptr;
  }
  if ((slice.owner != nullptr) != (slice.count > 0) || !owned) {
    monitor_->Violation("LS-26", call, "a slice or a payload lacks its owner, or an empty slice has one");
  }
}

chr_status ContractLogStore::Read(chr_log_group* group, const chr_log_read& what, chr_log_slice* out) {
  chr_log_read mine = what;
  {
    const std::scoped_lock lock(mutex_);
    mine.tag = next_id_++;
    reads_.emplace(mine.tag, what.tag);
  }
  const chr_status raw = [&] {
    const ContractMonitor::Call scope(monitor_, "read", Kind::kIo);
    return real_.read(self_, group, &mine, out);
  }();
  const chr_status status = monitor_->KnownStatus("read", raw);
  if (status == CHR_PENDING) return status;
  bool answered = false;
  {
    const std::scoped_lock lock(mutex_);
    answered = reads_.erase(mine.tag) == 0;
  }
  if (answered) monitor_->Violation("LS-25", "read", "on_read came for a read that did not return CHR_PENDING");
  CheckSlice("read", status, *out);
  return status;
}

void ContractLogStore::OnRead(uint32_t lane, uint64_t id, chr_status status, chr_log_slice slice, chr_str message) {
  if (!MayDeliver("on_read")) return;
  uint64_t kernel_tag = 0;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = reads_.find(id);
    if (it == reads_.end()) {
      monitor_->Violation("LS-25", "on_read", "no such read is pending");
      return;
    }
    kernel_tag = it->second;
    reads_.erase(it);
  }
  CheckSlice("on_read", status, slice);
  kernel_->on_read(kernel_->ctx, lane, kernel_tag, monitor_->FinalStatus("on_read", status), slice, message);
}

}  // namespace chronik::host
