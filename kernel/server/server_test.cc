// SPDX-License-Identifier: Apache-2.0
// Goal: the listener takes as many clients as it may, spreads them, and comes to an end whatever they are doing.
// Method: a real server on loopback; requests are held by the test, so that it decides what is in flight.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "kernel/server/test_server.h"

namespace chronik::server {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

TEST_F(ServerTest, ConnectionsAreDealtOutToTheShardsInTurn) {
  Start({}, 2);
  const Client a(port_);
  ASSERT_TRUE(a.Ask("request-a"));
  ASSERT_TRUE(requests_.Came(1));
  const Client b(port_);
  ASSERT_TRUE(b.Ask("request-b"));
  ASSERT_TRUE(requests_.Came(2));
  EXPECT_NE(requests_.shard(0), requests_.shard(1));
  Answer(1, "b");
  Answer(0, "a");
  EXPECT_EQ(a.Read(), "a");
  EXPECT_EQ(b.Read(), "b");
}

TEST_F(ServerTest, OneConnectionTooManyIsClosedAndTheLogSaysWhichLimit) {
  const CapturedLog log;
  Limits limits;
  limits.connections_max = 2;
  Start(limits);
  requests_.echo = [](const std::string& text) { return text; };
  Client a(port_);
  Client b(port_);
  for (const Client* client : {&a, &b}) {
    ASSERT_TRUE(client->Ask("a request"));
    ASSERT_EQ(client->Read(), "a request");
  }
  EXPECT_TRUE(Client(port_).Closed());
  EXPECT_THAT(CapturedLog::lines(), Contains(AllOf(HasSubstr("2 connections"), HasSubstr("broker.max_connections"))));
  EXPECT_EQ(Metric("chronik_connections_refused_total"), 1);
  EXPECT_EQ(Metric("chronik_connections"), 2);
  ASSERT_TRUE(a.Ask("still here"));
  EXPECT_EQ(a.Read(), "still here");
}

// The client is gone; the request may stay for long, as a waiting Fetch does.
TEST_F(ServerTest, AClosedConnectionGivesItsPlaceBackThoughItsRequestIsStillHeld) {
  Limits limits;
  limits.connections_max = 1;
  Start(limits);
  Client gone(port_);
  ASSERT_TRUE(gone.Ask("held for ever"));
  ASSERT_TRUE(requests_.Came(1));
  gone.Close();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  bool served = false;
  while (!served && std::chrono::steady_clock::now() < until) {
    const Client next(port_);
    if (!next.Ask("the next one") || next.ClosedWithin(std::chrono::milliseconds(20))) continue;
    served = true;
    ASSERT_TRUE(requests_.Came(2));
    Answer(1, "welcome");
    EXPECT_EQ(next.Read(), "welcome");
  }
  EXPECT_TRUE(served);
  Answer(0, "too late for anybody");
}

TEST_F(ServerTest, StopAnswersWhatIsInFlightAndTakesNoMore) {
  Start({}, 2);
  const Client a(port_);
  const Client b(port_);
  const Client idle(port_);
  ASSERT_TRUE(a.Ask("request-a"));
  ASSERT_TRUE(b.Ask("request-b"));
  ASSERT_TRUE(requests_.Came(2));
  std::thread stopping([&] { server_->Stop(kPatience); });
  EXPECT_TRUE(idle.Closed());  // now it drains
  ASSERT_TRUE(a.Ask("too late!"));
  EXPECT_FALSE(Client(port_).connected());
  const bool a_first = requests_.payload(0) == "request-a";
  Answer(0, "answered");
  Answer(1, "answered");
  stopping.join();
  for (const Client* client : {&a, &b}) {
    EXPECT_EQ(client->Read(), "answered");
    EXPECT_TRUE(client->Closed());
  }
  EXPECT_TRUE(a_first || requests_.payload(1) == "request-a");
  EXPECT_EQ(requests_.count(), 2u);
  EXPECT_EQ(Metric("chronik_connections"), 0);
}

TEST_F(ServerTest, StopClosesAtItsDeadlineWhatIsNotAnswered) {
  Start();
  const Client client(port_);
  ASSERT_TRUE(client.Ask("a request"));
  ASSERT_TRUE(requests_.Came(1));
  server_->Stop(std::chrono::milliseconds(1));
  EXPECT_TRUE(client.Closed());
  EXPECT_EQ(Metric("chronik_connections"), 0);
  Answer(0, "nobody hears it");
  EXPECT_TRUE(Becomes("chronik_request_memory_bytes", 0));
}

TEST_F(ServerTest, AfterStopNothingIsCalled) {
  Start({}, 2);
  requests_.echo = [](const std::string& text) { return text; };
  std::atomic<bool> enough{false};
  std::vector<std::thread> hammers;
  for (int i = 0; i < 4; ++i) {
    hammers.emplace_back([&] {
      while (!enough) {
        const Client client(port_);
        while (!enough && client.Ask("a request") && client.Ask("another one") && client.Read() == "a request" &&
               client.Read() == "another one") {
        }
      }
    });
  }
  EXPECT_TRUE(requests_.Came(200));
  server_->Stop(kPatience);
  requests_.Forbid();
  const size_t count = requests_.count();
  server_.reset();
  for (const auto& shard : shards_) {
    std::promise<void> ran;
    shard->Post([&] { ran.set_value(); });
    ran.get_future().wait();
  }
  EXPECT_EQ(requests_.count(), count);
  EXPECT_EQ(Metric("chronik_connections"), std::nullopt);
  enough = true;
  for (std::thread& hammer : hammers) hammer.join();
}

TEST_F(ServerTest, AHeldRequestMayOutliveTheServer) {
  Start();
  const Client client(port_);
  ASSERT_TRUE(client.Ask("answered late"));
  ASSERT_TRUE(client.Ask("never answered"));
  ASSERT_TRUE(requests_.Came(2));
  server_->Stop(std::chrono::milliseconds(0));
  server_.reset();
  Answer(0, "late");
  for (const auto& shard : shards_) shard->Stop();
  {
    const Responder dropped = requests_.Take(1);
  }
  EXPECT_TRUE(client.Closed());
}

TEST_F(ServerTest, AStuckShardDoesNotHoldUpStop) {
  const CapturedLog log;
  Start({}, 2);
  std::promise<void> release;
  shards_[1]->Post([&] { release.get_future().wait(); });
  server_->Stop(std::chrono::milliseconds(1));
  EXPECT_THAT(CapturedLog::lines(), Contains(HasSubstr("a shard is stuck")));
  release.set_value();
}

TEST_F(ServerTest, StopTwiceAndStopOfAServerThatNeverListenedReturn) {
  Start();
  server_->Stop(kPatience);
  server_->Stop(kPatience);
  Server silent({shards_[0].get()}, metrics_, {});
  silent.Stop(kPatience);
}

TEST_F(ServerTest, ItsGaugesEndWithIt) {
  Start();
  EXPECT_EQ(Metric("chronik_connections"), 0);
  EXPECT_EQ(Metric("chronik_request_memory_bytes"), 0);
  server_->Stop(kPatience);
  server_.reset();
  EXPECT_EQ(Metric("chronik_connections"), std::nullopt);
  EXPECT_EQ(Metric("chronik_request_memory_bytes"), std::nullopt);
  EXPECT_EQ(Metric("chronik_requests_total"), 0);  // counters stay
}

TEST_F(ServerTest, APortInUseIsSaidInOneLine) {
  Start();
  Server second({shards_[0].get()}, metrics_, {});
  const auto port = second.Listen("127.0.0.1", port_);
  ASSERT_FALSE(port.ok());
  EXPECT_EQ(port.error().code, ErrorCode::kConfig);
  EXPECT_THAT(port.error().message, AllOf(HasSubstr("127.0.0.1:" + std::to_string(port_)),
                                          HasSubstr("another program has this port"), Not(HasSubstr("\n"))));
  const auto nowhere = second.Listen("no.such.host.invalid", 1);
  ASSERT_FALSE(nowhere.ok());
  EXPECT_THAT(nowhere.error().message, HasSubstr("no.such.host.invalid:1"));
}

}  // namespace
}  // namespace chronik::server
