// SPDX-License-Identifier: Apache-2.0
// Goal: an instance is created with checked values only, starts, takes new options, stops, and leaves nothing behind.
// Method: the C fixture store, whose options choose how it answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "kernel/base/log.h"
#include "kernel/host/plugin_host.h"
#include "kernel/host/plugin_test_support.h"

namespace chronik::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;

class SteadyClock final : public Clock {
 public:
  Instant Now() const override { return Instant(std::chrono::steady_clock::now().time_since_epoch()); }
  WallTime WallNow() const override { return WallTime(std::chrono::milliseconds(0)); }
};

class PluginInstanceTest : public testing::Test {
 protected:
  PluginInstanceTest() {
    sink_.struct_size = sizeof sink_;
    sink_.ctx = this;
    sink_.on_complete = [](void* ctx, uint32_t, const chr_log_cqe* cqes, size_t n, chr_str) noexcept {
      auto* self = static_cast<PluginInstanceTest*>(ctx);
      for (size_t i = 0; i < n; ++i) self->completed_.set_value(cqes[i].tag);
    };
    const auto plugin = LoadPlugin({FixtureDirectory(), true}, "fixture_store");
    EXPECT_TRUE(plugin.ok()) << plugin.error();
    plugin_ = *plugin;
    settings_.kind = "log_store";
    settings_.data_dir = scratch_.path() / "a" / "b";
    settings_.options = {{"greeting", "hello"},
                         {"capacity", int64_t{1000}},
                         {"ratio", 0.5},
                         {"start_mode", "later"},
                         {"stop_mode", "later"}};
  }

  Result<std::unique_ptr<PluginInstance>> Create() {
    return PluginInstance::Create(plugin_, CHR_LOG_STORE_1, services_, settings_);
  }
  std::string Refusal() {
    const auto instance = Create();
    return instance.ok() ? "accepted" : instance.error().message;
  }

  const ScratchDirectory scratch_;
  SteadyClock clock_;
  MetricsRegistry metrics_;
  TaskPool tasks_;
  HostServices services_{&clock_, &metrics_, &tasks_, {}};
  LoadedPluginPtr plugin_;
  InstanceSettings settings_;
  chr_log_sink sink_{};
  std::promise<uint64_t> completed_;
};

TEST_F(PluginInstanceTest, LivesFromCreateToDestroy) {
  auto created = Create();
  ASSERT_TRUE(created.ok()) << created.error();
  PluginInstance& instance = **created;
  EXPECT_EQ(std::filesystem::status(settings_.data_dir).permissions(), std::filesystem::perms::owner_all);
  ASSERT_TRUE(instance.Start(&sink_).ok());

  const chr_log_store store = plugin_->log_store().value();
  chr_log_caps caps{};
  caps.struct_size = sizeof caps;
  ASSERT_EQ(store.caps(instance.self(), &caps), CHR_OK);
  EXPECT_EQ(caps.max_entry_bytes, 1000u);  // the option arrived
  chr_log_op barrier{};
  barrier.opcode = CHR_LOG_BARRIER;
  barrier.tag = 42;
  size_t accepted = 0;
  ASSERT_EQ(store.submit(instance.self(), 0, &barrier, 1, &accepted), CHR_PENDING);
  EXPECT_EQ(completed_.get_future().get(), 42u);

  const Status stopped = instance.Stop(seconds(1));
  EXPECT_TRUE(stopped.ok()) << stopped.error();
  EXPECT_EQ(metrics_.Gauge("fixture_stop_timeout_ns", "What stop was given").value(), 1e9)
      << "a duration, no point in time";
  EXPECT_TRUE(instance.Stop(seconds(1)).ok());  // is stopped
}

// Its start fails if it sees more of the sink's table than there is.
TEST_F(PluginInstanceTest, APluginOfTheNextMinorRunsOnThisHost) {
  const auto plugin = LoadPlugin({FixtureDirectory(), true}, "fixture_next_minor");
  ASSERT_TRUE(plugin.ok()) << plugin.error();
  plugin_ = *plugin;
  auto created = Create();
  ASSERT_TRUE(created.ok()) << created.error();
  EXPECT_TRUE((*created)->Start(&sink_).ok());
  EXPECT_TRUE((*created)->Stop(seconds(1)).ok());
}

TEST_F(PluginInstanceTest, TimersThatThePluginForgotEndWithIt) {
  auto created = Create();
  ASSERT_TRUE(created.ok()) << created.error();
  ASSERT_TRUE((*created)->Start(&sink_).ok());
  Metric& ticks = metrics_.Counter("fixture_ticks_total", "");
  while (ticks.value() < 3) std::this_thread::yield();
  created = Error{ErrorCode::kNotFound, ""};  // destroys the instance, which was not even stopped
  const double at_end = ticks.value();
  std::promise<void> later;
  tasks_.Schedule(milliseconds(5), Duration::zero(), [&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_EQ(ticks.value(), at_end);
}

TEST_F(PluginInstanceTest, TwoInstancesLiveSideBySide) {
  auto one = Create();
  settings_.options["capacity"] = int64_t{77};
  auto two = Create();
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_NE((*one)->self(), (*two)->self());
  EXPECT_TRUE((*one)->Start(&sink_).ok());
  EXPECT_TRUE((*two)->Start(&sink_).ok());
  one = Error{ErrorCode::kNotFound, ""};
  chr_log_caps caps{};
  caps.struct_size = sizeof caps;
  EXPECT_EQ(plugin_->log_store_table->caps((*two)->self(), &caps), CHR_OK);
  EXPECT_EQ(caps.max_entry_bytes, 77u);
}

TEST_F(PluginInstanceTest, OptionsAreCompleteKnownAndOfTheirType) {
  const OptionValues good = settings_.options;
  settings_.options.erase("ratio");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("'ratio'"), HasSubstr("has no value")));
  settings_.options = good;
  settings_.options["colour"] = "red";
  EXPECT_THAT(Refusal(), HasSubstr("has no option 'colour'"));
  settings_.options = good;
  settings_.options["capacity"] = "1000";
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("'capacity'"), HasSubstr("of type bytes")));
  settings_.options = good;
  EXPECT_EQ(Refusal(), "accepted");
}

TEST_F(PluginInstanceTest, ThePluginMayRefuseACombinationOfOptions) {
  settings_.options["ratio"] = 0.0;
  const auto instance = Create();
  ASSERT_FALSE(instance.ok());
  EXPECT_EQ(instance.error().code, ErrorCode::kConfig);
  EXPECT_THAT(instance.error().message,
              AllOf(HasSubstr("chronik.fixture.store"), HasSubstr("ratio leaves nothing of capacity")));
}

TEST_F(PluginInstanceTest, AnExceptionInThePluginArrivesAsAnError) {
  const auto plugin = LoadPlugin({FixtureDirectory(), true}, "fixture_throws");
  ASSERT_TRUE(plugin.ok()) << plugin.error();
  const auto instance =
      PluginInstance::Create(*plugin, CHR_METRICS_EXPORTER_1, services_, {"metrics_exporter", {}, {}});
  ASSERT_FALSE(instance.ok());
  EXPECT_EQ(instance.error().code, ErrorCode::kPlugin);
  EXPECT_THAT(instance.error().message, AllOf(HasSubstr("status -16"), HasSubstr("the constructor threw")));
}

TEST_F(PluginInstanceTest, AnInterfaceThatThePluginDoesNotMakeIsAnError) {
  const auto instance = PluginInstance::Create(plugin_, CHR_METRICS_EXPORTER_1, services_, settings_);
  ASSERT_FALSE(instance.ok());
  EXPECT_THAT(instance.error().message, AllOf(HasSubstr(CHR_METRICS_EXPORTER_1), HasSubstr("no such interface here")));
}

TEST_F(PluginInstanceTest, StartMayAnswerAtOnceOrFail) {
  settings_.options["start_mode"] = "now";
  settings_.options["stop_mode"] = "now";
  auto now = Create();
  ASSERT_TRUE(now.ok());
  EXPECT_TRUE((*now)->Start(&sink_).ok());
  settings_.options["start_mode"] = "fail";
  auto fails = Create();
  ASSERT_TRUE(fails.ok());
  const Status status = (*fails)->Start(&sink_);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("failed to start (status -7): told to fail"));
}

TEST_F(PluginInstanceTest, AStartThatDoesNotEndTimesOutAndTheInstanceIsLeftAlone) {
  // What it leaves behind goes on using these: they live as long.
  auto* metrics = new MetricsRegistry();
  auto* tasks = new TaskPool();
  auto* clock = new SteadyClock();
  auto* services = new HostServices{clock, metrics, tasks, {}};
  settings_.options["start_mode"] = "pending";
  auto instance = PluginInstance::Create(plugin_, CHR_LOG_STORE_1, *services, settings_);
  ASSERT_TRUE(instance.ok()) << instance.error();
  const Status status = (*instance)->Start(&sink_, milliseconds(20));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kTimedOut);
  SetLogSink([](LogLevel, const char*, int, std::string_view) {});
  instance = Error{ErrorCode::kNotFound, ""};
  SetLogSink(nullptr);
  // Its timer still runs on memory that is still there (asan would tell).
  Metric& ticks = metrics->Counter("fixture_ticks_total", "");
  const double before = ticks.value();
  while (ticks.value() < before + 3) std::this_thread::yield();
}

TEST_F(PluginInstanceTest, NewValuesOfDynamicOptionsReachThePluginAndCanBeRefused) {
  auto created = Create();
  ASSERT_TRUE(created.ok());
  ASSERT_TRUE((*created)->Start(&sink_).ok());
  EXPECT_TRUE((*created)->Reconfigure({{"greeting", "good evening"}}).ok());
  const auto refusal = [&](const OptionValues& values) {
    const Status status = (*created)->Reconfigure(values);
    return status.ok() ? "accepted" : status.error().message;
  };
  EXPECT_THAT(refusal({{"greeting", ""}}), HasSubstr("greet somebody"));
  EXPECT_THAT(refusal({{"capacity", int64_t{1}}}), HasSubstr("changes by a restart only"));
  EXPECT_THAT(refusal({{"none", int64_t{1}}}), HasSubstr("has no option 'none'"));
  EXPECT_EQ(refusal({{"greeting", "bye"}}), "accepted");
}

TEST_F(PluginInstanceTest, ADataDirectoryThatCannotBeMadeIsAConfigurationError) {
  scratch_.AddFile("a", "a file");
  const auto instance = Create();
  ASSERT_FALSE(instance.ok());
  EXPECT_EQ(instance.error().code, ErrorCode::kConfig);
  EXPECT_THAT(instance.error().message, HasSubstr(settings_.data_dir.string()));
}

}  // namespace
}  // namespace chronik::host
