// SPDX-License-Identifier: Apache-2.0
// How groups come, move to another lane, and go.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "plugins/log_wal/store.h"

namespace chronik_log_wal {

GroupPtr Store::Find(uint64_t id) {
  const std::scoped_lock lock(groups_mutex_);
  const auto found = groups_.find(id);
  return found == groups_.end() ? nullptr : found->second;
}

GroupPtr Store::FindOrAdd(uint64_t id) {
  const std::scoped_lock lock(groups_mutex_);
  GroupPtr& group = groups_[id];
  if (!group) {
    GroupState state;
    state.birth = NextNumber();
    state.incarnation = state.birth;
    state.residence = state.birth;
    group = std::make_shared<Group>(id, state, group_directory(id, state.birth));
  }
  return group;
}

std::map<uint64_t, GroupState> Store::StatesOfLane(uint32_t lane) {
  std::map<uint64_t, GroupState> out;
  const std::scoped_lock lock(groups_mutex_);
  for (const auto& [id, group] : groups_) {
    // Lane and state under one lock: a group that moves away in between must not be vouched for by both lanes.
    const std::scoped_lock group_lock(group->mutex);
    if (group->exists && group->state.lane == lane) out.emplace(id, group->state);
  }
  return out;
}

void Store::ListGroups(std::vector<uint64_t>* ids) {
  const std::scoped_lock lock(groups_mutex_);
  for (const auto& [id, group] : groups_) {
    const std::scoped_lock group_lock(group->mutex);
    if (group->exists) ids->push_back(id);
  }
  std::sort(ids->begin(), ids->end());
}

Failure Store::OpenGroup(uint64_t id, uint32_t lane_id, bool create, chr_log_group** out, chr_log_bounds* bounds) {
  if (fatal()) return {CHR_E_FATAL, "an earlier write failed for good", 0};
  if (id == 0 || lane_id >= kLanesMax)
    return {CHR_E_INVALID, "group ids start at 1, lanes end at " + std::to_string(kLanesMax - 1), 0};
  GroupPtr group = create ? FindOrAdd(id) : Find(id);
  if (!group) return {CHR_E_NOT_FOUND, "there is no group " + std::to_string(id), 0};
  Lane* const lane = LaneOf(lane_id);
  if (lane == nullptr) return {CHR_E_IO, "the journal of lane " + std::to_string(lane_id) + " cannot be started", 0};
  bool moves = false;
  {
    const std::scoped_lock lock(group->mutex);
    if (group->destroying) return {CHR_E_BUSY, "group " + std::to_string(id) + " is being destroyed", 0};
    if (group->open) return {CHR_E_EXISTS, "group " + std::to_string(id) + " is open", 0};
    group->open = true;
    moves = group->exists && group->state.lane != lane_id;
    if (!group->exists) group->state.lane = lane_id;
    group->failed.store(false);
  }
  // One of an earlier move that failed here comes first: each lane it was on has to hear that the group left.
  Failure moved = RecordLeave(group);
  if (moved.ok() && moves) moved = MoveGroup(group, *lane, lane_id);
  if (moved.ok()) moved = RecordLeave(group);
  const std::scoped_lock lock(group->mutex);
  if (!moved.ok()) {
    group->open = false;
    return moved;
  }
  group->ResetSubmitted();
  group->FillBounds(bounds);
  auto handle = std::make_unique<chr_log_group>(chr_log_group{group, lane_id});
  *out = handle.get();
  const std::scoped_lock handles_lock(handles_mutex_);
  handles_.emplace(*out, std::move(handle));
  return {};
}

chr_status Store::CommitAndWait(Lane& lane, const GroupPtr& group, Record record) {
  struct Wait {
    Mutex mutex;
    Condition arrived;
    std::optional<chr_status> status;
  } wait;
  Lane::Operation operation;
  operation.group = group;
  operation.record = std::move(record);
  operation.done = {[](void* ctx, uint64_t, chr_status status, chr_str) noexcept {
                      auto* w = static_cast<Wait*>(ctx);
                      const std::scoped_lock lock(w->mutex);
                      w->status = status;
                      w->arrived.notify_one();
                    },
                    &wait, 0};
  group->in_flight.fetch_add(1);
  lane.EnqueueOwn(std::move(operation));
  std::unique_lock lock(wait.mutex);
  wait.arrived.wait(lock, [&] { return wait.status.has_value(); });
  return *wait.status;
}

// Journal files of different lanes are dropped in any order. So nothing that the old lane's journal says of the group
// may be needed from here on, and nothing it still says may be believed: first everything goes to segments, then the
// new lane says so, then the old one that it is out of it.
Failure Store::MoveGroup(const GroupPtr& group, Lane& to, uint32_t lane_id) {
  const std::string what = "group " + std::to_string(group->id) + " cannot move to lane " + std::to_string(lane_id);
  if (const int error = FlushGroup(group, true)) {
    (void)FlushFailed(error, group->directory);
    const chr_status status = error == ENOSPC || error == EDQUOT ? CHR_E_NO_SPACE
                              : error == EBADMSG                 ? CHR_E_CORRUPT
                                                                 : CHR_E_IO;
    return {status, what + ": " + group->directory + ": " + std::strerror(error), error};
  }
  Record arrive;
  arrive.type = RecordType::kState;
  arrive.group = group->id;
  Group::Leave leave{};
  {
    const std::scoped_lock lock(group->mutex);
    leave = {group->state.lane, group->state.residence};
    arrive.state = group->state;
    arrive.state.lane = lane_id;
    arrive.state.residence = NextNumber();
  }
  // The group's own lane changes when the record is applied, no sooner: until then the old lane vouches for the group.
  if (const chr_status status = CommitAndWait(to, group, std::move(arrive)); status < 0) return {status, what, 0};
  const std::scoped_lock lock(group->mutex);
  group->unrecorded_leave = leave;
  return {};
}

Failure Store::RecordLeave(const GroupPtr& group) {
  std::optional<Group::Leave> leave;
  {
    const std::scoped_lock lock(group->mutex);
    leave = group->unrecorded_leave;
  }
  if (!leave) return {};
  const std::string what =
      "lane " + std::to_string(leave->lane) + " cannot record that group " + std::to_string(group->id) + " left";
  Lane* const lane = LaneOf(leave->lane);
  if (lane == nullptr) return {CHR_E_IO, what, 0};
  Record record;
  record.type = RecordType::kLeave;
  record.group = group->id;
  record.residence = leave->residence;
  if (const chr_status status = CommitAndWait(*lane, group, std::move(record)); status < 0) {
    group->failed.store(false);
    return {status, what, 0};
  }
  const std::scoped_lock lock(group->mutex);
  group->unrecorded_leave.reset();
  return {};
}

void Store::CloseGroup(chr_log_group* handle) {
  {
    const std::scoped_lock lock(handle->group->mutex);
    handle->group->open = false;
  }
  const std::scoped_lock handles_lock(handles_mutex_);
  handles_.erase(handle);
}

Failure Store::DestroyGroup(uint64_t id, chr_done done) {
  if (fatal()) return {CHR_E_FATAL, "an earlier write failed for good", 0};
  const GroupPtr group = Find(id);
  if (!group) return {};
  uint32_t lane_id = 0;
  {
    const std::scoped_lock lock(group->mutex);
    if (group->open) return {CHR_E_INVALID, "group " + std::to_string(id) + " is open", 0};
    if (group->destroying) return {CHR_E_BUSY, "group " + std::to_string(id) + " is being destroyed", 0};
    group->destroying = true;
    lane_id = group->state.lane;
  }
  group->failed.store(false);
  Lane* const lane = LaneOf(lane_id);
  Failure ready;
  if (lane == nullptr) ready = {CHR_E_IO, "the journal cannot be started", 0};
  // Its old lane would bring the group back if the file with the record below were dropped first.
  if (ready.ok()) ready = RecordLeave(group);
  if (!ready.ok()) {
    const std::scoped_lock lock(group->mutex);
    group->destroying = false;
    return ready;
  }
  Lane::Operation operation;
  operation.group = group;
  operation.record.type = RecordType::kDestroy;
  operation.record.group = id;
  operation.record.birth = group->state.birth;  // never changes
  operation.done = done;
  group->in_flight.fetch_add(1);
  lane->EnqueueOwn(std::move(operation));
  return {CHR_PENDING, {}, 0};
}

// The record is durable. The flusher deletes the files, as it may be writing some.
void Store::Destroyed(const GroupPtr& group) {
  {
    const std::scoped_lock lock(groups_mutex_);
    groups_.erase(group->id);
  }
  int64_t tail_bytes = 0;
  {
    const std::scoped_lock lock(group->mutex);
    group->destroyed = true;
    tail_bytes = group->DropTail();
  }
  AddTailBytes(-tail_bytes);
  const std::scoped_lock lock(flush_mutex_);
  doomed_.push_back(group->directory);
  flush_wake_.notify_one();
}

}  // namespace chronik_log_wal
