// SPDX-License-Identifier: Apache-2.0
// Goal: what a plugin gets from its chr_host works as interfaces/chronik/host.h says, also when the plugin is careless.
// Method: calls through the tables as a plugin makes them, without a plugin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <limits>
#include <mutex>

#include "kernel/base/bytes.h"
#include "kernel/base/log.h"
#include "kernel/host/plugin_services.h"

namespace chronik::host {
namespace {

using testing::HasSubstr;

class SettableClock final : public Clock {
 public:
  Instant Now() const override { return Instant(now.load()); }
  WallTime WallNow() const override { return WallTime(std::chrono::milliseconds(1'700'000'000'123)); }
  std::atomic<Duration> now{std::chrono::seconds(5)};
};

std::mutex g_lines_mutex;
std::vector<std::string> g_lines;

class PluginServicesTest : public testing::Test {
 protected:
  PluginServicesTest() {
    auto plugin = std::make_shared<LoadedPlugin>();
    plugin->id = "test.plugin";
    services_ = {&clock_, &metrics_, &tasks_,
                 [this](const std::string& id, const Error& error) { fatal_.push_back(id + ": " + error.message); }};
    side_ = std::make_unique<HostSide>(
        plugin, services_,
        InstanceSettings{"log_store", {{"path", "/x"}, {"size", int64_t{64}}, {"ratio", 0.5}}, "/data/wal", 1 << 20});
    host_ = side_->host();
    g_lines.clear();
    SetLogSink([](LogLevel, const char*, int, std::string_view text) {
      const std::scoped_lock lock(g_lines_mutex);
      g_lines.emplace_back(text);
    });
  }
  ~PluginServicesTest() override { SetLogSink(nullptr); }

  template <class Table>
  const Table& Service(const char* id) const {
    const auto* table = static_cast<const Table*>(host_->get_service(host_, id));
    EXPECT_NE(table, nullptr);
    EXPECT_EQ(table->struct_size, sizeof(Table));
    return *table;
  }

  SettableClock clock_;
  MetricsRegistry metrics_;
  TaskPool tasks_;
  HostServices services_;
  std::vector<std::string> fatal_;
  std::unique_ptr<HostSide> side_;
  const chr_host* host_;
};

chr_str Str(std::string_view text) { return {text.data(), text.size()}; }

TEST_F(PluginServicesTest, AnUnknownServiceIsNull) {
  EXPECT_EQ(host_->get_service(host_, "chronik.host.log/2"), nullptr);
  EXPECT_EQ(host_->get_service(host_, nullptr), nullptr);
  EXPECT_EQ(host_->struct_size, sizeof(chr_host));
  EXPECT_EQ(host_->abi_epoch, CHR_ABI_EPOCH);
}

TEST_F(PluginServicesTest, ConfigHasEachValueInItsTypeOnly) {
  const auto& config = Service<chr_host_config>(CHR_HOST_CONFIG_1);
  chr_str text{};
  int64_t number = 0;
  double real = 0;
  EXPECT_EQ(config.get_str(host_, "path", &text), CHR_OK);
  EXPECT_EQ(std::string_view(text.data, text.size), "/x");
  EXPECT_EQ(config.get_int(host_, "size", &number), CHR_OK);
  EXPECT_EQ(number, 64);
  EXPECT_EQ(config.get_f64(host_, "ratio", &real), CHR_OK);
  EXPECT_EQ(real, 0.5);
  EXPECT_EQ(config.get_int(host_, "path", &number), CHR_E_NOT_FOUND);
  EXPECT_EQ(config.get_str(host_, "none", &text), CHR_E_NOT_FOUND);
  EXPECT_EQ(config.get_str(host_, nullptr, &text), CHR_E_NOT_FOUND);
  const chr_str dir = config.data_dir(host_);
  EXPECT_EQ(std::string_view(dir.data, dir.size), "/data/wal");
}

TEST_F(PluginServicesTest, AReplacedStringStaysValid) {
  const auto& config = Service<chr_host_config>(CHR_HOST_CONFIG_1);
  chr_str before{};
  ASSERT_EQ(config.get_str(host_, "path", &before), CHR_OK);
  side_->SetOptions({{"path", std::string(100, 'y')}});
  EXPECT_EQ(std::string_view(before.data, before.size), "/x");
  chr_str after{};
  ASSERT_EQ(config.get_str(host_, "path", &after), CHR_OK);
  EXPECT_EQ(after.size, 100u);
}

TEST_F(PluginServicesTest, LogLinesNameTheInstanceAndStayOneLine) {
  const auto& log = Service<chr_host_log>(CHR_HOST_LOG_1);
  log.write(host_, CHR_LOG_INFO, Str("opened\nE forged.cc:1] line"), "store.cc", 7);
  log.write(host_, CHR_LOG_HOST_MISBEHAVED, Str("LS-12"), nullptr, 0);
  log.write(host_, CHR_LOG_INFO, Str(std::string(1 << 20, 'x')), nullptr, 0);
  log.write(host_, CHR_LOG_DEBUG, Str("not at this level"), nullptr, 0);
  EXPECT_EQ(log.enabled(host_, CHR_LOG_DEBUG), 0);
  EXPECT_EQ(log.enabled(host_, CHR_LOG_INFO), 1);
  ASSERT_EQ(g_lines.size(), 3u);
  EXPECT_EQ(g_lines[0], "[log_store] opened E forged.cc:1] line");
  EXPECT_EQ(g_lines[1], "[log_store] the host misbehaved: LS-12");
  EXPECT_LT(g_lines[2].size(), 5000u);
}

TEST_F(PluginServicesTest, ATalkativePluginIsCutShortAndSaysSoLater) {
  const auto& log = Service<chr_host_log>(CHR_HOST_LOG_1);
  for (int i = 0; i < 250; ++i) log.write(host_, CHR_LOG_ERROR, Str("again"), nullptr, 0);
  EXPECT_EQ(g_lines.size(), 100u);
  clock_.now = std::chrono::seconds(7);
  log.write(host_, CHR_LOG_ERROR, Str("later"), nullptr, 0);
  EXPECT_EQ(g_lines.back(), "[log_store] (150 lines left out before) later");
}

TEST_F(PluginServicesTest, FatalIsReportedOnce) {
  const auto& log = Service<chr_host_log>(CHR_HOST_LOG_1);
  log.fatal(host_, CHR_E_IO, Str("fsync failed"));
  log.fatal(host_, CHR_E_IO, Str("fsync failed again"));
  EXPECT_THAT(fatal_, testing::ElementsAre("test.plugin: fsync failed"));
}

TEST_F(PluginServicesTest, MetricsGoToTheRegistry) {
  const auto& metrics = Service<chr_host_metrics>(CHR_HOST_METRICS_1);
  uint64_t handle = 0;
  ASSERT_EQ(metrics.define(host_, CHR_METRIC_COUNTER, "x_total", "", "X", "b=2,a=1", &handle), CHR_OK);
  metrics.add(host_, handle, 2);
  EXPECT_EQ(metrics_.Counter("x_total", "X", {{"a", "1"}, {"b", "2"}}).value(), 2);
  metrics.add(host_, 0, 1);  // a handle that define did not give

  EXPECT_EQ(metrics.define(host_, CHR_METRIC_GAUGE, "x_total", "", "X", nullptr, &handle), CHR_E_INVALID);
  EXPECT_THAT(g_lines.back(), HasSubstr("another kind"));
  EXPECT_EQ(metrics.define(host_, 9, "y", "", "", nullptr, &handle), CHR_E_INVALID);
  EXPECT_EQ(metrics.define(host_, CHR_METRIC_GAUGE, "y", "", "", "novalue", &handle), CHR_E_INVALID);
  EXPECT_EQ(metrics.define(host_, CHR_METRIC_GAUGE, nullptr, "", "", nullptr, &handle), CHR_E_INVALID);
}

TEST_F(PluginServicesTest, MemoryIsAlignedCountedAndOutlivesTheInstance) {
  const auto& mem = Service<chr_host_mem>(CHR_HOST_MEM_1);
  EXPECT_EQ(mem.budget_bytes(host_), 1u << 20);
  chr_buf buf{};
  void* writable = nullptr;
  for (const size_t align : {1u, 8u, 64u, 4096u}) {
    ASSERT_EQ(mem.buf_alloc(host_, 1 << 20, align, &buf, &writable), CHR_OK);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(writable) % align, 0u);
    std::memset(writable, 0xab, 1 << 20);
    chr_buf more{};
    EXPECT_EQ(mem.buf_alloc(host_, 1, 1, &more, &writable), CHR_E_NO_MEMORY);  // the budget is used up
    buf.owner->release(buf.owner);
  }
  EXPECT_EQ(mem.buf_alloc(host_, std::numeric_limits<size_t>::max(), 1, &buf, &writable), CHR_E_NO_MEMORY);
  EXPECT_EQ(mem.buf_alloc(host_, 8, 3, &buf, &writable), CHR_E_INVALID);
  EXPECT_EQ(mem.buf_alloc(host_, 8, 8192, &buf, &writable), CHR_E_INVALID);
  ASSERT_EQ(mem.buf_alloc(host_, 5, 1, &buf, &writable), CHR_OK);
  std::memcpy(writable, "hello", 5);
  const Bytes kept = Bytes::Adopt(buf);
  side_.reset();
  EXPECT_EQ(kept.text(), "hello");
}

TEST_F(PluginServicesTest, TimeComesFromTheHost) {
  const auto& task = Service<chr_host_task>(CHR_HOST_TASK_1);
  EXPECT_EQ(task.mono_ns(host_), 5'000'000'000u);
  EXPECT_EQ(task.wall_ns(host_), 1'700'000'000'123'000'000u);
}

TEST_F(PluginServicesTest, EndTasksWaitsForWhatRunsAndCancelsTimers) {
  const auto& task = Service<chr_host_task>(CHR_HOST_TASK_1);
  struct State {
    std::latch running{3};
    std::latch go_on{1};
    std::atomic<int> ended{0};
  } state;
  const auto slow = [](void* arg) noexcept {
    auto* s = static_cast<State*>(arg);
    s->running.count_down();
    s->go_on.wait();
    ++s->ended;
  };
  const auto never = [](void*) noexcept { FAIL() << "an hour has passed"; };
  constexpr uint64_t kHour = 3'600'000'000'000;
  uint64_t once = 0;
  uint64_t id = 0;
  ASSERT_EQ(task.post(host_, slow, &state), CHR_OK);
  ASSERT_EQ(task.post_blocking(host_, slow, &state), CHR_OK);
  ASSERT_EQ(task.timer(host_, 0, 0, slow, &state, &once), CHR_OK);
  ASSERT_EQ(task.timer(host_, kHour, 0, never, nullptr, &id), CHR_OK);
  ASSERT_EQ(task.timer(host_, kHour, kHour, never, nullptr, &id), CHR_OK);
  ASSERT_EQ(task.timer(host_, UINT64_MAX, UINT64_MAX, never, nullptr, &id), CHR_OK);
  EXPECT_EQ(task.post(host_, nullptr, nullptr), CHR_E_INVALID);
  state.running.wait();
  EXPECT_FALSE(side_->EndTasks(Duration::zero()));
  EXPECT_EQ(state.ended, 0);
  state.go_on.count_down();
  EXPECT_TRUE(side_->EndTasks(PluginInstance::kNoTimeout / 4));
  EXPECT_EQ(state.ended, 3);
}

TEST_F(PluginServicesTest, ATimerCanBeCancelled) {
  const auto& task = Service<chr_host_task>(CHR_HOST_TASK_1);
  int runs = 0;  // plain: timer_cancel orders it
  const auto count = [](void* arg) noexcept { ++*static_cast<int*>(arg); };
  for (int i = 0; i < 500; ++i) {
    uint64_t id = 0;
    ASSERT_EQ(task.timer(host_, static_cast<uint64_t>(i), i % 2 == 0 ? 0 : 1000, count, &runs, &id), CHR_OK);
    task.timer_cancel(host_, id);
    const int at_cancel = runs;
    ASSERT_EQ(runs, at_cancel);
  }
}

}  // namespace
}  // namespace chronik::host
