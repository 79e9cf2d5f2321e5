// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/discovery/watcher.h"

#include <charconv>
#include <stdexcept>

namespace chronik_conformance {
namespace {

bool IsAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == address.npos || colon == 0) return false;
  unsigned port = 0;
  const auto [end, code] = std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  return code == std::errc() && end == address.data() + address.size() && port >= 1 && port <= 65535;
}

}  // namespace

Watcher::Watcher(const std::string& nodes) {
  table_ = sdk::CopyIn(*static_cast<const chr_discovery*>(TheTable(CHR_DISCOVERY_1)));
  const chr_plugin& plugin = ThePlugin();
  auto options = Kit().plugin_options;
  options["nodes"] = nodes;
  host_ = std::make_unique<sdk::testing::FakeHost>(sdk::testing::FakeHostSetup{
      .option_table = {plugin.options, plugin.option_count}, .options = std::move(options)});
  sink_.struct_size = sizeof(sink_);
  sink_.ctx = this;
  sink_.on_endpoints = [](void* ctx, const chr_endpoint* endpoints, size_t count, uint32_t origin,
                          chr_str message) noexcept {
    static_cast<Watcher*>(ctx)->Check({endpoints, count}, origin, sdk::ToView(message));
  };
  sink_.on_failure = [](void* ctx, chr_status status, chr_str message) noexcept {
    if (status >= 0) Breach("on_failure carries a failure, not " + std::to_string(status));
    if (message.size == 0) Breach("on_failure says why");
    static_cast<Watcher*>(ctx)->Add({status, {}, 0, std::string(sdk::ToView(message))});
  };
  chr_error err = BlankError();
  if (plugin.validate != nullptr) start_status_ = Calling([&] { return plugin.validate(host_->raw(), &err); });
  if (start_status_ >= 0) {
    start_status_ = Calling([&] { return plugin.create(host_->raw(), CHR_DISCOVERY_1, &self_, &err); });
  }
  if (start_status_ >= 0) {
    DoneWaiter done;
    start_status_ = done.Resolve(Calling([&] { return plugin.start(self_, &sink_, done.Raw(), &err); }));
  }
  start_message_ = err.message;
}

Watcher::~Watcher() {
  try {
    if (start_status_ >= 0) Stop(std::chrono::seconds(10));
  } catch (const std::exception& e) {
    Breach(std::string("while stopping: ") + e.what());
  }
  if (self_ != nullptr) Calling([&] { ThePlugin().destroy(self_); });
  host_->CloseTasks();
}

size_t Watcher::count() {
  const std::scoped_lock lock(mutex_);
  return reports_.size();
}

Report Watcher::Await(size_t after, std::chrono::nanoseconds patience) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, patience, [&] { return reports_.size() > after; })) {
    throw std::runtime_error("there was no report in time");
  }
  return reports_.back();
}

chr_status Watcher::Refresh() {
  return Calling([&] { return table_.refresh(self_); });
}

void Watcher::Stop(std::chrono::nanoseconds timeout) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopped_) return;
  }
  DoneWaiter done;
  const auto timeout_ns = static_cast<uint64_t>(timeout.count());
  const chr_status status = done.Resolve(Calling([&] { return ThePlugin().stop(self_, timeout_ns, done.Raw()); }));
  if (status < 0) Breach("PLG-8: stop failed with " + std::to_string(status));
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
}

void Watcher::Add(Report report) {
  if (in_call > 0) Breach("GEN-11: a report from inside a call of the host");
  if (inside_.fetch_add(1) != 0) Breach("DI-4: calls of the sink never overlap");
  {
    const std::scoped_lock lock(mutex_);
    if (stopped_) Breach("PLG-8: a report after stop");
    reports_.push_back(std::move(report));
    changed_.notify_all();
  }
  inside_.fetch_sub(1);
}

void Watcher::Check(std::span<const chr_endpoint> endpoints, uint32_t origin, std::string_view message) {
  Report report{CHR_OK, {}, origin, std::string(message)};
  if (endpoints.empty()) Breach("DI-3: on_endpoints is never empty");
  if (origin > CHR_DISCOVERY_FALLBACK) Breach("the origin " + std::to_string(origin) + " is none of the header's");
  if (origin != CHR_DISCOVERY_FRESH && message.empty()) Breach("DI-5: a report that is not fresh says why");
  std::pair<uint64_t, std::string_view> last;
  for (const chr_endpoint& endpoint : endpoints) {
    const std::pair<uint64_t, std::string_view> key{endpoint.node_id, sdk::ToView(endpoint.address)};
    report.endpoints.push_back(std::to_string(key.first) + "@" + std::string(key.second));
    if (!IsAddress(key.second)) Breach("'" + std::string(key.second) + "' is no host:port");
    if (last >= key)
      Breach("DI-3: endpoints go up by (node_id, address), without duplicates: " + report.endpoints.back());
    last = key;
  }
  Add(std::move(report));
}

}  // namespace chronik_conformance
