// SPDX-License-Identifier: Apache-2.0
// What the parts of a coordinator share: the groups, the options, and the step under way with what it gives out. Only
// the .cc files of this folder and its tests include this.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kernel/groups/classic_group.h"
#include "kernel/groups/consumer_group.h"
#include "kernel/groups/coordinator.h"
#include "kernel/groups/offsets.h"

namespace chronik::groups {

struct Group {
  explicit Group(std::string group_name) : name(std::move(group_name)) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  const std::string name;
  std::variant<ClassicGroup, ConsumerGroup> state;  // as new: an Empty classic group without protocol type
  GroupOffsets offsets;
  uint64_t last_append = 0;  // sequence
  std::optional<Instant> wake;

  ClassicGroup* classic() { return std::get_if<ClassicGroup>(&state); }
  ConsumerGroup* consumer() { return std::get_if<ConsumerGroup>(&state); }
  bool HasMembers() const;
  // Neither durable nor of use to anybody: a name that was asked for.
  bool IsNothing() const;
};

class Core {
 public:
  Core(const Options& given_options, MakeUuid make_uuid) : options(given_options), uuid(std::move(make_uuid)) {}
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const Options options;
  const MakeUuid uuid;
  Now now;  // of the step under way

  Group* Find(const std::string& name);
  Group& FindOrMake(const std::string& name);
  const std::map<std::string, std::unique_ptr<Group>>& groups() const { return groups_; }

  // ---- a step's output ----
  // Everything between Begin and End is one unit: its records are appended together, and its answers wait for them and
  // for those of the group before; without a group, for all before.
  void Begin(Output* output) { output_ = output; }
  void End(Group* group);
  // Applies the record to offsets and consumer groups; the state of a classic group is ahead of its record.
  void Emit(Record record);
  void EmitTransactional(ProducerId producer, int16_t epoch, OffsetRecord record);
  void EmitMarker(const EndTransaction& marker);
  // A classic group as it is now.
  void EmitClassic(const Group& group);
  // The group's membership goes; committed offsets stay.
  void EmitTombstones(Group& group);
  void Answer(uint64_t token, Response response);

  // ---- records ----
  void Apply(const Record& record);
  void ApplyTransactional(ProducerId producer, const OffsetRecord& record);
  void ApplyMarker(ProducerId producer, bool commit);

  // ---- time ----
  // The group is to be looked at then, or earlier.
  void WakeBy(Group& group, Instant deadline);
  void SetWake(Group& group, std::optional<Instant> deadline);
  std::optional<Instant> next_wake() const;
  Group* TakeDue();  // a group whose time has come; it is not waiting any more

  // Forgets the group if it IsNothing().
  void Forget(const std::string& name);
  bool HasOpenTransactions(ProducerId producer) const { return open_transactions_.contains(producer); }
  uint64_t last_sequence() const { return last_sequence_; }

 private:
  void ApplyClassic(const ClassicGroupRecord& record);
  void ApplyConsumer(const Record& record);
  void DropState(Group& group);

  std::map<std::string, std::unique_ptr<Group>> groups_;
  std::map<ProducerId, std::set<std::string>> open_transactions_;  // the groups that each has offsets in
  std::set<std::pair<Instant, std::string_view>> wakes_;
  uint64_t order_ = 0;  // of records applied
  uint64_t last_sequence_ = 0;

  Output* output_ = nullptr;
  Append append_;
  std::vector<std::pair<uint64_t, Response>> answers_;
};

}  // namespace chronik::groups
