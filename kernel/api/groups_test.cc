// SPDX-License-Identifier: Apache-2.0
// Goal: a consumer group as a client lives through it: it finds its coordinator, joins, is assigned, lives, commits,
// and finds members and offsets again after a restart of the broker.
#include <gtest/gtest.h>

#include "kernel/api/test_api.h"

namespace chronik::api {
namespace {

using std::chrono::seconds;

constexpr int16_t kJoinVersion = 9;
constexpr int32_t kSessionMs = 30000;

class GroupsTest : public ApiTest {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kError);
    broker::Settings settings;
    settings.offsets_topic_partitions = 3;
    StartBroker(settings);
    CreateTopic("t", 2);
  }

  protocol::FindCoordinatorResponse::Coordinator Find(const std::string& group) {
    protocol::FindCoordinatorRequest request;
    request.coordinator_keys = {group};
    const auto response = Reply(request, 6);
    return response.coordinators.empty() ? protocol::FindCoordinatorResponse::Coordinator{} : response.coordinators[0];
  }
  protocol::JoinGroupResponse Join(const std::string& member) {
    protocol::JoinGroupRequest request;
    request.group_id = "g";
    request.session_timeout_ms = kSessionMs;
    request.rebalance_timeout_ms = kSessionMs;
    request.member_id = member;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Bytes::Copy("metadata of " + member)});
    auto asked = Begin(request, kJoinVersion);
    broker_->threads.Advance(seconds(4));  // of the first rebalance
    return asked.Get();
  }
  // The only member of group g, assigned.
  protocol::JoinGroupResponse JoinAlone() {
    EXPECT_EQ(Find("g").error_code, 0);
    const auto first = Join("");
    EXPECT_EQ(first.error_code, Code(KafkaError::kMemberIdRequired));
    const auto joined = Join(first.member_id);
    EXPECT_EQ(joined.error_code, 0);
    protocol::SyncGroupRequest sync;
    sync.group_id = "g";
    sync.generation_id = joined.generation_id;
    sync.member_id = joined.member_id;
    sync.protocol_type = "consumer";
    sync.protocol_name = "range";
    sync.assignments.push_back({joined.member_id, Bytes::Copy("both partitions")});
    const auto synced = Reply(sync, 5);
    EXPECT_EQ(synced.error_code, 0);
    EXPECT_EQ(synced.assignment.text(), "both partitions");
    return joined;
  }
  int16_t Beat(const protocol::JoinGroupResponse& member) {
    protocol::HeartbeatRequest request;
    request.group_id = "g";
    request.generation_id = member.generation_id;
    request.member_id = member.member_id;
    return Reply(request, 4).error_code;
  }
  static protocol::OffsetCommitRequest ToCommit(const protocol::JoinGroupResponse& member, const std::string& topic,
                                                int64_t offset) {
    protocol::OffsetCommitRequest request;
    request.group_id = "g";
    request.generation_id_or_member_epoch = member.generation_id;
    request.member_id = member.member_id;
    auto& t = request.topics.emplace_back();
    t.name = topic;
    t.partitions.push_back({1, offset, -1, "note"});
    return request;
  }
  int16_t Commit(const protocol::JoinGroupResponse& member, const std::string& topic, int64_t offset) {
    const auto response = Reply(ToCommit(member, topic, offset), 9);
    return response.topics.at(0).partitions.at(0).error_code;
  }
  // Of t-1, asked in a version of each form.
  std::vector<int64_t> Committed() {
    std::vector<int64_t> offsets;
    for (const int16_t version : {1, 7, 9, 10}) {
      protocol::OffsetFetchRequest request;
      request.group_id = "g";
      request.topics.emplace().push_back({"t", {1}});
      auto& group = request.groups.emplace_back();
      group.group_id = "g";
      group.topics.emplace().push_back({"t", broker_->image().FindTopic("t")->id, {1}});
      const auto response = Reply(request, version);
      offsets.push_back(version < 8 ? response.topics.at(0).partitions.at(0).committed_offset
                                    : response.groups.at(0).topics.at(0).partitions.at(0).committed_offset);
    }
    return offsets;
  }
};

TEST_F(GroupsTest, TheFirstWhoAsksHasTheInternalTopicCreated) {
  EXPECT_EQ(broker_->image().FindTopic("__consumer_offsets"), nullptr);
  const auto found = Find("g");
  EXPECT_EQ(found.error_code, 0);
  EXPECT_EQ(found.node_id, 1);
  EXPECT_EQ(broker_->image().FindTopic("__consumer_offsets")->partitions.size(), 3u);
  protocol::MetadataRequest request;
  request.topics.emplace().emplace_back().name = "__consumer_offsets";
  EXPECT_TRUE(Reply(request, 12).topics.at(0).is_internal);
  EXPECT_EQ(Find("").error_code, Code(KafkaError::kInvalidGroupId));
}

TEST_F(GroupsTest, OnlyTheBrokerWritesTheInternalTopic) {
  Find("g");
  const int16_t refused = Code(KafkaError::kInvalidTopicException);
  EXPECT_EQ(Produce("__consumer_offsets", 0, Batch({"x"})).error_code, refused);
  protocol::DeleteTopicsRequest remove;
  remove.topics.push_back({"__consumer_offsets", {}});
  EXPECT_EQ(Reply(remove, 6).responses.at(0).error_code, refused);
  protocol::DeleteRecordsRequest cut;
  cut.topics.emplace_back().name = "__consumer_offsets";
  cut.topics[0].partitions.push_back({0, -1});
  EXPECT_EQ(Reply(cut, 2).topics.at(0).partitions.at(0).error_code, refused);
  protocol::CreatePartitionsRequest grow;
  grow.topics.push_back({"__consumer_offsets", 10, std::nullopt});
  EXPECT_EQ(Reply(grow, 3).results.at(0).error_code, refused);
  protocol::CreateTopicsRequest create;
  create.topics.emplace_back().name = "__transaction_state";
  create.topics[0].num_partitions = 1;
  create.topics[0].replication_factor = 1;
  EXPECT_EQ(Reply(create, 7).topics.at(0).error_code, refused);
}

TEST_F(GroupsTest, AMemberJoinsLivesCommitsAndLeaves) {
  const auto member = JoinAlone();
  EXPECT_EQ(member.leader, member.member_id);
  EXPECT_EQ(Beat(member), 0);
  EXPECT_EQ(Commit(member, "t", 7), 0);
  EXPECT_EQ(Commit(member, "missing", 7), Code(KafkaError::kUnknownTopicOrPartition));
  EXPECT_EQ(Committed(), (std::vector<int64_t>{7, 7, 7, 7}));
  protocol::LeaveGroupRequest leave;
  leave.group_id = "g";
  leave.members.push_back({member.member_id, std::nullopt, "done"});
  EXPECT_EQ(Reply(leave, 5).members.at(0).error_code, 0);
  EXPECT_EQ(Beat(member), Code(KafkaError::kUnknownMemberId));
  EXPECT_EQ(Committed(), (std::vector<int64_t>{7, 7, 7, 7}));
}

TEST_F(GroupsTest, ARestartKeepsMembersAndOffsets) {
  const auto member = JoinAlone();
  EXPECT_EQ(Commit(member, "t", 7), 0);
  EXPECT_EQ(Commit(member, "t", 8), 0);
  RestartBroker();
  EXPECT_EQ(Beat(member), 0);
  EXPECT_EQ(Committed(), (std::vector<int64_t>{8, 8, 8, 8}));
}

TEST_F(GroupsTest, AGroupIsListedDescribedAndDeletedOnceItIsEmpty) {
  const auto member = JoinAlone();
  EXPECT_EQ(Commit(member, "t", 7), 0);
  const auto listed = Reply(protocol::ListGroupsRequest{}, 5);
  ASSERT_EQ(listed.groups.size(), 1u);
  EXPECT_EQ(listed.groups[0].group_id, "g");
  EXPECT_EQ(listed.groups[0].group_state, "Stable");
  EXPECT_EQ(listed.groups[0].group_type, "classic");
  protocol::ListGroupsRequest empty_ones;
  empty_ones.states_filter = {"Empty"};
  EXPECT_TRUE(Reply(empty_ones, 5).groups.empty());

  protocol::DescribeGroupsRequest describe;
  describe.groups = {"g", "missing"};
  const auto described = Reply(describe, 6);
  ASSERT_EQ(described.groups.size(), 2u);
  ASSERT_EQ(described.groups[0].members.size(), 1u);
  EXPECT_EQ(described.groups[0].members[0].client_id, "test");
  EXPECT_EQ(described.groups[0].members[0].member_assignment.text(), "both partitions");
  EXPECT_EQ(described.groups[1].error_code, Code(KafkaError::kGroupIdNotFound));
  EXPECT_EQ(Reply(describe, 5).groups.at(1).error_code, 0);
  EXPECT_EQ(Reply(describe, 5).groups.at(1).group_state, "Dead");

  protocol::DeleteGroupsRequest remove;
  remove.groups_names = {"g"};
  EXPECT_EQ(Reply(remove, 3).results.at(0).error_code, Code(KafkaError::kNonEmptyGroup));
  protocol::LeaveGroupRequest leave;
  leave.group_id = "g";
  leave.members.push_back({member.member_id, std::nullopt, std::nullopt});
  EXPECT_EQ(Reply(leave, 5).error_code, 0);
  protocol::OffsetDeleteRequest forget;
  forget.group_id = "g";
  forget.topics.push_back({"t", {{1}}});
  EXPECT_EQ(Reply(forget, 0).topics.at(0).partitions.at(0).error_code, 0);
  EXPECT_EQ(Committed(), (std::vector<int64_t>{-1, -1, -1, -1}));
  (void)Reply(remove, 3);
  RestartBroker();
  EXPECT_TRUE(Reply(protocol::ListGroupsRequest{}, 5).groups.empty());
}

TEST_F(GroupsTest, AMemberOfAConsumerGroupIsAssignedByTheBroker) {
  ASSERT_EQ(Find("c").error_code, 0);
  const metadata::TopicPtr topic = broker_->image().FindTopic("t");
  protocol::ConsumerGroupHeartbeatRequest beat;
  beat.group_id = "c";
  beat.member_id = "m";
  beat.rebalance_timeout_ms = kSessionMs;
  beat.subscribed_topic_names = {"t"};
  beat.topic_partitions.emplace();
  const auto joined = Reply(beat, 1);
  ASSERT_EQ(joined.error_code, 0) << joined.error_message.value_or("");
  EXPECT_GT(joined.member_epoch, 0);
  EXPECT_GT(joined.heartbeat_interval_ms, 0);
  ASSERT_TRUE(joined.assignment.has_value());
  ASSERT_EQ(joined.assignment->topic_partitions.size(), 1u);
  EXPECT_EQ(joined.assignment->topic_partitions[0].topic_id, topic->id);
  EXPECT_EQ(joined.assignment->topic_partitions[0].partitions, (std::vector<int32_t>{0, 1}));

  RestartBroker();
  protocol::ConsumerGroupHeartbeatRequest lives;
  lives.group_id = "c";
  lives.member_id = "m";
  lives.member_epoch = joined.member_epoch;
  EXPECT_EQ(Reply(lives, 1).error_code, 0);
  lives.member_epoch = joined.member_epoch + 1;
  EXPECT_EQ(Reply(lives, 1).error_code, Code(KafkaError::kFencedMemberEpoch));

  protocol::ConsumerGroupDescribeRequest describe;
  describe.group_ids = {"c", "missing"};
  const auto described = Reply(describe, 1);
  ASSERT_EQ(described.groups.size(), 2u);
  EXPECT_EQ(described.groups[0].group_state, "Stable");
  ASSERT_EQ(described.groups[0].members.size(), 1u);
  EXPECT_EQ(described.groups[0].members[0].client_id, "test");
  EXPECT_EQ(described.groups[0].members[0].member_type, 1);
  ASSERT_EQ(described.groups[0].members[0].assignment.topic_partitions.size(), 1u);
  EXPECT_EQ(described.groups[0].members[0].assignment.topic_partitions[0].topic_name, "t");
  EXPECT_EQ(described.groups[1].error_code, Code(KafkaError::kGroupIdNotFound));
  EXPECT_EQ(Reply(protocol::ListGroupsRequest{}, 5).groups.at(0).group_type, "consumer");
}

TEST_F(GroupsTest, AMemberThatFallsSilentIsGoneAfterItsSession) {
  const auto member = JoinAlone();
  broker_->threads.Advance(std::chrono::milliseconds(kSessionMs) - seconds(1));
  EXPECT_EQ(Beat(member), 0);
  broker_->threads.Advance(std::chrono::milliseconds(kSessionMs) + seconds(1));
  EXPECT_EQ(Beat(member), Code(KafkaError::kUnknownMemberId));
}

TEST_F(GroupsTest, ACommitIsAnsweredOnceItIsOnDisk) {
  const auto member = JoinAlone();
  broker_->disk_thread.Hold(true);
  const auto committing = Ask(ToCommit(member, "t", 7), 9);
  EXPECT_FALSE(committing.answered());
  broker_->disk_thread.Hold(false);
  broker_->threads.Run();
  EXPECT_EQ(committing.Get().topics.at(0).partitions.at(0).error_code, 0);
}

// The coordinator is ahead of its log then: it begins again from what the log holds.
TEST_F(GroupsTest, WhatTheDiskDoesNotTakeIsNotCommitted) {
  const auto member = JoinAlone();
  EXPECT_EQ(Commit(member, "t", 7), 0);
  broker_->disk.FailWith(CHR_E_NO_SPACE);
  const int16_t failed = Commit(member, "t", 8);
  EXPECT_TRUE(failed == Code(KafkaError::kNotCoordinator) || failed == Code(KafkaError::kCoordinatorNotAvailable))
      << failed;
  broker_->disk.FailWith(CHR_OK);
  broker_->threads.Advance(seconds(5));
  EXPECT_EQ(Beat(member), 0);
  EXPECT_EQ(Committed(), (std::vector<int64_t>{7, 7, 7, 7}));
  EXPECT_EQ(Commit(member, "t", 9), 0);
  EXPECT_EQ(Committed(), (std::vector<int64_t>{9, 9, 9, 9}));
}

TEST_F(GroupsTest, TheOffsetsOfADeletedTopicGo) {
  const auto member = JoinAlone();
  EXPECT_EQ(Commit(member, "t", 7), 0);
  protocol::DeleteTopicsRequest remove;
  remove.topics.push_back({"t", {}});
  EXPECT_EQ(Reply(remove, 6).responses.at(0).error_code, 0);
  CreateTopic("t", 2);
  EXPECT_EQ(Committed(), (std::vector<int64_t>{-1, -1, -1, -1}));
}

TEST_F(GroupsTest, ABrokerThatStopsAnswersThoseWhoWait) {
  ASSERT_EQ(Find("g").error_code, 0);
  const auto first = Join("");
  protocol::JoinGroupRequest request;
  request.group_id = "g";
  request.session_timeout_ms = kSessionMs;
  request.rebalance_timeout_ms = kSessionMs;
  request.member_id = first.member_id;
  request.protocol_type = "consumer";
  request.protocols.push_back({"range", Bytes()});
  const auto waiting = Ask(request, kJoinVersion);
  ASSERT_FALSE(waiting.answered());
  broker_->Stop();
  ASSERT_TRUE(waiting.answered());
  EXPECT_EQ(waiting.Get().error_code, Code(KafkaError::kNotCoordinator));
}

// "g".hashCode() is 103 in Java; "polygenelubricants" hashes to the smallest int.
TEST_F(GroupsTest, AGroupIsWhereKafkaWouldPutIt) {
  ASSERT_EQ(Find("g").error_code, 0);
  const auto partition_of = [&](const std::string& group) {
    return broker_->broker->CoordinatorOf(ShardId(0), group)->partition.value;
  };
  EXPECT_EQ(partition_of("g"), 103 % 3);
  EXPECT_EQ(partition_of("polygenelubricants"), 0);
  EXPECT_EQ(partition_of("\xC3\xA9"), 0xE9 % 3);                            // e with an acute accent
  EXPECT_EQ(partition_of("\xF0\x9F\x98\x80"), (0xD83D * 31 + 0xDE00) % 3);  // a surrogate pair
}

}  // namespace
}  // namespace chronik::api
