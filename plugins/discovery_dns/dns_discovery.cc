// SPDX-License-Identifier: Apache-2.0
#include "plugins/discovery_dns/dns_discovery.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace chronik_discovery_dns {
namespace {

using chronik::sdk::DiscoverySink;
using chronik::sdk::Endpoint;
using chronik::sdk::Error;
using chronik::sdk::Host;
using chronik::sdk::InOrder;
using chronik::sdk::ParseNodes;

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1000 * kMillisecond;
// The header allows 10 s; a server that keeps silent may take longer than that.
constexpr uint64_t kFirstReport = 5 * kSecond;
// However often refresh() is called.
constexpr uint64_t kBetweenQueries = 100 * kMillisecond;

SrvQuery::Settings SettingsOf(const Host& host) {
  return {.service = std::string(host.GetString("service")),
          .servers = std::string(host.GetString("servers")),
          .timeout = std::chrono::milliseconds(host.GetInt("timeout") / static_cast<int64_t>(kMillisecond)),
          .tries = static_cast<int>(host.GetInt("retries")) + 1};
}

bool IsHostName(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

const char* NameOf(uint32_t origin) {
  return origin == CHR_DISCOVERY_FRESH ? "the DNS" : origin == CHR_DISCOVERY_CACHED ? "the last answer" : "nodes";
}

}  // namespace

uint64_t NodeIdOf(const std::string& target, const NodeIds& ids) {
  if (!ids.by_ordinal) return 0;
  const std::string label = target.substr(0, target.find('.'));
  const size_t digits = label.find_last_not_of("0123456789") + 1;
  uint64_t ordinal = 0;
  const auto [end, code] = std::from_chars(label.data() + digits, label.data() + label.size(), ordinal);
  const bool fits = code == std::errc() && end == label.data() + label.size() && ordinal <= UINT64_MAX - ids.base;
  return fits ? ordinal + ids.base : 0;
}

std::vector<Endpoint> EndpointsOf(const std::vector<SrvRecord>& records, const NodeIds& ids) {
  std::vector<Endpoint> endpoints;
  for (const SrvRecord& record : records) {
    if (!IsHostName(record.target) || record.port == 0) continue;
    endpoints.push_back({.node_id = NodeIdOf(record.target, ids),
                         .address = record.target + ":" + std::to_string(record.port),
                         .priority = record.priority,
                         .weight = record.weight,
                         .ttl_s = record.ttl_s});
  }
  return InOrder(std::move(endpoints));
}

DnsDiscovery::DnsDiscovery(Host& host)
    : host_(host),
      settings_(SettingsOf(host)),
      ids_{host.GetString("node_id") == "ordinal", static_cast<uint64_t>(host.GetInt("ordinal_base"))},
      refresh_min_(static_cast<uint64_t>(host.GetInt("refresh_min"))),
      refresh_max_(static_cast<uint64_t>(host.GetInt("refresh_max"))),
      fallback_(ParseNodes(host.GetString("nodes"))),
      queries_(host.DefineCounter("chronik_discovery_dns_queries_total", "", "Questions asked of the DNS")),
      failures_(host.DefineCounter("chronik_discovery_dns_failures_total", "", "Those that gave no usable answer")) {}

DnsDiscovery::~DnsDiscovery() {
  Stop(0);
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

void DnsDiscovery::Validate(Host& host) {
  const std::string_view service = host.GetString("service");
  constexpr size_t kNameMax = 253;  // RFC 1035
  if (service.empty() || service.size() > kNameMax || service.find_first_of(" \t,:/") != service.npos) {
    throw Error(CHR_E_CONFIG, "service: '" + std::string(service.substr(0, 80)) +
                                  "' is not the name of an SRV record, like _chronik._tcp.example.org");
  }
  CheckServers(std::string(host.GetString("servers")));
  static_cast<void>(ParseNodes(host.GetString("nodes")));
  if (host.GetInt("refresh_min") > host.GetInt("refresh_max")) {
    throw Error(CHR_E_CONFIG, "refresh_min is greater than refresh_max");
  }
}

void DnsDiscovery::Start(DiscoverySink sink) {
  sink_ = sink;
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) throw Error(CHR_E_IO, "eventfd", errno);
  first_report_ = host_.MonoNs() + kFirstReport;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void DnsDiscovery::Stop(uint64_t) {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  Wake();
  thread_.join();
}

chr_status DnsDiscovery::Refresh() {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return CHR_E_CLOSED;
    refresh_wanted_ = true;
  }
  Wake();
  return CHR_OK;
}

void DnsDiscovery::Wake() const {
  const uint64_t one = 1;
  static_cast<void>(::write(wake_fd_, &one, sizeof(one)));  // a full counter wakes as well
}

void DnsDiscovery::Run() {
  while (BeginIfDue()) {
    Poll(NextEvent());
    if (!reported_ && host_.MonoNs() >= first_report_) {
      FallBack(CHR_E_TIMEOUT, "SRV " + settings_.service + ": no answer yet");
    }
  }
  query_.reset();
}

// False: the instance stops.
bool DnsDiscovery::BeginIfDue() {
  const Nanoseconds now = host_.MonoNs();
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_) return false;
    const bool wanted = refresh_wanted_ && (began_ == 0 || now >= began_ + kBetweenQueries);
    if (query_ || (!wanted && now < next_query_)) return true;
    answers_refresh_ = refresh_wanted_;
    refresh_wanted_ = false;
  }
  began_ = now;
  queries_.Add();
  try {
    query_.emplace(settings_);
  } catch (const Error& e) {
    TakeAnswer({e.status(), e.what(), {}});
  }
  return true;
}

DnsDiscovery::Nanoseconds DnsDiscovery::NextEvent() const {
  Nanoseconds next = query_ ? UINT64_MAX : next_query_;
  if (!reported_) next = std::min(next, first_report_);
  const std::scoped_lock lock(mutex_);
  return refresh_wanted_ && !query_ ? std::min(next, began_ + kBetweenQueries) : next;
}

void DnsDiscovery::Poll(Nanoseconds until) {
  constexpr uint64_t kLong = 60'000;  // milliseconds
  const Nanoseconds now = host_.MonoNs();
  const uint64_t left_ms = until <= now ? 0 : std::min(kLong, (until - now + kMillisecond - 1) / kMillisecond);
  std::chrono::milliseconds patience(left_ms);
  std::vector<pollfd> fds{{wake_fd_, POLLIN, 0}};
  if (query_) {
    query_->AddTo(&fds);
    patience = query_->Patience(patience);
  }
  if (::poll(fds.data(), fds.size(), static_cast<int>(patience.count())) < 0) return;  // EINTR
  uint64_t ignored = 0;
  if (fds.front().revents != 0) static_cast<void>(::read(wake_fd_, &ignored, sizeof(ignored)));
  if (!query_) return;
  fds.erase(fds.begin());
  if (const auto& answer = query_->Process(fds)) {
    const SrvQuery::Answer taken = *answer;
    query_.reset();
    TakeAnswer(taken);
  }
}

void DnsDiscovery::TakeAnswer(const SrvQuery::Answer& answer) {
  if (answer.status < 0) return FallBack(answer.status, answer.message);
  std::vector<Endpoint> endpoints = EndpointsOf(answer.records, ids_);
  if (endpoints.empty()) {
    return FallBack(CHR_E_NOT_FOUND, "SRV " + settings_.service + ": the answer names no host and port");
  }
  uint32_t ttl_s = UINT32_MAX;
  for (const Endpoint& endpoint : endpoints) ttl_s = std::min(ttl_s, endpoint.ttl_s);
  next_query_ = host_.MonoNs() + std::clamp(ttl_s * kSecond, refresh_min_, refresh_max_);
  last_good_ = endpoints;
  Report({CHR_OK, CHR_DISCOVERY_FRESH, std::move(endpoints)}, "");
}

void DnsDiscovery::FallBack(chr_status status, const std::string& why) {
  if (!query_) {
    failures_.Add();
    next_query_ = host_.MonoNs() + refresh_min_;
  }
  if (!last_good_.empty()) return Report({CHR_OK, CHR_DISCOVERY_CACHED, last_good_}, why);
  if (!fallback_.empty()) return Report({CHR_OK, CHR_DISCOVERY_FALLBACK, fallback_}, why);
  Report({status, CHR_DISCOVERY_FALLBACK, {}}, why);
}

void DnsDiscovery::Report(State state, const std::string& why) {
  const bool same = reported_ && reported_->status == state.status && reported_->origin == state.origin &&
                    chronik::sdk::SameButTtl(reported_->endpoints, state.endpoints);
  const bool asked_for = answers_refresh_ && !query_;
  if (same && !asked_for) return;
  if (!query_) answers_refresh_ = false;
  if (!same) {
    const std::string what = std::to_string(state.endpoints.size()) + " nodes by " + NameOf(state.origin);
    if (why.empty()) {
      host_.Info(what);
    } else {
      host_.Warn(what + "; " + why);
    }
  }
  reported_ = std::move(state);
  if (reported_->status < 0) {
    sink_.Failure(reported_->status, why);
  } else {
    sink_.Endpoints(reported_->endpoints, reported_->origin, why);
  }
}

}  // namespace chronik_discovery_dns
