// SPDX-License-Identifier: Apache-2.0
// What a group coordinator is asked, and what it answers: Kafka's group APIs without their wire format. kernel/api maps
// the one to the other; where an answer differs by request version, the request says which version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/groups/error.h"
#include "kernel/groups/record.h"

namespace chronik::groups {

struct Client {
  std::string id;
  std::string host;
};

// One way of assigning partitions that a classic member supports, and what it sends along for it. Opaque to us but for
// the protocol type "consumer", whose metadata begins with the topics it is subscribed to.
struct Protocol {
  std::string name;
  std::string metadata;
  friend bool operator==(const Protocol&, const Protocol&) = default;
};

// ---- classic groups ----

struct JoinGroup {
  std::string group;
  std::string member;  // empty: a new one
  std::optional<std::string> instance;
  Client client;
  Milliseconds session_timeout{0};
  Milliseconds rebalance_timeout{0};  // version 0 has none: the session timeout
  std::string protocol_type;
  std::vector<Protocol> protocols;        // the preferred one first
  bool knows_member_id_required = false;  // version 4 and up: learns its id before it joins (KIP-394)
  bool knows_skip_assignment = false;     // version 9 and up (KIP-814)
};
struct JoinedMember {
  std::string id;
  std::optional<std::string> instance;
  std::string metadata;
  friend bool operator==(const JoinedMember&, const JoinedMember&) = default;
};
struct JoinGroupReply {
  GroupError error = GroupError::kNone;
  int32_t generation = -1;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  std::string leader;
  bool skip_assignment = false;
  std::string member;
  std::vector<JoinedMember> members;  // for the leader only
};

struct SyncGroup {
  std::string group;
  std::string member;
  std::optional<std::string> instance;
  int32_t generation = -1;
  std::optional<std::string> protocol_type;  // version 5 and up, as is the next one: checked if there
  std::optional<std::string> protocol;
  struct Assignment {
    std::string member;
    std::string assignment;
  };
  std::vector<Assignment> assignments;  // of the leader only
};
struct SyncGroupReply {
  GroupError error = GroupError::kNone;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  std::string assignment;
};

struct Heartbeat {
  std::string group;
  std::string member;
  std::optional<std::string> instance;
  int32_t generation = -1;
};
struct HeartbeatReply {
  GroupError error = GroupError::kNone;
};

struct LeaveGroup {
  std::string group;
  struct Member {
    std::string id;  // empty: whoever has this instance
    std::optional<std::string> instance;
  };
  std::vector<Member> members;  // before version 3: one
};
struct LeaveGroupReply {
  GroupError error = GroupError::kNone;  // of the whole request
  struct Member {
    std::string id;
    std::optional<std::string> instance;
    GroupError error = GroupError::kNone;  // before version 3 this is the request's
  };
  std::vector<Member> members;
};

// ---- offsets ----

struct OffsetCommit {
  std::string group;
  std::string member;  // empty, with generation -1: a consumer without a group, or an admin
  std::optional<std::string> instance;
  int32_t generation = -1;  // of a consumer group: the member's epoch
  int16_t version = 10;
  std::optional<Milliseconds> retention;  // versions 2-4 only
  struct Partition {
    int32_t partition = 0;
    int64_t offset = -1;
    int32_t leader_epoch = -1;
    std::optional<std::string> metadata;
  };
  struct Topic {
    std::string name;
    std::vector<Partition> partitions;
  };
  std::vector<Topic> topics;
};
// Part of a transaction: stays pending until its end (EndTransaction).
struct TxnOffsetCommit {
  OffsetCommit commit;  // member and generation are checked if given: versions 3 and up
  ProducerId producer_id;
  int16_t producer_epoch = -1;
};
struct PartitionResult {
  std::string topic;
  int32_t partition = 0;
  GroupError error = GroupError::kNone;
};
struct OffsetCommitReply {                  // also of TxnOffsetCommit
  std::vector<PartitionResult> partitions;  // in the order asked
};

// WriteTxnMarkers for this partition of `__consumer_offsets`.
struct EndTransaction {
  ProducerId producer_id;
  int16_t producer_epoch = -1;
  int32_t coordinator_epoch = 0;
  bool commit = false;
};
struct EndTransactionReply {
  GroupError error = GroupError::kNone;
};

struct OffsetFetch {
  std::string group;
  std::optional<std::string> member;  // version 9 and up, of consumer groups
  int32_t member_epoch = -1;
  bool require_stable = false;
  struct Topic {
    std::string name;
    std::vector<int32_t> partitions;
  };
  std::optional<std::vector<Topic>> topics;  // nullopt: all that there are
};
struct OffsetFetchReply {
  GroupError error = GroupError::kNone;
  struct Partition {
    std::string topic;
    int32_t partition = 0;
    int64_t offset = -1;
    int32_t leader_epoch = -1;
    std::string metadata;
    GroupError error = GroupError::kNone;
  };
  std::vector<Partition> partitions;  // in the order asked
};

struct OffsetDelete {
  std::string group;
  struct Topic {
    std::string name;
    std::vector<int32_t> partitions;
  };
  std::vector<Topic> topics;
};
struct OffsetDeleteReply {
  GroupError error = GroupError::kNone;
  std::vector<PartitionResult> partitions;
};

// ---- groups of both kinds ----

struct DeleteGroups {
  std::vector<std::string> groups;
};
struct DeleteGroupsReply {
  struct Group {
    std::string id;
    GroupError error = GroupError::kNone;
  };
  std::vector<Group> groups;
};

struct ListGroups {
  std::vector<std::string> states;  // none: all; the case of letters does not matter
  std::vector<std::string> types;
};
struct ListGroupsReply {
  GroupError error = GroupError::kNone;
  struct Group {
    std::string id;
    std::string protocol_type;
    std::string state;
    std::string type;
  };
  std::vector<Group> groups;
};

// Classic groups only.
struct DescribeGroups {
  std::vector<std::string> groups;
};
struct DescribeGroupsReply {
  struct Member {
    std::string id;
    std::optional<std::string> instance;
    std::string client_id;
    std::string client_host;
    std::string metadata;
    std::string assignment;
  };
  struct Group {
    GroupError error = GroupError::kNone;  // kGroupIdNotFound: versions before 6 say none and state "Dead"
    std::string id;
    std::string state;
    std::string protocol_type;
    std::string protocol;
    std::vector<Member> members;
  };
  std::vector<Group> groups;
};

// ---- consumer groups (KIP-848) ----

struct ConsumerGroupHeartbeat {
  std::string group;
  std::string member;  // empty only in version 0, when it joins
  int32_t epoch = 0;   // 0: joins; -1: leaves; -2: a static member that leaves for a while
  std::optional<std::string> instance;
  std::optional<std::string> rack;
  Client client;
  std::optional<Milliseconds> rebalance_timeout;  // what is not given has not changed since the last time
  std::optional<std::vector<std::string>> topics;
  std::optional<std::string> topic_pattern;  // empty: no longer by pattern
  std::optional<std::string> assignor;
  std::optional<std::vector<TopicPartitions>> owned;
};
struct ConsumerGroupHeartbeatReply {
  GroupError error = GroupError::kNone;
  std::string message;  // for humans, with an error
  std::string member;
  int32_t epoch = 0;
  Milliseconds heartbeat_interval{0};
  std::optional<std::vector<TopicPartitions>> assignment;  // nullopt: as it was
};

struct ConsumerGroupDescribe {
  std::vector<std::string> groups;
};
struct NamedPartitions {
  TopicId topic;
  std::string name;  // empty: the topic is gone
  std::vector<int32_t> partitions;
};
struct ConsumerGroupDescribeReply {
  struct Member {
    std::string id;
    std::optional<std::string> instance;
    std::optional<std::string> rack;
    int32_t epoch = 0;
    std::string client_id;
    std::string client_host;
    std::vector<std::string> topics;
    std::optional<std::string> topic_pattern;
    std::vector<NamedPartitions> assignment;
    std::vector<NamedPartitions> target;
  };
  struct Group {
    GroupError error = GroupError::kNone;
    std::string id;
    std::string state;
    int32_t epoch = 0;
    int32_t assignment_epoch = 0;
    std::string assignor;
    std::vector<Member> members;
  };
  std::vector<Group> groups;
};

// ---- what the broker itself tells ----

// Topics were deleted: what was committed for them goes.
struct TopicsDeleted {
  std::vector<std::string> topics;
};

// Time has passed; see Coordinator::next_deadline().
struct Tick {};

using Request = std::variant<Tick, JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, TxnOffsetCommit,
                             EndTransaction, OffsetFetch, OffsetDelete, DeleteGroups, ListGroups, DescribeGroups,
                             ConsumerGroupHeartbeat, ConsumerGroupDescribe, TopicsDeleted>;

using Response =
    std::variant<JoinGroupReply, SyncGroupReply, HeartbeatReply, LeaveGroupReply, OffsetCommitReply,
                 EndTransactionReply, OffsetFetchReply, OffsetDeleteReply, DeleteGroupsReply, ListGroupsReply,
                 DescribeGroupsReply, ConsumerGroupHeartbeatReply, ConsumerGroupDescribeReply>;

// The same kind of answer, saying that it failed: for a response whose records were not committed.
Response Failed(const Response& response, GroupError error);
// The answer to a request that no coordinator took. Tick and TopicsDeleted have none; what is given for them is of no
// use.
Response Refused(const Request& request, GroupError error);

}  // namespace chronik::groups
