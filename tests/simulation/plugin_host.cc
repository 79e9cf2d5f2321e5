// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/plugin_host.h"

#include <cstring>
#include <utility>

namespace chronik::sim {

SimHost::SimHost(Process& process, PluginOptions options) : process_(process), options_(std::move(options)) {
  log_ = {sizeof log_, 0, [](const chr_host*, int32_t) noexcept -> int32_t { return 1; }, &Log, &Fatal};
  task_ = {sizeof task_,
           0,
           [](const chr_host* host) noexcept {
             return static_cast<uint64_t>(Of(host).process_.Now().time_since_epoch().count());
           },
           [](const chr_host* host) noexcept {
             return static_cast<uint64_t>(Duration(Of(host).process_.WallNow().time_since_epoch()).count());
           },
           &Post,
           &Post,
           [](const chr_host*, uint64_t, uint64_t, void (*)(void*) noexcept, void*, uint64_t*) noexcept -> chr_status {
             return CHR_E_UNSUPPORTED;
           },
           [](const chr_host*, uint64_t) noexcept {}};
  config_ = {
      sizeof config_,
      0,
      &GetText,
      &GetInt,
      [](const chr_host*, const char*, double*) noexcept -> chr_status { return CHR_E_NOT_FOUND; },
      [](const chr_host* host) noexcept { return chr_str{Of(host).data_dir_.data(), Of(host).data_dir_.size()}; }};
  host_ = {sizeof host_, CHR_ABI_EPOCH, this, "chronik-sim", "0", &GetService};
}

const void* SimHost::GetService(const chr_host* host, const char* id) noexcept {
  const SimHost& self = Of(host);
  if (std::strcmp(id, CHR_HOST_LOG_1) == 0) return &self.log_;
  if (std::strcmp(id, CHR_HOST_TASK_1) == 0) return &self.task_;
  if (std::strcmp(id, CHR_HOST_CONFIG_1) == 0) return &self.config_;
  return nullptr;
}

chr_status SimHost::Post(const chr_host* host, void (*fn)(void* arg) noexcept, void* arg) noexcept {
  Process& process = Of(host).process_;
  process.scheduler().Spawn(process, process.name() + "/task", [fn, arg] { fn(arg); });
  return CHR_OK;
}

chr_status SimHost::GetInt(const chr_host* host, const char* key, int64_t* out) noexcept {
  const auto& numbers = Of(host).options_.numbers;
  const auto found = numbers.find(key);
  if (found == numbers.end()) return CHR_E_NOT_FOUND;
  *out = found->second;
  return CHR_OK;
}

chr_status SimHost::GetText(const chr_host* host, const char* key, chr_str* out) noexcept {
  const auto& texts = Of(host).options_.texts;
  const auto found = texts.find(key);
  if (found == texts.end()) return CHR_E_NOT_FOUND;
  *out = {found->second.data(), found->second.size()};
  return CHR_OK;
}

void SimHost::Fatal(const chr_host* host, chr_status status, chr_str why) noexcept {
  SimHost& self = Of(host);
  ++self.fatal_reports_;
  self.fatal_reason_.assign(why.data, why.size);
  Log(host, CHR_LOG_ERROR, why, nullptr, 0);
  if (self.on_fatal_) self.on_fatal_(status, {why.data, why.size});
}

void SimHost::Log(const chr_host* host, int32_t level, chr_str message, const char*, int32_t) noexcept {
  const Process& process = Of(host).process_;
  Scheduler& scheduler = process.scheduler();
  if (level < CHR_LOG_INFO || !scheduler.trace().recording()) return;
  scheduler.trace().Line(scheduler.Now(), process.name() + ": " + std::string(message.data, message.size));
}

}  // namespace chronik::sim
