// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/classic_group.h"

#include <algorithm>

#include "kernel/base/invariant.h"
#include "kernel/groups/record_wire.h"

namespace chronik::groups {

std::string_view StateName(ClassicState state) {
  switch (state) {
    case ClassicState::kEmpty: return "Empty";
    case ClassicState::kPreparingRebalance: return "PreparingRebalance";
    case ClassicState::kCompletingRebalance: return "CompletingRebalance";
    case ClassicState::kStable: return "Stable";
  }
  return "";
}

const Protocol* ClassicMember::Find(std::string_view protocol) const {
  const auto found = std::ranges::find(protocols, protocol, &Protocol::name);
  return found == protocols.end() ? nullptr : &*found;
}

size_t ClassicMember::bytes() const {
  size_t total = id.size() + instance.value_or("").size() + client.id.size() + client.host.size() + assignment.size();
  for (const Protocol& protocol : protocols) total += protocol.name.size() + protocol.metadata.size();
  return total;
}

void ClassicGroup::Count(const ClassicMember& member, bool add) {
  bytes = add ? bytes + member.bytes() : bytes - member.bytes();
  std::set<std::string_view> seen;  // a client may name a protocol twice
  for (const Protocol& p : member.protocols) {
    if (!seen.insert(p.name).second) continue;
    const auto count = supporters.try_emplace(p.name, 0).first;
    count->second = add ? count->second + 1 : count->second - 1;
    if (count->second == 0) supporters.erase(count);
  }
}

void ClassicGroup::Enter(ClassicState next, WallTime now) {
  state = next;
  state_time = now;
}

ClassicMember& ClassicGroup::Add(ClassicMember member) {
  if (!leader) leader = member.id;
  if (member.instance) static_members[*member.instance] = member.id;
  pending_members.erase(member.id);
  Count(member, true);
  const std::string id = member.id;
  const auto [at, added] = members.emplace(id, std::move(member));
  CHRONIK_CHECK(added) << "member " << id << " is there already";
  return at->second;
}

void ClassicGroup::Remove(const std::string& id) {
  const auto found = members.find(id);
  CHRONIK_CHECK(found != members.end()) << "no member " << id;
  const auto instance = static_members.find(found->second.instance.value_or(""));
  if (instance != static_members.end() && instance->second == id) static_members.erase(instance);
  Unpark(found->second);
  Count(found->second, false);
  members.erase(found);
  if (!IsLeader(id)) return;
  leader.reset();
  if (!members.empty()) leader = members.begin()->first;
}

ClassicMember* ClassicGroup::Find(const std::string& id) {
  const auto found = members.find(id);
  return found == members.end() ? nullptr : &found->second;
}

const ClassicMember* ClassicGroup::Find(const std::string& id) const {
  const auto found = members.find(id);
  return found == members.end() ? nullptr : &found->second;
}

ClassicMember& ClassicGroup::Replace(const std::string& old_id, const std::string& new_id) {
  auto node = members.extract(old_id);
  CHRONIK_CHECK(!node.empty() && node.mapped().instance) << "no static member " << old_id;
  Count(node.mapped(), false);
  node.key() = new_id;
  node.mapped().id = new_id;
  Count(node.mapped(), true);
  static_members[*node.mapped().instance] = new_id;
  if (IsLeader(old_id)) leader = new_id;
  return members.insert(std::move(node)).position->second;
}

void ClassicGroup::Update(ClassicMember& member, const JoinGroup& request) {
  Count(member, false);
  member.protocols = request.protocols;
  member.session_timeout = request.session_timeout;
  member.rebalance_timeout = request.rebalance_timeout;
  member.client = request.client;
  Count(member, true);
}

void ClassicGroup::Park(ClassicMember& member, uint64_t join) {
  if (!member.join) ++joining;
  member.join = join;
}

std::optional<uint64_t> ClassicGroup::Unpark(ClassicMember& member) {
  if (member.join) --joining;
  return std::exchange(member.join, std::nullopt);
}

bool ClassicGroup::AllHaveJoined() const { return pending_members.empty() && joining == members.size(); }

bool ClassicGroup::IsCommon(const std::string& protocol_name) const {
  const auto found = supporters.find(protocol_name);
  return found != supporters.end() && found->second == members.size();
}

bool ClassicGroup::Supports(const std::string& type, const std::vector<Protocol>& protocols) const {
  if (members.empty()) return !type.empty() && !protocols.empty();
  return protocol_type == type && std::ranges::any_of(protocols, [&](const Protocol& p) { return IsCommon(p.name); });
}

std::string ClassicGroup::SelectProtocol() const {
  std::map<std::string, size_t> votes;
  for (const auto& [id, member] : members) {
    const auto vote = std::ranges::find_if(member.protocols, [&](const Protocol& p) { return IsCommon(p.name); });
    if (vote != member.protocols.end()) ++votes[vote->name];
  }
  CHRONIK_CHECK(!votes.empty()) << "members without a common protocol";
  const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
  return std::ranges::max_element(votes, less)->first;
}

Milliseconds ClassicGroup::rebalance_timeout() const {
  Milliseconds longest{0};
  for (const auto& [id, member] : members) longest = std::max(longest, member.rebalance_timeout);
  return longest;
}

bool ClassicGroup::ElectJoinedLeader() {
  const ClassicMember* const old = leader ? Find(*leader) : nullptr;
  if (old != nullptr && old->join) return true;
  const auto joined = std::ranges::find_if(members, [](const auto& entry) { return entry.second.join.has_value(); });
  if (joined == members.end()) return false;
  leader = joined->first;
  return true;
}

void ClassicGroup::BeginGeneration(WallTime now) {
  generation = generation == INT32_MAX ? 1 : generation + 1;
  initial = false;
  if (members.empty()) {
    protocol.reset();
    leader.reset();
    Enter(ClassicState::kEmpty, now);
  } else {
    protocol = SelectProtocol();
    Enter(ClassicState::kCompletingRebalance, now);
  }
  ReadTopics();
}

void ClassicGroup::ReadTopics() {
  topics.clear();
  topics_known = uses_consumer_protocol();
  for (const auto& [id, member] : members) {
    const Protocol* const chosen = protocol ? member.Find(*protocol) : nullptr;
    const auto subscribed = chosen != nullptr ? SubscribedTopics(chosen->metadata) : std::nullopt;
    topics_known = topics_known && subscribed;
    if (topics_known) topics.insert(subscribed->begin(), subscribed->end());
  }
}

std::vector<JoinedMember> ClassicGroup::Metadata() const {
  std::vector<JoinedMember> all;
  all.reserve(members.size());
  for (const auto& [id, member] : members) {
    const Protocol* const chosen = member.Find(*protocol);
    all.push_back({id, member.instance, chosen == nullptr ? "" : chosen->metadata});
  }
  return all;
}

std::optional<Instant> ClassicGroup::Earliest() const {
  std::optional<Instant> earliest;
  const auto consider = [&](const std::optional<Instant>& deadline) {
    if (deadline && (!earliest || *deadline < *earliest)) earliest = deadline;
  };
  for (const auto& [id, until] : pending_members) consider(until);
  for (const auto& [id, member] : members) consider(member.session_deadline);
  consider(join_deadline);
  consider(sync_deadline);
  return earliest;
}

ClassicGroupValue ClassicGroup::ToValue() const {
  ClassicGroupValue value{protocol_type.value_or(""), generation, protocol, leader, state_time, {}};
  for (const auto& [id, member] : members) {
    const Protocol* const chosen = protocol ? member.Find(*protocol) : nullptr;
    value.members.push_back({id, member.instance, member.client.id, member.client.host, member.rebalance_timeout,
                             member.session_timeout, chosen == nullptr ? "" : chosen->metadata, member.assignment});
  }
  return value;
}

ClassicGroup ClassicGroup::FromValue(const ClassicGroupValue& value) {
  ClassicGroup group;
  group.state = value.members.empty() ? ClassicState::kEmpty : ClassicState::kStable;
  group.state_time = value.state_time;
  if (!value.protocol_type.empty()) group.protocol_type = value.protocol_type;
  group.generation = value.generation;
  for (const ClassicMemberValue& v : value.members) {
    if (group.members.contains(v.id)) continue;  // what no coordinator wrote: the first one holds
    ClassicMember member;
    member.id = v.id;
    member.instance = v.instance;
    member.client = {v.client_id, v.client_host};
    member.session_timeout = v.session_timeout;
    member.rebalance_timeout = v.rebalance_timeout;
    member.protocols = {{value.protocol.value_or(""), v.subscription}};
    member.assignment = v.assignment;
    group.Add(std::move(member));
  }
  group.protocol = value.protocol;
  group.leader = value.leader;
  group.ReadTopics();
  return group;
}

std::optional<std::vector<std::string>> SubscribedTopics(std::string_view metadata) {
  RecordReader in(AsBytes(metadata));
  if (in.Take<int16_t>() < 0) return std::nullopt;
  std::vector<std::string> topics = in.TakeArray<std::string>([&] { return in.TakeString(); });
  if (!in.ok()) return std::nullopt;
  return topics;
}

}  // namespace chronik::groups
