// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/transport.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <exception>
#include <functional>
#include <future>
#include <optional>

#include "plugins/transport_tcp/acceptor.h"
#include "plugins/transport_tcp/dialer.h"
#include "plugins/transport_tcp/env.h"
#include "plugins/transport_tcp/peer.h"
#include "plugins/transport_tcp/stream.h"
#include "plugins/transport_tcp/tls.h"

namespace chronik_transport_tcp {
namespace {

// Signals are the broker's, on threads that it chose.
std::thread StartThreadWithoutSignals(std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  std::exception_ptr failure;
  try {
    thread = std::thread(std::move(body));
  } catch (...) {
    failure = std::current_exception();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure != nullptr) std::rethrow_exception(failure);
  return thread;
}

// Fine enough for the shortest timeout, and no busier than it needs to be.
uint64_t TickNs(const Settings& settings) {
  const uint64_t shortest = std::min({settings.connect_timeout_ns / 8, settings.idle_timeout_ns / 12,
                                      std::max<uint64_t>(settings.reconnect_backoff_min_ns / 2, 10'000'000)});
  return std::clamp<uint64_t>(shortest, 5'000'000, 100'000'000);
}

}  // namespace

struct TcpTransport::Running {
  Running(sdk::Host& host, sdk::TransportSink sink)
      : env(host, sink), acceptor(env, peers), guard(env.loop.get_executor()) {
    env.tls = MakeTlsContext(env.settings);
  }
  ~Running() { Stop(); }

  void Start() {
    acceptor.Listen();
    thread = StartThreadWithoutSignals([this] { Run(); });
    timer = env.host.StartTimer(
        TickNs(env.settings), TickNs(env.settings),
        [](void* arg) noexcept {
          auto* me = static_cast<Running*>(arg);
          // A tick that the loop has not come to yet stands for this one too.
          if (!me->tick_posted.exchange(true)) sdk::Guard(nullptr, [&] { me->env.Post([me] { me->Tick(); }); });
        },
        this);
  }

  void Stop() {
    if (!thread.joinable()) return;
    if (timer) env.host.CancelTimer(*timer);
    {
      const std::scoped_lock lock(env.gate->mutex);
      env.gate->env = nullptr;
    }
    env.Post([this] {
      acceptor.Stop();
      for (const auto& [id, peer] : peers.TakeAll()) peer->Remove({CHR_E_CANCELLED, "the transport stops"});
      guard.reset();
    });
    thread.join();  // with nothing left to do the thread ends
  }

  void Run() noexcept {
    for (;;) {
      try {
        env.loop.run();
        return;
      } catch (const std::exception& e) {  // out of memory: what was being done is lost, timeouts find what hangs
        env.log.Warn(std::string("the transport gave up an operation: ") + e.what());
      }
    }
  }

  void Tick() {
    tick_posted.store(false);
    const uint64_t now_ns = env.host.MonoNs();
    acceptor.Tick(now_ns);
    for (const auto& peer : peers.All()) peer->Tick(now_ns);
  }

  // Runs `fn` on the loop and waits for it; from the loop itself it only posts.
  void RunOnLoop(std::function<void()> fn) {
    if (std::this_thread::get_id() == thread.get_id()) return env.Post(std::move(fn));
    if (!thread.joinable()) throw sdk::Error(CHR_E_CLOSED, "the transport has stopped");
    const auto task = std::make_shared<std::packaged_task<void()>>(std::move(fn));
    std::future<void> ran = task->get_future();
    env.Post([task] { (*task)(); });
    ran.get();
  }

  Env env;
  PeerTable peers;
  Acceptor acceptor;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard;
  std::thread thread;
  std::optional<uint64_t> timer;
  std::atomic<bool> tick_posted{false};
};

TcpTransport::TcpTransport(sdk::Host& host) : host_(host), settings_(ReadSettings(host)) {}
TcpTransport::~TcpTransport() = default;

void TcpTransport::Validate(sdk::Host& host) { (void)ReadSettings(host); }

void TcpTransport::Start(sdk::TransportSink sink) {
  auto running = std::make_unique<Running>(host_, sink);
  running->Start();
  running_ = std::move(running);
}

void TcpTransport::Stop(uint64_t) {
  if (running_ != nullptr) running_->Stop();
}

chr_transport_caps TcpTransport::Caps() const {
  return {0, settings_.tls ? CHR_TRANSPORT_CAP_ENCRYPTED : 0, settings_.max_frame_bytes, settings_.max_queued_bytes,
          kStreamHeaderBytesMax};
}

std::string TcpTransport::BoundAddress() const {
  if (running_ == nullptr) throw sdk::Error(CHR_E_CLOSED, "bound_address: not started");
  return running_->acceptor.bound_address();
}

void TcpTransport::SetPeer(uint64_t id, std::string_view text) {
  if (running_ == nullptr) throw sdk::Error(CHR_E_CLOSED, "set_peer: not started");
  if (id == 0 || id == running_->env.sink.node_id()) {
    throw sdk::Error(CHR_E_INVALID, "set_peer: " + std::to_string(id) + " is not another node's id");
  }
  const sdk::Address address = sdk::ParseAddress("the address of peer " + std::to_string(id), text, CHR_E_INVALID);
  const auto peer = running_->peers.FindOrAdd(running_->env, id);
  running_->RunOnLoop([&, peer, address] { peer->Dial(address); });
}

void TcpTransport::RemovePeer(uint64_t id) {
  if (running_ == nullptr) return;
  if (const auto peer = running_->peers.Take(id)) {
    running_->RunOnLoop([peer] { peer->Remove({CHR_E_CLOSED, "the peer was removed"}); });
  }
}

chr_status TcpTransport::Send(uint64_t id, uint32_t lane, std::span<const chr_buf> bufs) {
  if (lane >= CHR_LANE_COUNT) return CHR_E_INVALID;
  if (running_ == nullptr) return CHR_E_CLOSED;
  const auto peer = running_->peers.Find(id);
  return peer == nullptr ? CHR_E_NOT_FOUND : peer->Send(lane, bufs);
}

void TcpTransport::Resume(uint64_t peer, uint32_t lane) {
  if (running_ == nullptr || lane >= CHR_LANE_COUNT) return;
  running_->env.Post([running = running_.get(), peer, lane] { running->acceptor.Resume(peer, lane); });
}

chr_status TcpTransport::OpenStream(uint64_t id, std::string_view header, const sdk::StreamEvents& events,
                                    Stream*& out) {
  if (running_ == nullptr) return CHR_E_CLOSED;
  const auto peer = running_->peers.Find(id);
  return peer == nullptr ? CHR_E_NOT_FOUND : peer->OpenStream(header, events, out);
}

chr_status TcpTransport::WriteStream(Stream& stream, std::span<const chr_buf> bufs) { return stream.Write(bufs); }
void TcpTransport::GrantCredit(Stream& stream, uint64_t bytes) { stream.Grant(bytes); }
void TcpTransport::CloseStream(Stream& stream, chr_status status) { stream.Close(status); }

}  // namespace chronik_transport_tcp
