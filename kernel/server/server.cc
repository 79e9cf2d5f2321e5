// SPDX-License-Identifier: Apache-2.0
#include "kernel/server/server.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/server/connection.h"
#include "kernel/server/server_state.h"

namespace chronik::server {

namespace asio = boost::asio;
using asio::ip::tcp;

struct Server::Impl {
  ServerState state;
  tcp::acceptor acceptor;
  Shard* accepting;
  size_t next_shard = 0;

  explicit Impl(Shard* shard) : acceptor(shard->io()), accepting(shard) {}

  void AcceptNext() {
    ShardState& target = *state.shards[next_shard++ % state.shards.size()];
    acceptor.async_accept(target.shard->io(),
                          [this, &target](const boost::system::error_code& error, tcp::socket socket) {
                            if (error == asio::error::operation_aborted) return;
                            if (error) {
                              // Out of descriptors: the backlog keeps them waiting, a loop would only burn the CPU.
                              CHRONIK_LOG(kWarn) << "accept: " << error.message();
                              accepting->Schedule(std::chrono::milliseconds(100), [this] { AcceptNext(); });
                              return;
                            }
                            Admit(target, std::move(socket));
                            AcceptNext();
                          });
  }

  void Admit(ShardState& target, tcp::socket socket) {
    if (state.connections.fetch_add(1) >= state.limits.connections_max) {
      state.connections.fetch_sub(1);
      state.refused->Increment();
      return;  // closed as `socket` ends
    }
    auto connection = std::make_shared<Connection>(state, target, std::move(socket));
    target.shard->Post([&target, connection = std::move(connection)] {
      if (target.draining) return connection->Close();
      target.connections.insert(connection);
      connection->Start();
    });
  }
};

Server::Server(std::vector<Shard*> shards, Dispatcher& dispatcher, host::MetricsRegistry& metrics, Limits limits)
    : impl_(std::make_unique<Impl>(shards.front())) {
  ServerState& s = impl_->state;
  s.limits = limits;
  s.dispatcher = &dispatcher;
  for (size_t i = 0; i < shards.size(); ++i) {
    s.shards.push_back(
        std::make_unique<ShardState>(ShardState{ShardId(static_cast<uint32_t>(i)), shards[i], {}, false}));
  }
  s.requests = &metrics.Counter("chronik_requests_total", "Requests received from clients");
  s.bytes_in = &metrics.Counter("chronik_received_bytes_total", "Bytes received from clients");
  s.bytes_out = &metrics.Counter("chronik_sent_bytes_total", "Bytes sent to clients");
  s.refused =
      &metrics.Counter("chronik_connections_refused_total", "Connections closed for what they sent, or over the limit");
  metrics.GaugeFrom("chronik_connections", "Open client connections", {},
                    [&s] { return static_cast<double>(s.connections.load()); });
  metrics.GaugeFrom("chronik_request_memory_bytes", "Bytes of requests and responses in memory", {},
                    [&s] { return static_cast<double>(s.bytes.load()); });
}

Server::~Server() = default;

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

void Server::Accept() {
  impl_->accepting->Post([impl = impl_.get()] { impl->AcceptNext(); });
}

void Server::Stop(std::chrono::milliseconds deadline) {
  std::mutex mutex;
  std::condition_variable changed;
  impl_->accepting->Post([impl = impl_.get()] {
    boost::system::error_code ignored;
    impl->acceptor.close(ignored);
  });
  for (const auto& shard : impl_->state.shards) {
    shard->shard->Post([&s = *shard] {
      s.draining = true;
      const auto open = s.connections;  // Drain takes them off the set
      for (const auto& connection : open) connection->Drain();
    });
  }
  const auto until = std::chrono::steady_clock::now() + deadline;
  std::unique_lock lock(mutex);
  while (impl_->state.connections.load() > 0 && std::chrono::steady_clock::now() < until) {
    changed.wait_for(lock, std::chrono::milliseconds(2));
  }
  lock.unlock();
  for (const auto& shard : impl_->state.shards) {
    shard->shard->Post([&s = *shard] {
      const auto open = s.connections;
      for (const auto& connection : open) connection->Close();
    });
  }
}

}  // namespace chronik::server
