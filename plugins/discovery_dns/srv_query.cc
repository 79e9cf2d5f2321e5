// SPDX-License-Identifier: Apache-2.0
#include "plugins/discovery_dns/srv_query.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <mutex>

#include <chronik/sdk/guard.h>

namespace chronik_discovery_dns {
namespace {

using chronik::sdk::Error;
using chronik::sdk::Guard;

constexpr int kClassIn = 1;
constexpr int kTypeSrv = 33;

void InitialiseLibrary() {
  static std::once_flag once;  // never undone: the plugin is never unloaded
  std::call_once(once, [] {
    if (const int status = ares_library_init(ARES_LIB_INIT_ALL); status != ARES_SUCCESS) {
      throw Error(CHR_E_INTERNAL, std::string("c-ares: ") + ares_strerror(status));
    }
  });
}

chr_status StatusOf(int ares) {
  switch (ares) {
    case ARES_SUCCESS: return CHR_OK;
    case ARES_ENODATA:
    case ARES_ENOTFOUND: return CHR_E_NOT_FOUND;
    case ARES_ETIMEOUT: return CHR_E_TIMEOUT;
    case ARES_ENOMEM: return CHR_E_NO_MEMORY;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION: return CHR_E_CANCELLED;
    default: return CHR_E_IO;
  }
}

}  // namespace

SrvQuery::SrvQuery(const Settings& settings) : settings_(settings) {
  InitialiseLibrary();
  ares_options options{};
  options.timeout = static_cast<int>(settings_.timeout.count());
  options.tries = settings_.tries;
  int status = ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  if (status == ARES_SUCCESS && !settings_.servers.empty()) {
    status = ares_set_servers_ports_csv(channel_, settings_.servers.c_str());
    if (status != ARES_SUCCESS) ares_destroy(channel_);
  }
  if (status != ARES_SUCCESS) throw Error(StatusOf(status), std::string("c-ares: ") + ares_strerror(status));
  ares_query(channel_, settings_.service.c_str(), kClassIn, kTypeSrv, &OnAnswer, this);
}

SrvQuery::~SrvQuery() { ares_destroy(channel_); }

void SrvQuery::AddTo(std::vector<pollfd>* fds) const {
  ares_socket_t sockets[ARES_GETSOCK_MAXNUM] = {};
  const unsigned bits = static_cast<unsigned>(ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM));
  for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    const int events =
        (ARES_GETSOCK_READABLE(bits, i) != 0 ? POLLIN : 0) | (ARES_GETSOCK_WRITABLE(bits, i) != 0 ? POLLOUT : 0);
    if (events != 0) fds->push_back({sockets[i], static_cast<short>(events), 0});  // NOLINT: poll's type
  }
}

std::chrono::milliseconds SrvQuery::Patience(std::chrono::milliseconds at_most) const {
  timeval most{at_most.count() / 1000, (at_most.count() % 1000) * 1000};
  timeval out{};
  const timeval* patience = ares_timeout(channel_, &most, &out);
  const auto left = std::chrono::seconds(patience->tv_sec) + std::chrono::microseconds(patience->tv_usec);
  return std::chrono::ceil<std::chrono::milliseconds>(left);
}

const std::optional<SrvQuery::Answer>& SrvQuery::Process(const std::vector<pollfd>& fds) {
  for (const pollfd& fd : fds) {
    // An error condition shows when the socket is read.
    const bool readable = (fd.revents & (POLLIN | POLLERR | POLLHUP)) != 0;
    const bool writable = (fd.revents & POLLOUT) != 0;
    if (readable || writable) {
      ares_process_fd(channel_, readable ? fd.fd : ARES_SOCKET_BAD, writable ? fd.fd : ARES_SOCKET_BAD);
    }
  }
  ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has timed out
  return answer_;
}

void SrvQuery::OnAnswer(void* self, int status, int, unsigned char* message, int size) noexcept {
  auto* me = static_cast<SrvQuery*>(self);
  Answer answer;
  chr_error err{};
  err.struct_size = sizeof(err);
  answer.status = Guard(&err, [&] {
    if (status != ARES_SUCCESS) throw Error(StatusOf(status), ares_strerror(status));
    answer.records = ParseSrvAnswer({message, static_cast<size_t>(size)});
    if (answer.records.empty()) throw Error(CHR_E_NOT_FOUND, "the answer has no SRV record");
  });
  if (answer.status < 0) answer.message = "SRV " + me->settings_.service + ": " + err.message;
  me->answer_ = std::move(answer);
}

void CheckServers(const std::string& servers) {
  for (size_t begin = 0; !servers.empty() && begin <= servers.size();) {
    const size_t end = std::min(servers.find(',', begin), servers.size());
    const std::string server = servers.substr(begin, end - begin);
    begin = end + 1;
    const size_t colon = server.rfind(':');
    const std::string host = server.substr(0, colon);
    uint16_t port = 0;
    in6_addr ignored{};
    const bool v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
    const bool address = v6 ? ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &ignored) == 1
                            : ::inet_pton(AF_INET, host.c_str(), &ignored) == 1;
    const char* const last = server.data() + server.size();
    const bool has_port =
        colon != std::string::npos && std::from_chars(server.data() + colon + 1, last, port).ptr == last && port != 0;
    if (!address || !has_port) {
      throw Error(CHR_E_CONFIG, "servers: '" + server + "' is not an address and a port, like 10.0.0.2:53 or [::1]:53");
    }
  }
}

}  // namespace chronik_discovery_dns
