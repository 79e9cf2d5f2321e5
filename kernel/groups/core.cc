// SPDX-License-Identifier: Apache-2.0
#include "kernel/groups/core.h"

#include "kernel/base/invariant.h"

namespace chronik::groups {

bool Group::HasMembers() const {
  const auto* classic = std::get_if<ClassicGroup>(&state);
  return classic != nullptr ? !classic->members.empty() || classic->state != ClassicState::kEmpty
                            : !std::get<ConsumerGroup>(state).members.empty();
}

bool Group::IsNothing() const {
  const auto* classic = std::get_if<ClassicGroup>(&state);
  return classic != nullptr && classic->state == ClassicState::kEmpty && classic->generation == 0 &&
         classic->pending_members.empty() && offsets.empty();
}

Group* Core::Find(const std::string& name) {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : found->second.get();
}

Group& Core::FindOrMake(const std::string& name) {
  std::unique_ptr<Group>& group = groups_[name];
  if (group == nullptr) {
    group = std::make_unique<Group>(name);
    group->last_append = last_sequence_;  // maybe records that ended a group of this name
  }
  return *group;
}

void Core::Forget(const std::string& name) {
  Group* const group = Find(name);
  if (group == nullptr || !group->IsNothing()) return;
  SetWake(*group, std::nullopt);
  groups_.erase(name);
}

// ---- a step's output ----

void Core::End(Group* group) {
  if (!append_.records.empty() || append_.marker) {
    append_.sequence = ++last_sequence_;
    if (group != nullptr) group->last_append = last_sequence_;
    output_->appends.push_back(std::exchange(append_, Append{}));
  }
  const uint64_t after = group != nullptr ? group->last_append : last_sequence_;
  for (auto& [token, response] : answers_) output_->replies.push_back({token, after, std::move(response)});
  answers_.clear();
  if (group == nullptr) return;
  Forget(std::string(group->name));
}

void Core::Emit(Record record) {
  append_.records.push_back(EncodeRecord(record));
  Apply(record);
}

void Core::EmitTransactional(ProducerId producer, int16_t epoch, OffsetRecord record) {
  append_.producer = producer;
  append_.producer_epoch = epoch;
  append_.records.push_back(EncodeRecord(record));
  ApplyTransactional(producer, record);
}

void Core::EmitMarker(const EndTransaction& marker) {
  append_.producer = marker.producer_id;
  append_.producer_epoch = marker.producer_epoch;
  append_.marker = Append::Marker{marker.commit, marker.coordinator_epoch};
  ApplyMarker(marker.producer_id, marker.commit);
}

void Core::EmitClassic(const Group& group) {
  const auto& classic = std::get<ClassicGroup>(group.state);
  append_.records.push_back(EncodeRecord(ClassicGroupRecord{group.name, classic.ToValue()}));
}

void Core::EmitTombstones(Group& group) {
  if (group.classic() != nullptr) return Emit(ClassicGroupRecord{group.name, std::nullopt});
  const ConsumerGroup consumer = *group.consumer();
  for (const auto& [member, current] : consumer.currents)
    Emit(CurrentAssignmentRecord{group.name, member, std::nullopt});
  for (const auto& [member, target] : consumer.targets) Emit(TargetMemberRecord{group.name, member, std::nullopt});
  for (const auto& [member, value] : consumer.members) Emit(ConsumerMemberRecord{group.name, member, std::nullopt});
  for (const auto& [pattern, value] : consumer.patterns) Emit(PatternRecord{group.name, pattern, std::nullopt});
  Emit(TargetEpochRecord{group.name, std::nullopt});
  Emit(ConsumerGroupRecord{group.name, std::nullopt});
}

void Core::Answer(uint64_t token, Response response) {
  if (token != 0) answers_.emplace_back(token, std::move(response));
}

// ---- records ----

void Core::DropState(Group& group) {
  group.state = ClassicGroup{};
  SetWake(group, std::nullopt);
}

void Core::ApplyClassic(const ClassicGroupRecord& record) {
  if (!record.value) {
    Group* const group = Find(record.group);
    if (group != nullptr && group->classic() != nullptr) DropState(*group);
    return;
  }
  FindOrMake(record.group).state = ClassicGroup::FromValue(*record.value);
}

void Core::ApplyConsumer(const Record& record) {
  const auto& [name, is_tombstone] = std::visit(
      [](const auto& r) -> std::pair<std::string, bool> {
        if constexpr (requires { r.key; })
          return {r.key.group, !r.value};
        else
          return {r.group, !r.value};
      },
      record);
  Group* group = Find(name);
  if (is_tombstone && (group == nullptr || group->consumer() == nullptr)) return;
  if (group == nullptr || group->consumer() == nullptr) {
    group = &FindOrMake(name);
    group->state = ConsumerGroup{};
  }
  ConsumerGroup& consumer = *group->consumer();
  std::visit(
      [&](const auto& r) {
        if constexpr (requires { consumer.Apply(r); }) consumer.Apply(r);
      },
      record);
  if (is_tombstone && std::holds_alternative<ConsumerGroupRecord>(record)) DropState(*group);
}

void Core::Apply(const Record& record) {
  if (const auto* offset = std::get_if<OffsetRecord>(&record)) {
    const PartitionName partition{offset->key.topic, offset->key.partition};
    ++order_;
    if (offset->value) return FindOrMake(offset->key.group).offsets.Commit(partition, *offset->value, order_);
    Group* const group = Find(offset->key.group);
    if (group == nullptr) return;
    const bool pending = group->offsets.HasPending(partition);
    group->offsets.Erase(partition);
    if (!pending) return;
    for (auto producer = open_transactions_.begin(); producer != open_transactions_.end();) {
      if (!group->offsets.pending().contains(producer->first)) producer->second.erase(group->name);
      producer = producer->second.empty() ? open_transactions_.erase(producer) : std::next(producer);
    }
    return;
  }
  if (const auto* classic = std::get_if<ClassicGroupRecord>(&record)) return ApplyClassic(*classic);
  ApplyConsumer(record);
}

void Core::ApplyTransactional(ProducerId producer, const OffsetRecord& record) {
  ++order_;
  if (!record.value) return;  // nobody writes one
  Group& group = FindOrMake(record.key.group);
  group.offsets.AddPending(producer, {record.key.topic, record.key.partition}, *record.value, order_);
  open_transactions_[producer].insert(group.name);
}

void Core::ApplyMarker(ProducerId producer, bool commit) {
  const auto open = open_transactions_.find(producer);
  if (open == open_transactions_.end()) return;
  const std::set<std::string> names = std::move(open->second);
  open_transactions_.erase(open);
  for (const std::string& name : names) {
    Group* const group = Find(name);
    CHRONIK_CHECK(group != nullptr) << "group " << name << " is gone before its transaction";
    group->offsets.EndTransaction(producer, commit);
    Forget(name);
  }
}

// ---- time ----

void Core::SetWake(Group& group, std::optional<Instant> deadline) {
  if (group.wake) wakes_.erase({*group.wake, group.name});
  group.wake = deadline;
  if (deadline) wakes_.insert({*deadline, group.name});
}

void Core::WakeBy(Group& group, Instant deadline) {
  if (!group.wake || deadline < *group.wake) SetWake(group, deadline);
}

std::optional<Instant> Core::next_wake() const {
  return wakes_.empty() ? std::nullopt : std::optional(wakes_.begin()->first);
}

Group* Core::TakeDue() {
  if (wakes_.empty() || wakes_.begin()->first > now.mono) return nullptr;
  Group* const group = Find(std::string(wakes_.begin()->second));
  CHRONIK_CHECK(group != nullptr) << "a deadline of no group";
  SetWake(*group, std::nullopt);
  return group;
}

}  // namespace chronik::groups
