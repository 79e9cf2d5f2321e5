// SPDX-License-Identifier: Apache-2.0
// Goal: every key that the header allows works and no other does; lists are complete, in order, and of their prefix.
// Method: keys at the limits; lists against a sorted set.
#include <set>

#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

class Keys : public SinkTest {};

TEST_F(Keys, BadOnesAreRefused) {
  const std::string bad[] = {"",
                             "/",
                             "/a",
                             "a/",
                             "a//b",
                             ".",
                             "..",
                             "../a",
                             "a/../b",
                             "a/./b",
                             "a b",
                             "a\\b",
                             "a:b",
                             "a%2fb",
                             "\xC3\xA4",
                             std::string("a\0b", 3),
                             "a\n",
                             "a?b",
                             "a#b",
                             "~",
                             std::string(251, 'a'),
                             std::string(200, 'a') + "/" + std::string(200, 'b') + "/" + std::string(200, 'c')};
  for (const std::string& key : bad) {
    chr_put* put = nullptr;
    EXPECT_EQ(sink_->TryBegin(key, &put), CHR_E_INVALID) << "put_begin of the bad key '" << key << "'";
    if (put != nullptr) sink_->Abort(put);
    const chr_status got = sink_->Get(key).status;
    EXPECT_TRUE(got == CHR_E_INVALID || got == CHR_E_NOT_FOUND) << "get of the bad key '" << key << "': " << got;
    EXPECT_LE(sink_->Remove(key), 0);
  }
}

TEST_F(Keys, GoodOnesAreTaken) {
  std::string longest = Key("");
  longest += std::string(250, 'a') + "/";
  ASSERT_LT(longest.size(), 511u);
  longest += std::string(std::min<size_t>(512 - longest.size(), 250), 'b');
  const std::string good[] = {Key("a"),    Key(".a"),        Key("..."), Key("a.."), Key("-"),
                              Key("_._-"), Key("A/B.c/0-9"), Key("a-b"), longest,    Key(std::string(250, 'Z'))};
  for (const std::string& key : good) {
    sink_->Put(key, "contents of " + key);
    EXPECT_EQ(sink_->Get(key).bytes, "contents of " + key) << "the key " << key << " is allowed";
  }
  EXPECT_EQ(sink_->Keys(prefix_).size(), std::size(good)) << "every allowed key is listed";
}

TEST_F(Keys, AreListedInBytewiseOrder) {
  std::set<std::string> keys;
  for (const char* name : {"b", "a", "B", "a-a", "a.a", "a0", "c/a", "c-a", "c0", "c/b/a", "c/b-a", "_", "0", "Z"}) {
    keys.insert(Key(name));
    sink_->Put(Key(name), name);
  }
  EXPECT_EQ(sink_->Keys(prefix_), std::vector<std::string>(keys.begin(), keys.end()))
      << "list is complete and goes up bytewise";
}

TEST_F(Keys, AreListedByPrefix) {
  for (const char* name : {"one/a", "one/b", "one-more", "two"}) sink_->Put(Key(name), name);
  const auto count = [&](const std::string& prefix) { return sink_->Keys(Key(prefix)).size(); };
  EXPECT_EQ(count(""), 4u);
  EXPECT_EQ(count("one"), 3u) << "a prefix need not end at a slash";
  EXPECT_EQ(count("one/"), 2u);
  EXPECT_EQ(count("one/a"), 1u) << "a whole key is a prefix of itself";
  EXPECT_EQ(count("one/ab"), 0u);
  EXPECT_EQ(count("t"), 1u);
  EXPECT_EQ(count("three"), 0u) << "a list of nothing succeeds";
}

TEST_F(Keys, AreListedWithTimeAndSize) {
  const uint64_t before = static_cast<uint64_t>(std::chrono::seconds(std::time(nullptr)).count());
  sink_->Put(Key("a"), std::string(12'345, 'x'));
  const uint64_t after = static_cast<uint64_t>(std::chrono::seconds(std::time(nullptr)).count());
  const std::vector<Object> objects = sink_->List(prefix_);
  ASSERT_EQ(objects.size(), 1u);
  EXPECT_EQ(objects[0].size, 12'345u) << "list names the size of the contents";
  constexpr uint64_t kClockSkew = 300;  // of a store elsewhere
  EXPECT_GE(objects[0].created_ns / 1'000'000'000 + kClockSkew, before) << "created_ns is the wall clock since 1970";
  EXPECT_LE(objects[0].created_ns / 1'000'000'000, after + kClockSkew) << "created_ns is the wall clock since 1970";
}

TEST_F(Keys, ThousandsAreListed) {
  constexpr size_t kObjects = 1100;  // more than one page of S3
  for (size_t i = 0; i < kObjects; ++i) sink_->Put(Key(std::to_string(i)), "");
  EXPECT_EQ(sink_->Keys(prefix_).size(), kObjects) << "list names every object";
}

TEST_F(Keys, RemovedOnesAreGone) {
  sink_->Put(Key("a/b/c"), "1");
  sink_->Put(Key("a/b/d"), "2");
  EXPECT_EQ(sink_->Remove(Key("a/b/c")), CHR_OK);
  EXPECT_EQ(sink_->Get(Key("a/b/c")).status, CHR_E_NOT_FOUND) << "a removed object cannot be read";
  EXPECT_EQ(sink_->Keys(prefix_), std::vector<std::string>{Key("a/b/d")}) << "a removed object is not listed";
  EXPECT_EQ(sink_->Remove(Key("a/b/c")), CHR_OK) << "removing what is not there is fine";
  EXPECT_EQ(sink_->Remove(Key("never/was")), CHR_OK) << "removing what is not there is fine";
  EXPECT_EQ(sink_->Remove(Key("a/b/d")), CHR_OK);
  EXPECT_TRUE(sink_->Keys(prefix_).empty());
  sink_->Put(Key("a/b/c"), "3");
  EXPECT_EQ(sink_->Get(Key("a/b/c")).bytes, "3") << "a removed key can be used again";
}

TEST_F(Keys, SurviveARestart) {
  const std::string bytes = RandomBytes(5, 6 << 20);
  sink_->Put(Key("a/b"), bytes);
  sink_ = nullptr;
  sink_ = std::make_unique<Sink>(dir_.path());
  EXPECT_EQ(sink_->Keys(prefix_), std::vector<std::string>{Key("a/b")}) << "an object outlives its writer";
  EXPECT_TRUE(sink_->Get(Key("a/b")).bytes == bytes) << "an object outlives its writer";
}

}  // namespace
}  // namespace chronik_conformance
