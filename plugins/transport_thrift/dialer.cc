// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/dialer.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "plugins/transport_thrift/checksum.h"
#include "plugins/transport_thrift/peer.h"

namespace chronik_transport_thrift {

// --- one attempt -----------------------------------------------------------------------------------------------------

void Attempt::Start(std::function<void(Attempt&, Result)> done) {
  env_.threads.Spawn([self = shared_from_this(), done = std::move(done)] {
    Result result;
    try {
      result = self->Run();
    } catch (const sdk::Error& e) {
      result.loss = {e.status(), e.what()};
    } catch (const std::exception& e) {
      Link* last = nullptr;
      for (const auto& link : self->links_) last = link != nullptr ? link.get() : last;
      result.loss = last != nullptr ? last->LossOf(e) : Loss{CHR_E_IO, e.what()};
    }
    if (result.session == nullptr) {
      result.loss.why = sdk::FormatAddress(self->address_) + ": " + result.loss.why;
      for (const auto& link : self->links_) {
        if (link != nullptr) link->Cut();
      }
    }
    self->env_.loop.Post([self, done, result = std::move(result)] { done(*self, result); });
  });
}

void Attempt::Cancel() {
  const std::scoped_lock lock(mutex_);
  cancelled_ = true;
  lookup_->wake.Notify();
  for (const auto& link : links_) {
    if (link != nullptr) link->Cut();
  }
}

Attempt::Result Attempt::Run() {
  const std::vector<Endpoint> found = Resolve();
  std::random_device random;
  const auto session = static_cast<int64_t>(uint64_t{random()} << 32 | random());
  uint64_t max_frame_bytes = env_.settings.max_frame_bytes;
  Links links;
  for (size_t lane = 0; lane < kConnections; ++lane) {
    links[lane] = Dial(found);
    {
      const std::scoped_lock lock(mutex_);
      if (cancelled_) throw sdk::Error(CHR_E_CANCELLED, "cancelled");
      links_[lane] = links[lane];
    }
    max_frame_bytes = std::min(max_frame_bytes, Greet(*links[lane], lane, session));
  }
  return {std::make_shared<OutboundSession>(env_, peer_, max_frame_bytes, std::move(links)), {}};
}

// The system's look-up blocks for as long as it likes, so it is made where nobody waits for its end.
std::vector<Attempt::Endpoint> Attempt::Resolve() {
  env_.host.PostBlocking([lookup = lookup_, address = address_] {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const int failed = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
    const std::scoped_lock lock(lookup->mutex);
    if (failed != 0) lookup->why = ::gai_strerror(failed);
    for (const addrinfo* at = failed == 0 ? list : nullptr; at != nullptr; at = at->ai_next) {
      lookup->found.push_back({at->ai_family, {reinterpret_cast<const char*>(at->ai_addr), at->ai_addrlen}});
    }
    if (failed == 0) ::freeaddrinfo(list);
    lookup->done = true;
    lookup->wake.Notify();
  });
  pollfd polled{lookup_->wake.fd(), POLLIN, 0};
  ::poll(&polled, 1, -1);  // Cancel wakes as well
  const std::scoped_lock lock(lookup_->mutex, mutex_);
  if (cancelled_) throw sdk::Error(CHR_E_CANCELLED, "cancelled");
  lookup_->wake.Clear();
  if (lookup_->found.empty()) throw sdk::Error(CHR_E_IO, lookup_->why);
  return lookup_->found;
}

std::shared_ptr<Link> Attempt::Dial(const std::vector<Endpoint>& endpoints) {
  std::string why;
  for (const Endpoint& endpoint : endpoints) {
    const int fd = Connect(endpoint, why);
    if (fd >= 0) return std::make_shared<Link>(env_, MakeSocket(env_, fd, false));
  }
  throw sdk::Error(CHR_E_IO, why);
}

int Attempt::Connect(const Endpoint& endpoint, std::string& why) {
  const int fd = ::socket(endpoint.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int error = fd < 0 ? errno : 0;
  const auto* to = reinterpret_cast<const sockaddr*>(endpoint.bytes.data());
  if (error == 0 && ::connect(fd, to, static_cast<socklen_t>(endpoint.bytes.size())) != 0) error = errno;
  if (error == EINPROGRESS) {
    std::array<pollfd, 2> polled{pollfd{fd, POLLOUT, 0}, pollfd{lookup_->wake.fd(), POLLIN, 0}};
    const auto timeout_ms = static_cast<int>(env_.settings.connect_timeout_ns / 1'000'000);
    const int ready = ::poll(polled.data(), polled.size(), timeout_ms);
    socklen_t size = sizeof(error);
    if (ready <= 0) {
      error = ETIMEDOUT;
    } else if (polled[0].revents == 0) {
      error = ECANCELED;
    } else {
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  if (error == 0) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
  }
  why = std::system_category().message(error);
  if (fd >= 0) ::close(fd);
  return -1;
}

uint64_t Attempt::Greet(Link& link, size_t lane, int64_t session) {
  rpc::NodeClient node(link.protocol());
  rpc::Hello hello;
  hello.version = kVersion;
  hello.node_id = static_cast<int64_t>(env_.sink.node_id());
  hello.wanted_id = static_cast<int64_t>(peer_);
  hello.session = session;
  hello.lane = static_cast<int32_t>(lane);
  hello.max_frame_bytes = env_.settings.max_frame_bytes;
  hello.checksums = env_.settings.checksums;
  hello.hello = env_.sink.Hello();
  hello.checksum = SumOf(hello);
  rpc::Welcome welcome;
  node.greet(welcome, hello);
  if (welcome.checksum != SumOf(welcome)) throw sdk::Error(CHR_E_IO, "a damaged greeting");
  if (welcome.status < 0) throw sdk::Error(CHR_E_DENIED, "refused by the peer: " + welcome.text);
  std::string refusal;
  if (welcome.node_id != static_cast<int64_t>(peer_)) {
    refusal = "this is node " + std::to_string(welcome.node_id) + ", not " + std::to_string(peer_);
  } else {
    const auto verdict = env_.sink.OnHello(peer_, link.Identity(), welcome.hello);
    if (verdict.status < 0) refusal = verdict.text.empty() ? "refused" : verdict.text;
  }
  if (!refusal.empty()) {
    node.refuse(CHR_E_DENIED, refusal);
    throw sdk::Error(CHR_E_DENIED, "refused by us: " + refusal);
  }
  link.Establish();
  return static_cast<uint64_t>(std::max<int64_t>(welcome.max_frame_bytes, 1));
}

// --- one attempt after the other -------------------------------------------------------------------------------------

Dialer::Dialer(Env& env, Peer& peer, sdk::Address address)
    : env_(env), peer_(peer), address_(std::move(address)), backoff_ns_(env.settings.reconnect_backoff_min_ns) {}

void Dialer::Stop(const Loss& loss) {
  state_ = State::kStopped;
  if (attempt_ != nullptr) attempt_->Cancel();
  attempt_.reset();
  if (const auto session = std::exchange(session_, nullptr)) session->Close(loss);
}

void Dialer::Tick(uint64_t now_ns) {
  if (state_ == State::kWaiting && now_ns >= deadline_ns_) return Dial();
  if (state_ == State::kConnecting && now_ns >= deadline_ns_) {
    attempt_->Cancel();
    Fail({CHR_E_TIMEOUT, sdk::FormatAddress(address_) + ": no greeting within the connect_timeout"});
  }
}

void Dialer::Hurry() {
  if (state_ == State::kWaiting) Dial();
}

void Dialer::Probe() {
  if (session_ != nullptr) session_->Probe();
}

void Dialer::Dial() {
  state_ = State::kConnecting;
  deadline_ns_ = env_.host.MonoNs() + env_.settings.connect_timeout_ns;
  attempt_ = std::make_shared<Attempt>(env_, peer_.id(), address_);
  attempt_->Start([self = shared_from_this()](const Attempt& attempt, const Attempt::Result& result) {
    self->OnDialled(attempt, result);
  });
}

void Dialer::OnDialled(const Attempt& attempt, const Attempt::Result& result) {
  if (attempt_.get() != &attempt || state_ != State::kConnecting) {
    if (result.session != nullptr) result.session->Close({CHR_E_CANCELLED, "too late"});
    return;
  }
  if (result.session == nullptr) return Fail(result.loss);
  attempt_.reset();
  state_ = State::kUp;
  up_since_ns_ = env_.host.MonoNs();
  session_ = result.session;
  session_->Start(
      [self = shared_from_this()](OutboundSession& lost, const Loss& loss) {
        if (self->session_.get() == &lost) self->Fail(loss);
      },
      [self = weak_from_this()] {
        if (const auto dialer = self.lock(); dialer != nullptr && dialer->state_ == State::kUp) dialer->peer_.OnPong();
      });
  peer_.OnUp(session_);
}

void Dialer::Fail(const Loss& loss) {
  const bool was_up = state_ == State::kUp;
  attempt_.reset();
  const auto session = std::exchange(session_, nullptr);
  const Settings& settings = env_.settings;
  const uint64_t now_ns = env_.host.MonoNs();
  // A session that lasted has made good for what failed before it.
  if (was_up && now_ns - up_since_ns_ > settings.reconnect_backoff_max_ns) {
    backoff_ns_ = settings.reconnect_backoff_min_ns;
  }
  deadline_ns_ = now_ns + backoff_ns_ / 2 + random_() % (backoff_ns_ / 2 + 1);
  backoff_ns_ = std::min(2 * backoff_ns_, settings.reconnect_backoff_max_ns);
  state_ = State::kWaiting;
  was_up ? peer_.OnDown(loss) : peer_.OnDialFailed(loss);
  if (session != nullptr) session->Close(loss);
}

}  // namespace chronik_transport_thrift
