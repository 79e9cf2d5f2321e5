// SPDX-License-Identifier: Apache-2.0
// FakeHost: a chr_host for a plugin's own tests. Real threads and time, or both by hand; logs and metrics are captured;
// memory is counted and can be made to fail. Nothing of the kernel is needed.
#pragma once

#include <errno.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <chronik/host.h>
#include <chronik/plugin.h>
#include <chronik/sdk/guard.h>
#include <chronik/sdk/testing/option_values.h>
#include <chronik/sdk/testing/task_runner.h>

CHRONIK_SDK_BEGIN
namespace testing {

// A directory that disappears with the object.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "chronik-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw Error(CHR_E_IO, "mkdtemp " + pattern, errno);
    }
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct FakeHostSetup {
  std::span<const chr_option> option_table = {};
  std::map<std::string, std::string> options = {};
  std::string data_dir = {};            // empty: a temporary one
  size_t post_threads = 1;              // 0: the test calls RunTasks
  size_t blocking_threads = 4;          // 0: likewise
  bool simulated_time = false;          // the test calls Advance
  uint64_t budget_bytes = 1 << 30;      // buf_alloc answers CHR_E_NO_MEMORY above it
  std::function<void()> on_fatal = {};  // called by fatal() before it records the status, on the plugin's thread
};

// Destroy it after the plugin's instance. Every member: any thread.
class FakeHost {
 public:
  struct LogLine {
    int32_t level;
    std::string text;
  };

  // Throws Error(CHR_E_CONFIG) as the kernel would refuse the options.
  explicit FakeHost(FakeHostSetup setup = {})
      : budget_bytes_(setup.budget_bytes),
        options_(setup.option_table, std::move(setup.options)),
        temp_dir_(setup.data_dir.empty() ? std::make_unique<TempDir>() : nullptr),
        data_dir_(temp_dir_ != nullptr ? temp_dir_->path() : std::move(setup.data_dir)),
        on_fatal_(std::move(setup.on_fatal)),
        timers_(setup.simulated_time),
        post_(setup.post_threads),
        blocking_(setup.blocking_threads) {
    std::filesystem::create_directories(data_dir_);
    std::filesystem::permissions(data_dir_, std::filesystem::perms::owner_all);
    host_ = {sizeof(chr_host), CHR_ABI_EPOCH, this, "fake-host", CHRONIK_SDK_VERSION, &GetService};
  }
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  const chr_host* raw() const { return &host_; }
  const std::string& data_dir() const { return data_dir_; }

  // --- tasks and time
  size_t RunTasks() { return post_.RunAll() + blocking_.RunAll(); }
  void PauseTasks(bool paused) {
    post_.SetPaused(paused);
    blocking_.SetPaused(paused);
  }
  void Advance(uint64_t ns) { timers_.Advance(ns); }
  // Runs what is queued, joins the threads, and refuses tasks from now on.
  void CloseTasks() {
    post_.Close();
    blocking_.Close();
  }

  // --- memory
  void FailAllocationsAfter(int64_t successes) { allocations_left_.store(successes); }  // negative: never fail
  int64_t live_buffers() const { return live_buffers_.load(); }
  uint64_t live_bytes() const { return live_bytes_.load(); }

  // --- what the plugin said
  std::vector<LogLine> logs() const {
    const std::scoped_lock lock(mutex_);
    return logs_;
  }
  // The first status reported as fatal, or CHR_OK.
  chr_status fatal() const { return fatal_.load(); }
  // Value of a counter or gauge, sum of a histogram; 0 if it was never defined. `labels` as they were defined.
  double Metric(const std::string& name, const std::string& labels = "") const {
    const std::scoped_lock lock(mutex_);
    const auto it = handles_.find(name + "{" + labels + "}");
    return it == handles_.end() ? 0 : values_[it->second];
  }
  bool HasMetric(const std::string& name, const std::string& labels = "") const {
    const std::scoped_lock lock(mutex_);
    return handles_.contains(name + "{" + labels + "}");
  }

 private:
  struct Block : chr_owner {
    FakeHost* host;
    size_t size;
    size_t align;
    std::atomic<uint64_t> count{1};
    Block(FakeHost* h, size_t s, size_t a) : chr_owner{&Retain, &Release}, host(h), size(s), align(a) {}
    static void Retain(chr_owner* owner) noexcept { static_cast<Block*>(owner)->count.fetch_add(1); }
    static void Release(chr_owner* owner) noexcept {
      Block* block = static_cast<Block*>(owner);
      if (block->count.fetch_sub(1) == 1) {
        block->host->live_buffers_.fetch_sub(1);
        block->host->live_bytes_.fetch_sub(block->size);
        ::operator delete(block->bytes, std::align_val_t(block->align));
        delete block;
      }
    }
    void* bytes = nullptr;
  };

  static FakeHost& Of(const chr_host* host) noexcept { return *static_cast<FakeHost*>(host->ctx); }

  static const void* GetService(const chr_host*, const char* id) noexcept {
    static constexpr chr_host_log kLog{sizeof(chr_host_log), 0, &LogEnabled, &LogWrite, &LogFatal};
    static constexpr chr_host_metrics kMetrics{sizeof(chr_host_metrics), 0, &Define, &Add, &Set, &Add};
    static constexpr chr_host_config kConfig{sizeof(chr_host_config), 0, &GetStr, &GetInt, &GetF64, &DataDir};
    static constexpr chr_host_mem kMem{sizeof(chr_host_mem), 0, &BufAlloc, &BudgetBytes};
    static constexpr chr_host_task kTask{sizeof(chr_host_task), 0,           &MonoNs,     &WallNs, &Post,
                                         &PostBlocking,         &StartTimer, &CancelTimer};
    const std::string_view name(id);
    if (name == CHR_HOST_LOG_1) return &kLog;
    if (name == CHR_HOST_METRICS_1) return &kMetrics;
    if (name == CHR_HOST_CONFIG_1) return &kConfig;
    if (name == CHR_HOST_MEM_1) return &kMem;
    if (name == CHR_HOST_TASK_1) return &kTask;
    return nullptr;
  }

  static int32_t LogEnabled(const chr_host*, int32_t) noexcept { return 1; }
  static void LogWrite(const chr_host* host, int32_t level, chr_str text, const char*, int32_t) noexcept {
    FakeHost& me = Of(host);
    const std::scoped_lock lock(me.mutex_);
    me.logs_.push_back({level, std::string(ToView(text))});
  }
  static void LogFatal(const chr_host* host, chr_status status, chr_str why) noexcept {
    if (Of(host).on_fatal_) Of(host).on_fatal_();
    chr_status none = CHR_OK;
    Of(host).fatal_.compare_exchange_strong(none, status);
    LogWrite(host, CHR_LOG_ERROR, why, nullptr, 0);
  }

  static chr_status Define(const chr_host* host, int32_t, const char* name, const char*, const char*,
                           const char* labels, uint64_t* handle) noexcept {
    FakeHost& me = Of(host);
    const std::scoped_lock lock(me.mutex_);
    const std::string key = std::string(name) + "{" + (labels == nullptr ? "" : labels) + "}";
    const auto [it, fresh] = me.handles_.emplace(key, me.values_.size());
    if (fresh) {
      me.values_.push_back(0);
    }
    *handle = it->second;
    return CHR_OK;
  }
  static void Add(const chr_host* host, uint64_t handle, double value) noexcept {
    const std::scoped_lock lock(Of(host).mutex_);
    Of(host).values_.at(handle) += value;
  }
  static void Set(const chr_host* host, uint64_t handle, double value) noexcept {
    const std::scoped_lock lock(Of(host).mutex_);
    Of(host).values_.at(handle) = value;
  }

  static chr_status GetStr(const chr_host* host, const char* key, chr_str* out) noexcept {
    const std::string* text = Of(host).options_.Text(key);
    if (text != nullptr) *out = ToStr(*text);
    return text == nullptr ? CHR_E_NOT_FOUND : CHR_OK;
  }
  static chr_status GetInt(const chr_host* host, const char* key, int64_t* out) noexcept {
    const int64_t* number = Of(host).options_.Int(key);
    if (number != nullptr) *out = *number;
    return number == nullptr ? CHR_E_NOT_FOUND : CHR_OK;
  }
  static chr_status GetF64(const chr_host* host, const char* key, double* out) noexcept {
    const double* real = Of(host).options_.Real(key);
    if (real != nullptr) *out = *real;
    return real == nullptr ? CHR_E_NOT_FOUND : CHR_OK;
  }
  static chr_str DataDir(const chr_host* host) noexcept { return ToStr(Of(host).data_dir_); }

  static chr_status BufAlloc(const chr_host* host, size_t size, size_t align, chr_buf* out, void** writable) noexcept {
    FakeHost& me = Of(host);
    if (align == 0 || (align & (align - 1)) != 0 || align > 4096) {
      return CHR_E_INVALID;
    }
    if (me.live_bytes_.load() + size > me.budget_bytes_ || !me.AllocationMaySucceed()) {
      return CHR_E_NO_MEMORY;
    }
    return Guard(nullptr, [&] {
      auto block = std::make_unique<Block>(&me, size, align);
      block->bytes = ::operator new(std::max<size_t>(size, 1), std::align_val_t(align));
      me.live_buffers_.fetch_add(1);
      me.live_bytes_.fetch_add(size);
      *writable = block->bytes;
      *out = {block->bytes, size, block.get()};
      static_cast<void>(block.release());
    });
  }
  bool AllocationMaySucceed() noexcept {
    int64_t left = allocations_left_.load();
    while (left > 0 && !allocations_left_.compare_exchange_weak(left, left - 1)) {
    }
    return left != 0;
  }
  static uint64_t BudgetBytes(const chr_host* host) noexcept { return Of(host).budget_bytes_; }

  static uint64_t MonoNs(const chr_host* host) noexcept { return Of(host).timers_.MonoNs(); }
  static uint64_t WallNs(const chr_host* host) noexcept {
    return Of(host).timers_.MonoNs() + 1'700'000'000'000'000'000;
  }
  static chr_status Post(const chr_host* host, TaskFn fn, void* arg) noexcept { return Of(host).post_.Post(fn, arg); }
  static chr_status PostBlocking(const chr_host* host, TaskFn fn, void* arg) noexcept {
    return Of(host).blocking_.Post(fn, arg);
  }
  static chr_status StartTimer(const chr_host* host, uint64_t delay_ns, uint64_t period_ns, TaskFn fn, void* arg,
                               uint64_t* id) noexcept {
    *id = Of(host).timers_.Start(delay_ns, period_ns, fn, arg);
    return CHR_OK;
  }
  static void CancelTimer(const chr_host* host, uint64_t id) noexcept { Of(host).timers_.Cancel(id); }

  chr_host host_{};
  const uint64_t budget_bytes_;
  const OptionValues options_;
  const std::unique_ptr<TempDir> temp_dir_;  // none beside a given data_dir: a killed child would leave it
  const std::string data_dir_;
  std::atomic<int64_t> allocations_left_{-1};
  std::atomic<int64_t> live_buffers_{0};
  std::atomic<uint64_t> live_bytes_{0};
  std::atomic<chr_status> fatal_{CHR_OK};
  const std::function<void()> on_fatal_;
  mutable std::mutex mutex_;
  std::vector<LogLine> logs_;
  std::map<std::string, size_t> handles_;
  std::vector<double> values_;
  TimerWheel timers_;
  TaskRunner post_;
  TaskRunner blocking_;  // last: its threads use everything above
};

}  // namespace testing
CHRONIK_SDK_END
