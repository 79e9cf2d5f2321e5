// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/contract_snapshot_sink.h"

#include <atomic>
#include <span>
#include <string_view>

namespace chronik::host {

using Kind = ContractMonitor::Call::Kind;

struct ContractSnapshotSink::Get {
  Get(ContractSnapshotSink* sink, const chr_get_events* kernel_events) : owner(sink), kernel(kernel_events) {
    events.struct_size = sizeof events;
    events.ctx = this;
    events.on_data = [](void* ctx, const chr_buf* bufs, size_t count) noexcept {
      static_cast<Get*>(ctx)->OnData(bufs, count);
    };
    events.on_end = [](void* ctx, chr_status status, chr_str message) noexcept {
      static_cast<Get*>(ctx)->OnEnd(status, message);
    };
  }

  void OnData(const chr_buf* bufs, size_t count) {
    constexpr const char* kCall = "on_data";
    if (!Enter(kCall)) return;
    uint64_t size = 0;
    for (const chr_buf& buf : std::span(bufs, count)) size += buf.size;
    delivered += size;
    // One may be on its way when the host closes.
    const bool late = closed && after_close.fetch_add(1) > 0;
    if (late) owner->monitor_->Violation("SS-12", kCall, "bytes come after get_close");
    const bool beyond = delivered > credit;
    if (beyond) {
      owner->monitor_->Violation(
          "SS-11", kCall, std::to_string(delivered) + " bytes came on a credit of " + std::to_string(credit.load()));
    }
    if (!late && !beyond) kernel->on_data(kernel->ctx, bufs, count);
    inside.fetch_sub(1);
  }

  void OnEnd(chr_status status, chr_str message) {
    constexpr const char* kCall = "on_end";
    if (!Enter(kCall)) return;
    ended = true;
    {
      const std::scoped_lock lock(owner->mutex_);
      std::erase_if(owner->open_gets_, [this](const auto& open) { return open.second == this; });
    }
    kernel->on_end(kernel->ctx, owner->monitor_->FinalStatus(kCall, status), message);
    inside.fetch_sub(1);
  }

  // False: the kernel must not hear of it.
  bool Enter(const char* call) {
    if (!owner->MayDeliver(call)) return false;
    if (ended) {
      owner->monitor_->Violation("SS-13", call, "it came after on_end");
      return false;
    }
    if (inside.fetch_add(1) > 0) owner->monitor_->Violation("SS-16", call, "it overlaps another call of the same get");
    return true;
  }

  ContractSnapshotSink* const owner;
  const chr_get_events* const kernel;
  chr_get_events events{};
  std::atomic<uint64_t> credit{0};
  std::atomic<uint64_t> delivered{0};
  std::atomic<int> inside{0};
  std::atomic<int> after_close{0};
  std::atomic<bool> closed{false};
  std::atomic<bool> ended{false};
};

struct ContractSnapshotSink::List {
  static void Each(void* ctx, const chr_object* object) noexcept {
    auto* me = static_cast<List*>(ctx);
    constexpr const char* kCall = "each of list";
    if (!me->owner->MayDeliver(kCall)) return;
    ContractMonitor* const monitor = me->owner->monitor_;
    if (me->done) return monitor->Violation("SS-14", kCall, "it came after done");
    const std::string key(object->key.data, object->key.size);
    if (!key.starts_with(me->prefix)) monitor->Violation("SS-14", kCall, key + " does not start with " + me->prefix);
    if (me->any && key <= me->last) monitor->Violation("SS-14", kCall, key + " comes after " + me->last);
    me->any = true;
    me->last = key;
    me->each(me->ctx, object);
  }

  ContractSnapshotSink* const owner;
  void (*const each)(void* ctx, const chr_object* object) noexcept;
  void* const ctx;
  const std::string prefix;
  std::string last = {};
  bool any = false;
  std::atomic<bool> done{false};
};

struct ContractSnapshotSink::Slots {
  static ContractSnapshotSink* Me(void* self) { return static_cast<ContractSnapshotSink*>(self); }

  static chr_status Caps(void* self, chr_snapshot_caps* out) noexcept {
    ContractSnapshotSink* me = Me(self);
    Guarded<chr_snapshot_caps> guarded(out);
    const chr_status status = [&] {
      const ContractMonitor::Call scope(me->monitor_, "caps", Kind::kControl);
      return me->real_.caps(me->self_, guarded.get());
    }();
    guarded.Return(me->monitor_, "caps");
    return me->monitor_->FinalStatus("caps", status);
  }

  static chr_status PutBegin(void* self, chr_str key, uint64_t size_hint, chr_put** put, chr_error* err) noexcept {
    ContractSnapshotSink* me = Me(self);
    me->CheckUse("put_begin");
    Guarded<chr_error> guarded(err);
    *put = nullptr;
    const chr_status raw = [&] {
      const ContractMonitor::Call scope(me->monitor_, "put_begin", Kind::kAny);
      return me->real_.put_begin(me->self_, key, size_hint, put, guarded.get());
    }();
    guarded.Return(me->monitor_, "put_begin");
    const chr_status status = me->monitor_->FinalStatus("put_begin", raw);
    if (status < 0) return status;
    const std::unique_lock lock(me->mutex_);
    if (*put != nullptr && me->puts_.emplace(*put, Put{}).second) return status;
    me->monitor_->Violation("SS-6", "put_begin", "it succeeded without a put, or with one that is open");
    return CHR_E_INTERNAL;
  }

  static chr_status PutWrite(void* self, chr_put* put, const chr_buf* bufs, size_t count, chr_done done) noexcept {
    ContractSnapshotSink* me = Me(self);
    me->UsePut(put, "put_write", false);
    auto owners = std::make_shared<std::vector<LentBuffers::Owner*>>();
    std::vector<chr_buf> mine;
    for (const chr_buf& buf : std::span(bufs, count)) mine.push_back(me->lent_.Lend(buf, owners.get()));
    // The plugin may look at the array during the call, and at the bytes until done.
    const chr_status status = me->completions_.Run(
        "put_write", Kind::kAny, done,
        [&](chr_done wrapped) { return me->real_.put_write(me->self_, put, mine.data(), mine.size(), wrapped); },
        [me, put, owners](chr_status result) {
          LentBuffers::Drop(owners.get());
          me->PutDone(put, false, result);
        });
    if (status != CHR_PENDING) LentBuffers::Drop(owners.get());
    return me->OfPut("put_write", put, status);
  }

  static chr_status PutCommit(void* self, chr_put* put, uint64_t size, uint32_t crc32c, chr_done done) noexcept {
    ContractSnapshotSink* me = Me(self);
    me->UsePut(put, "put_commit", true);
    const chr_status status = me->completions_.Run(
        "put_commit", Kind::kAny, done,
        [&](chr_done wrapped) { return me->real_.put_commit(me->self_, put, size, crc32c, wrapped); },
        [me, put](chr_status result) { me->PutDone(put, true, result); });
    return me->OfPut("put_commit", put, status);
  }

  static void PutAbort(void* self, chr_put* put) noexcept {
    ContractSnapshotSink* me = Me(self);
    me->CheckUse("put_abort");
    {
      const std::scoped_lock lock(me->mutex_);
      const auto it = me->puts_.find(put);
      if (it == me->puts_.end() || it->second.committing) {
        me->monitor_->HostViolation("SS-9", "put_abort", "the put is gone, or a commit of it is in flight");
      }
      if (it != me->puts_.end()) me->puts_.erase(it);
    }
    const ContractMonitor::Call scope(me->monitor_, "put_abort", Kind::kAny);
    me->real_.put_abort(me->self_, put);
  }

  static chr_status Open(void* self, chr_str key, uint64_t offset, uint64_t size, const chr_get_events* events,
                         chr_get** out) noexcept {
    ContractSnapshotSink* me = Me(self);
    me->CheckUse("get");
    Get* get = nullptr;
    {
      const std::scoped_lock lock(me->mutex_);
      get = me->gets_.emplace_back(std::make_unique<Get>(me, events)).get();
    }
    *out = nullptr;
    const chr_status raw = [&] {
      const ContractMonitor::Call scope(me->monitor_, "get", Kind::kAny);
      return me->real_.get(me->self_, key, offset, size, &get->events, out);
    }();
    chr_status status = me->monitor_->FinalStatus("get", raw);
    if (status >= 0 && *out == nullptr) {
      me->monitor_->Violation("SS-10", "get", "it succeeded without a get");
      status = CHR_E_INTERNAL;
    }
    if (status < 0) {
      if (get->ended.exchange(true)) me->monitor_->Violation("SS-13", "get", "on_end came, and the call failed");
      return status;
    }
    const std::scoped_lock lock(me->mutex_);
    if (!get->ended) me->open_gets_[*out] = get;
    return status;
  }

  static void GetCredit(void* self, chr_get* handle, uint64_t bytes) noexcept {
    ContractSnapshotSink* me = Me(self);
    if (Get* get = me->FindGet(handle, "get_credit"); get != nullptr) get->credit += bytes;
    const ContractMonitor::Call scope(me->monitor_, "get_credit", Kind::kAny);
    me->real_.get_credit(me->self_, handle, bytes);
  }
  static void GetClose(void* self, chr_get* handle) noexcept {
    ContractSnapshotSink* me = Me(self);
    if (Get* get = me->FindGet(handle, "get_close"); get != nullptr) get->closed = true;
    const ContractMonitor::Call scope(me->monitor_, "get_close", Kind::kAny);
    me->real_.get_close(me->self_, handle);
  }

  static chr_status ListAll(void* self, chr_str prefix, void (*each)(void* ctx, const chr_object* object) noexcept,
                            void* ctx, chr_done done) noexcept {
    ContractSnapshotSink* me = Me(self);
    List* list = nullptr;
    {
      const std::scoped_lock lock(me->mutex_);
      list = me->lists_.emplace_back(new List{me, each, ctx, std::string(prefix.data, prefix.size)}).get();
    }
    return me->completions_.Run(
        "list", Kind::kAny, done,
        [&](chr_done wrapped) { return me->real_.list(me->self_, prefix, &List::Each, list, wrapped); },
        [list](chr_status) { list->done = true; });
  }

  static chr_status Remove(void* self, chr_str key, chr_done done) noexcept {
    ContractSnapshotSink* me = Me(self);
    return me->completions_.Run("remove", Kind::kAny, done,
                                [&](chr_done wrapped) { return me->real_.remove(me->self_, key, wrapped); });
  }
};

const chr_snapshot_sink& ContractSnapshotSink::Table() {
  static constexpr chr_snapshot_sink kTable{.struct_size = sizeof(chr_snapshot_sink),
                                            .reserved = 0,
                                            .caps = &Slots::Caps,
                                            .put_begin = &Slots::PutBegin,
                                            .put_write = &Slots::PutWrite,
                                            .put_commit = &Slots::PutCommit,
                                            .put_abort = &Slots::PutAbort,
                                            .get = &Slots::Open,
                                            .get_credit = &Slots::GetCredit,
                                            .get_close = &Slots::GetClose,
                                            .list = &Slots::ListAll,
                                            .remove = &Slots::Remove};
  return kTable;
}

ContractSnapshotSink::ContractSnapshotSink(const chr_snapshot_sink& real, void* self, ContractMonitor* monitor)
    : real_(real), self_(self), monitor_(monitor), completions_(monitor) {}
ContractSnapshotSink::~ContractSnapshotSink() = default;

void ContractSnapshotSink::CheckUse(const char* call) {
  const std::scoped_lock lock(mutex_);
  if (stopped_) monitor_->HostViolation("PLG-8", call, "the instance is stopped");
}

bool ContractSnapshotSink::MayDeliver(const char* call) {
  if (monitor_->Inside()) monitor_->Violation("SS-3", call, "it came from inside a call of the host");
  const std::scoped_lock lock(mutex_);
  if (!stopped_) return true;
  monitor_->Violation("PLG-8", call, "it came after stop had completed");
  return false;
}

void ContractSnapshotSink::UsePut(chr_put* put, const char* call, bool commit) {
  const std::scoped_lock lock(mutex_);
  const auto it = puts_.find(put);
  if (it == puts_.end()) return monitor_->HostViolation("SS-7", call, "the put is gone");
  Put& state = it->second;
  if (state.writing || state.committing || state.failed) {
    monitor_->HostViolation("SS-7", call, "another call of the put is in flight, or one failed");
  }
  (commit ? state.committing : state.writing) = true;
}

// Its completion is about to be told to the kernel.
void ContractSnapshotSink::PutDone(chr_put* put, bool commit, chr_status status) {
  const std::scoped_lock lock(mutex_);
  const auto it = puts_.find(put);
  if (it == puts_.end()) return;  // aborted
  if (commit) {
    puts_.erase(it);
    return;
  }
  it->second.writing = false;
  it->second.failed = it->second.failed || status < 0;
}

// What put_write or put_commit answered.
chr_status ContractSnapshotSink::OfPut(const char* call, chr_put* put, chr_status status) {
  if (status == CHR_PENDING) return status;
  {
    const std::scoped_lock lock(mutex_);
    if (const auto it = puts_.find(put); it != puts_.end()) it->second = {.failed = true};
  }
  if (status < 0) return status;
  monitor_->Violation("SS-7", call, "status " + std::to_string(status) + " is neither CHR_PENDING nor an error");
  return CHR_E_INTERNAL;
}

ContractSnapshotSink::Get* ContractSnapshotSink::FindGet(chr_get* handle, const char* call) {
  CheckUse(call);
  const std::scoped_lock lock(mutex_);
  const auto it = open_gets_.find(handle);
  return it == open_gets_.end() ? nullptr : it->second;  // a call that crosses with on_end does nothing
}

void ContractSnapshotSink::Stopped() {
  completions_.Stopped();
  size_t open = 0;
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    open = open_gets_.size();
  }
  if (open > 0) monitor_->Violation("PLG-8", "stop", std::to_string(open) + " gets had no on_end");
}

}  // namespace chronik::host
