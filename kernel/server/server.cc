// SPDX-License-Identifier: Apache-2.0
#include "kernel/server/server.h"

#include <boost/asio/ip/tcp.hpp>
#include <future>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/server/connection.h"
#include "kernel/server/server_state.h"

namespace chronik::server {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr const char* kConnectionsGauge = "chronik_connections";
constexpr const char* kMemoryGauge = "chronik_request_memory_bytes";
constexpr auto kAcceptRetry = std::chrono::milliseconds(100);

constexpr auto kGrace = std::chrono::seconds(1);

// Runs `task` on the shard and waits until it ran; not longer than a grace after `until`, as a shard may be stuck in a
// plugin, and its process must still end.
template <class F>
void RunOn(Shard& shard, std::chrono::steady_clock::time_point until, F task) {
  auto ran = std::make_shared<std::promise<void>>();
  std::future<void> done = ran->get_future();
  shard.Post([task, ran] {
    task();
    ran->set_value();
  });
  if (done.wait_until(until + kGrace) != std::future_status::ready)
    CHRONIK_LOG(kError) << "a shard is stuck: its connections are not closed";
}

}  // namespace

struct Server::Impl {
  std::shared_ptr<ServerState> state = std::make_shared<ServerState>();
  host::MetricsRegistry& metrics;
  Shard* accepting;
  // The rest: the accepting shard's thread only, but for Listen.
  tcp::acceptor acceptor;
  size_t next_shard = 0;
  bool stopping = false;
  Executor::TimerId retry = 0;

  Impl(Shard* shard, host::MetricsRegistry& registry) : metrics(registry), accepting(shard), acceptor(shard->io()) {}

  void AcceptNext() {
    ShardState& target = *state->shards[next_shard++ % state->shards.size()];
    acceptor.async_accept(target.shard->io(),
                          [this, &target](const boost::system::error_code& error, tcp::socket socket) {
                            // First, as it may come when the server is gone.
                            if (error == asio::error::operation_aborted) return;
                            OnAccept(target, error, std::move(socket));
                          });
  }

  void OnAccept(ShardState& target, const boost::system::error_code& error, tcp::socket socket) {
    if (stopping) return;
    if (error) {
      // Out of descriptors: the backlog keeps them waiting, a loop would only burn the CPU.
      CHRONIK_LOG(kWarn) << "accept: " << error.message();
      retry = accepting->Schedule(kAcceptRetry, [this] { AcceptNext(); });
      return;
    }
    Admit(target, std::move(socket));
    AcceptNext();
  }

  void Admit(ShardState& target, tcp::socket socket) {
    if (!state->Enter()) {
      boost::system::error_code ignored;
      const auto peer = socket.remote_endpoint(ignored);
      return state->Refused(peer.address().to_string() + ":" + std::to_string(peer.port()),
                            "there are " + std::to_string(state->limits.connections_max) +
                                " connections already (broker.max_connections)");
    }
    auto connection = std::make_shared<Connection>(state, target, std::move(socket));
    target.shard->Post([&target, connection = std::move(connection)] {
      if (target.draining) return connection->Close();
      target.connections.insert(connection);
      connection->Start();
    });
  }
};

Server::Server(std::vector<Shard*> shards, host::MetricsRegistry& metrics, Limits limits)
    : impl_(std::make_unique<Impl>(shards.front(), metrics)) {
  ServerState& s = *impl_->state;
  s.limits = limits;
  for (size_t i = 0; i < shards.size(); ++i) {
    s.shards.push_back(
        std::make_unique<ShardState>(ShardState{ShardId(static_cast<uint32_t>(i)), shards[i], {}, false}));
  }
  s.requests = &metrics.Counter("chronik_requests_total", "Requests received from clients");
  s.bytes_in = &metrics.Counter("chronik_received_bytes_total", "Bytes received from clients");
  s.bytes_out = &metrics.Counter("chronik_sent_bytes_total", "Bytes sent to clients");
  s.refused =
      &metrics.Counter("chronik_connections_refused_total", "Connections closed for what they sent, or over the limit");
  metrics.GaugeFrom(kConnectionsGauge, "Open client connections", {},
                    [&s] { return static_cast<double>(s.connections()); });
  metrics.GaugeFrom(kMemoryGauge, "Bytes of requests and responses in memory", {},
                    [&s] { return static_cast<double>(s.bytes.load()); });
}

Server::~Server() {
  impl_->metrics.DropGauge(kConnectionsGauge, {});
  impl_->metrics.DropGauge(kMemoryGauge, {});
}

Result<uint16_t> Server::Listen(const std::string& host, uint16_t port) {
  const std::string where = host + ":" + std::to_string(port);
  boost::system::error_code error;
  tcp::resolver resolver(impl_->accepting->io());
  const auto found =
      resolver.resolve(host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) return Error{ErrorCode::kConfig, "cannot listen on " + where + ": " + error.message()};
  const tcp::endpoint endpoint = found.begin()->endpoint();
  impl_->acceptor.open(endpoint.protocol(), error);
  if (!error) impl_->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) impl_->acceptor.bind(endpoint, error);
  if (!error) impl_->acceptor.listen(1024, error);
  if (error) {
    return Error{ErrorCode::kConfig,
                 "cannot listen on " + where + ": " + error.message() +
                     (error == asio::error::address_in_use ? "; another program has this port" : "")};
  }
  return impl_->acceptor.local_endpoint().port();
}

void Server::Accept(Dispatcher& dispatcher) {
  impl_->state->dispatcher = &dispatcher;
  impl_->accepting->Post([impl = impl_.get()] { impl->AcceptNext(); });
}

void Server::Stop(std::chrono::milliseconds deadline) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  RunOn(*impl_->accepting, until, [impl = impl_.get()] {
    impl->stopping = true;
    impl->accepting->Cancel(impl->retry);
    boost::system::error_code ignored;
    impl->acceptor.close(ignored);
  });
  // From here on no shard is given a connection: what was admitted before is in its queue already.
  const auto for_each_connection = [this, until](auto call) {
    for (const auto& shard : impl_->state->shards) {
      RunOn(*shard->shard, until, [&s = *shard, call] {
        s.draining = true;
        const auto open = s.connections;  // closing takes them off the set
        for (const auto& connection : open) call(*connection);
      });
    }
  };
  for_each_connection([](Connection& connection) { connection.Drain(); });
  impl_->state->WaitUntilEmpty(until);
  for_each_connection([](Connection& connection) { connection.Close(); });
}

}  // namespace chronik::server
