// SPDX-License-Identifier: Apache-2.0
// Host: the C++ view of the services that the kernel lends one plugin instance.
#pragma once

#include <algorithm>
#include <concepts>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>

#include <chronik/host.h>
#include <chronik/sdk/buffer.h>
#include <chronik/sdk/guard.h>

CHRONIK_SDK_BEGIN

// Handles of one time series each; wait-free, from any thread, and no-ops on a host without metrics.
class Counter {
 public:
  Counter() = default;
  Counter(const chr_host* host, const chr_host_metrics* table, uint64_t handle)
      : host_(host), table_(table), handle_(handle) {}
  void Add(double value = 1) const noexcept {
    if (table_ != nullptr) table_->add(host_, handle_, value);
  }

 protected:
  const chr_host* host_ = nullptr;
  const chr_host_metrics* table_ = nullptr;
  uint64_t handle_ = 0;
};

class Gauge : public Counter {
 public:
  using Counter::Counter;
  void Set(double value) const noexcept {
    if (table_ != nullptr) table_->set(host_, handle_, value);
  }
};

class Histogram : private Counter {
 public:
  using Counter::Counter;
  void Observe(double value) const noexcept {
    if (table_ != nullptr) table_->observe(host_, handle_, value);
  }
};

// Memory that its one holder may still write; becomes a shared Buffer with Freeze.
class WritableBuffer {
 public:
  WritableBuffer(const chr_buf& buf, void* writable) : buffer_(Buffer::Adopt(buf)), writable_(writable) {}
  std::byte* data() const noexcept { return static_cast<std::byte*>(writable_); }
  size_t size() const noexcept { return buffer_.size(); }
  Buffer Freeze() && noexcept { return std::move(buffer_); }

 private:
  Buffer buffer_;
  void* writable_;
};

// Made by the SDK before your class is constructed, and outlives it; keep a reference. Every member: [any] unless said.
class Host {
 public:
  explicit Host(const chr_host* host)
      : raw_(host),
        log_(Fetch<chr_host_log>(CHR_HOST_LOG_1)),
        metrics_(Fetch<chr_host_metrics>(CHR_HOST_METRICS_1)),
        config_(Fetch<chr_host_config>(CHR_HOST_CONFIG_1)),
        mem_(Fetch<chr_host_mem>(CHR_HOST_MEM_1)),
        task_(Fetch<chr_host_task>(CHR_HOST_TASK_1)) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const chr_host* raw() const noexcept { return raw_; }

  // --- log -------------------------------------------------------------------------------------------------------
  using Where = std::source_location;
  bool LogEnabled(int32_t level) const noexcept { return log_.enabled != nullptr && log_.enabled(raw_, level) != 0; }
  void Log(int32_t level, std::string_view text, Where where = Where::current()) const noexcept {
    if (log_.write != nullptr) {
      log_.write(raw_, level, ToStr(text), where.file_name(), static_cast<int32_t>(where.line()));
    }
  }
  void Debug(std::string_view text, Where where = Where::current()) const noexcept { Log(CHR_LOG_DEBUG, text, where); }
  void Info(std::string_view text, Where where = Where::current()) const noexcept { Log(CHR_LOG_INFO, text, where); }
  void Warn(std::string_view text, Where where = Where::current()) const noexcept { Log(CHR_LOG_WARN, text, where); }
  void LogError(std::string_view text, Where where = Where::current()) const noexcept {
    Log(CHR_LOG_ERROR, text, where);
  }
  // "The host broke a rule of the headers": says which.
  void Misbehaved(std::string_view rule, Where where = Where::current()) const noexcept {
    Log(CHR_LOG_HOST_MISBEHAVED, rule, where);
  }
  // "My instance is poisoned"; from now on every call must answer CHR_E_FATAL.
  void Fatal(chr_status status, std::string_view why) const noexcept {
    if (log_.fatal != nullptr) log_.fatal(raw_, status, ToStr(why));
  }

  // --- metrics: define [control] ---------------------------------------------------------------------------------
  Counter DefineCounter(const char* name, const char* unit, const char* help, const char* labels = nullptr) const {
    return Define<Counter>(CHR_METRIC_COUNTER, name, unit, help, labels);
  }
  Gauge DefineGauge(const char* name, const char* unit, const char* help, const char* labels = nullptr) const {
    return Define<Gauge>(CHR_METRIC_GAUGE, name, unit, help, labels);
  }
  Histogram DefineHistogram(const char* name, const char* unit, const char* help, const char* labels = nullptr) const {
    return Define<Histogram>(CHR_METRIC_HISTOGRAM, name, unit, help, labels);
  }

  // --- config: throws Error if the key is not in the plugin's option table ------------------------------------------
  std::string_view GetString(const char* key) const {
    chr_str out{};
    Require(Need(config_.get_str, CHR_HOST_CONFIG_1)(raw_, key, &out), key);
    return ToView(out);
  }
  int64_t GetInt(const char* key) const {  // "int", "bytes", "duration" in nanoseconds, "bool"
    int64_t out = 0;
    Require(Need(config_.get_int, CHR_HOST_CONFIG_1)(raw_, key, &out), key);
    return out;
  }
  bool GetBool(const char* key) const { return GetInt(key) != 0; }
  double GetFloat(const char* key) const {
    double out = 0;
    Require(Need(config_.get_f64, CHR_HOST_CONFIG_1)(raw_, key, &out), key);
    return out;
  }
  std::string_view DataDir() const { return ToView(Need(config_.data_dir, CHR_HOST_CONFIG_1)(raw_)); }

  // --- memory: throws Error(CHR_E_NO_MEMORY) over the budget ---------------------------------------------------------
  WritableBuffer Allocate(size_t size, size_t align = alignof(std::max_align_t)) const {
    chr_buf buf{};
    void* writable = nullptr;
    Require(Need(mem_.buf_alloc, CHR_HOST_MEM_1)(raw_, size, align, &buf, &writable), "host memory");
    return WritableBuffer(buf, writable);
  }
  Buffer Copy(std::span<const chr_buf> bufs) const {  // the bytes of all, one after the other
    size_t size = 0;
    for (const chr_buf& buf : bufs) size += buf.size;
    WritableBuffer copied = Allocate(size);
    std::byte* to = copied.data();
    for (const chr_buf& buf : bufs) to = std::copy_n(static_cast<const std::byte*>(buf.data), buf.size, to);
    return std::move(copied).Freeze();
  }
  uint64_t BudgetBytes() const { return Need(mem_.budget_bytes, CHR_HOST_MEM_1)(raw_); }

  // --- tasks and time ----------------------------------------------------------------------------------------------
  uint64_t MonoNs() const { return Need(task_.mono_ns, CHR_HOST_TASK_1)(raw_); }
  uint64_t WallNs() const { return Need(task_.wall_ns, CHR_HOST_TASK_1)(raw_); }
  // Runs `fn` once, later, on a thread of the host. Throws if the host refuses; then fn never runs. What fn throws is
  // reported as fatal: there is nobody else to tell.
  template <std::invocable Fn>
  void Post(Fn fn) const {
    PostTo(Need(task_.post, CHR_HOST_TASK_1), std::move(fn));
  }
  template <std::invocable Fn>
  void PostBlocking(Fn fn) const {  // may do I/O
    PostTo(Need(task_.post_blocking, CHR_HOST_TASK_1), std::move(fn));
  }
  // The raw timer: period_ns == 0 fires once.
  uint64_t StartTimer(uint64_t delay_ns, uint64_t period_ns, void (*fn)(void*) CHR_NX, void* arg) const {
    uint64_t id = 0;
    Require(Need(task_.timer, CHR_HOST_TASK_1)(raw_, delay_ns, period_ns, fn, arg, &id), "timer");
    return id;
  }
  void CancelTimer(uint64_t id) const { Need(task_.timer_cancel, CHR_HOST_TASK_1)(raw_, id); }

 private:
  template <class Table>
  Table Fetch(const char* id) const noexcept {
    const void* table = raw_->get_service(raw_, id);
    return table == nullptr ? Table{} : CopyIn(*static_cast<const Table*>(table));
  }
  template <class Slot>
  static Slot Need(Slot slot, const char* service) {
    if (slot == nullptr) {
      throw Error(CHR_E_UNSUPPORTED, std::string("this host does not offer ") + service);
    }
    return slot;
  }
  static void Require(chr_status status, const char* what) {
    if (status < 0) {
      throw Error(status, std::string("the host refused ") + what);
    }
  }
  template <class Handle>
  Handle Define(int32_t kind, const char* name, const char* unit, const char* help, const char* labels) const {
    if (metrics_.define == nullptr) {
      return Handle();
    }
    uint64_t handle = 0;
    Require(metrics_.define(raw_, kind, name, unit, help, labels, &handle), name);
    return Handle(raw_, &metrics_, handle);
  }
  template <class Slot, class Fn>
  void PostTo(Slot slot, Fn fn) const {
    struct Task {
      const Host* host;
      Fn fn;
    };
    auto task = std::make_unique<Task>(Task{this, std::move(fn)});
    const auto run = [](void* arg) noexcept {
      const std::unique_ptr<Task> mine(static_cast<Task*>(arg));
      chr_error err{};
      err.struct_size = sizeof(err);
      if (const chr_status status = Guard(&err, [&] { mine->fn(); }); status < 0) {
        mine->host->Fatal(status, err.message);
      }
    };
    Require(slot(raw_, run, task.get()), "a task");
    static_cast<void>(task.release());
  }

  const chr_host* raw_;
  chr_host_log log_;
  chr_host_metrics metrics_;
  chr_host_config config_;
  chr_host_mem mem_;
  chr_host_task task_;
};

CHRONIK_SDK_END
