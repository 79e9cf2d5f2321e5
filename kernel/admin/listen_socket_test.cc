// SPDX-License-Identifier: Apache-2.0
// Goal: the socket of a broker that died makes room, one that is served does not, and nothing but loopback is bound.
// Method: real sockets in directories of the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernel/admin/listen_socket.h"
#include "kernel/admin/test_client.h"

namespace chronik::admin {
namespace {

using testing::HasSubstr;

class ListenSocketTest : public testing::Test {
 protected:
  ListenSocketTest() {
    char name[] = "/tmp/chronik-listen-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~ListenSocketTest() override { std::filesystem::remove_all(directory_); }
  std::filesystem::path directory_;
};

TEST_F(ListenSocketTest, WhatADeadProcessLeftIsReplacedAndALivingOneIsNot) {
  const std::string path = directory_ / "admin.sock";
  const auto dead = ListenOnPath(path);
  ASSERT_TRUE(dead.ok()) << dead.error();
  ::close(dead->fd);
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto living = ListenOnPath(path);
  ASSERT_TRUE(living.ok()) << living.error();
  EXPECT_TRUE(TestClient(path).connected());
  const auto second = ListenOnPath(path);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().message, HasSubstr("another process listens"));
  EXPECT_TRUE(TestClient(path).connected()) << "it was left alone";
  ::close(living->fd);
}

TEST_F(ListenSocketTest, AFileOfThatNameIsKept) {
  const std::string path = directory_ / "admin.sock";
  std::ofstream(path) << "somebody's";
  const auto refused = ListenOnPath(path);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("no socket"));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ListenSocketTest, ADeepDataDirectoryIsNoObstacle) {
  const std::filesystem::path deep = directory_ / std::string(100, 'a') / std::string(100, 'b');
  std::filesystem::create_directories(deep);
  const auto socket = ListenOnPath((deep / "admin.sock").string());
  ASSERT_TRUE(socket.ok()) << socket.error();
  EXPECT_TRUE(std::filesystem::is_socket(deep / "admin.sock"));
  ::close(socket->fd);
}

TEST_F(ListenSocketTest, OnlyLoopbackIsBound) {
  for (const char* host : {"0.0.0.0", "::", "192.0.2.1", "example.org", "127.0.0.1.example.org"}) {
    const auto refused = ListenOnLoopback({host, 0});
    ASSERT_FALSE(refused.ok()) << host;
    EXPECT_THAT(refused.error().message, HasSubstr("no loopback address"));
  }
  const auto bound = ListenOnLoopback({"127.0.0.1", 0});
  ASSERT_TRUE(bound.ok()) << bound.error();
  EXPECT_TRUE(TestClient(bound->address).connected());
  ::close(bound->fd);
}

}  // namespace
}  // namespace chronik::admin
