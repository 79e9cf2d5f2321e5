// SPDX-License-Identifier: Apache-2.0
// One question to the DNS, by c-ares, driven by its owner's poll loop. A truncated answer is asked for again over TCP,
// a silent server again and then the next one.
#pragma once

#include <ares.h>
#include <poll.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <chronik/abi.h>

#include "plugins/discovery_dns/srv_answer.h"

namespace chronik_discovery_dns {

class SrvQuery {
 public:
  struct Settings {
    std::string service;
    std::string servers;  // "address:port,..."; empty: those of /etc/resolv.conf, read anew for every query
    std::chrono::milliseconds timeout;  // of the first try; c-ares doubles it
    int tries;
  };
  struct Answer {
    chr_status status = CHR_OK;
    std::string message;
    std::vector<SrvRecord> records;
  };

  explicit SrvQuery(const Settings& settings);  // asks; throws Error
  ~SrvQuery();
  SrvQuery(const SrvQuery&) = delete;
  SrvQuery& operator=(const SrvQuery&) = delete;

  // What to poll for, and for how long at most.
  void AddTo(std::vector<pollfd>* fds) const;
  std::chrono::milliseconds Patience(std::chrono::milliseconds at_most) const;
  // After the poll. The answer, once there is one.
  const std::optional<Answer>& Process(const std::vector<pollfd>& fds);

 private:
  static void OnAnswer(void* self, int status, int timeouts, unsigned char* message, int size) noexcept;

  const Settings settings_;
  ares_channel channel_ = nullptr;
  std::optional<Answer> answer_;
};

// Throws Error(CHR_E_CONFIG) unless the list is one that Settings::servers takes.
void CheckServers(const std::string& servers);

}  // namespace chronik_discovery_dns
