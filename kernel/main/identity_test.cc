// SPDX-License-Identifier: Apache-2.0
// Goal: a data directory knows whose it is, and says what to do when it is somebody else's. Method: real directories.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "kernel/main/identity.h"

namespace chronik::main {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class IdentityTest : public testing::Test {
 protected:
  IdentityTest() {
    char name[] = "/tmp/chronik-identity-XXXXXX";
    root_ = ::mkdtemp(name);
    directory_ = root_ / "data";
  }
  ~IdentityTest() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& text) {
    std::filesystem::create_directories(directory_);
    std::ofstream(directory_ / "identity.json") << text;
  }

  std::filesystem::path root_;
  std::filesystem::path directory_;
};

TEST_F(IdentityTest, IsDrawnOnceAndKept) {
  const auto made = ReadOrMakeIdentity(directory_, NodeId(2), 77);
  ASSERT_TRUE(made.ok()) << made.error();
  EXPECT_EQ(made->life, (broker::Life{77, std::nullopt, {}, false}));
  const auto read = ReadOrMakeIdentity(directory_, NodeId(2), 99);
  ASSERT_TRUE(read.ok()) << read.error();
  EXPECT_EQ(read->life.incarnation, 77u);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "identity.json.new"));
}

TEST_F(IdentityTest, WhichLifeOfTheNodeItIsIsKept) {
  ASSERT_TRUE(ReadOrMakeIdentity(directory_, NodeId(2), 77).ok());
  for (const broker::Life& life : {broker::Life{77, 0, {NodeId(1), NodeId(2)}, false}, broker::Life{77, 3, {}, true}}) {
    ASSERT_TRUE(WriteIdentity(directory_, {NodeId(2), life}).ok());
    const auto read = ReadOrMakeIdentity(directory_, NodeId(2), 99);
    ASSERT_TRUE(read.ok()) << read.error();
    EXPECT_EQ(read->life, life);
  }
}

TEST_F(IdentityTest, AnotherNodesDirectoryIsRefusedWithBothIdsThePathAndAWayOut) {
  ASSERT_TRUE(ReadOrMakeIdentity(directory_, NodeId(2), 77).ok());
  const auto other = ReadOrMakeIdentity(directory_, NodeId(3), 99);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::kConfig);
  EXPECT_THAT(other.error().message, AllOf(HasSubstr("node 2"), HasSubstr("node 3"), HasSubstr(directory_.string()),
                                           HasSubstr("cluster.node_id"), HasSubstr("nothing was changed")));
}

TEST_F(IdentityTest, DamageAndLaterVersionsAreNamedAndKept) {
  Write("{\"version\": 1, \"node_id\": 2");
  EXPECT_EQ(ReadOrMakeIdentity(directory_, NodeId(2), 1).error().code, ErrorCode::kCorrupt);
  Write("{\"version\": 2, \"node_id\": 2, \"incarnation\": 5}");
  EXPECT_EQ(ReadOrMakeIdentity(directory_, NodeId(2), 1).error().code, ErrorCode::kUnsupportedVersion);
  Write("");
  EXPECT_EQ(ReadOrMakeIdentity(directory_, NodeId(2), 1).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace chronik::main
