// SPDX-License-Identifier: Apache-2.0
// The state of one classic group: its members, the generation they agreed on and the rebalance under way.
//
//   Empty -> PreparingRebalance    a member joins; the first rebalance waits a while for others
//   PreparingRebalance -> CompletingRebalance   all have joined again, or their time is up: a new generation
//   PreparingRebalance -> Empty    nobody is left
//   CompletingRebalance -> Stable  the leader has sent the assignment
//   CompletingRebalance, Stable -> PreparingRebalance   members come, go or change what they want
//
// Kafka's Dead is a group that is not there. A consumer without a group that commits offsets makes an Empty group
// without protocol type ("simple").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/groups/record.h"
#include "kernel/groups/request.h"

namespace chronik::groups {

enum class ClassicState : uint8_t { kEmpty, kPreparingRebalance, kCompletingRebalance, kStable };
std::string_view StateName(ClassicState state);  // as Kafka's tools print it

struct ClassicMember {
  std::string id;
  std::optional<std::string> instance;
  Client client;
  Milliseconds session_timeout{0};
  Milliseconds rebalance_timeout{0};
  std::vector<Protocol> protocols;
  std::string assignment;

  std::optional<uint64_t> join;  // the request that waits for the generation
  std::optional<uint64_t> sync;  // the request that waits for the assignment
  bool sync_due = false;         // has not asked for its assignment of this generation
  bool is_new = false;           // has had no answer yet, so it cannot send heartbeats
  // nullopt: one of its requests waits here, which proves that it is alive.
  std::optional<Instant> session_deadline;

  const Protocol* Find(std::string_view protocol) const;
  size_t bytes() const;
};

struct ClassicGroup {
  ClassicState state = ClassicState::kEmpty;
  std::optional<WallTime> state_time;  // since when
  std::optional<std::string> protocol_type;
  int32_t generation = 0;
  std::optional<std::string> protocol;
  std::optional<std::string> leader;
  std::map<std::string, ClassicMember> members;
  std::map<std::string, std::string> static_members;  // instance to member
  std::map<std::string, Instant> pending_members;     // were told their id and may join with it until then
  std::set<std::string> topics;                       // subscribed to, if that is known
  bool topics_known = false;
  size_t bytes = 0;                          // of the members
  size_t joining = 0;                        // members whose JoinGroup waits
  std::map<std::string, size_t> supporters;  // of each protocol

  // The rebalance under way.
  bool initial = false;  // from Empty: it lasts at least initial_rebalance_delay, so that many may join
  bool member_added = false;
  Duration initial_remaining{0};
  std::optional<Instant> join_deadline;
  std::optional<Instant> sync_deadline;

  void Enter(ClassicState next, WallTime now);
  ClassicMember& Add(ClassicMember member);
  void Remove(const std::string& id);
  ClassicMember* Find(const std::string& id);
  const ClassicMember* Find(const std::string& id) const;
  // The member that the instance's new process replaces; it goes on under the new id.
  ClassicMember& Replace(const std::string& old_id, const std::string& new_id);
  void Update(ClassicMember& member, const JoinGroup& request);

  bool IsLeader(const std::string& id) const { return leader == id; }
  bool uses_consumer_protocol() const { return protocol_type == "consumer"; }
  bool IsSubscribedTo(const std::string& topic) const { return topics_known && topics.contains(topic); }
  bool AllHaveJoined() const;
  void Park(ClassicMember& member, uint64_t join);  // its JoinGroup waits for the generation
  std::optional<uint64_t> Unpark(ClassicMember& member);
  // Protocols that all members support; the one that most prefer.
  bool Supports(const std::string& type, const std::vector<Protocol>& protocols) const;
  std::string SelectProtocol() const;
  Milliseconds rebalance_timeout() const;  // the longest of the members'
  // A leader that has joined again: the old one, or another. False if nobody has.
  bool ElectJoinedLeader();
  void BeginGeneration(WallTime now);
  void ReadTopics();  // from what the members sent for the chosen protocol
  std::vector<JoinedMember> Metadata() const;
  std::optional<Instant> Earliest() const;
  bool IsCommon(const std::string& protocol_name) const;  // all members support it
  void Count(const ClassicMember& member, bool add);      // into bytes and supporters

  ClassicGroupValue ToValue() const;
  static ClassicGroup FromValue(const ClassicGroupValue& value);
};

// The topics in a subscription of the "consumer" protocol; nullopt if it is not one.
std::optional<std::vector<std::string>> SubscribedTopics(std::string_view metadata);

}  // namespace chronik::groups
