// SPDX-License-Identifier: Apache-2.0
// Goal: messages reach the shard that has their group, coalesced; questions are answered or end with what is known of
// them; nodes that do not belong together do not talk. Method: nodes on one virtual clock over a transport to order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "kernel/cluster/calls.h"
#include "kernel/cluster/links.h"
#include "kernel/cluster/test_transport.h"

namespace chronik::cluster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kBacklogMax = 10'000;

struct TestNode : LinkEvents {
  TestNode(TestThreads& threads, TestTransport& network, NodeId self, Hello hello = {}) : transport(network), id(self) {
    for (int i = 0; i < 2; ++i) shards.push_back(&threads.Add());
    Links::Options options;
    options.self = self;
    options.shards.assign(shards.begin(), shards.end());
    options.shard_of = [](GroupId group) { return ShardId(static_cast<uint32_t>(group.value % 2)); };
    options.hello = std::move(hello);
    options.backlog_bytes_max = kBacklogMax;
    links = std::make_unique<Links>(std::move(options), *this);
    EXPECT_TRUE(links->Attach(TestTransport::table(), transport.Instance(self), 1 << 20).ok());
    calls = std::make_unique<Calls>(*shards[0], *links);
    transport.Start(self, links->sink());
  }
  ~TestNode() override { transport.Stop(id); }

  void OnMessages(ShardId shard, std::vector<GroupMessage> messages) override {
    EXPECT_TRUE(shards[shard.value]->InThread());
    batches.push_back({shard, messages.size()});
    for (GroupMessage& message : messages) received.push_back(std::move(message));
  }
  void OnHello(NodeId peer, const Hello& hello) override { hellos[peer] = hello; }
  void OnFrame(NodeId from, FrameKind kind, Bytes frame) override { calls->OnFrame(from, kind, frame); }
  void OnPeer(NodeId peer, bool up, bool process_gone, const std::string&) override {
    events.push_back(std::to_string(peer.value) + (up ? " up" : process_gone ? " gone" : " down"));
    if (!up) calls->OnPeerDown(peer);
  }

  // From one shard's thread, within one task.
  void Beat(ShardId shard, NodeId to, std::vector<uint64_t> groups) {
    shards[shard.value]->Post([this, shard, to, groups = std::move(groups)] {
      const ReplicaId self(id, 0);
      const ReplicaId peer(to, 0);
      for (const uint64_t group : groups) {
        links->peers(shard).Send(
            GroupId(group),
            {self, peer, replica::RaftMessage{{self, peer, Term(3), raft::HeartbeatRequest{LogIndex(group), 0}}, {}}});
      }
    });
  }

  TestTransport& transport;
  const NodeId id;
  std::map<NodeId, Hello> hellos;
  std::vector<TestThreads::Thread*> shards;
  std::unique_ptr<Links> links;
  std::unique_ptr<Calls> calls;
  std::vector<std::pair<ShardId, size_t>> batches;
  std::vector<GroupMessage> received;
  std::vector<std::string> events;
};

class LinksTest : public testing::Test {
 protected:
  LinksTest()
      : network_thread_(threads_.Add()),
        network_(network_thread_),
        one_(threads_, network_, NodeId(1)),
        two_(threads_, network_, NodeId(2)) {
    threads_.Run();
  }

  TestThreads threads_;
  TestThreads::Thread& network_thread_;
  TestTransport network_;
  TestNode one_;
  TestNode two_;
};

TEST_F(LinksTest, WhatOneTaskSendsIsOneFrameAndReachesTheShardsOfItsGroups) {
  one_.Beat(ShardId(0), NodeId(2), {2, 3, 4, 6});
  threads_.Run();
  EXPECT_THAT(two_.batches, ElementsAre(std::pair(ShardId(0), 3u), std::pair(ShardId(1), 1u)));
  EXPECT_EQ(one_.links->counters().frames_sent, 1u);
  EXPECT_EQ(one_.links->counters().messages_sent, 4u);
  ASSERT_EQ(two_.received.size(), 4u);
  EXPECT_EQ(two_.received[0].message.from, ReplicaId(1));
  EXPECT_EQ(two_.received[0].message.to, ReplicaId(2));
}

TEST_F(LinksTest, EntriesTravelOnAnotherLaneThanVotesAndHeartbeats) {
  one_.shards[0]->Post([this] {
    const auto send = [this](auto body) {
      one_.links->peers(ShardId(0))
          .Send(GroupId(2), {ReplicaId(1), ReplicaId(2),
                             replica::RaftMessage{{ReplicaId(1), ReplicaId(2), Term(3), std::move(body)}, {}}});
    };
    send(raft::AppendRequest{});
    send(raft::VoteRequest{});
  });
  threads_.Run();
  EXPECT_THAT(network_.lanes, testing::UnorderedElementsAre(CHR_LANE_CONTROL, CHR_LANE_REPLICATION));
}

TEST_F(LinksTest, AFullQueueDropsAndCounts) {
  network_.FillQueues(true);
  one_.Beat(ShardId(0), NodeId(2), {2, 4});
  threads_.Run();
  EXPECT_EQ(one_.links->counters().frames_dropped, 1u);
  EXPECT_THAT(two_.received, IsEmpty());
}

TEST_F(LinksTest, PeersComeGoAndDie) {
  network_.Cut(NodeId(1), NodeId(2));
  threads_.Run();
  network_.Heal(NodeId(1), NodeId(2));
  threads_.Run();
  network_.Stop(NodeId(2));
  threads_.Run();
  EXPECT_THAT(one_.events, ElementsAre("2 up", "2 down", "2 up", "2 gone"));
}

TEST_F(LinksTest, AShardThatFallsBehindMakesThePeerWait) {
  two_.shards[0]->Hold(true);
  std::vector<uint64_t> groups(3000, 2);
  one_.Beat(ShardId(0), NodeId(2), groups);
  threads_.Run();
  const std::vector<uint8_t> more(4, 0);
  const chr_buf buf{more.data(), more.size(), nullptr};
  const chr_transport_sink* sink = two_.links->sink();
  EXPECT_EQ(sink->on_frame(sink->ctx, 1, CHR_LANE_REPLICATION, &buf, 1), CHR_E_BUSY);
  EXPECT_THAT(network_.resumed, IsEmpty());
  two_.shards[0]->Hold(false);
  threads_.Run();
  EXPECT_THAT(network_.resumed, ElementsAre(std::pair(NodeId(1), CHR_LANE_REPLICATION)));
}

TEST_F(LinksTest, AMalformedFrameIsCountedAndNothingOfItIsDelivered) {
  const std::vector<uint8_t> bytes{kFrameVersion, static_cast<uint8_t>(FrameKind::kMessages), 5, 2, 3, 1, 0, 99};
  const chr_buf buf{bytes.data(), bytes.size(), nullptr};
  const chr_transport_sink* sink = two_.links->sink();
  EXPECT_EQ(sink->on_frame(sink->ctx, 1, CHR_LANE_CONTROL, &buf, 1), CHR_OK);
  threads_.Run();
  EXPECT_EQ(two_.links->counters().frames_refused, 1u);
  EXPECT_THAT(two_.received, IsEmpty());
}

TEST_F(LinksTest, NodesOfTwoClustersDoNotTalkAndSayWhy) {
  network_.Cut(NodeId(1), NodeId(2));
  threads_.Run();
  one_.links->SetClusterId("red");
  two_.links->SetClusterId("blue");
  network_.Heal(NodeId(1), NodeId(2));
  threads_.Run();
  EXPECT_EQ(one_.events.back(), "2 down");
  EXPECT_THAT(network_.last_refusal, testing::AllOf(HasSubstr("red"), HasSubstr("blue"), HasSubstr("cluster.peers")));
}

TEST_F(LinksTest, NodesWithoutACommonVersionDoNotTalk) {
  Hello newer;
  newer.version_min = newer.version_max = 9;
  newer.software = "chronik 9";
  TestNode three(threads_, network_, NodeId(3), newer);
  threads_.Run();
  EXPECT_THAT(three.events, IsEmpty());
  EXPECT_THAT(network_.last_refusal, testing::AllOf(HasSubstr("9 to 9"), HasSubstr("1 to 1")));
}

class LivesTest : public LinksTest {
 protected:
  static Hello Life(uint64_t incarnation, std::optional<uint32_t> generation) {
    Hello hello;
    hello.incarnation = incarnation;
    hello.generation = generation;
    return hello;
  }
  bool Connects(const Hello& hello) {
    TestNode three(threads_, network_, NodeId(3), hello);
    threads_.Run();
    const bool connected = one_.hellos.contains(NodeId(3)) && one_.hellos[NodeId(3)] == hello && !three.events.empty();
    network_.Stop(NodeId(3));
    threads_.Run();
    one_.hellos.clear();
    return connected;
  }
};

TEST_F(LivesTest, ADataDirectoryThatWasReplacedIsRefusedAndTheNextOneIsNot) {
  one_.links->SetPresentLife(NodeId(3), 200, 1);
  EXPECT_FALSE(Connects(Life(100, 0)));
  EXPECT_THAT(network_.last_refusal, HasSubstr("taken the place"));
  EXPECT_TRUE(Connects(Life(200, 1)));
  EXPECT_TRUE(Connects(Life(300, std::nullopt))) << "it asks to join, having promised nothing";
  EXPECT_TRUE(Connects(Life(300, 2))) << "it joined, and this node has not heard of it yet";
}

TEST_F(LivesTest, TwoDataDirectoriesAreNotOneNodeAtATime) {
  TestNode three(threads_, network_, NodeId(3), Life(100, 0));
  threads_.Run();
  const Hello other = Life(200, std::nullopt);
  const std::vector<uint8_t> bytes = EncodeHello(other);
  chr_error error{};
  error.struct_size = sizeof error;
  const chr_transport_sink& sink = *one_.links->sink();
  EXPECT_LT(
      sink.on_hello(sink.ctx, 3, {nullptr, 0}, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, &error), 0);
  EXPECT_THAT(error.message, HasSubstr("is in use"));
}

TEST(HelloTest, SurvivesItsEncodingAndRefusesWhatIsNone) {
  const Hello hello{1, 3, 77, "cluster", "chronik 0.1.0", "host:9192", 4};
  std::vector<uint8_t> bytes = EncodeHello(hello);
  EXPECT_EQ(*DecodeHello(bytes), hello);
  bytes.push_back(0);  // a later version's field
  EXPECT_EQ(*DecodeHello(bytes), hello);
  bytes.pop_back();
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(DecodeHello({bytes.data(), size}).ok()) << size;
  bytes[0] ^= 1;
  EXPECT_FALSE(DecodeHello(bytes).ok());
}

class CallsTest : public LinksTest {
 protected:
  CallsTest() {
    two_.calls->Handle(Method::kProposeMetadata, [this](NodeId, ByteView request, Calls::Answer answer) {
      asked_ = std::string(AsText(request));
      answer_ = std::move(answer);
    });
  }
  void Ask(NodeId to) {
    one_.shards[0]->Post([this, to] {
      one_.calls->Call(to, Method::kProposeMetadata, AsBytes("question"), std::chrono::seconds(5),
                       [this](Result<Bytes> result) { results_.push_back(std::move(result)); });
    });
    threads_.Run();
  }

  std::string asked_;
  Calls::Answer answer_;
  std::vector<Result<Bytes>> results_;
};

TEST_F(CallsTest, AQuestionIsAnswered) {
  Ask(NodeId(2));
  EXPECT_EQ(asked_, "question");
  EXPECT_THAT(results_, IsEmpty());
  two_.shards[0]->Post([this] { answer_(Bytes::Copy("answer")); });
  threads_.Run();
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].value().text(), "answer");
  threads_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(results_.size(), 1u);
}

TEST_F(CallsTest, AnErrorKeepsItsCodeAndText) {
  Ask(NodeId(2));
  two_.shards[0]->Post([this] { answer_(Error{ErrorCode::kTopicExists, "topic 'a' exists"}); });
  threads_.Run();
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].error().code, ErrorCode::kTopicExists);
  EXPECT_EQ(results_[0].error().message, "topic 'a' exists");
}

TEST_F(CallsTest, SilenceAndALostConnectionLeaveTheOutcomeUnknown) {
  Ask(NodeId(2));
  threads_.Advance(std::chrono::seconds(5));
  Ask(NodeId(2));
  network_.Stop(NodeId(2));
  threads_.Run();
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_EQ(results_[0].error().code, ErrorCode::kTimedOut);
  EXPECT_EQ(results_[1].error().code, ErrorCode::kTimedOut);
}

TEST_F(CallsTest, WhoCannotBeReachedWasSurelyNotAsked) {
  Ask(NodeId(9));
  threads_.Advance(Duration(0));
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].error().code, ErrorCode::kNotLeader);
}

TEST_F(CallsTest, AMethodThatIsNotKnownIsSaidToBe) {
  one_.shards[0]->Post([this] {
    one_.calls->Call(NodeId(2), static_cast<Method>(7), {}, std::chrono::seconds(5),
                     [this](Result<Bytes> result) { results_.push_back(std::move(result)); });
  });
  threads_.Run();
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_EQ(results_[0].error().code, ErrorCode::kUnsupportedVersion);
}

TEST_F(CallsTest, ANoticeArrives) {
  std::string notice;
  two_.calls->Handle(Topic::kLeaders, [&](NodeId from, ByteView bytes) {
    notice = std::to_string(from.value) + std::string(AsText(bytes));
  });
  one_.shards[0]->Post([this] { one_.calls->Notify(NodeId(2), Topic::kLeaders, AsBytes(" leads")); });
  threads_.Run();
  EXPECT_EQ(notice, "1 leads");
}

}  // namespace
}  // namespace chronik::cluster
