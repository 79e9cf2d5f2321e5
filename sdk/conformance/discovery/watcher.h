// SPDX-License-Identifier: Apache-2.0
// One instance of the discovery under test, behind a sink that checks every report: complete, in order, never empty,
// never two at a time, never from inside a call, never after stop.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <chronik/discovery.h>
#include <chronik/sdk/testing/fake_host.h>

#include "sdk/conformance/common/kit.h"

namespace chronik_conformance {

namespace sdk = chronik::sdk;

struct Report {
  chr_status status = CHR_OK;          // < 0: on_failure
  std::vector<std::string> endpoints;  // "id@address", as reported
  uint32_t origin = 0;
  std::string message;
};

class Watcher {
 public:
  // Creates and starts with the kit's options and these nodes. If that fails, start_status() says so.
  explicit Watcher(const std::string& nodes);
  ~Watcher();  // stops and destroys
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  chr_status start_status() const { return start_status_; }
  const std::string& start_message() const { return start_message_; }
  const chr_discovery& table() const { return table_; }
  void* self() const { return self_; }

  size_t count();
  // The newest report, once there are more than `after`. Throws if there is none within `patience`.
  Report Await(size_t after, std::chrono::nanoseconds patience = kPatience);
  chr_status Refresh();
  void Stop(std::chrono::nanoseconds timeout);

 private:
  void Add(Report report);
  void Check(std::span<const chr_endpoint> endpoints, uint32_t origin, std::string_view message);

  std::unique_ptr<sdk::testing::FakeHost> host_;
  chr_discovery table_{};
  chr_discovery_sink sink_{};
  void* self_ = nullptr;
  chr_status start_status_ = CHR_OK;
  std::string start_message_;
  std::atomic<int> inside_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::vector<Report> reports_;
};

}  // namespace chronik_conformance
