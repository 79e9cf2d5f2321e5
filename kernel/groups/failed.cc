// SPDX-License-Identifier: Apache-2.0
// Answers that turned out not to hold: their records were not committed.
#include "kernel/groups/request.h"

namespace chronik::groups {
namespace {

struct Failer {
  GroupError error;

  Response operator()(const JoinGroupReply& reply) const {
    JoinGroupReply failed;
    failed.error = error;
    failed.member = reply.member;
    return failed;
  }
  Response operator()(const SyncGroupReply&) const { return SyncGroupReply{error, {}, {}, {}}; }
  Response operator()(const HeartbeatReply&) const { return HeartbeatReply{error}; }
  Response operator()(const LeaveGroupReply& reply) const {
    LeaveGroupReply failed{error, reply.members};
    for (LeaveGroupReply::Member& member : failed.members) member.error = error;
    return failed;
  }
  Response operator()(const OffsetCommitReply& reply) const {
    OffsetCommitReply failed = reply;
    for (PartitionResult& partition : failed.partitions) partition.error = error;
    return failed;
  }
  Response operator()(const EndTransactionReply&) const { return EndTransactionReply{error}; }
  Response operator()(const OffsetFetchReply& reply) const {
    OffsetFetchReply failed{error, {}};
    for (const OffsetFetchReply::Partition& partition : reply.partitions)
      failed.partitions.push_back({partition.topic, partition.partition, -1, -1, "", error});
    return failed;
  }
  Response operator()(const OffsetDeleteReply&) const { return OffsetDeleteReply{error, {}}; }
  Response operator()(const DeleteGroupsReply& reply) const {
    DeleteGroupsReply failed = reply;
    for (DeleteGroupsReply::Group& group : failed.groups) group.error = error;
    return failed;
  }
  Response operator()(const ListGroupsReply&) const { return ListGroupsReply{error, {}}; }
  Response operator()(const DescribeGroupsReply& reply) const {
    DescribeGroupsReply failed;
    for (const DescribeGroupsReply::Group& group : reply.groups) {
      failed.groups.emplace_back();
      failed.groups.back().error = error;
      failed.groups.back().id = group.id;
    }
    return failed;
  }
  Response operator()(const ConsumerGroupHeartbeatReply& reply) const {
    ConsumerGroupHeartbeatReply failed;
    failed.error = error;
    failed.member = reply.member;
    return failed;
  }
  Response operator()(const ConsumerGroupDescribeReply& reply) const {
    ConsumerGroupDescribeReply failed;
    for (const ConsumerGroupDescribeReply::Group& group : reply.groups) {
      failed.groups.emplace_back();
      failed.groups.back().error = error;
      failed.groups.back().id = group.id;
    }
    return failed;
  }
};

}  // namespace

Response Failed(const Response& response, GroupError error) { return std::visit(Failer{error}, response); }

}  // namespace chronik::groups
