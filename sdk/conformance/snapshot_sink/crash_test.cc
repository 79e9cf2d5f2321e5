// SPDX-License-Identifier: Apache-2.0
// Goal: after SIGKILL at any moment, what was committed is there and whole, and nothing is visible of what was not.
// Method: a child puts and replaces a few objects and reports each step; the parent kills it at a random time and
// looks.
#include <sys/wait.h>

#include "sdk/conformance/common/kit_child.h"
#include "sdk/conformance/snapshot_sink/child.h"
#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

using std::chrono::steady_clock;

// Which versions of an object may be found; the last one committed, and a later one whose commit was asked for.
struct Allowed {
  std::optional<uint32_t> committed;
  std::optional<uint32_t> asked;
};
using State = std::map<uint64_t, Allowed>;

void Note(const Report& report, State* state) {
  if (report.kind == Report::kCommitAsked) (*state)[report.object].asked = report.version;
  if (report.kind == Report::kCommitted) (*state)[report.object] = {report.version, std::nullopt};
}

class Crash : public SinkTest {
 protected:
  void RunAndKill(uint64_t seed, std::mt19937_64& random) {
    KitChild child(WriterFlags(dir_.path(), prefix_, seed));
    auto deadline = steady_clock::now() + kPatience;  // until it has started
    bool started = false;
    Report report{};
    while (child.Next(&report, deadline)) {
      Note(report, &state_);
      if (!started) deadline = steady_clock::now() + std::chrono::microseconds(Draw(random, 0, 80'000));
      started = true;
    }
    ASSERT_TRUE(started) << "the child did not start";
    child.Kill();
    const int status = child.Wait();
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the child ended by itself: " << status;
    while (child.Next(&report, steady_clock::now() + std::chrono::seconds(10))) Note(report, &state_);
  }

  void Check(Sink& sink) {
    const std::vector<std::string> keys = sink.Keys(prefix_);
    size_t expected = 0;
    for (uint64_t object = 0; object < kChildObjects; ++object) {
      const std::string key = ChildKey(prefix_, object);
      const bool listed = Lists(keys, key);
      const GetAnswer got = sink.Get(key);
      // A server may carry out what the child asked it for while this looks.
      const bool appeared = !listed && got.status == CHR_OK && state_[object].asked && Lists(sink.Keys(prefix_), key);
      EXPECT_EQ(listed || appeared, got.status == CHR_OK) << key << " is listed if and only if it can be read";
      expected += listed ? 1 : 0;
      CheckObject(object, got);
    }
    EXPECT_EQ(keys.size(), expected) << "nothing is listed but what was committed";
  }

 private:
  static bool Lists(const std::vector<std::string>& keys, const std::string& key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  }

  void CheckObject(uint64_t object, const GetAnswer& got) {
    Allowed& allowed = state_[object];
    if (got.status == CHR_E_NOT_FOUND) {
      EXPECT_FALSE(allowed.committed) << "object " << object << ": a committed object is there after a crash";
      allowed.asked.reset();
      return;
    }
    ASSERT_EQ(got.status, CHR_OK) << got.message;
    for (const auto version : {allowed.committed, allowed.asked}) {
      if (version && got.bytes == ChildContents(object, *version)) {
        allowed = {version, std::nullopt};
        return;
      }
    }
    ADD_FAILURE() << "object " << object
                  << " is neither the committed version nor the one whose commit was asked for: " << Brief(got.bytes);
  }

  State state_;
};

TEST_F(Crash, NothingIsVisibleThatWasNotCommitted) {
  SCOPED_TRACE("--seed " + std::to_string(Kit().seed));
  std::mt19937_64 random(Kit().seed);
  for (uint64_t round = 0; round < Kit().crash_rounds; ++round) {
    SCOPED_TRACE("crash " + std::to_string(round));
    ASSERT_NO_FATAL_FAILURE(RunAndKill(Kit().seed * 1000 + round, random));
    Sink sink(dir_.path());
    Check(sink);
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace
}  // namespace chronik_conformance
