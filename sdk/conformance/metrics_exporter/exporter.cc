// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/metrics_exporter/exporter.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace chronik_conformance {
namespace {

size_t EntriesOf(const char* directory) {
  const std::filesystem::directory_iterator entries(directory);
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

bool DeclaresListen() {
  for (const chr_option& option : std::span(ThePlugin().options, ThePlugin().option_count)) {
    if (std::string_view(option.key) == "listen" && std::string_view(option.type) == "string") return true;
  }
  return false;
}

size_t OpenFiles() { return EntriesOf("/proc/self/fd"); }

size_t ResidentKib() {
  std::ifstream in("/proc/self/status");
  for (std::string word; in >> word;) {
    size_t kib = 0;
    if (word == "VmRSS:" && in >> kib) return kib;
  }
  throw std::runtime_error("no VmRSS");
}

bool IsIn(const chr_error& error, const std::string& text) {
  return std::string_view(error.message, ::strnlen(error.message, sizeof error.message)).find(text) !=
         std::string::npos;
}

Exposition Scrape(HttpClient& client) {
  const HttpAnswer answer = client.Get("/metrics");
  EXPECT_EQ(answer.status(), 200u) << "ME-9: /metrics answers with the figures, not: " << answer.head << answer.body;
  Exposition seen(answer.status() == 200 ? answer.body : "");
  for (const std::string& problem : seen.problems()) ADD_FAILURE() << "ME-9: the text is not well-formed: " << problem;
  return seen;
}

Exporter::Exporter(Feed* feed, const std::string& listen) : feed_(feed), error_(BlankError()) {
  table_ = sdk::CopyIn(*static_cast<const chr_metrics_exporter*>(TheTable(CHR_METRICS_EXPORTER_1)));
  const chr_plugin& plugin = ThePlugin();
  auto options = Kit().plugin_options;
  if (DeclaresListen()) options["listen"] = listen;
  host_ = std::make_unique<sdk::testing::FakeHost>(sdk::testing::FakeHostSetup{
      .option_table = {plugin.options, plugin.option_count}, .options = std::move(options)});
  threads_before_ = EntriesOf("/proc/self/task");
  if (plugin.validate != nullptr) status_ = Calling([&] { return plugin.validate(host_->raw(), &error_); });
  if (status_ >= 0) {
    error_ = BlankError();
    status_ = Calling([&] { return plugin.create(host_->raw(), CHR_METRICS_EXPORTER_1, &self_, &error_); });
    if (status_ < 0) self_ = nullptr;
  }
  if (status_ >= 0) {
    error_ = BlankError();
    DoneWaiter done;
    status_ = done.Resolve(Calling([&] { return plugin.start(self_, feed_->source(), done.Raw(), &error_); }));
  }
}

Exporter::~Exporter() {
  try {
    if (status_ >= 0) Stop();
  } catch (const std::exception& e) {
    Breach(std::string("PLG-8: while stopping: ") + e.what());
  }
  if (self_ != nullptr) Calling([&] { ThePlugin().destroy(self_); });
  host_->CloseTasks();
}

bool Exporter::pulls() {
  char where[256] = "";
  return Calling([&] { return table_.bound_address(self_, where, sizeof where); }) != CHR_E_UNSUPPORTED;
}

std::string Exporter::address() {
  char where[256];
  std::memset(where, '#', sizeof where);
  const chr_status status = Calling([&] { return table_.bound_address(self_, where, sizeof where); });
  if (status < 0 || ::strnlen(where, sizeof where) == sizeof where) {
    throw std::runtime_error("ME-5: bound_address answers " + std::to_string(status) + ", or without a NUL");
  }
  return where;
}

void Exporter::Stop(std::chrono::nanoseconds timeout) {
  if (std::exchange(stopped_, true)) return;
  DoneWaiter done;
  const auto timeout_ns = static_cast<uint64_t>(timeout.count());
  const chr_status status = done.Resolve(Calling([&] { return ThePlugin().stop(self_, timeout_ns, done.Raw()); }));
  if (status < 0) Breach("PLG-8: stop failed with " + std::to_string(status));
  feed_->Stopped();
}

size_t Exporter::ThreadsLeft() {
  // A thread that was joined may stand in /proc a moment longer.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  size_t now = EntriesOf("/proc/self/task");
  while (now > threads_before_ && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
    now = EntriesOf("/proc/self/task");
  }
  return now > threads_before_ ? now - threads_before_ : 0;
}

}  // namespace chronik_conformance
