// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/contract_transport.h"

#include <span>
#include <string>

#include "kernel/base/crc32c.h"

namespace chronik::host {
namespace {

using Kind = ContractMonitor::Call::Kind;

constexpr uint64_t kHelloMax = 4096;
constexpr uint64_t kFrameMaxLeast = 2 << 20;
constexpr uint64_t kHeaderMaxLeast = 4096;
constexpr uint64_t kWriteMax = 1 << 20;  // of a stream; what may come beyond the credit is less

uint64_t SizeOf(const chr_buf* bufs, size_t count) {
  uint64_t size = 0;
  for (const chr_buf& buf : std::span(bufs, count)) size += buf.size;
  return size;
}

uint32_t CrcOf(const chr_buf* bufs, size_t count) {
  uint32_t crc = 0;
  for (const chr_buf& buf : std::span(bufs, count))
    crc = Crc32c({static_cast<const uint8_t*>(buf.data), buf.size}, crc);
  return crc;
}

}  // namespace

// --- streams ---

struct ContractTransport::Stream {
  Stream(ContractTransport* transport, const chr_stream_events* kernel_events)
      : owner(transport), kernel(kernel_events) {
    events.struct_size = sizeof events;
    events.ctx = this;
    events.on_data = [](void* ctx, const chr_buf* bufs, size_t count) noexcept {
      static_cast<Stream*>(ctx)->OnData(bufs, count);
    };
    events.on_writable = [](void* ctx) noexcept {
      auto* me = static_cast<Stream*>(ctx);
      if (!me->Enter("on_writable")) return;
      if (!me->IsClosed("on_writable")) me->kernel->on_writable(me->kernel->ctx);
      me->inside.fetch_sub(1);
    };
    events.on_end = [](void* ctx, chr_status status, chr_str message) noexcept {
      static_cast<Stream*>(ctx)->OnEnd(status, message);
    };
  }

  void OnData(const chr_buf* bufs, size_t count) {
    constexpr const char* kCall = "on_data";
    if (!Enter(kCall)) return;
    delivered += SizeOf(bufs, count);
    // The last write was admitted while credit was left.
    const bool beyond = credit == 0 || delivered >= credit + kWriteMax;
    if (beyond) {
      owner->monitor_->Violation("TR-19", kCall, "more comes than the credit of " + std::to_string(credit.load()));
    }
    if (!beyond && !IsClosed(kCall)) kernel->on_data(kernel->ctx, bufs, count);
    inside.fetch_sub(1);
  }

  // The kernel is done with it. One event may be on its way when it says so.
  bool IsClosed(const char* call) {
    if (!closed) return false;
    if (after_close.fetch_add(1) > 0) owner->monitor_->Violation("TR-20", call, "it came after stream_close");
    return true;
  }

  void OnEnd(chr_status status, chr_str message) {
    if (!Enter("on_end")) return;
    ended = true;
    {
      const std::scoped_lock lock(owner->mutex_);
      std::erase_if(owner->open_streams_, [this](const auto& open) { return open.second == this; });
    }
    kernel->on_end(kernel->ctx, owner->monitor_->FinalStatus("on_end", status), message);
    inside.fetch_sub(1);
  }

  // False: the kernel must not hear of it.
  bool Enter(const char* call) {
    if (!owner->MayDeliver(call)) return false;
    if (ended) {
      owner->monitor_->Violation("TR-21", call, "it came after on_end");
      return false;
    }
    if (inside.fetch_add(1) > 0) {
      owner->monitor_->Violation("TR-22", call, "it overlaps another call of the same stream");
    }
    return true;
  }

  ContractTransport* const owner;
  const chr_stream_events* kernel;
  chr_stream_events events{};
  std::atomic<uint64_t> credit{0};
  std::atomic<uint64_t> delivered{0};
  std::atomic<int> inside{0};
  std::atomic<int> after_close{0};
  std::atomic<bool> closed{false};
  std::atomic<bool> ended{false};
};

ContractTransport::Stream* ContractTransport::AddStream(const chr_stream_events* kernel) {
  const std::scoped_lock lock(mutex_);
  return streams_.emplace_back(std::make_unique<Stream>(this, kernel)).get();
}

ContractTransport::Stream* ContractTransport::FindStream(chr_stream* handle) {
  const std::scoped_lock lock(mutex_);
  const auto it = open_streams_.find(handle);
  return it == open_streams_.end() ? nullptr : it->second;
}

// --- what the kernel calls ---

struct ContractTransport::Slots {
  static ContractTransport* Me(void* self) { return static_cast<ContractTransport*>(self); }

  static chr_status Caps(void* self, chr_transport_caps* out) noexcept {
    ContractTransport* me = Me(self);
    Guarded<chr_transport_caps> guarded(out);
    const chr_status raw = [&] {
      const ContractMonitor::Call scope(me->monitor_, "caps", Kind::kControl);
      return me->real_.caps(me->self_, guarded.get());
    }();
    guarded.Return(me->monitor_, "caps");
    const chr_status status = me->monitor_->FinalStatus("caps", raw);
    if (status < 0) return status;
    if (out->max_frame_bytes < kFrameMaxLeast || out->max_header_bytes < kHeaderMaxLeast) {
      me->monitor_->Violation("TR-6", "caps", "max_frame_bytes is below 2 MiB, or max_header_bytes below 4096");
    }
    const std::scoped_lock lock(me->mutex_);
    me->caps_ = *out;
    return status;
  }

  static chr_status BoundAddress(void* self, char* out, size_t cap) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("bound_address");
    return GuardedText(me->monitor_, "TR-7", "bound_address", out, cap,
                       [me](char* mine, size_t size) { return me->real_.bound_address(me->self_, mine, size); });
  }

  static chr_status SetPeer(void* self, uint64_t peer, chr_str address, chr_error* err) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("set_peer");
    {
      const std::scoped_lock lock(me->mutex_);
      me->peers_.insert(peer);  // on_peer may come before the call returns
    }
    Guarded<chr_error> guarded(err);
    const chr_status status = [&] {
      const ContractMonitor::Call scope(me->monitor_, "set_peer", Kind::kControl);
      return me->real_.set_peer(me->self_, peer, address, guarded.get());
    }();
    guarded.Return(me->monitor_, "set_peer");
    return me->monitor_->FinalStatus("set_peer", status);
  }

  static chr_status RemovePeer(void* self, uint64_t peer) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("remove_peer");
    const chr_status status = [&] {
      const ContractMonitor::Call scope(me->monitor_, "remove_peer", Kind::kControl);
      return me->real_.remove_peer(me->self_, peer);
    }();
    const std::scoped_lock lock(me->mutex_);
    me->peers_.erase(peer);
    return me->monitor_->FinalStatus("remove_peer", status);
  }

  static chr_status Send(void* self, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("send");
    bool known = false;
    {
      const std::scoped_lock lock(me->mutex_);
      known = me->peers_.contains(peer);
    }
    std::vector<LentBuffers::Owner*> owners;
    std::vector<chr_buf> mine;
    for (const chr_buf& buf : std::span(bufs, count)) mine.push_back(me->lent_.Lend(buf, &owners));
    const chr_status raw = [&] {
      const ContractMonitor::Call scope(me->monitor_, "send", Kind::kIo);
      return me->real_.send(me->self_, peer, lane, mine.data(), mine.size());
    }();
    LentBuffers::Drop(&owners);
    const chr_status status = me->monitor_->FinalStatus("send", raw);
    me->CheckSend(peer, lane, SizeOf(bufs, count), known, status);
    return status;
  }

  static void Resume(void* self, uint64_t peer, uint32_t lane) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("resume");
    {
      const std::scoped_lock lock(me->mutex_);
      ++me->inbound_[{peer, lane}].resumes;
    }
    const ContractMonitor::Call scope(me->monitor_, "resume", Kind::kAny);
    me->real_.resume(me->self_, peer, lane);
  }

  static chr_status StreamOpen(void* self, uint64_t peer, chr_str header, const chr_stream_events* events,
                               chr_stream** out) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("stream_open");
    Stream* stream = me->AddStream(events);
    *out = nullptr;
    const chr_status raw = [&] {
      const ContractMonitor::Call scope(me->monitor_, "stream_open", Kind::kAny);
      return me->real_.stream_open(me->self_, peer, header, &stream->events, out);
    }();
    chr_status status = me->monitor_->FinalStatus("stream_open", raw);
    if (status >= 0 && *out == nullptr) {
      me->monitor_->Violation("TR-17", "stream_open", "it succeeded without a stream");
      status = CHR_E_INTERNAL;
    }
    if (status < 0) {
      if (stream->ended.exchange(true)) me->monitor_->Violation("TR-17", "stream_open", "on_end came, and it failed");
      return status;
    }
    const std::scoped_lock lock(me->mutex_);
    if (!stream->ended) me->open_streams_[*out] = stream;
    return status;
  }

  static chr_status StreamWrite(void* self, chr_stream* handle, const chr_buf* bufs, size_t count) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("stream_write");
    std::vector<LentBuffers::Owner*> owners;
    std::vector<chr_buf> mine;
    for (const chr_buf& buf : std::span(bufs, count)) mine.push_back(me->lent_.Lend(buf, &owners));
    const chr_status status = [&] {
      const ContractMonitor::Call scope(me->monitor_, "stream_write", Kind::kAny);
      return me->real_.stream_write(me->self_, handle, mine.data(), mine.size());
    }();
    LentBuffers::Drop(&owners);
    return me->monitor_->FinalStatus("stream_write", status);
  }

  static void StreamCredit(void* self, chr_stream* handle, uint64_t bytes) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("stream_credit");
    if (Stream* stream = me->FindStream(handle); stream != nullptr) stream->credit += bytes;
    const ContractMonitor::Call scope(me->monitor_, "stream_credit", Kind::kAny);
    me->real_.stream_credit(me->self_, handle, bytes);
  }

  static void StreamClose(void* self, chr_stream* handle, chr_status status) noexcept {
    ContractTransport* me = Me(self);
    me->CheckUse("stream_close");
    Stream* stream = me->FindStream(handle);
    if (stream == nullptr) me->monitor_->HostViolation("TR-20", "stream_close", "the stream is gone");
    const ContractMonitor::Call scope(me->monitor_, "stream_close", Kind::kAny);
    me->real_.stream_close(me->self_, handle, status);
    if (stream != nullptr) stream->closed = true;
  }
};

const chr_transport& ContractTransport::Table() {
  static constexpr chr_transport kTable{.struct_size = sizeof(chr_transport),
                                        .reserved = 0,
                                        .caps = &Slots::Caps,
                                        .bound_address = &Slots::BoundAddress,
                                        .set_peer = &Slots::SetPeer,
                                        .remove_peer = &Slots::RemovePeer,
                                        .send = &Slots::Send,
                                        .resume = &Slots::Resume,
                                        .stream_open = &Slots::StreamOpen,
                                        .stream_write = &Slots::StreamWrite,
                                        .stream_credit = &Slots::StreamCredit,
                                        .stream_close = &Slots::StreamClose};
  return kTable;
}

void ContractTransport::CheckSend(uint64_t peer, uint32_t lane, uint64_t size, bool known, chr_status status) {
  const std::scoped_lock lock(mutex_);
  if (status == CHR_E_NOT_FOUND && known && peers_.contains(peer)) {
    monitor_->Violation("TR-10", "send", "it knows no peer " + std::to_string(peer) + ", which is set");
  }
  const bool sound = size > 0 && size <= caps_.max_frame_bytes && lane < CHR_LANE_COUNT;
  if (status == CHR_E_INVALID && sound) {
    monitor_->Violation("TR-10", "send", "it refuses a sound frame of " + std::to_string(size) + " bytes as invalid");
  }
}

// --- what the plugin calls ---

struct ContractTransport::Sink {
  static ContractTransport* Me(void* ctx) { return static_cast<ContractTransport*>(ctx); }

  static size_t Hello(void* ctx, void* out, size_t cap) noexcept {
    ContractTransport* me = Me(ctx);
    if (!me->MayDeliver("hello")) return 0;
    if (out == nullptr || cap < kHelloMax) {
      me->monitor_->Violation("TR-12", "hello", "it has room for " + std::to_string(cap) + " bytes, not for 4096");
      if (out == nullptr) return 0;
    }
    return me->kernel_->hello(me->kernel_->ctx, out, cap);
  }

  static chr_status OnHello(void* ctx, uint64_t peer, chr_str identity, chr_str hello, chr_error* err) noexcept {
    ContractTransport* me = Me(ctx);
    if (!me->MayDeliver("on_hello")) return CHR_E_CLOSED;
    if (peer == 0 || hello.size > kHelloMax) {
      me->monitor_->Violation("TR-13", "on_hello", "the peer is 0, or its hello has more than 4096 bytes");
      return CHR_E_INVALID;
    }
    me->ConnectionsChanged(peer);
    return me->kernel_->on_hello(me->kernel_->ctx, peer, identity, hello, err);
  }

  static void OnPeer(void* ctx, uint64_t peer, int32_t up, chr_status status, chr_str why) noexcept {
    ContractTransport* me = Me(ctx);
    constexpr const char* kCall = "on_peer";
    if (!me->MayDeliver(kCall)) return;
    bool known = false;
    bool overlap = false;
    {
      const std::scoped_lock lock(me->mutex_);
      known = me->peers_.contains(peer);
      overlap = me->peer_calls_[peer]++ > 0;
    }
    if (up != 1) me->ConnectionsChanged(peer);
    if (!known) me->monitor_->Violation("TR-15", kCall, "peer " + std::to_string(peer) + " is not set");
    if (overlap) me->monitor_->Violation("TR-15", kCall, "it overlaps another call for that peer");
    if ((up != 0 && up != 1) || (up == 0 && status >= 0)) {
      me->monitor_->Violation("TR-15", kCall,
                              "up is " + std::to_string(up) + ", and the status " + std::to_string(status));
    }
    if (known) me->kernel_->on_peer(me->kernel_->ctx, peer, up == 1 ? 1 : 0, status, why);
    const std::scoped_lock lock(me->mutex_);
    --me->peer_calls_[peer];
  }

  static chr_status OnFrame(void* ctx, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) noexcept {
    ContractTransport* me = Me(ctx);
    constexpr const char* kCall = "on_frame";
    if (!me->MayDeliver(kCall)) return CHR_E_CLOSED;
    const uint64_t size = SizeOf(bufs, count);
    if (lane >= CHR_LANE_COUNT || size == 0) {
      me->monitor_->Violation("TR-1", kCall, std::to_string(size) + " bytes on lane " + std::to_string(lane));
      return CHR_OK;
    }
    const PeerLane from{peer, lane};
    uint32_t crc = 0;
    uint64_t resumes = 0;
    {
      const std::scoped_lock lock(me->mutex_);
      const auto it = me->inbound_.find(from);
      if (it != me->inbound_.end()) resumes = it->second.resumes;
      if (it != me->inbound_.end() && it->second.waits_for) crc = 1;
    }
    // A frame is looked at only where it may be one that was refused: that is rare.
    if (crc != 0) crc = CrcOf(bufs, count);
    me->FrameBegins(from, crc);
    const chr_status answer = me->kernel_->on_frame(me->kernel_->ctx, peer, lane, bufs, count);
    if (answer == CHR_E_BUSY && crc == 0) crc = CrcOf(bufs, count);
    me->FrameEnds(from, crc, resumes, answer);
    return answer;
  }

  static void OnWritable(void* ctx, uint64_t peer, uint32_t lane) noexcept {
    ContractTransport* me = Me(ctx);
    if (!me->MayDeliver("on_writable")) return;
    me->kernel_->on_writable(me->kernel_->ctx, peer, lane);
  }

  static chr_status OnStream(void* ctx, uint64_t peer, chr_str header, chr_stream* handle,
                             const chr_stream_events** events) noexcept {
    ContractTransport* me = Me(ctx);
    if (!me->MayDeliver("on_stream")) return CHR_E_CLOSED;
    if (handle == nullptr || events == nullptr) {
      me->monitor_->Violation("TR-17", "on_stream", "there is no stream");
      return CHR_E_INVALID;
    }
    Stream* stream = me->AddStream(nullptr);
    {
      const std::scoped_lock lock(me->mutex_);
      me->open_streams_[handle] = stream;  // the kernel may give credit before it returns
    }
    const chr_status status = me->kernel_->on_stream(me->kernel_->ctx, peer, header, handle, &stream->kernel);
    *events = &stream->events;
    if (status >= 0) return status;
    const std::scoped_lock lock(me->mutex_);
    stream->ended = true;
    me->open_streams_.erase(handle);
    return status;
  }
};

const chr_transport_sink* ContractTransport::WrapSink(const chr_transport_sink* kernel) {
  kernel_ = kernel;
  sink_ = {.struct_size = sizeof(chr_transport_sink),
           .reserved = 0,
           .ctx = this,
           .node_id = kernel->node_id,
           .hello = &Sink::Hello,
           .on_hello = &Sink::OnHello,
           .on_peer = &Sink::OnPeer,
           .on_frame = &Sink::OnFrame,
           .on_writable = &Sink::OnWritable,
           .on_stream = &Sink::OnStream};
  return &sink_;
}

// What waits for resume may be gone with its connection.
void ContractTransport::ConnectionsChanged(uint64_t peer) {
  const std::scoped_lock lock(mutex_);
  for (auto& [from, inbound] : inbound_) inbound.must_match = inbound.must_match && from.first != peer;
}

void ContractTransport::FrameBegins(PeerLane from, uint32_t crc) {
  constexpr const char* kCall = "on_frame";
  const std::scoped_lock lock(mutex_);
  Inbound& inbound = inbound_[from];
  if (inbound.delivering) monitor_->Violation("TR-2", kCall, "it overlaps another frame of its peer and lane");
  inbound.delivering = true;
  if (!inbound.waits_for) return;
  if (inbound.must_match && inbound.resumes == *inbound.waits_for) {
    monitor_->Violation("TR-16", kCall, "a frame came after CHR_E_BUSY, before resume");
  } else if (inbound.must_match && crc != inbound.refused_crc) {
    monitor_->Violation("TR-16", kCall, "another frame came in place of the one that was refused");
  }
  inbound.waits_for.reset();
}

void ContractTransport::FrameEnds(PeerLane from, uint32_t crc, uint64_t resumes, chr_status answer) {
  const std::scoped_lock lock(mutex_);
  Inbound& inbound = inbound_[from];
  inbound.delivering = false;
  if (answer != CHR_E_BUSY) return;
  inbound.waits_for = resumes;  // the kernel may have called resume before it returned
  inbound.refused_crc = crc;
  inbound.must_match = true;
}

// --- life ---

ContractTransport::ContractTransport(const chr_transport& real, void* self, ContractMonitor* monitor)
    : real_(real), self_(self), monitor_(monitor) {}
ContractTransport::~ContractTransport() = default;

void ContractTransport::CheckUse(const char* call) {
  const std::scoped_lock lock(mutex_);
  if (stopped_) monitor_->HostViolation("PLG-8", call, "the instance is stopped");
}

bool ContractTransport::MayDeliver(const char* call) {
  if (monitor_->Inside()) monitor_->Violation("TR-3", call, "it came from inside a call of the host");
  const std::scoped_lock lock(mutex_);
  if (!stopped_) return true;
  monitor_->Violation("PLG-8", call, "it came after stop had completed");
  return false;
}

void ContractTransport::Stopped() {
  size_t open = 0;
  {
    const std::scoped_lock lock(mutex_);
    stopped_ = true;
    open = open_streams_.size();
  }
  if (open > 0) monitor_->Violation("PLG-8", "stop", std::to_string(open) + " streams had no on_end");
}

}  // namespace chronik::host
