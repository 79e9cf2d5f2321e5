// SPDX-License-Identifier: Apache-2.0
// The host's services as this plugin uses them.
#pragma once

#include <chronik/host.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace chronik_log_wal {

// Counts into the host's metrics; a host without them is fine.
struct Counters {
  const chr_host* host = nullptr;
  const chr_host_metrics* metrics = nullptr;
  uint64_t syncs = 0, sync_seconds = 0, written_bytes = 0, appends = 0;  // handles

  void Add(uint64_t handle, double value) const {
    if (metrics != nullptr && handle != 0) metrics->add(host, handle, value);
  }
  void Observe(uint64_t handle, double value) const {
    if (metrics != nullptr && handle != 0) metrics->observe(host, handle, value);
  }
};

class HostView {
 public:
  explicit HostView(const chr_host* host)
      : host_(host),
        log_(static_cast<const chr_host_log*>(host->get_service(host, CHR_HOST_LOG_1))),
        task_(static_cast<const chr_host_task*>(host->get_service(host, CHR_HOST_TASK_1))),
        config_(static_cast<const chr_host_config*>(host->get_service(host, CHR_HOST_CONFIG_1))),
        metrics_(static_cast<const chr_host_metrics*>(host->get_service(host, CHR_HOST_METRICS_1))) {}

  bool complete() const { return task_ != nullptr && config_ != nullptr; }
  void Log(int32_t level, const std::string& text) const {
    if (log_ != nullptr) log_->write(host_, level, {text.data(), text.size()}, nullptr, 0);
  }
  void Fatal(chr_status status, const std::string& why) const {
    if (log_ != nullptr) log_->fatal(host_, status, {why.data(), why.size()});
  }
  uint64_t NowNs() const { return task_->mono_ns(host_); }
  uint64_t WallNs() const { return task_->wall_ns(host_); }
  // Work that may block, on a thread of the host. False: it was not taken.
  bool PostBlocking(std::function<void()> work) const {
    auto* owned = new std::function<void()>(std::move(work));
    const auto run = [](void* arg) noexcept {
      const std::unique_ptr<std::function<void()>> task(static_cast<std::function<void()>*>(arg));
      (*task)();
    };
    if (task_->post_blocking(host_, run, owned) >= 0) return true;
    delete owned;
    return false;
  }
  int64_t Int(const char* key, int64_t fallback) const {
    int64_t value = 0;
    return config_->get_int(host_, key, &value) >= 0 ? value : fallback;
  }
  std::string Text(const char* key, const std::string& fallback) const {
    chr_str value{};
    return config_->get_str(host_, key, &value) >= 0 ? std::string(value.data, value.size) : fallback;
  }
  std::string DataDir() const {
    const chr_str dir = config_->data_dir(host_);
    return std::string(dir.data, dir.size);
  }
  Counters DefineCounters() const;

 private:
  const chr_host* host_;
  const chr_host_log* log_;
  const chr_host_task* task_;
  const chr_host_config* config_;
  const chr_host_metrics* metrics_;
};

}  // namespace chronik_log_wal
