// SPDX-License-Identifier: Apache-2.0
// Goal: topic names follow Kafka's rules. Method: the edges of each rule, and every single byte.
#include <gtest/gtest.h>

#include "kernel/metadata/topic_name.h"

namespace chronik::metadata {
namespace {

TEST(TopicName, Edges) {
  for (const std::string& name : {std::string("a"), std::string("..."), std::string("__x"), std::string(249, 'x')}) {
    EXPECT_TRUE(ValidateTopicName(name).ok()) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string(250, 'x'), std::string("a b"),
        std::string("a/b"), std::string("a\0b", 3), std::string("\xc3\xa9")}) {
    const Status status = ValidateTopicName(name);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidTopicName);
  }
}

TEST(TopicName, AllowedBytes) {
  const std::string allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string name{'x', static_cast<char>(byte)};
    EXPECT_EQ(ValidateTopicName(name).ok(), allowed.find(static_cast<char>(byte)) != std::string::npos) << byte;
  }
}

TEST(TopicName, DotAndUnderscoreCollide) {
  EXPECT_EQ(TopicCollisionKey("a.b_c"), TopicCollisionKey("a_b.c"));
  EXPECT_NE(TopicCollisionKey("a-b"), TopicCollisionKey("a_b"));
}

TEST(TopicName, Internal) {
  EXPECT_TRUE(IsInternalTopic("__consumer_offsets"));
  EXPECT_TRUE(IsInternalTopic("__transaction_state"));
  EXPECT_FALSE(IsInternalTopic("__mine"));
}

}  // namespace
}  // namespace chronik::metadata
