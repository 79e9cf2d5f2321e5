// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/transport.h"

#include <thrift/TOutput.h>
#include <thrift/Thrift.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include "plugins/transport_thrift/acceptor.h"
#include "plugins/transport_thrift/env.h"
#include "plugins/transport_thrift/peer.h"
#include "plugins/transport_thrift/stream.h"
#include "plugins/transport_thrift/tls.h"

namespace chronik_transport_thrift {
namespace {

// Fine enough for the shortest timeout, and no busier than it needs to be.
uint64_t TickNs(const Settings& settings) {
  const uint64_t shortest =
      std::min(settings.connect_timeout_ns / 8, std::max<uint64_t>(settings.reconnect_backoff_min_ns / 2, 10'000'000));
  return std::clamp<uint64_t>(shortest, 5'000'000, 100'000'000);
}

}  // namespace

struct ThriftTransport::Running {
  Running(sdk::Host& host, sdk::TransportSink sink) : env(host, sink), acceptor(env, peers) {
    // The library prints every failed call on the error stream, also of strangers; we say what matters in the log.
    apache::thrift::GlobalOutput.setOutputFunction([](const char*) {});
    if (env.settings.tls) env.tls = std::make_shared<TlsFactory>(env.settings);
  }
  ~Running() { Stop(); }

  void Start() {
    env.loop.Start();
    started = true;
    acceptor.Listen();
    timer = env.host.StartTimer(
        TickNs(env.settings), TickNs(env.settings),
        [](void* arg) noexcept {
          auto* me = static_cast<Running*>(arg);
          // A tick that the loop has not come to yet stands for this one too.
          if (!me->tick_posted.exchange(true)) sdk::Guard(nullptr, [&] { me->env.loop.Post([me] { me->Tick(); }); });
        },
        this);
  }

  void Stop() {
    if (!std::exchange(started, false)) return;
    if (timer) env.host.CancelTimer(*timer);
    env.loop.RunAndWait([this] {
      stopped = true;
      acceptor.Stop();
      for (const auto& peer : peers.All()) {
        peers.Take(peer->id());
        peer->Remove({CHR_E_CANCELLED, "the transport stops"});
      }
    });
    env.threads.JoinAll();  // they may wait for the loop
    env.loop.End();
  }

  void Tick() {
    tick_posted = false;
    if (stopped) return;
    env.threads.JoinFinished();
    const uint64_t now_ns = env.host.MonoNs();
    acceptor.Tick(now_ns);
    for (const auto& peer : peers.All()) peer->Tick(now_ns);
  }

  Env env;
  PeerTable peers;
  Acceptor acceptor;
  bool started = false;
  bool stopped = false;  // the loop's
  std::optional<uint64_t> timer;
  std::atomic<bool> tick_posted{false};
};

ThriftTransport::ThriftTransport(sdk::Host& host) : host_(host), settings_(ReadSettings(host)) {}
ThriftTransport::~ThriftTransport() = default;

void ThriftTransport::Validate(sdk::Host& host) { (void)ReadSettings(host); }

void ThriftTransport::Start(sdk::TransportSink sink) {
  auto running = std::make_unique<Running>(host_, sink);
  running->Start();
  running_ = std::move(running);
}

void ThriftTransport::Stop(uint64_t) {
  if (running_ != nullptr) running_->Stop();
}

chr_transport_caps ThriftTransport::Caps() const {
  return {0, settings_.tls ? CHR_TRANSPORT_CAP_ENCRYPTED : 0, settings_.max_frame_bytes, settings_.max_queued_bytes,
          kStreamHeaderBytesMax};
}

std::string ThriftTransport::BoundAddress() const {
  if (running_ == nullptr) throw sdk::Error(CHR_E_CLOSED, "bound_address: not started");
  return running_->acceptor.bound_address();
}

void ThriftTransport::SetPeer(uint64_t id, std::string_view text) {
  if (running_ == nullptr) throw sdk::Error(CHR_E_CLOSED, "set_peer: not started");
  if (id == 0 || id == running_->env.sink.node_id()) {
    throw sdk::Error(CHR_E_INVALID, "set_peer: " + std::to_string(id) + " is not another node's id");
  }
  const sdk::Address address = sdk::ParseAddress("the address of peer " + std::to_string(id), text, CHR_E_INVALID);
  const auto peer = running_->peers.FindOrAdd(running_->env, id);
  running_->env.loop.RunAndWait([peer, address] { peer->Dial(address); });
}

void ThriftTransport::RemovePeer(uint64_t id) {
  if (running_ == nullptr) return;
  if (const auto peer = running_->peers.Take(id)) {
    running_->env.loop.RunAndWait([peer] { peer->Remove({CHR_E_CLOSED, "the peer was removed"}); });
  }
}

chr_status ThriftTransport::Send(uint64_t id, uint32_t lane, std::span<const chr_buf> bufs) {
  if (lane >= CHR_LANE_COUNT) return CHR_E_INVALID;
  if (running_ == nullptr) return CHR_E_CLOSED;
  const auto peer = running_->peers.Find(id);
  return peer == nullptr ? CHR_E_NOT_FOUND : peer->Send(lane, bufs);
}

void ThriftTransport::Resume(uint64_t peer, uint32_t lane) {
  if (running_ == nullptr || lane >= CHR_LANE_COUNT) return;
  running_->env.loop.Post([running = running_.get(), peer, lane] { running->acceptor.Resume(peer, lane); });
}

chr_status ThriftTransport::OpenStream(uint64_t id, std::string_view header, const sdk::StreamEvents& events,
                                       Stream*& out) {
  if (running_ == nullptr) return CHR_E_CLOSED;
  const auto peer = running_->peers.Find(id);
  return peer == nullptr ? CHR_E_NOT_FOUND : peer->OpenStream(header, events, out);
}

chr_status ThriftTransport::WriteStream(Stream& stream, std::span<const chr_buf> bufs) { return stream.Write(bufs); }
void ThriftTransport::GrantCredit(Stream& stream, uint64_t bytes) { stream.Grant(bytes); }
void ThriftTransport::CloseStream(Stream& stream, chr_status status) { stream.Close(status); }

}  // namespace chronik_transport_thrift
