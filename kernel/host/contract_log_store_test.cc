// SPDX-License-Identifier: Apache-2.0
// Goal: each rule that the contract-checking host looks at is named when a log store breaks it, nothing is named when
// it does not, and what would corrupt the kernel does not reach it. Method: the lying fixture store, which breaks the
// one rule that its option names.
#include "kernel/host/contract_log_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <set>

#include "kernel/host/contract_test_support.h"
#include "kernel/host/plugin_host.h"
#include "kernel/host/plugin_test_support.h"

namespace chronik::host {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class ContractLogStoreTest : public ContractTest {
 protected:
  // An instance with that lie behind the checks, up to what its start answers.
  void Start(const std::string& lie, CheckLevel level = CheckLevel::kReport) {
    const auto plugin = LoadPlugin({FixtureDirectory(), true}, "fixture_liar");
    ASSERT_TRUE(plugin.ok()) << plugin.error();
    auto created = PluginInstance::Create(*plugin, CHR_LOG_STORE_1, services_, {"log_store", {{"lie", lie}}, {}});
    ASSERT_TRUE(created.ok()) << created.error();
    instance_ = *std::move(created);
    checks_ = std::make_unique<ContractMonitor>((*plugin)->id, level, &metrics_, &clock_);
    checked_ = std::make_unique<ContractLogStore>(*(*plugin)->log_store_table, instance_->self(), checks_.get());
    sink_.struct_size = sizeof sink_;
    sink_.ctx = this;
    sink_.on_complete = [](void* ctx, uint32_t lane, const chr_log_cqe* cqes, size_t count, chr_str) noexcept {
      auto* me = static_cast<ContractLogStoreTest*>(ctx);
      const std::scoped_lock lock(me->mutex_);
      EXPECT_EQ(lane, 0u);
      for (size_t i = 0; i < count; ++i) me->completed_.insert(cqes[i].tag);
      me->changed_.notify_all();
    };
    sink_.on_read = [](void*, uint32_t, uint64_t, chr_status, chr_log_slice, chr_str) noexcept {
      ADD_FAILURE() << "a read that nobody asked for";
    };
    ASSERT_TRUE(instance_->Start(checked_->WrapSink(&sink_)).ok());
  }
  void End() {
    EXPECT_TRUE(instance_->Stop(seconds(1)).ok());
    checked_->Stopped();
    instance_.reset();
    checked_->Destroyed();
  }

  chr_log_group* Open(uint64_t id, chr_status expected = CHR_OK) {
    chr_log_group* group = nullptr;
    chr_log_bounds bounds{};
    bounds.struct_size = sizeof bounds;
    chr_error error{};
    error.struct_size = sizeof error;
    EXPECT_EQ(table_.open_group(checked_.get(), id, 0, 1, &group, &bounds, &error), expected);
    return group;
  }
  // Appends of one entry each to one group, in one call; their tags are 100, 101, ...
  chr_status Append(chr_log_group* group, size_t count) {
    const chr_buf buf{"x", 1, &bytes_};
    chr_log_entry entry{};
    entry.index = 1;
    entry.buf_count = 1;
    entry.bufs = &buf;
    std::vector<chr_log_op> ops(count);
    for (size_t i = 0; i < count; ++i) {
      ops[i].opcode = CHR_LOG_APPEND;
      ops[i].group = group;
      ops[i].tag = 100 + i;
      ops[i].entries = &entry;
      ops[i].entry_count = 1;
    }
    size_t accepted = 0;
    return table_.submit(checked_.get(), 0, ops.data(), count, &accepted);
  }
  void AwaitCompletions(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, seconds(30), [&] { return completed_.size() >= count; }));
  }
  void AwaitLog(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(30);
    while (Log().find(text) == std::string::npos && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    EXPECT_THAT(Log(), HasSubstr(text));
  }
  static std::string Broke(const std::string& rule, const std::string& call) {
    return ContractTest::Broke(rule, call, "chronik.fixture.liar");
  }
  // The whole life of an instance that takes two appends.
  std::string LogOfAppends(const std::string& lie) {
    Start(lie);
    Append(Open(1), 2);
    if (lie != "order" && lie != "never" && lie != "after_stop") AwaitCompletions(2);
    End();
    return Log();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<uint64_t> completed_;
  CountedBytes bytes_;
  TaskPool tasks_;
  HostServices services_{&clock_, &metrics_, &tasks_, {}};
  const chr_log_store& table_ = ContractLogStore::Table();
  chr_log_sink sink_{};
  std::unique_ptr<ContractMonitor> checks_;
  std::unique_ptr<ContractLogStore> checked_;
  std::unique_ptr<PluginInstance> instance_;
};

TEST_F(ContractLogStoreTest, NothingIsSaidOfAStoreThatKeepsTheRules) {
  EXPECT_THAT(LogOfAppends("none"), IsEmpty());
  EXPECT_EQ(completed_, (std::set<uint64_t>{100, 101}));
  EXPECT_EQ(bytes_.held, 0);
}

TEST_F(ContractLogStoreTest, ASecondCompletionIsNamedAndKeptFromTheKernel) {
  Start("twice");
  Append(Open(1), 1);
  AwaitLog(Broke("LS-17", "on_complete") + "an operation completed twice");
  End();
  EXPECT_EQ(
      metrics_.Counter("chronik_plugin_violations_total", "", {{"plugin", "chronik.fixture.liar"}, {"rule", "LS-17"}})
          .value(),
      1);
}

TEST_F(ContractLogStoreTest, ACompletionFromInsideTheCallIsNamed) {
  EXPECT_THAT(LogOfAppends("inline"), HasSubstr(Broke("GEN-11", "on_complete")));
}

TEST_F(ContractLogStoreTest, TheWrongOrderOfAGroupIsNamed) {
  const std::string log = LogOfAppends("order");
  EXPECT_THAT(log, HasSubstr(Broke("LS-17", "on_complete") + "completions of a group are not in the order"));
}

TEST_F(ContractLogStoreTest, AMissingCompletionIsNamedAtStop) {
  EXPECT_THAT(LogOfAppends("never"), HasSubstr(Broke("PLG-8", "stop") + "2 accepted operations have no completion"));
}

TEST_F(ContractLogStoreTest, ACompletionAfterStopIsNamedAndKeptFromTheKernel) {
  EXPECT_THAT(LogOfAppends("after_stop"), HasSubstr(Broke("PLG-8", "on_complete") + "it came after stop"));
  EXPECT_THAT(completed_, IsEmpty());
}

TEST_F(ContractLogStoreTest, TheWrongLaneIsNamedAndPutRight) {
  EXPECT_THAT(LogOfAppends("wrong_lane"), HasSubstr(Broke("LS-17", "on_complete") + "it names another lane"));
}

TEST_F(ContractLogStoreTest, AnUnknownStatusIsNamed) {
  EXPECT_THAT(LogOfAppends("cqe_status"), HasSubstr(Broke("GEN-12", "on_complete") + "the status -99"));
  ClearLog();
  Start("unknown_status");
  Open(1, CHR_E_INTERNAL);
  EXPECT_THAT(Log(), HasSubstr(Broke("GEN-12", "open_group") + "the status -77"));
  End();
}

TEST_F(ContractLogStoreTest, AnAnswerOfSubmitThatCannotBeIsNamed) {
  Start("unknown_submit");
  EXPECT_EQ(Append(Open(1), 1), CHR_PENDING) << "it accepted it, so it will complete";
  EXPECT_THAT(Log(), HasSubstr(Broke("LS-7", "submit") + "status -7 with accepted = 1 of 1"));
  AwaitCompletions(1);
  End();
}

TEST_F(ContractLogStoreTest, WritingBeyondStructSizeIsNamed) {
  Start("write_beyond");
  struct {
    chr_log_caps caps{};
    char after[8] = "behind.";
  } space;
  space.caps.struct_size = sizeof space.caps;
  EXPECT_EQ(table_.caps(checked_.get(), &space.caps), CHR_OK);
  EXPECT_THAT(Log(), HasSubstr(Broke("GEN-5", "caps")));
  EXPECT_STREQ(space.after, "behind.") << "the kernel's memory is out of its reach";
  End();
}

TEST_F(ContractLogStoreTest, GroupsThatAreListedInDisorderAreNamed) {
  Start("list_order");
  std::vector<uint64_t> ids;
  chr_error error{};
  error.struct_size = sizeof error;
  table_.list_groups(
      checked_.get(), [](void* ctx, uint64_t id) noexcept { static_cast<std::vector<uint64_t>*>(ctx)->push_back(id); },
      &ids, &error);
  EXPECT_THAT(Log(), HasSubstr(Broke("LS-2", "list_groups")));
  End();
}

TEST_F(ContractLogStoreTest, AnOpenWithoutAGroupIsNamed) {
  Start("no_group");
  Open(1, CHR_E_INTERNAL);
  EXPECT_THAT(Log(), HasSubstr(Broke("LS-3", "open_group")));
  End();
}

TEST_F(ContractLogStoreTest, ADoneFromInsideTheCallOrTwiceIsNamed) {
  for (const auto& [lie, rule] : {std::pair("done_inline", "GEN-11"), std::pair("done_twice", "GEN-18")}) {
    Start(lie);
    std::atomic<int> calls{0};
    const chr_done done{
        [](void* ctx, uint64_t, chr_status, chr_str) noexcept { ++*static_cast<std::atomic<int>*>(ctx); }, &calls, 0};
    EXPECT_EQ(table_.destroy_group(checked_.get(), 1, done), CHR_PENDING);
    AwaitLog(Broke(rule, "destroy_group"));
    EXPECT_EQ(calls, 1);
    End();
  }
}

TEST_F(ContractLogStoreTest, AReadThatNobodyAskedForIsNamedAndKeptFromTheKernel) {
  Start("read_unasked");
  chr_log_read what{};
  what.struct_size = sizeof what;
  chr_log_slice slice{};
  EXPECT_EQ(table_.read(checked_.get(), Open(1), &what, &slice), CHR_OK);
  EXPECT_THAT(Log(), HasSubstr(Broke("LS-25", "on_read") + "no such read is pending"));
  End();
}

TEST_F(ContractLogStoreTest, BuffersThatAreNotGivenBackAreNamedAtDestroy) {
  EXPECT_THAT(LogOfAppends("leak"), HasSubstr(Broke("GEN-17", "destroy") + "2 references"));
  EXPECT_EQ(bytes_.held, 2);
}

TEST_F(ContractLogStoreTest, UseAfterStopIsTheHostsMistake) {
  Start("none");
  chr_log_group* group = Open(1);
  EXPECT_TRUE(instance_->Stop(seconds(1)).ok());
  checked_->Stopped();
  Append(group, 1);
  EXPECT_THAT(Log(), HasSubstr("HOST_MISBEHAVING: this broker broke rule PLG-8 in submit"));
  AwaitLog("it came after stop had completed");  // the fixture's task is run all the same
  instance_.reset();
}

TEST_F(ContractLogStoreTest, SlowAndStuckCallsAreNamed) {
  Start("none");
  {
    const ContractMonitor::Call call(checks_.get(), "submit", ContractMonitor::Call::Kind::kIo);
    clock_.now_ns += 11'000'000;
  }
  EXPECT_THAT(Log(), HasSubstr("PLUGIN_SLOW: plugin chronik.fixture.liar, rule GEN-8, submit took 11 ms"));
  {
    const ContractMonitor::Call call(checks_.get(), "open_group", ContractMonitor::Call::Kind::kControl);
    clock_.now_ns += 59'000'000'000;
    checks_->ReportStuckCalls();
    EXPECT_THAT(Log(), testing::Not(HasSubstr("GEN-7")));
    clock_.now_ns += 2'000'000'000;
    checks_->ReportStuckCalls();
    EXPECT_THAT(Log(), HasSubstr("rule GEN-7, open_group has not returned for 61000 ms"));
  }
  End();
}

TEST_F(ContractLogStoreTest, ControlCallsThatOverlapAreTheHostsMistake) {
  Start("none");
  const ContractMonitor::Call one(checks_.get(), "open_group", ContractMonitor::Call::Kind::kControl);
  const ContractMonitor::Call two(checks_.get(), "close_group", ContractMonitor::Call::Kind::kControl);
  EXPECT_THAT(Log(), HasSubstr("HOST_MISBEHAVING: this broker broke rule GEN-7 in close_group"));
  End();
}

TEST_F(ContractLogStoreTest, LevelFullEndsTheProcess) {
  EXPECT_DEATH(
      {
        SetLogSink(nullptr);
        Start("no_group", CheckLevel::kFull);
        Open(1);
      },
      "broke rule LS-3 in open_group");
}

// What a crash does is documented in docs/plugin-guide.md: the broker goes down with its plugin.
TEST_F(ContractLogStoreTest, ACrashInACallTakesTheHostDown) {
  EXPECT_EXIT(Start("crash_start"), testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT(
      {
        Start("crash_call");
        Append(Open(1), 1);
      },
      testing::KilledBySignal(SIGSEGV), "");
}

}  // namespace
}  // namespace chronik::host
