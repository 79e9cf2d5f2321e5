// SPDX-License-Identifier: Apache-2.0
// Names to addresses. getaddrinfo blocks for as long as a name server is silent, so it runs where the host allows that.
#include <netdb.h>

#include <functional>

#include "plugins/transport_tcp/dialer.h"

namespace chronik_transport_tcp {
namespace {

Endpoints Lookup(const sdk::Address& address, std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int failure = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (failure != 0) {
    why = ::gai_strerror(failure);
    return {};
  }
  Endpoints found;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    tcp::endpoint endpoint;
    if (each->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), each->ai_addr, each->ai_addrlen);
    endpoint.resize(each->ai_addrlen);
    found.push_back(endpoint);
  }
  ::freeaddrinfo(list);
  if (found.empty()) why = "the name has no address";
  return found;
}

}  // namespace

void Resolve(Env& env, const sdk::Address& address, std::function<void(Endpoints, std::string)> done) {
  error_code not_a_number;
  const auto number = boost::asio::ip::make_address(address.host, not_a_number);
  if (!not_a_number) {
    env.Post([done = std::move(done), endpoint = tcp::endpoint(number, address.port)] { done({endpoint}, {}); });
    return;
  }
  env.host.PostBlocking([gate = env.gate, address, done = std::move(done)] {
    std::string why;
    Endpoints found = Lookup(address, why);
    const std::scoped_lock lock(gate->mutex);
    if (gate->env != nullptr) {
      gate->env->Post([done, found = std::move(found), why] { done(found, why); });
    }
  });
}

}  // namespace chronik_transport_tcp
