// SPDX-License-Identifier: Apache-2.0
// One instance of the exporter under test, from create to destroy, and what is asked of it over HTTP.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <chronik/metrics_exporter.h>
#include <chronik/sdk/testing/exposition.h>
#include <chronik/sdk/testing/fake_host.h>
#include <chronik/sdk/testing/http_client.h>

#include "sdk/conformance/common/kit.h"
#include "sdk/conformance/metrics_exporter/feed.h"

namespace chronik_conformance {

namespace sdk = chronik::sdk;
using sdk::testing::Exposition;
using sdk::testing::HttpAnswer;
using sdk::testing::HttpClient;

class Exporter {
 public:
  // Validates, creates and starts it with the kit's options, its `listen` as given. If that fails, status() says so.
  explicit Exporter(Feed* feed, const std::string& listen = "127.0.0.1:0");
  ~Exporter();  // stops and destroys
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  chr_status status() const { return status_; }
  const chr_error& error() const { return error_; }
  const chr_metrics_exporter& table() const { return table_; }
  void* self() const { return self_; }

  // Does it listen at all?
  bool pulls();
  std::string address();  // throws if it does not
  void Stop(std::chrono::nanoseconds timeout = std::chrono::seconds(10));
  // Threads of the process that there were not before create, after they had time to go.
  size_t ThreadsLeft();

 private:
  std::unique_ptr<sdk::testing::FakeHost> host_;
  Feed* const feed_;
  chr_metrics_exporter table_{};
  void* self_ = nullptr;
  chr_status status_ = CHR_OK;
  chr_error error_{};
  size_t threads_before_ = 0;
  bool stopped_ = false;
};

bool DeclaresListen();
size_t OpenFiles();  // descriptors of this process
size_t ResidentKib();
bool IsIn(const chr_error& error, const std::string& text);

// What a scrape says; a test failure that cites ME-9 if it is not well-formed. Throws if nobody answers.
Exposition Scrape(HttpClient& client);

}  // namespace chronik_conformance

// Most of what can be asked of an exporter is asked over HTTP.
#define CHRONIK_SKIP_UNLESS_IT_PULLS(exporter)                                              \
  ASSERT_GE((exporter).status(), 0) << "it does not start: " << (exporter).error().message; \
  if (!(exporter).pulls()) GTEST_SKIP() << "it pushes: there is nothing to ask over HTTP"
