// SPDX-License-Identifier: Apache-2.0
// Goal: each command does what it says or is refused with the code its proposer can act on, and old images stay as they
// were. Method: one case a rule.
#include <gtest/gtest.h>

#include "kernel/base/endian.h"
#include "kernel/metadata/apply.h"
#include "kernel/metadata/test_images.h"

namespace chronik::metadata {
namespace {

ErrorCode CodeOf(const ImagePtr& image, const Command& command) {
  const Result<Applied> applied = Apply(*image, command);
  EXPECT_FALSE(applied.ok());
  return applied.ok() ? ErrorCode::kInternal : applied.error().code;
}

const TopicId kId = MakeTopicId(1);

CreateTopic Orders(int32_t partitions) { return {"orders", kId, OnBroker1(partitions), {{"k", "v"}}, "User:a"}; }

TEST(Apply, RegisterBrokerAddsAndReplaces) {
  ImagePtr image = MetadataImage::Empty();
  MustApply(&image, Founder(2, "b"));
  MustApply(&image, Founder(1, "a", 9092, "r"));
  MustApply(&image, Founder(2, "b2", 9093, "r2"));
  EXPECT_EQ(image->Brokers(), (std::vector<Broker>{{NodeId(1), 1, 0, "a", 9092, "r", "rpc:1"},
                                                   {NodeId(2), 2, 0, "b2", 9093, "r2", "rpc:2"}}));
  EXPECT_EQ(image->version(), 3u);
  EXPECT_EQ(CodeOf(image, Founder(0)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(image, Founder(uint64_t{1} << 31)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(image, Founder(3, "")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(image, Founder(3, "a", 0)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(image, Founder(3, std::string(256, 'a'))), ErrorCode::kInvalidArgument);
}

// Who lost its disk has forgotten what it promised: it must not be taken for the member that it was.
TEST(Apply, AnotherDataDirectoryIsAnotherLifeOfItsNode) {
  ImagePtr image = MetadataImage::Empty();
  MustApply(&image, SetClusterId{"c", {NodeId(1), NodeId(2), NodeId(3)}});
  for (uint64_t node = 1; node <= 3; ++node) MustApply(&image, Founder(node));
  MustApply(&image, CreateTopic{"t", kId, {{PartitionId(0), GroupId(0), {NodeId(3), NodeId(1)}}}, {}, ""});
  RegisterBroker fresh = Founder(3);
  fresh.incarnation = 77;
  EXPECT_EQ(CodeOf(image, fresh), ErrorCode::kReplacedBroker) << "it claims to be a life that it is not";
  fresh.generation.reset();
  const auto first = std::get<BrokerRegistered>(MustApply(&image, fresh).effect);
  EXPECT_EQ(first.generation, 1u);
  EXPECT_TRUE(first.another_life);
  const auto again = std::get<BrokerRegistered>(MustApply(&image, fresh).effect);
  EXPECT_EQ(again.generation, 1u) << "its answer was lost";
  EXPECT_FALSE(again.another_life);
  EXPECT_EQ(image->ReplicaOf(NodeId(3)), ReplicaId(NodeId(3), 1));
  EXPECT_EQ(CodeOf(image, Founder(3)), ErrorCode::kReplacedBroker) << "the old disk came back";
  fresh.generation = 1;
  MustApply(&image, fresh);
  fresh.generation = 0;
  EXPECT_EQ(CodeOf(image, fresh), ErrorCode::kReplacedBroker);
  EXPECT_EQ(image->FindTopic("t")->partitions[0].founders,
            (std::vector<ReplicaId>{ReplicaId(NodeId(1), 0), ReplicaId(NodeId(3), 0)}))
      << "what a group began with never changes";
}

TEST(Apply, WhoComesLaterIsNoFounder) {
  ImagePtr image = MetadataImage::Empty();
  MustApply(&image, SetClusterId{"c", {NodeId(1)}});
  MustApply(&image, Founder(1));
  RegisterBroker late = Founder(4);
  late.generation.reset();
  EXPECT_EQ(std::get<BrokerRegistered>(MustApply(&image, late).effect).generation, 1u);
  EXPECT_EQ(image->metadata_voters(), std::vector<NodeId>{NodeId(1)}) << "two voters are worse than one";
  late.node = NodeId(2);
  MustApply(&image, late);
  EXPECT_EQ(image->metadata_voters(), (std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(4)}));
  late.node = NodeId(3);
  MustApply(&image, late);
  EXPECT_EQ(image->metadata_voters(), (std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(4)}));
}

TEST(Apply, APartitionMovesAndWhoLeavesKeepsItUntilTheGroupSaysSo) {
  ImagePtr image = WithBrokers(4);
  MustApply(&image, CreateTopic{"t", kId, {{PartitionId(0), GroupId(0), {NodeId(1), NodeId(2), NodeId(3)}}}, {}, ""});
  const auto partition = [&]() -> const Partition& { return image->FindTopic("t")->partitions[0]; };
  const std::vector<ReplicaId> founders = partition().founders;
  const std::vector<NodeId> target{NodeId(4), NodeId(2), NodeId(3)};
  EXPECT_EQ(CodeOf(image, ReassignPartitions{kId, {{PartitionId(1), target}}}), ErrorCode::kUnknownPartition);
  EXPECT_EQ(CodeOf(image, ReassignPartitions{kId, {{PartitionId(0), {NodeId(9)}}}}),
            ErrorCode::kInvalidReplicaAssignment);
  MustApply(&image, ReassignPartitions{kId, {{PartitionId(0), target}}});
  EXPECT_EQ(partition().replicas, target);
  EXPECT_EQ(partition().Holders(), (std::vector<NodeId>{NodeId(4), NodeId(2), NodeId(3), NodeId(1)}));
  EXPECT_EQ(CodeOf(image, FinishReassignment{kId, {PartitionId(0), {NodeId(1)}}}), ErrorCode::kInvalidArgument)
      << "an earlier one that was replaced";
  MustApply(&image, FinishReassignment{kId, {PartitionId(0), target}});
  EXPECT_FALSE(partition().moving());
  EXPECT_EQ(partition().founders, founders);
  EXPECT_TRUE(partition().IsFounder(ReplicaId(2)));
  EXPECT_FALSE(partition().IsFounder(ReplicaId(1))) << "its data is gone; if it comes back, it joins";
  EXPECT_FALSE(partition().IsFounder(ReplicaId(4)));
  MustApply(&image, ReassignPartitions{kId, {{PartitionId(0), {NodeId(1), NodeId(2), NodeId(3)}}}});
  MustApply(&image, ReassignPartitions{kId, {{PartitionId(0), target}}});
  EXPECT_EQ(partition().Holders().size(), 4u) << "moved back: who was to get it drops it";
  EXPECT_EQ(image->MemberOf(partition(), NodeId(1)), ReplicaId(NodeId(1), 1)) << "not the member that it was";
  EXPECT_EQ(image->MemberOf(partition(), NodeId(2)), ReplicaId(NodeId(2), 0));
  MustApply(&image, FinishReassignment{kId, {PartitionId(0), target}});
  EXPECT_EQ(image->MemberOf(partition(), NodeId(1)), ReplicaId(NodeId(1), 2));
  RegisterBroker another_disk = Founder(1);
  another_disk.incarnation = 99;
  another_disk.generation.reset();
  MustApply(&image, another_disk);
  EXPECT_EQ(image->MemberOf(partition(), NodeId(1)), ReplicaId(NodeId(1), 3));
}

TEST(Apply, AMoveIsCalledOffToWhereItBegan) {
  ImagePtr image = WithBrokers(5);
  const std::vector<NodeId> origin{NodeId(2), NodeId(1)};
  const std::vector<NodeId> target{NodeId(5), NodeId(2)};
  MustApply(&image, CreateTopic{"t", kId, {{PartitionId(0), GroupId(0), origin}}, {}, ""});
  const auto partition = [&]() -> const Partition& { return image->FindTopic("t")->partitions[0]; };
  const ReassignPartitions call_off{kId, {{PartitionId(0), {}}}};
  EXPECT_EQ(CodeOf(image, call_off), ErrorCode::kNoReassignmentInProgress);
  MustApply(&image, ReassignPartitions{kId, {{PartitionId(0), {NodeId(3), NodeId(4)}}}});
  MustApply(&image, ReassignPartitions{kId, {{PartitionId(0), target}}});
  EXPECT_TRUE(partition().IsReassigned());
  MustApply(&image, call_off);
  EXPECT_EQ(partition().replicas, origin) << "in the order that it had";
  EXPECT_TRUE(partition().moving()) << "who was to get it has to drop it";
  EXPECT_EQ(CodeOf(image, call_off), ErrorCode::kNoReassignmentInProgress);
  MustApply(&image, FinishReassignment{kId, {PartitionId(0), origin}});
  EXPECT_EQ(partition().Holders(), origin);
  EXPECT_EQ(CodeOf(image, call_off), ErrorCode::kNoReassignmentInProgress);
  MustApply(&image, ReassignPartitions{kId, {{PartitionId(0), target}}});
  MustApply(&image, FinishReassignment{kId, {PartitionId(0), target}});
  EXPECT_EQ(CodeOf(image, call_off), ErrorCode::kNoReassignmentInProgress) << "too late";
}

TEST(Apply, ABrokerLeavesOnceItHasNothingAndDoesNotComeBackAsItWas) {
  ImagePtr image = MetadataImage::Empty();
  MustApply(&image, SetClusterId{"c", {NodeId(1), NodeId(2), NodeId(3)}});
  for (uint64_t node = 1; node <= 4; ++node) MustApply(&image, Founder(node));
  MustApply(&image, CreateTopic{"t", kId, {{PartitionId(0), GroupId(0), {NodeId(1), NodeId(2)}}}, {}, ""});
  EXPECT_EQ(CodeOf(image, RetireBroker{NodeId(1)}), ErrorCode::kInvalidArgument) << "it does not leave";
  EXPECT_EQ(CodeOf(image, SetBrokerLeaving{NodeId(9)}), ErrorCode::kNotFound);
  MustApply(&image, SetBrokerLeaving{NodeId(1)});
  EXPECT_EQ(image->metadata_voters(), (std::vector<NodeId>{NodeId(2), NodeId(3), NodeId(4)}));
  MustApply(&image, Founder(1, "moved"));
  EXPECT_TRUE(image->FindBroker(NodeId(1))->leaving) << "a restart does not call it off";
  EXPECT_EQ(CodeOf(image, RetireBroker{NodeId(1)}), ErrorCode::kInvalidArgument) << "it has a partition";
  MustApply(&image, ReassignPartitions{kId, {{PartitionId(0), {NodeId(3), NodeId(2)}}}});
  EXPECT_EQ(CodeOf(image, RetireBroker{NodeId(1)}), ErrorCode::kInvalidArgument) << "it still has the data";
  MustApply(&image, FinishReassignment{kId, {PartitionId(0), {NodeId(3), NodeId(2)}}});
  MustApply(&image, RetireBroker{NodeId(1)});
  EXPECT_EQ(image->FindBroker(NodeId(1)), nullptr);
  EXPECT_EQ(CodeOf(image, Founder(1)), ErrorCode::kReplacedBroker);
  RegisterBroker fresh = Founder(1);
  fresh.generation.reset();
  EXPECT_EQ(std::get<BrokerRegistered>(MustApply(&image, fresh).effect).generation, 1u);
}

TEST(Apply, CreateTopicGivesGroupsAndCanBeFoundEveryWay) {
  ImagePtr image = WithBrokers(3);
  const ImagePtr before = image;
  const Applied applied = MustApply(&image, Orders(3));
  const TopicPtr topic = std::get<TopicCreated>(applied.effect).topic;
  EXPECT_EQ(image->FindTopic("orders"), topic);
  EXPECT_EQ(image->FindTopic(kId), topic);
  EXPECT_EQ(topic->created_by, "User:a");
  EXPECT_EQ(topic->configs, (ConfigMap{{"k", "v"}}));
  ASSERT_EQ(topic->partitions.size(), 3u);
  for (int32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(topic->partitions[static_cast<size_t>(i)].group, GroupId(2 + static_cast<uint64_t>(i)));
    EXPECT_EQ(image->FindGroup(GroupId(2 + static_cast<uint64_t>(i))), (GroupMembership{kId, PartitionId(i)}));
  }
  EXPECT_EQ(image->next_group_id(), GroupId(5));
  EXPECT_EQ(image->FindGroup(kMetaGroup), std::nullopt);
  // The image it came from has not changed.
  EXPECT_EQ(before->FindTopic("orders"), nullptr);
  EXPECT_EQ(before->topic_count(), 0u);
  EXPECT_EQ(before->next_group_id(), GroupId(2));
}

TEST(Apply, GroupIdsMayBeGivenButNeverUsedTwice) {
  ImagePtr image = WithBrokers(1);
  CreateTopic command = Orders(3);
  command.partitions[1].group = GroupId(10);
  const Applied applied = MustApply(&image, command);
  const TopicPtr topic = std::get<TopicCreated>(applied.effect).topic;
  EXPECT_EQ(topic->partitions[0].group, GroupId(11));
  EXPECT_EQ(topic->partitions[1].group, GroupId(10));
  EXPECT_EQ(topic->partitions[2].group, GroupId(12));
  CreateTopic other{"other", MakeTopicId(2), OnBroker1(2), {}, ""};
  for (const GroupId used : {GroupId(1), GroupId(5), GroupId(12), GroupId(kMaxGroupId + 1)}) {
    other.partitions[0].group = used;
    EXPECT_EQ(CodeOf(image, other), ErrorCode::kInvalidReplicaAssignment) << used;
  }
  other.partitions[0].group = other.partitions[1].group = GroupId(20);
  EXPECT_EQ(CodeOf(image, other), ErrorCode::kInvalidReplicaAssignment);
}

TEST(Apply, CreateTopicRefusals) {
  ImagePtr image = WithBrokers(2);
  MustApply(&image, Orders(1));
  EXPECT_EQ(CodeOf(image, Orders(1)), ErrorCode::kTopicExists);
  CreateTopic command{"a.b", MakeTopicId(2), OnBroker1(1), {}, ""};
  MustApply(&image, command);
  EXPECT_EQ(CodeOf(image, CreateTopic{"a_b", MakeTopicId(3), OnBroker1(1), {}, ""}), ErrorCode::kInvalidTopicName);
  EXPECT_EQ(CodeOf(image, CreateTopic{"no good", MakeTopicId(3), OnBroker1(1), {}, ""}), ErrorCode::kInvalidTopicName);
  EXPECT_EQ(CodeOf(image, CreateTopic{"c", kId, OnBroker1(1), {}, ""}), ErrorCode::kTopicExists);
  EXPECT_EQ(CodeOf(image, CreateTopic{"c", TopicId{}, OnBroker1(1), {}, ""}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(image, CreateTopic{"c", MakeTopicId(3), {}, {}, ""}), ErrorCode::kInvalidPartitionCount);
  EXPECT_EQ(CodeOf(image, CreateTopic{"c", MakeTopicId(3), OnBroker1(1, 1), {}, ""}),
            ErrorCode::kInvalidPartitionCount);
  for (const std::vector<NodeId>& replicas :
       {std::vector<NodeId>{}, std::vector<NodeId>{NodeId(9)}, std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(1)}}) {
    EXPECT_EQ(CodeOf(image, CreateTopic{"c", MakeTopicId(3), {{PartitionId(0), GroupId(0), replicas}}, {}, ""}),
              ErrorCode::kInvalidReplicaAssignment);
  }
  const ConfigMap huge{{"k", std::string(kMaxConfigValueBytes + 1, 'x')}};
  EXPECT_EQ(CodeOf(image, CreateTopic{"c", MakeTopicId(3), OnBroker1(1), huge, ""}), ErrorCode::kInvalidConfig);
}

TEST(Apply, DeleteTopicLeavesTombstonesAndNothingElse) {
  ImagePtr image = WithBrokers(1);
  MustApply(&image, Orders(3));                                               // groups 2-4
  MustApply(&image, CreateTopic{"b", MakeTopicId(2), OnBroker1(2), {}, ""});  // 5-6
  MustApply(&image, CreateTopic{"c", MakeTopicId(3), OnBroker1(1), {}, ""});  // 7
  const Applied applied = MustApply(&image, DeleteTopic{kId});
  EXPECT_EQ(std::get<TopicDeleted>(applied.effect).topic->partitions.size(), 3u);
  EXPECT_EQ(image->FindTopic("orders"), nullptr);
  EXPECT_EQ(image->FindTopic(kId), nullptr);
  EXPECT_EQ(image->FindGroup(GroupId(3)), std::nullopt);
  for (uint64_t group = 1; group < 10; ++group)
    EXPECT_EQ(image->IsDeleted(GroupId(group)), group >= 2 && group <= 4) << group;
  EXPECT_EQ(CodeOf(image, DeleteTopic{kId}), ErrorCode::kUnknownTopicId);

  MustApply(&image, DeleteTopic{MakeTopicId(3)});
  MustApply(&image, DeleteTopic{MakeTopicId(2)});
  std::vector<std::pair<GroupId, GroupId>> ranges;
  image->ForEachDeletedRange([&](GroupId first, GroupId last) { ranges.emplace_back(first, last); });
  EXPECT_EQ(ranges, (std::vector{std::pair{GroupId(2), GroupId(7)}}));  // merged

  // The name is free again, under a new id and new groups.
  MustApply(&image, CreateTopic{"orders", MakeTopicId(9), OnBroker1(1), {}, ""});
  EXPECT_EQ(image->FindTopic("orders")->partitions[0].group, GroupId(8));
  EXPECT_FALSE(image->IsDeleted(GroupId(8)));
}

TEST(Apply, AddPartitionsContinuesTheNumbers) {
  ImagePtr image = WithBrokers(1);
  MustApply(&image, Orders(2));
  const ImagePtr before = image;
  const Applied applied = MustApply(&image, AddPartitions{kId, OnBroker1(2, 2)});
  EXPECT_EQ(std::get<PartitionsAdded>(applied.effect).first, PartitionId(2));
  EXPECT_EQ(std::get<PartitionsAdded>(applied.effect).topic->partitions.size(), 4u);
  EXPECT_EQ(image->FindTopic("orders"), image->FindTopic(kId));
  EXPECT_EQ(image->FindGroup(GroupId(5)), (GroupMembership{kId, PartitionId(3)}));
  EXPECT_EQ(image->partition_count(), 4u);
  EXPECT_EQ(before->FindTopic(kId)->partitions.size(), 2u);
  EXPECT_EQ(CodeOf(image, AddPartitions{kId, OnBroker1(1, 2)}), ErrorCode::kInvalidPartitionCount);
  EXPECT_EQ(CodeOf(image, AddPartitions{MakeTopicId(7), OnBroker1(1)}), ErrorCode::kUnknownTopicId);
}

TEST(Apply, SetTopicConfigsSetsAndRemoves) {
  ImagePtr image = WithBrokers(1);
  MustApply(&image, Orders(1));
  const Applied applied = MustApply(&image, SetTopicConfigs{kId, {{"a", "1"}, {"b", "2"}}, {"k", "not there"}});
  EXPECT_EQ(std::get<TopicConfigsChanged>(applied.effect).topic->configs, (ConfigMap{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(image->FindTopic("orders")->configs, (ConfigMap{{"a", "1"}, {"b", "2"}}));
  SetTopicConfigs many{kId, {}, {}};
  for (size_t i = 0; i <= kMaxConfigsPerTopic; ++i) many.set["c" + std::to_string(i)] = "1";
  EXPECT_EQ(CodeOf(image, many), ErrorCode::kInvalidConfig);
}

TEST(Apply, ProducerIdBlocksNeverOverlap) {
  ImagePtr image = WithBrokers(2);
  const Applied first = MustApply(&image, AllocateProducerIds{NodeId(1), 1000});
  const Applied second = MustApply(&image, AllocateProducerIds{NodeId(2), 500});
  EXPECT_EQ(std::get<ProducerIdsAllocated>(first.effect).first, ProducerId(0));
  EXPECT_EQ(std::get<ProducerIdsAllocated>(second.effect).first, ProducerId(1000));
  EXPECT_EQ(image->next_producer_id(), ProducerId(1500));
  for (const int32_t count : {0, -1, kMaxProducerIdsPerBlock + 1}) {
    EXPECT_EQ(CodeOf(image, AllocateProducerIds{NodeId(1), count}), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(CodeOf(image, AllocateProducerIds{NodeId(3), 1}), ErrorCode::kInvalidArgument);
}

TEST(Apply, TheClusterIdIsSetOnce) {
  ImagePtr image = MetadataImage::Empty();
  EXPECT_EQ(CodeOf(image, SetClusterId{"", {NodeId(1)}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(image, SetClusterId{"one", {}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(image, SetClusterId{"one", {NodeId(2), NodeId(1)}}), ErrorCode::kInvalidArgument);
  MustApply(&image, SetClusterId{"one", {NodeId(1)}});
  MustApply(&image, SetClusterId{"one", {NodeId(1)}});
  EXPECT_EQ(CodeOf(image, SetClusterId{"two", {NodeId(1)}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(image->cluster_id(), "one");
}

TEST(Apply, TopicsThatDidNotChangeAreShared) {
  ImagePtr image = WithBrokers(1);
  MustApply(&image, Orders(1));
  MustApply(&image, CreateTopic{"b", MakeTopicId(2), OnBroker1(1), {}, ""});
  const ImagePtr before = image;
  MustApply(&image, SetTopicConfigs{kId, {{"a", "1"}}, {}});
  EXPECT_EQ(before->FindTopic("b"), image->FindTopic("b"));
  EXPECT_NE(before->FindTopic("orders"), image->FindTopic("orders"));
}

TEST(Apply, TenThousandTopicsOneByOne) {
  ImagePtr image = WithBrokers(1);
  for (uint32_t i = 0; i < 10000; ++i) {
    TopicId id = MakeTopicId(1);
    StoreLittle(id.bytes.data() + 4, i);
    MustApply(&image, CreateTopic{"topic-" + std::to_string(i), id, OnBroker1(1), {}, ""});
  }
  EXPECT_EQ(image->topic_count(), 10000u);
  EXPECT_EQ(image->partition_count(), 10000u);
  EXPECT_NE(image->FindTopic("topic-1234"), nullptr);
  std::string previous;
  image->ForEachTopic([&](const TopicPtr& topic) {
    EXPECT_LT(previous, topic->name);
    previous = topic->name;
  });
}

}  // namespace
}  // namespace chronik::metadata
