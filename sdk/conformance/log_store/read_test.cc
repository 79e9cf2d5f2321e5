// SPDX-License-Identifier: Apache-2.0
// Goal: each way to read finds the right first entry and stops at each limit. Method: one log with internal entries,
// several terms and unordered timestamps; every question also goes to the model.
#include <gtest/gtest.h>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {
namespace {

class Read : public testing::Test {
 protected:
  Read() {
    std::mt19937_64 random(7);
    int64_t offset = 0;
    Op op;
    for (uint64_t index = 1; index <= 300; ++index) {
      Entry entry{index, 1 + index / 40, offset, -1, 0, 9, Payload(index, index % 50 * 10)};
      if (index % 7 != 0) {
        entry.offset_count = static_cast<uint32_t>(Draw(random, 1, 9));
        entry.max_timestamp = static_cast<int64_t>(Draw(random, 1000, 1100));
      }
      offset += entry.offset_count;
      op.entries.push_back(entry);
    }
    Run(op);
    Op prefix;
    prefix.opcode = CHR_LOG_TRUNCATE_PREFIX;
    prefix.index = 21;  // an internal entry comes first
    Run(prefix);
  }

  void Run(const Op& op) {
    EXPECT_EQ(store_.Run(group_, op).status, CHR_OK);
    log_.Apply(op);
  }
  chr_log_read What(uint32_t by, int64_t key, uint64_t end, uint64_t max_bytes = 1 << 20, uint32_t max_entries = 0) {
    chr_log_read what{};
    what.by = by;
    what.key = key;
    what.end_index = end;
    what.max_bytes = max_bytes;
    what.max_entries = max_entries;
    return what;
  }
  ReadAnswer Ask(const chr_log_read& what) {
    ReadAnswer answer = store_.Read(group_, what);
    const ReadAnswer want = log_.Read(what);
    EXPECT_EQ(answer.status, want.status) << "by " << what.by << " key " << what.key << " end " << what.end_index;
    EXPECT_TRUE(Answers(answer, want)) << "by " << what.by << " key " << what.key << " end " << what.end_index << ": "
                                       << answer.entries.size() << " entries, expected " << want.entries.size();
    return answer;
  }

  Instance store_;
  Group group_ = store_.Open(1);
  ModelLog log_;
};

TEST_F(Read, ByIndexOverTheWholeRange) {
  for (int64_t key = 19; key <= 303; ++key) {
    Ask(What(CHR_LOG_BY_INDEX, key, 301));
  }
  EXPECT_EQ(Ask(What(CHR_LOG_BY_INDEX, 301, 301)).status, CHR_OK) << "one past the end is empty, not an error";
  EXPECT_TRUE(Ask(What(CHR_LOG_BY_INDEX, 100, 100)).entries.empty());
  EXPECT_TRUE(Ask(What(CHR_LOG_BY_INDEX, 100, 50)).entries.empty());
}

TEST_F(Read, ByOffsetOverTheWholeRange) {
  for (int64_t key = log_.first_offset() - 2; key <= log_.next_offset() + 2; ++key) {
    Ask(What(CHR_LOG_BY_OFFSET, key, 301, 300));
  }
  Ask(What(CHR_LOG_BY_OFFSET, log_.next_offset() - 1, 100));
}

TEST_F(Read, ByTimestampOverTheWholeRange) {
  for (int64_t key = 998; key <= 1103; ++key) {
    Ask(What(CHR_LOG_BY_TIMESTAMP, key, 301, 300));
    Ask(What(CHR_LOG_BY_TIMESTAMP, key, 60, 300));
  }
  Ask(What(CHR_LOG_BY_TIMESTAMP, INT64_MIN, 301));
  Ask(What(CHR_LOG_BY_TIMESTAMP, INT64_MAX, 301));
}

TEST_F(Read, ByMaxTimestampBelowEveryEnd) {
  for (uint64_t end = 21; end <= 301; ++end) {
    Ask(What(CHR_LOG_BY_MAX_TIMESTAMP, 0, end, 300));
  }
}

TEST_F(Read, StopsAtMaxBytesButReturnsAtLeastOne) {
  for (const uint64_t max_bytes : {0, 1, 10, 100, 490, 491, 1000, 5000}) {
    for (int64_t key = 40; key < 100; key += 3) {
      EXPECT_GE(Ask(What(CHR_LOG_BY_INDEX, key, 301, max_bytes)).entries.size(), 1u);
    }
  }
}

TEST_F(Read, StopsAtMaxEntries) {
  for (const uint32_t max_entries : {1, 2, 50, 1000}) {
    Ask(What(CHR_LOG_BY_INDEX, 100, 301, 1 << 20, max_entries));
    Ask(What(CHR_LOG_BY_OFFSET, log_.first_offset() + 20, 301, 1 << 20, max_entries));
  }
}

TEST_F(Read, AnEmptyLogAnswersWithNothing) {
  Op prefix;
  prefix.opcode = CHR_LOG_TRUNCATE_PREFIX;
  prefix.index = 301;
  Run(prefix);
  Ask(What(CHR_LOG_BY_INDEX, 301, 301));
  Ask(What(CHR_LOG_BY_INDEX, 300, 301));
  Ask(What(CHR_LOG_BY_OFFSET, log_.next_offset(), 301));
  Ask(What(CHR_LOG_BY_OFFSET, log_.next_offset() - 1, 301));
  Ask(What(CHR_LOG_BY_TIMESTAMP, 0, 301));
  Ask(What(CHR_LOG_BY_MAX_TIMESTAMP, 0, 301));
}

// end_index is last + 1 at most: a store may refuse more, or stop at the end.
TEST_F(Read, NothingIsReadPastTheEnd) {
  const ReadAnswer answer = store_.Read(group_, What(CHR_LOG_BY_INDEX, 290, 400));
  EXPECT_TRUE(answer.status < 0 || Answers(answer, log_.Read(What(CHR_LOG_BY_INDEX, 290, 301)))) << answer.status;
  EXPECT_LT(store_.Read(group_, What(99, 290, 301)).status, 0) << "an unknown way to read";
}

}  // namespace
}  // namespace chronik_conformance
