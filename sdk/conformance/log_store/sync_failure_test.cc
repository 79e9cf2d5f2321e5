// SPDX-License-Identifier: Apache-2.0
// Goal: one failed fsync poisons the instance for good, and what had completed before is still there. Method: strace
// makes the n-th fsync or fdatasync of a child fail with EIO once; the child checks itself, the parent reopens the
// directory.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "sdk/conformance/common/kit_child.h"
#include "sdk/conformance/log_store/appender.h"
#include "sdk/conformance/log_store/options.h"
#include "sdk/conformance/log_store/process.h"

namespace chronik_conformance {
namespace {

// The calls of a poisoned instance that did not answer CHR_E_FATAL.
class Wrong {
 public:
  void Note(const char* call, chr_status status) {
    if (status != CHR_E_FATAL) calls_[call] = status;
  }
  void Report() const {
    std::string text;
    for (const auto& [call, status] : calls_) text += " " + call + " returned " + std::to_string(status) + ",";
    if (!text.empty()) Breach("after a failed fsync every call returns CHR_E_FATAL, but" + text);
  }

 private:
  std::map<std::string, chr_status> calls_;
};

// LS-21: whoever hears CHR_E_FATAL finds that the host heard fatal() before.
void MustHaveToldTheHost(Instance& store) {
  if (store.host().fatal() == CHR_OK) Breach("CHR_E_FATAL was answered before the host's fatal() was called (LS-21)");
}

void MustStayPoisoned(Instance& store, const Group& group) {
  Wrong wrong;
  for (int i = 0; i < 20; ++i) {
    std::vector<uint64_t> tags;
    Op op;
    op.hard_state = HardState{1000, 1, 1};
    const GroupOp group_op{&group, &op};
    wrong.Note("submit", store.TrySubmit(group.lane, {&group_op, 1}, &tags));
    chr_log_bounds bounds{};
    bounds.struct_size = sizeof(bounds);
    wrong.Note("bounds", store.table().bounds(store.self(), group.raw, &bounds));
    size_t count = 0;
    wrong.Note("terms", store.table().terms(store.self(), group.raw, nullptr, 0, &count));
    wrong.Note("read", store.Read(group, ByIndex(1, 1)).status);
    std::string blob;
    wrong.Note("checkpoint", store.Checkpoint(group, &blob));
    Group other;
    wrong.Note("open_group", store.TryOpen(999, 0, true, &other));
    wrong.Note("destroy_group", store.Destroy(998));
  }
  wrong.Report();
}

bool HaveStrace() {
  return std::system("strace -qq -o /dev/null -e inject=fsync:error=EIO:when=9999 true >/dev/null 2>&1") == 0;
}

}  // namespace

int RunSyncFailure() {
  Instance store(Options().data_dir, Instance::MayFail());
  Verdict verdict = Verdict::kStartRefused;
  if (store.start_status() >= 0) {
    Appender appender(store);
    const chr_status status = appender.Run(600);
    if (status != CHR_OK) {
      if (status != CHR_E_FATAL) Breach("an operation in flight failed with " + std::to_string(status));
      MustHaveToldTheHost(store);
      MustStayPoisoned(store, appender.group(0));
    }
    verdict = status == CHR_OK ? Verdict::kNotReached : Verdict::kPassed;
  }
  Send(Report::kVerdict, 0, static_cast<uint64_t>(verdict));
  ::_exit(0);  // as a host would end: without another word to the poisoned instance
}

namespace {

// Returns the child's verdict.
Verdict FailSync(int nth, const std::string& dir, Positions& positions) {
  KitChild child(ChildFlags("sync-failure", dir, {}),
                 {"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e",
                  "inject=fsync,fdatasync:error=EIO:when=" + std::to_string(nth)});
  Verdict verdict = Verdict::kFailed;
  Report report{};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (child.Next(&report, deadline)) {
    positions.Note(report);
    if (report.kind == Report::kVerdict) verdict = static_cast<Verdict>(report.position);
  }
  child.Kill();
  const int status = child.Wait();
  EXPECT_NE(verdict, Verdict::kFailed) << "the child's message is above; wait status " << status;
  return verdict;
}

TEST(SyncFailure, PoisonsTheInstanceForGood) {
  if (!Instance().durable()) GTEST_SKIP() << "the store is volatile";
  if (!HaveStrace()) GTEST_SKIP() << "strace is missing or may not trace: failed fsyncs are NOT covered";
  int reached = 0;
  for (const int nth : {1, 2, 5, 9, 17, 40, 80}) {
    SCOPED_TRACE("fsync number " + std::to_string(nth) + " of a thread fails, --seed " +
                 std::to_string(Options().seed));
    const sdk::testing::TempDir dir;
    Positions positions;
    const Verdict verdict = FailSync(nth, dir.path(), positions);
    reached += verdict == Verdict::kPassed;
    Instance store(dir.path());
    positions.Recover(store, Options().seed);
  }
  if (reached == 0) GTEST_SKIP() << "the store calls neither fsync nor fdatasync: failed syncs are NOT covered";
}

}  // namespace
}  // namespace chronik_conformance
