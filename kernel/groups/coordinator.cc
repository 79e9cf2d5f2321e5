// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/coordinator.h"

#include <algorithm>
#include <cctype>

#include "kernel/base/invariant.h"
#include "kernel/groups/classic_protocol.h"
#include "kernel/groups/consumer_protocol.h"
#include "kernel/groups/core.h"
#include "kernel/groups/offset_requests.h"

namespace chronik::groups {

Coordinator::Coordinator(const Options& options, const Topics& topics, MakeUuid make_uuid)
    : core_(std::make_unique<Core>(options, std::move(make_uuid))),
      classic_(std::make_unique<ClassicProtocol>(*core_)),
      consumer_(std::make_unique<ConsumerProtocol>(*core_, topics)),
      offsets_(std::make_unique<OffsetRequests>(*core_, *classic_)) {
  CHRONIK_CHECK(options.max_offset_metadata_bytes <= kMaxNameBytes) << "offset metadata does not fit its record";
}

Coordinator::~Coordinator() = default;

// ---- replay ----

Status Coordinator::Replay(ByteView key, std::optional<ByteView> value) {
  const Result<std::optional<Record>> record = DecodeRecord(key, value);
  if (!record) return record.error();
  if (!*record) return {};
  core_->Apply(**record);
  const std::string name = std::visit(
      [](const auto& r) {
        if constexpr (requires { r.key; }) {
          return r.key.group;
        } else {
          return r.group;
        }
      },
      **record);
  core_->Forget(name);
  return {};
}

Status Coordinator::ReplayTransactional(ProducerId producer, ByteView key, std::optional<ByteView> value) {
  const Result<std::optional<Record>> record = DecodeRecord(key, value);
  if (!record) return record.error();
  if (!*record) return {};
  const auto* const offset = std::get_if<OffsetRecord>(&**record);
  if (offset == nullptr) return Error{ErrorCode::kCorrupt, "a transaction holds something else than offsets"};
  core_->ApplyTransactional(producer, *offset);
  return {};
}

void Coordinator::ReplayMarker(ProducerId producer, bool commit) { core_->ApplyMarker(producer, commit); }

void Coordinator::Start(Now now) {
  core_->now = now;
  for (const auto& [name, group] : core_->groups()) {
    if (group->classic() != nullptr) {
      classic_->Start(*group);
    } else {
      consumer_->Start(*group);
    }
  }
  next_expiry_ = now.mono + core_->options.expiry_interval;
}

// ---- steps ----

void Coordinator::Step(uint64_t token, const Request& request, Now now, Output* output) {
  CHRONIK_CHECK(next_expiry_) << "Step before Start";
  core_->now = now;
  core_->Begin(output);
  struct Visitor {
    Coordinator& self;
    uint64_t token;
    void operator()(const Tick&) const {
      self.WakeGroups();
      self.ExpireOffsets();
    }
    void operator()(const JoinGroup& r) const { self.classic_->Join(token, r); }
    void operator()(const SyncGroup& r) const { self.classic_->Sync(token, r); }
    void operator()(const Heartbeat& r) const { self.classic_->Beat(token, r); }
    void operator()(const LeaveGroup& r) const { self.classic_->Leave(token, r); }
    void operator()(const OffsetCommit& r) const { self.offsets_->Commit(token, r); }
    void operator()(const TxnOffsetCommit& r) const { self.offsets_->CommitInTransaction(token, r); }
    void operator()(const EndTransaction& r) const { self.offsets_->End(token, r); }
    void operator()(const OffsetFetch& r) const { self.offsets_->Fetch(token, r); }
    void operator()(const OffsetDelete& r) const { self.offsets_->Delete(token, r); }
    void operator()(const DeleteGroups& r) const { self.Delete(token, r); }
    void operator()(const ListGroups& r) const { self.List(token, r); }
    void operator()(const DescribeGroups& r) const { self.Describe(token, r); }
    void operator()(const ConsumerGroupHeartbeat& r) const { self.consumer_->Beat(token, r); }
    void operator()(const ConsumerGroupDescribe& r) const { self.DescribeConsumers(token, r); }
    void operator()(const TopicsDeleted& r) const { self.offsets_->Forget(r); }
  };
  std::visit(Visitor{*this, token}, request);
  core_->Begin(nullptr);
}

void Coordinator::WakeGroups() {
  while (Group* const group = core_->TakeDue()) {
    if (group->classic() != nullptr) {
      classic_->Wake(*group);
    } else {
      consumer_->Wake(*group);
    }
  }
}

void Coordinator::ExpireOffsets() {
  if (core_->now.mono < *next_expiry_) return;
  next_expiry_ = core_->now.mono + core_->options.expiry_interval;
  std::vector<std::string> names;
  for (const auto& [name, group] : core_->groups()) names.push_back(name);
  for (const std::string& name : names) offsets_->Expire(*core_->Find(name));
}

std::optional<Instant> Coordinator::next_deadline() const {
  const std::optional<Instant> wake = core_->next_wake();
  if (!next_expiry_ || !wake) return next_expiry_ ? next_expiry_ : wake;
  return std::min(*wake, *next_expiry_);
}

void Coordinator::Abandon(GroupError error, Output* output) {
  Output given;
  core_->Begin(&given);
  for (const auto& [name, group] : core_->groups()) {
    if (group->classic() != nullptr) classic_->Abandon(*group, error);
  }
  core_->End(nullptr);
  core_->Begin(nullptr);
  for (Reply& reply : given.replies) output->replies.push_back({reply.token, 0, std::move(reply.response)});
}

// ---- requests about groups ----

void Coordinator::Describe(uint64_t token, const DescribeGroups& request) {
  DescribeGroupsReply reply;
  for (const std::string& name : request.groups) reply.groups.push_back(classic_->Describe(name));
  core_->Answer(token, std::move(reply));
  core_->End(nullptr);
}

void Coordinator::DescribeConsumers(uint64_t token, const ConsumerGroupDescribe& request) {
  ConsumerGroupDescribeReply reply;
  for (const std::string& name : request.groups) reply.groups.push_back(consumer_->Describe(name));
  core_->Answer(token, std::move(reply));
  core_->End(nullptr);
}

namespace {

bool SameName(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool Wanted(const std::vector<std::string>& filter, std::string_view name) {
  return filter.empty() || std::ranges::any_of(filter, [&](const std::string& want) { return SameName(want, name); });
}

ListGroupsReply::Group Listed(Group& group) {
  if (const ClassicGroup* const classic = group.classic())
    return {group.name, classic->protocol_type.value_or(""), std::string(StateName(classic->state)), "classic"};
  return {group.name, "consumer", std::string(group.consumer()->StateName()), "consumer"};
}

}  // namespace

void Coordinator::List(uint64_t token, const ListGroups& request) {
  ListGroupsReply reply;
  for (const auto& [name, group] : core_->groups()) {
    ListGroupsReply::Group listed = Listed(*group);
    if (Wanted(request.states, listed.state) && Wanted(request.types, listed.type))
      reply.groups.push_back(std::move(listed));
  }
  core_->Answer(token, std::move(reply));
  core_->End(nullptr);
}

void Coordinator::Delete(uint64_t token, const DeleteGroups& request) {
  DeleteGroupsReply reply;
  for (const std::string& name : request.groups) {
    Group* const group = core_->Find(name);
    GroupError error = GroupError::kNone;
    if (name.empty()) {
      error = GroupError::kInvalidGroupId;
    } else if (group == nullptr) {
      error = GroupError::kGroupIdNotFound;
    } else if (group->HasMembers()) {
      error = GroupError::kNonEmptyGroup;
    } else {
      offsets_->EraseAll(*group);
      core_->EmitTombstones(*group);
      core_->End(group);
    }
    reply.groups.push_back({name, error});
  }
  core_->Answer(token, std::move(reply));
  core_->End(nullptr);
}

// ---- for tests ----

size_t Coordinator::group_count() const { return core_->groups().size(); }

namespace {

using State = std::map<std::string, std::string>;

void Put(State* state, const std::string& group, const GroupOffsets::Entries& entries, int64_t producer) {
  for (const auto& [partition, entry] : entries) {
    const CommittedOffset& v = entry.value;
    const std::string key = "offset " + group + ' ' + partition.first + ' ' + std::to_string(partition.second);
    (*state)[key + " of " + std::to_string(producer)] =
        EncodeRecord(OffsetRecord{{group, partition.first, partition.second}, v}).value.value_or("");
  }
}

void Put(State* state, const std::string& name, const ClassicGroup& group) {
  const bool settled = group.state == ClassicState::kStable || group.state == ClassicState::kEmpty;
  if (!settled) {
    (*state)["group " + name] = "rebalancing";
  } else if (group.generation > 0) {
    (*state)["group " + name] = EncodeRecord(ClassicGroupRecord{name, group.ToValue()}).value.value_or("");
  }
}

void Put(State* state, const std::string& name, const ConsumerGroup& group) {
  const auto put = [&](const std::string& key, const Record& record) {
    (*state)[key + ' ' + name] = EncodeRecord(record).value.value_or("");
  };
  put("consumer group", ConsumerGroupRecord{name, ConsumerGroupValue{group.epoch, group.metadata_hash}});
  put("target epoch", TargetEpochRecord{name, group.target_epoch});
  for (const auto& [id, value] : group.members) put("member " + id, ConsumerMemberRecord{name, id, value});
  for (const auto& [id, value] : group.targets) put("target " + id, TargetMemberRecord{name, id, value});
  for (const auto& [id, value] : group.currents) put("current " + id, CurrentAssignmentRecord{name, id, value});
  for (const auto& [id, value] : group.patterns) put("pattern " + id, PatternRecord{name, id, value});
  for (const auto& [instance, id] : group.static_members) (*state)["instance " + instance + ' ' + name] = id;
}

}  // namespace

std::map<std::string, std::string> Coordinator::DurableState() const {
  State state;
  for (const auto& [name, group] : core_->groups()) {
    Put(&state, name, group->offsets.committed(), -1);
    for (const auto& [producer, entries] : group->offsets.pending()) Put(&state, name, entries, producer.value);
    std::visit([&, &group_name = name](const auto& membership) { Put(&state, group_name, membership); }, group->state);
  }
  return state;
}

}  // namespace chronik::groups
