// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/plugin_services.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "kernel/base/log.h"

namespace chronik::host {
namespace {

constexpr uint32_t kLogLinesPerSecond = 100;
constexpr size_t kLogBytesMax = 4096;

LogLevel LevelOf(int32_t level) {
  if (level <= CHR_LOG_DEBUG) return LogLevel::kDebug;
  if (level == CHR_LOG_INFO) return LogLevel::kInfo;
  return level == CHR_LOG_WARN ? LogLevel::kWarn : LogLevel::kError;
}

std::string_view View(chr_str text) {
  return text.data == nullptr ? std::string_view() : std::string_view(text.data, text.size);
}

// One line of bounded length: a plugin that logs what a peer sent must not forge log lines.
std::string OneLine(std::string_view text) {
  std::string out(text.substr(0, kLogBytesMax));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  if (text.size() > kLogBytesMax) out += "...";
  return out;
}

Labels ParseLabels(const char* text) {
  Labels labels;
  std::string_view rest = text != nullptr ? text : "";
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find(','));
    const size_t equals = pair.find('=');
    // Without '=' the name is empty, which Define refuses.
    labels.emplace_back(equals == std::string_view::npos ? "" : pair.substr(0, equals),
                        equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
  }
  return labels;
}

Duration DurationOf(uint64_t ns) {
  return Duration(static_cast<int64_t>(std::min<uint64_t>(ns, static_cast<uint64_t>(Duration::max().count()))));
}

}  // namespace

// --- DoneWaiter
// ---------------------------------------------------------------------------------------------------------

bool DoneWaiter::Wait(Duration timeout) {
  std::unique_lock lock(mutex_);
  const auto is_done = [this] { return done_; };
  if (timeout != PluginInstance::kNoTimeout) return arrived_.wait_for(lock, timeout, is_done);
  arrived_.wait(lock, is_done);
  return true;
}

void DoneWaiter::Receive(void* ctx, uint64_t, chr_status status, chr_str message) noexcept {
  auto* self = static_cast<DoneWaiter*>(ctx);
  const std::scoped_lock lock(self->mutex_);
  if (self->done_) return;  // the first counts
  self->done_ = true;
  self->status_ = status;
  self->message_ = OneLine(View(message));
  self->arrived_.notify_all();
}

// --- HostSide
// -----------------------------------------------------------------------------------------------------------

const OptionValue* HostSide::Find(const char* key) const {
  const std::scoped_lock lock(options_mutex_);
  const auto found = key != nullptr ? options_.find(std::string_view(key)) : options_.end();
  return found == options_.end() ? nullptr : found->second;
}

void HostSide::SetOptions(const OptionValues& values) {
  const std::scoped_lock lock(options_mutex_);
  for (const auto& [key, value] : values) options_[key] = &values_.emplace_back(value);
}

OptionValue HostSide::Option(const std::string& key) const { return *Find(key.c_str()); }

// False: too many lines in this second; this one is left out.
bool HostSide::PassLogLine(uint32_t* left_out) {
  const std::scoped_lock lock(log_mutex_);
  const Instant now = services_.clock->Now();
  if (log_lines_ == 0 || now - log_window_ >= std::chrono::seconds(1)) {
    log_window_ = now;
    log_lines_ = 0;
  }
  if (log_lines_ >= kLogLinesPerSecond) {
    ++log_left_out_;
    return false;
  }
  ++log_lines_;
  *left_out = std::exchange(log_left_out_, 0);
  return true;
}

void HostSide::WriteLog(int32_t level, std::string_view message, const char* file, int32_t line) {
  uint32_t left_out = 0;
  if (!LogEnabled(LevelOf(level)) || !PassLogLine(&left_out)) return;
  internal::LogLine out(LevelOf(level), file != nullptr ? file : plugin_->id.c_str(), line);
  out.stream() << '[' << (kind_.empty() ? plugin_->id : kind_) << "] ";
  if (level == CHR_LOG_HOST_MISBEHAVED) out.stream() << "the host misbehaved: ";
  if (left_out > 0) out.stream() << '(' << left_out << " lines left out before) ";
  out.stream() << OneLine(message);
}

bool HostSide::Submit(bool blocking, Task task) {
  {
    const std::scoped_lock lock(tasks_mutex_);
    ++tasks_;
  }
  const auto ended = [this] {
    const std::scoped_lock lock(tasks_mutex_);
    --tasks_;
    tasks_ended_.notify_all();
  };
  Task counted = [ended, task = std::move(task)]() mutable {
    task();
    ended();
  };
  TaskPool& pool = *services_.tasks;
  const bool accepted = blocking ? pool.PostBlocking(std::move(counted)) : pool.Post(std::move(counted));
  if (!accepted) ended();
  return accepted;
}

bool HostSide::EndTasks(Duration timeout) {
  std::unique_lock lock(tasks_mutex_);
  while (!timers_.empty()) {
    const uint64_t id = *timers_.begin();
    timers_.erase(timers_.begin());
    lock.unlock();
    services_.tasks->Cancel(id);
    lock.lock();
  }
  return tasks_ended_.wait_for(lock, timeout, [this] { return tasks_ == 0; });
}

// --- the functions behind the tables
// --------------------------------------------------------------------------------------

struct HostTables {
  static HostSide& Of(const chr_host* host) { return *static_cast<HostSide*>(host->ctx); }

  // --- log
  static int32_t LogIsEnabled(const chr_host*, int32_t level) noexcept { return LogEnabled(LevelOf(level)) ? 1 : 0; }
  static void WriteLog(const chr_host* host, int32_t level, chr_str message, const char* file, int32_t line) noexcept {
    Of(host).WriteLog(level, View(message), file, line);
  }
  static void Fatal(const chr_host* host, chr_status status, chr_str why) noexcept {
    HostSide& self = Of(host);
    if (self.failed_.exchange(true)) return;
    const std::string text = OneLine(View(why));
    CHRONIK_LOG(kError) << '[' << self.kind_ << "] plugin " << self.plugin_->id << " failed for good: " << text;
    const ErrorCode code = status == CHR_E_CORRUPT    ? ErrorCode::kCorrupt
                           : status == CHR_E_NO_SPACE ? ErrorCode::kNoSpace
                                                      : ErrorCode::kStorage;
    if (self.services_.on_fatal) self.services_.on_fatal(self.plugin_->id, {code, text});
  }

  // --- metrics: a handle is the metric's address; the registry outlives every instance
  static chr_status Define(const chr_host* host, int32_t kind, const char* name, const char* unit, const char* help,
                           const char* labels, uint64_t* handle) noexcept {
    if (name == nullptr || handle == nullptr || kind < CHR_METRIC_COUNTER || kind > CHR_METRIC_HISTOGRAM)
      return CHR_E_INVALID;
    HostSide& self = Of(host);
    const auto metric = self.services_.metrics->Define(static_cast<MetricKind>(kind), name, unit != nullptr ? unit : "",
                                                       help != nullptr ? help : "", ParseLabels(labels));
    if (!metric.ok()) {
      self.WriteLog(CHR_LOG_WARN, metric.error().message, nullptr, 0);
      return metric.error().code == ErrorCode::kOverloaded ? CHR_E_NO_MEMORY : CHR_E_INVALID;
    }
    *handle = reinterpret_cast<uintptr_t>(*metric);
    return CHR_OK;
  }
  static Metric& MetricOf(uint64_t handle) { return *reinterpret_cast<Metric*>(static_cast<uintptr_t>(handle)); }
  static void Add(const chr_host*, uint64_t handle, double value) noexcept {
    if (handle != 0) MetricOf(handle).Add(value);
  }
  static void Set(const chr_host*, uint64_t handle, double value) noexcept {
    if (handle != 0) MetricOf(handle).Set(value);
  }
  static void Observe(const chr_host*, uint64_t handle, double value) noexcept {
    if (handle != 0) MetricOf(handle).Observe(value);
  }

  // --- config
  template <class T>
  static const T* Find(const chr_host* host, const char* key) {
    const OptionValue* value = Of(host).Find(key);
    return value == nullptr ? nullptr : std::get_if<T>(value);
  }
  static chr_status GetStr(const chr_host* host, const char* key, chr_str* out) noexcept {
    const auto* value = Find<std::string>(host, key);
    if (value == nullptr) return CHR_E_NOT_FOUND;
    *out = {value->data(), value->size()};
    return CHR_OK;
  }
  static chr_status GetInt(const chr_host* host, const char* key, int64_t* out) noexcept {
    const auto* value = Find<int64_t>(host, key);
    if (value == nullptr) return CHR_E_NOT_FOUND;
    *out = *value;
    return CHR_OK;
  }
  static chr_status GetF64(const chr_host* host, const char* key, double* out) noexcept {
    const auto* value = Find<double>(host, key);
    if (value == nullptr) return CHR_E_NOT_FOUND;
    *out = *value;
    return CHR_OK;
  }
  static chr_str DataDir(const chr_host* host) noexcept {
    return {Of(host).data_dir_.data(), Of(host).data_dir_.size()};
  }

  // --- memory
  struct Block {
    chr_owner owner;
    std::atomic<uint32_t> references;
    HostSide::Usage usage;
    size_t size;
  };
  static void Retain(chr_owner* self) noexcept {
    reinterpret_cast<Block*>(self)->references.fetch_add(1, std::memory_order_relaxed);
  }
  static void Release(chr_owner* self) noexcept {
    auto* block = reinterpret_cast<Block*>(self);
    if (block->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    block->usage->fetch_sub(block->size, std::memory_order_relaxed);
    block->~Block();
    std::free(static_cast<void*>(block));
  }
  static chr_status BufAlloc(const chr_host* host, size_t size, size_t align, chr_buf* out, void** writable) noexcept {
    if (out == nullptr || writable == nullptr || align == 0 || align > 4096 || (align & (align - 1)) != 0)
      return CHR_E_INVALID;
    HostSide& self = Of(host);
    const uint64_t budget = self.memory_budget_bytes_;
    std::atomic<uint64_t>& used = *self.allocated_bytes_;
    uint64_t before = used.load(std::memory_order_relaxed);
    do {
      if (size > budget || before > budget - size) return CHR_E_NO_MEMORY;
    } while (!used.compare_exchange_weak(before, before + size, std::memory_order_relaxed));
    const size_t start = std::max(align, alignof(std::max_align_t));
    const size_t header = (sizeof(Block) + start - 1) / start * start;
    void* memory = nullptr;
    if (::posix_memalign(&memory, start, header + size) != 0) {
      used.fetch_sub(size, std::memory_order_relaxed);
      return CHR_E_NO_MEMORY;
    }
    auto* block = ::new (memory) Block{{&Retain, &Release}, {1}, self.allocated_bytes_, size};
    *writable = static_cast<char*>(memory) + header;
    *out = {*writable, size, &block->owner};
    return CHR_OK;
  }
  static uint64_t BudgetBytes(const chr_host* host) noexcept { return Of(host).memory_budget_bytes_; }

  // --- tasks
  using Fn = void (*)(void*) noexcept;
  static uint64_t MonoNs(const chr_host* host) noexcept {
    return static_cast<uint64_t>(Of(host).services_.clock->Now().time_since_epoch().count());
  }
  static uint64_t WallNs(const chr_host* host) noexcept {
    return static_cast<uint64_t>(
        std::chrono::nanoseconds(Of(host).services_.clock->WallNow().time_since_epoch()).count());
  }
  static chr_status Post(const chr_host* host, Fn fn, void* arg) noexcept {
    if (fn == nullptr) return CHR_E_INVALID;
    return Of(host).Submit(false, [fn, arg] { fn(arg); }) ? CHR_OK : CHR_E_BUSY;
  }
  static chr_status PostBlocking(const chr_host* host, Fn fn, void* arg) noexcept {
    if (fn == nullptr) return CHR_E_INVALID;
    return Of(host).Submit(true, [fn, arg] { fn(arg); }) ? CHR_OK : CHR_E_BUSY;
  }
  static chr_status StartTimer(const chr_host* host, uint64_t delay_ns, uint64_t period_ns, Fn fn, void* arg,
                               uint64_t* id) noexcept {
    if (fn == nullptr || id == nullptr) return CHR_E_INVALID;
    HostSide& self = Of(host);
    // Known to the timer's function only after Schedule returned: both sides hold the mutex.
    auto own_id = std::make_shared<uint64_t>(0);
    UniqueFunction<void()> run = [fn, arg] { fn(arg); };
    if (period_ns == 0) {
      run = [&self, own_id, fn, arg] {
        {
          const std::scoped_lock lock(self.tasks_mutex_);
          self.timers_.erase(*own_id);
          ++self.tasks_;
        }
        fn(arg);
        const std::scoped_lock lock(self.tasks_mutex_);
        --self.tasks_;
        self.tasks_ended_.notify_all();
      };
    }
    const std::scoped_lock lock(self.tasks_mutex_);
    *own_id = self.services_.tasks->Schedule(DurationOf(delay_ns), DurationOf(period_ns), std::move(run));
    if (*own_id == 0) return CHR_E_BUSY;
    *id = *own_id;
    self.timers_.insert(*own_id);
    return CHR_OK;
  }
  static void CancelTimer(const chr_host* host, uint64_t id) noexcept {
    HostSide& self = Of(host);
    self.services_.tasks->Cancel(id);
    const std::scoped_lock lock(self.tasks_mutex_);
    self.timers_.erase(id);
  }

  static const void* GetService(const chr_host*, const char* id) noexcept {
    static const chr_host_log kLog{sizeof(chr_host_log), 0, &LogIsEnabled, &WriteLog, &Fatal};
    static const chr_host_metrics kMetrics{sizeof(chr_host_metrics), 0, &Define, &Add, &Set, &Observe};
    static const chr_host_config kConfig{sizeof(chr_host_config), 0, &GetStr, &GetInt, &GetF64, &DataDir};
    static const chr_host_mem kMem{sizeof(chr_host_mem), 0, &BufAlloc, &BudgetBytes};
    static const chr_host_task kTask{sizeof(chr_host_task), 0,           &MonoNs,     &WallNs, &Post,
                                     &PostBlocking,         &StartTimer, &CancelTimer};
    const std::string_view wanted = id != nullptr ? id : "";
    if (wanted == CHR_HOST_LOG_1) return &kLog;
    if (wanted == CHR_HOST_METRICS_1) return &kMetrics;
    if (wanted == CHR_HOST_CONFIG_1) return &kConfig;
    if (wanted == CHR_HOST_MEM_1) return &kMem;
    if (wanted == CHR_HOST_TASK_1) return &kTask;
    return nullptr;
  }
};

HostSide::HostSide(LoadedPluginPtr plugin, HostServices& services, InstanceSettings settings)
    : plugin_(std::move(plugin)),
      services_(services),
      kind_(std::move(settings.kind)),
      data_dir_(settings.data_dir.string()),
      memory_budget_bytes_(settings.memory_budget_bytes) {
  host_ = chr_host{sizeof(chr_host), CHR_ABI_EPOCH, this, "chronik", CHRONIK_VERSION, &HostTables::GetService};
  SetOptions(settings.options);
}

}  // namespace chronik::host
