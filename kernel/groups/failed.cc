// SPDX-License-Identifier: Apache-2.0
// Answers that turned out not to hold, as their records were not committed; and those to requests that no coordinator
// took.
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

// The answer of the right kind, naming what was asked for; Failed adds the error.
struct Outline {
  static Response OfCommit(const OffsetCommit& commit) {
    OffsetCommitReply reply;
    for (const OffsetCommit::Topic& topic : commit.topics) {
      for (const OffsetCommit::Partition& p : topic.partitions) reply.partitions.push_back({topic.name, p.partition});
    }
    return reply;
  }
  template <class Reply>
  static Response OfGroups(const std::vector<std::string>& groups) {
    Reply reply;
    for (const std::string& group : groups) reply.groups.emplace_back().id = group;
    return reply;
  }

  Response operator()(const JoinGroup& request) const {
    JoinGroupReply reply;
    reply.member = request.member;
    return reply;
  }
  Response operator()(const SyncGroup&) const { return SyncGroupReply{}; }
  Response operator()(const Heartbeat&) const { return HeartbeatReply{}; }
  Response operator()(const LeaveGroup& request) const {
    LeaveGroupReply reply;
    for (const LeaveGroup::Member& member : request.members) reply.members.push_back({member.id, member.instance});
    return reply;
  }
  Response operator()(const OffsetCommit& request) const { return OfCommit(request); }
  Response operator()(const TxnOffsetCommit& request) const { return OfCommit(request.commit); }
  Response operator()(const EndTransaction&) const { return EndTransactionReply{}; }
  Response operator()(const OffsetFetch& request) const {
    OffsetFetchReply reply;
    if (!request.topics) return reply;
    for (const OffsetFetch::Topic& topic : *request.topics) {
      for (const int32_t p : topic.partitions) reply.partitions.push_back({topic.name, p, -1, -1, ""});
    }
    return reply;
  }
  Response operator()(const OffsetDelete&) const { return OffsetDeleteReply{}; }
  Response operator()(const DeleteGroups& request) const { return OfGroups<DeleteGroupsReply>(request.groups); }
  Response operator()(const ListGroups&) const { return ListGroupsReply{}; }
  Response operator()(const DescribeGroups& request) const { return OfGroups<DescribeGroupsReply>(request.groups); }
  Response operator()(const ConsumerGroupHeartbeat& request) const {
    ConsumerGroupHeartbeatReply reply;
    reply.member = request.member;
    return reply;
  }
  Response operator()(const ConsumerGroupDescribe& request) const {
    return OfGroups<ConsumerGroupDescribeReply>(request.groups);
  }
  Response operator()(const Tick&) const { return HeartbeatReply{}; }
  Response operator()(const TopicsDeleted&) const { return HeartbeatReply{}; }
};

}  // namespace

Response Failed(const Response& response, GroupError error) { return std::visit(Failer{error}, response); }

Response Refused(const Request& request, GroupError error) { return Failed(std::visit(Outline{}, request), error); }

}  // namespace chronik::groups
