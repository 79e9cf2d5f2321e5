// SPDX-License-Identifier: Apache-2.0
// Asks the DNS for the SRV records of a service, again and again, and reports the set when it changes. When the DNS
// fails or names nobody, the last good set stands, and before there was one the configured nodes.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <chronik/sdk/discovery.h>

#include "plugins/discovery_dns/srv_query.h"

namespace chronik_discovery_dns {

// How a target tells its node id.
struct NodeIds {
  bool by_ordinal = false;  // by the number at the end of its first label ...
  uint64_t base = 0;        // ... plus this
};

// 0 if it does not tell.
uint64_t NodeIdOf(const std::string& target, const NodeIds& ids);

// The records as a report has them; those that name no host or port are left out.
std::vector<chronik::sdk::Endpoint> EndpointsOf(const std::vector<SrvRecord>& records, const NodeIds& ids);

class DnsDiscovery {
 public:
  explicit DnsDiscovery(chronik::sdk::Host& host);
  ~DnsDiscovery();

  static void Validate(chronik::sdk::Host& host);
  void Start(chronik::sdk::DiscoverySink sink);
  void Stop(uint64_t timeout_ns);
  chr_status Refresh();

 private:
  using Nanoseconds = uint64_t;  // of the host's monotonic clock
  struct State {
    chr_status status = CHR_OK;  // < 0: there is nothing to report
    uint32_t origin = CHR_DISCOVERY_FRESH;
    std::vector<chronik::sdk::Endpoint> endpoints;
  };

  void Run();
  bool BeginIfDue();
  Nanoseconds NextEvent() const;
  void Poll(Nanoseconds until);
  void TakeAnswer(const SrvQuery::Answer& answer);
  void TakeEndpoints(std::vector<chronik::sdk::Endpoint> endpoints);
  void FallBack(chr_status status, const std::string& why);
  void Report(State state, const std::string& why);
  void Wake() const;

  chronik::sdk::Host& host_;
  const SrvQuery::Settings settings_;
  const NodeIds ids_;
  const Nanoseconds refresh_min_;
  const Nanoseconds refresh_max_;
  const std::vector<chronik::sdk::Endpoint> fallback_;
  const chronik::sdk::Counter queries_;
  const chronik::sdk::Counter failures_;
  chronik::sdk::DiscoverySink sink_;
  int wake_fd_ = -1;  // an eventfd
  std::thread thread_;

  mutable std::mutex mutex_;
  bool refresh_wanted_ = false;
  bool stopping_ = false;

  // Of the thread only:
  std::optional<SrvQuery> query_;
  bool answers_refresh_ = false;  // the query began after a call of refresh()
  Nanoseconds began_ = 0;         // when the newest query began; 0: there was none
  Nanoseconds next_query_ = 0;
  Nanoseconds first_report_ = 0;  // by then something is reported
  std::optional<State> reported_;
  std::vector<chronik::sdk::Endpoint> last_good_;
};

}  // namespace chronik_discovery_dns
