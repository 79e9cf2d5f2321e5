// SPDX-License-Identifier: Apache-2.0
// Goal: a get delivers exactly the range that was asked for, in order, as far as the credit goes, and ends once.
// Method: ranges around every edge of an object; credit in drops; closing in the middle.
#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

class Get : public SinkTest {
 protected:
  Get() { sink_->Put(key_, bytes_, 1 << 20); }

  const std::string bytes_ = RandomBytes(7, (10 << 20) + 77);
  const std::string key_ = Key("object");
};

TEST_F(Get, Ranges) {
  const uint64_t size = bytes_.size();
  const std::pair<uint64_t, uint64_t> ranges[] = {
      {0, 0},        {0, 1},        {0, size},       {0, size + 1}, {1, 0},    {1, 1},           {4095, 4098},
      {size - 1, 0}, {size - 1, 1}, {size - 1, 100}, {size, 0},     {size, 5}, {size / 2, size}, {9 << 20, 1 << 20}};
  for (const auto& [offset, count] : ranges) {
    const GetAnswer got = sink_->Get(key_, offset, count);
    const std::string want = bytes_.substr(offset, count == 0 ? std::string::npos : count);
    EXPECT_EQ(got.status, CHR_OK) << "offset " << offset << ", size " << count << ": " << got.message;
    EXPECT_TRUE(got.bytes == want) << "a get from " << offset << " of " << count << " delivers " << Brief(want)
                                   << " as far as the object goes, not " << Brief(got.bytes);
  }
}

TEST_F(Get, AnOffsetBeyondTheEndIsOutOfRange) {
  for (const uint64_t beyond : {1, 7, 24, 25, 1 << 20}) {
    const GetAnswer got = sink_->Get(key_, bytes_.size() + beyond, 1);
    EXPECT_EQ(got.status, CHR_E_RANGE) << "an offset " << beyond << " beyond the end is CHR_E_RANGE";
    EXPECT_TRUE(got.bytes.empty()) << "nothing lies beyond the end";
  }
}

TEST_F(Get, WhatIsNotThereIsNotFoundWithoutCredit) {
  Reading reading(*sink_, Key("nobody"), 0, 0);
  ASSERT_EQ(reading.opened(), CHR_OK) << "get() reports CHR_E_NOT_FOUND through on_end";
  EXPECT_EQ(reading.AwaitEnd(), CHR_E_NOT_FOUND) << "on_end(CHR_E_NOT_FOUND) needs no credit";
}

TEST_F(Get, AnEmptyObjectEndsWithoutCredit) {
  sink_->Put(Key("empty"), "");
  Reading reading(*sink_, Key("empty"), 0, 0);
  ASSERT_EQ(reading.opened(), CHR_OK);
  EXPECT_EQ(reading.AwaitEnd(), CHR_OK) << "an empty object needs no credit to end";
}

TEST_F(Get, NothingComesWithoutCredit) {
  Reading waiting(*sink_, key_, 0, 0);
  ASSERT_EQ(waiting.opened(), CHR_OK);
  ASSERT_EQ(sink_->Get(key_).status, CHR_OK);  // a whole other read goes by
  EXPECT_EQ(waiting.bytes().size(), 0u) << "on_data needs credit";
  EXPECT_FALSE(waiting.ended()) << "a get without credit waits";
  waiting.Credit(5);
  waiting.AwaitBytes(5);
  ASSERT_EQ(sink_->Get(key_).status, CHR_OK);
  EXPECT_EQ(waiting.bytes(), bytes_.substr(0, 5)) << "exactly the credit is delivered";
}

TEST_F(Get, CreditInDrops) {
  std::mt19937_64 random(Kit().seed);
  Reading reading(*sink_, key_, 100, 3 << 20);
  ASSERT_EQ(reading.opened(), CHR_OK);
  for (uint64_t granted = 0; granted < 3 << 20;) {
    const uint64_t drop = Draw(random, 1, 100'000);
    granted += drop;
    reading.Credit(drop);
    reading.AwaitBytes(std::min<uint64_t>(granted, 3 << 20));
  }
  EXPECT_EQ(reading.AwaitEnd(), CHR_OK);
  EXPECT_TRUE(reading.bytes() == bytes_.substr(100, 3 << 20)) << "credit in drops delivers the same bytes";
}

TEST_F(Get, CreditNeverOverflows) {
  Reading reading(*sink_, key_, 0, 0);
  for (int i = 0; i < 3; ++i) reading.Credit(UINT64_MAX);
  EXPECT_EQ(reading.AwaitEnd(), CHR_OK);
  EXPECT_TRUE(reading.bytes() == bytes_);
}

TEST_F(Get, EndsAsCancelledWhenClosed) {
  {
    Reading unused(*sink_, key_, 0, 0);
    unused.Close();
    EXPECT_EQ(unused.AwaitEnd(), CHR_E_CANCELLED) << "get_close before any credit";
  }
  Reading reading(*sink_, key_, 0, 0);
  reading.Credit(1000);
  reading.AwaitBytes(1000);
  reading.Close();
  EXPECT_EQ(reading.AwaitEnd(), CHR_E_CANCELLED) << "get_close in the middle";
  EXPECT_LE(reading.bytes().size(), 1000u);
}

TEST_F(Get, ClosedWhileDataFlows) {
  for (int round = 0; round < 20; ++round) {
    Reading reading(*sink_, key_, 0, 0);
    reading.Credit(UINT64_MAX);
    if (round % 2 == 1) reading.AwaitBytes(static_cast<size_t>(round) * 100'000);
    reading.Close();
    const chr_status status = reading.AwaitEnd();
    EXPECT_TRUE(status == CHR_E_CANCELLED || status == CHR_OK)
        << "a get that is closed ends with CHR_E_CANCELLED, or was at its end: " << status;
  }
}

TEST_F(Get, ManyAtOnceShareTheSink) {
  std::vector<std::unique_ptr<Reading>> readings;
  for (uint64_t i = 0; i < 50; ++i) readings.push_back(std::make_unique<Reading>(*sink_, key_, i * 1000, 100'000));
  for (const auto& reading : readings) reading->Credit(1);
  for (const auto& reading : readings) reading->AwaitBytes(1);  // those that wait for credit hold nobody up
  for (const auto& reading : readings) reading->Credit(UINT64_MAX);
  for (uint64_t i = 0; i < readings.size(); ++i) {
    EXPECT_EQ(readings[i]->AwaitEnd(), CHR_OK);
    EXPECT_TRUE(readings[i]->bytes() == bytes_.substr(i * 1000, 100'000)) << "gets at the same time do not mix";
  }
}

}  // namespace
}  // namespace chronik_conformance
