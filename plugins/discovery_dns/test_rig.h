// SPDX-License-Identifier: Apache-2.0
// What the tests of this plugin run: a real name server (dnsmasq), one that answers whatever a test wants, and an
// instance whose reports are recorded.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <chronik/sdk/testing/fake_host.h>
#include <gtest/gtest.h>

#include "plugins/discovery_dns/dns_discovery.h"

namespace chronik_discovery_dns {

// A port of 127.0.0.1 that neither TCP nor UDP uses.
uint16_t FreePort();

// dnsmasq on 127.0.0.1 with these lines of configuration and nothing else; answers when the constructor returns.
class Dnsmasq {
 public:
  static bool Installed();
  Dnsmasq(uint16_t port, const std::vector<std::string>& lines);
  ~Dnsmasq();
  Dnsmasq(const Dnsmasq&) = delete;
  Dnsmasq& operator=(const Dnsmasq&) = delete;

 private:
  chronik::sdk::testing::TempDir dir_;
  pid_t pid_ = -1;
};

// A UDP server that hands each query to `answer` and sends back what that returns; nothing, if that is empty.
class FakeServer {
 public:
  using Answer = std::function<std::string(const std::string& query)>;
  explicit FakeServer(Answer answer);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void SetAnswer(Answer answer);
  std::vector<std::chrono::steady_clock::time_point> arrivals();
  void AwaitQueries(size_t count);

 private:
  void Serve();

  int fd_ = -1;
  uint16_t port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  Answer answer_;
  std::vector<std::chrono::steady_clock::time_point> arrivals_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// Parts of a DNS message (RFC 1035, 4.1).
std::string Number16(unsigned value);
std::string Number32(uint32_t value);
std::string Name(const std::string& dotted);
std::string SrvRdata(unsigned priority, unsigned weight, unsigned port, const std::string& target);
// A record of the name that was asked for.
std::string Record(unsigned type, uint32_t ttl_s, const std::string& rdata);
// `query` turned into an answer with these records, or with this RCODE.
std::string AnswerTo(const std::string& query, const std::vector<std::string>& records, unsigned rcode = 0);

struct Report {
  chr_status status;
  std::vector<std::string> endpoints;  // "id@host:port"
  uint32_t origin;
  std::string message;
};

class Instance {
 public:
  // Small intervals and timeouts, unless `options` say otherwise.
  explicit Instance(std::map<std::string, std::string> options);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // The first report from number `from` on for which `fits`; fails the test and returns the last one if there is none
  // in time.
  Report Await(const std::function<bool(const Report&)>& fits, size_t from = 0);
  Report AwaitSet(const std::vector<std::string>& endpoints, uint32_t origin);
  size_t count();
  std::vector<Report> reports();
  void Refresh() { EXPECT_EQ(discovery_.Refresh(), CHR_OK); }

 private:
  void Add(Report report);

  chronik::sdk::testing::FakeHost fake_;
  chronik::sdk::Host host_;
  DnsDiscovery discovery_;
  chr_discovery_sink sink_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Report> reports_;
};

}  // namespace chronik_discovery_dns
