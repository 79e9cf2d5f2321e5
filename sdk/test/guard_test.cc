// SPDX-License-Identifier: Apache-2.0
// Goal: nothing gets through the exception firewall, and no completion is forgotten. Method: throw each kind.
#include <chronik/sdk/done.h>
#include <chronik/sdk/guard.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

namespace chronik::sdk {
namespace {

chr_error Blank() {
  chr_error err{};
  err.struct_size = sizeof(err);
  return err;
}

TEST(Guard, TranslatesWhatWasThrown) {
  chr_error err = Blank();
  EXPECT_EQ(Guard(&err, [] { throw Error(CHR_E_CORRUPT, "line 1\nline 2"); }), CHR_E_CORRUPT);
  EXPECT_STREQ(err.message, "line 1 line 2");
  EXPECT_EQ(Guard(&err, [] { throw std::bad_alloc(); }), CHR_E_NO_MEMORY);
  EXPECT_EQ(Guard(&err, [] { throw std::system_error(ENOSPC, std::generic_category(), "write"); }), CHR_E_IO);
  EXPECT_EQ(err.os_errno, ENOSPC);
  EXPECT_EQ(Guard(&err, [] { throw 42; }), CHR_E_INTERNAL);
  EXPECT_EQ(Guard(nullptr, [] { throw Error(CHR_OK, "not a failure"); }), CHR_E_INTERNAL);
}

TEST(Guard, PassesResultsOn) {
  EXPECT_EQ(Guard(nullptr, [] { return CHR_PENDING; }), CHR_PENDING);
  EXPECT_EQ(Guard(nullptr, [] {}), CHR_OK);
}

TEST(Guard, NeverWritesBeyondTheCallersStruct) {
  chr_error err = Blank();
  err.struct_size = offsetof(chr_error, message) + 4;
  err.message[4] = '#';
  Fail(&err, CHR_E_IO, "a long message");
  EXPECT_EQ(err.code, CHR_E_IO);
  EXPECT_EQ(err.message[3], 'o');
  EXPECT_EQ(err.message[4], '#');
  EXPECT_EQ(err.struct_size, offsetof(chr_error, message) + 4);
}

TEST(Guard, CutsALongMessageAtItsEnd) {
  chr_error err = Blank();
  Fail(&err, CHR_E_IO, std::string(500, 'x'));
  EXPECT_EQ(std::strlen(err.message), sizeof(err.message) - 1);
}

struct Answer {
  std::optional<chr_status> status;
  int times = 0;
  chr_done Raw() {
    return {[](void* ctx, uint64_t, chr_status code, chr_str) noexcept {
              auto* answer = static_cast<Answer*>(ctx);
              answer->status = code;
              ++answer->times;
            },
            this, 0};
  }
};

TEST(Done, CompletesOnceAndReportsWhenItIsDropped) {
  Answer answer;
  {
    Done done(answer.Raw());
    Done moved = std::move(done);
    moved.Complete(CHR_OK);
    moved.Complete(CHR_E_IO);
  }
  EXPECT_EQ(answer.status, CHR_OK);
  EXPECT_EQ(answer.times, 1);
  {
    const Done dropped(answer.Raw());
  }
  EXPECT_EQ(answer.status, CHR_E_INTERNAL);
}

TEST(Done, ACallAnswersByReturnOrByCompletionNeverBoth) {
  Answer answer;
  EXPECT_EQ(GuardDone(answer.Raw(), nullptr, [](Done&) { return CHR_OK; }), CHR_OK);
  EXPECT_EQ(GuardDone(answer.Raw(), nullptr, [](Done&) -> chr_status { throw Error(CHR_E_IO, ""); }), CHR_E_IO);
  EXPECT_EQ(GuardDone(answer.Raw(), nullptr, [](Done&) { return CHR_PENDING; }), CHR_E_INTERNAL) << "nobody kept it";
  EXPECT_EQ(answer.times, 0);
  Done kept;
  EXPECT_EQ(GuardDone(answer.Raw(), nullptr,
                      [&](Done& done) {
                        kept = std::move(done);
                        return CHR_PENDING;
                      }),
            CHR_PENDING);
  EXPECT_EQ(answer.times, 0);
  kept.Complete(CHR_OK);
  EXPECT_EQ(answer.times, 1);
}

}  // namespace
}  // namespace chronik::sdk
