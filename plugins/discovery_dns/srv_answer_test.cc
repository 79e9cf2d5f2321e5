// SPDX-License-Identifier: Apache-2.0
// Goal: the parser takes what RFC 1035 allows and survives everything else. Method: a message cut and flipped
// everywhere; the sanitizers watch.
#include "plugins/discovery_dns/srv_answer.h"

#include <random>

#include "plugins/discovery_dns/test_rig.h"

namespace chronik_discovery_dns {
namespace {

const std::string kQuery = "\x12\x34" + Number16(0x0100) + Number16(1) + Number16(0) + Number16(0) + Number16(0) +
                           Name("_chronik._tcp.test") + Number16(33) + Number16(1);
const std::string kAnswer = AnswerTo(
    kQuery, {Record(33, 77, SrvRdata(1, 2, 3, "A-1.test")), Record(33, 78, SrvRdata(4, 5, 65535, "a-2.test"))});

std::vector<SrvRecord> Parse(const std::string& message) {
  // Of exactly this size on the heap, so that a read beyond it is seen.
  const std::vector<unsigned char> bytes(message.begin(), message.end());
  return ParseSrvAnswer(bytes);
}

TEST(SrvAnswer, HasEveryField) {
  const std::vector<SrvRecord> records = Parse(kAnswer);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].target, "a-1.test");
  EXPECT_EQ(records[0].priority, 1);
  EXPECT_EQ(records[0].weight, 2);
  EXPECT_EQ(records[0].port, 3);
  EXPECT_EQ(records[0].ttl_s, 77u);
  EXPECT_EQ(records[1].port, 65535);
}

TEST(SrvAnswer, CutAnywhereIsRefused) {
  for (size_t size = 0; size < kAnswer.size(); ++size) {
    EXPECT_EQ(chronik::sdk::Guard(nullptr, [&] { Parse(kAnswer.substr(0, size)); }), CHR_E_CORRUPT) << size;
  }
}

TEST(SrvAnswer, FlippedBytesAreSurvived) {
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string message = kAnswer;
    for (int i = 0; i < 3; ++i) message[random() % message.size()] = static_cast<char>(random());
    const chr_status status = chronik::sdk::Guard(nullptr, [&] { EXPECT_LE(Parse(message).size(), 65'535u); });
    EXPECT_TRUE(status == CHR_OK || status == CHR_E_CORRUPT) << status;
    refused += status < 0 ? 1 : 0;
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace chronik_discovery_dns
