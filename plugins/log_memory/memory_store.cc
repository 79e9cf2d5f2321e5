// SPDX-License-Identifier: Apache-2.0
// MemoryStore's calls but submit, in the order of their life: instance, groups, reads.
#include "plugins/log_memory/memory_store.h"

#include <algorithm>
#include <utility>

#include "plugins/log_memory/lane.h"

namespace chronik_log_memory {
MemoryStore::MemoryStore(sdk::Host& host)
    : host_(host),
      max_bytes_(static_cast<uint64_t>(host.GetInt("max_bytes"))),
      max_entry_bytes_(static_cast<uint64_t>(host.GetInt("max_entry_bytes"))),
      max_inflight_bytes_(static_cast<uint64_t>(host.GetInt("max_inflight_bytes"))),
      used_bytes_gauge_(
          host.DefineGauge("chronik_log_memory_used_bytes", "bytes", "Memory that stored entries take.")) {
  for (uint32_t lane = 0; lane < kMaxLanes; ++lane) {
    lanes_.push_back(std::make_unique<Lane>(lane));
  }
}

MemoryStore::~MemoryStore() = default;

chr_status MemoryStore::Stop(uint64_t, sdk::Done& done) {
  const std::scoped_lock lock(stop_mutex_);
  stopping_ = true;
  if (busy_lanes_ == 0) {
    return CHR_OK;
  }
  stop_done_ = std::move(done);  // the last lane to finish completes it
  return CHR_PENDING;
}

chr_log_caps MemoryStore::Caps() const {
  chr_log_caps caps{};
  caps.flags = 0;  // not durable
  caps.max_entry_bytes = max_entry_bytes_;
  caps.max_inflight_bytes = max_inflight_bytes_;
  caps.max_checkpoint_bytes = kMaxCheckpointBytes;
  caps.max_groups = UINT32_MAX;
  caps.max_lanes = kMaxLanes;
  return caps;
}

std::vector<uint64_t> MemoryStore::ListGroups() const {
  CheckAlive();
  std::vector<uint64_t> ids;
  ids.reserve(groups_.size());
  for (const auto& [id, group] : groups_) {
    ids.push_back(id);
  }
  return ids;
}

MemoryStore::Group& MemoryStore::OpenGroup(uint64_t id, uint32_t lane, bool create) {
  CheckAlive();
  if (id == 0 || lane >= kMaxLanes) {
    throw sdk::Error(CHR_E_INVALID, "open_group: ids begin at 1, lanes end at " + std::to_string(kMaxLanes - 1));
  }
  auto it = groups_.find(id);
  if (it == groups_.end()) {
    if (!create) {
      throw sdk::Error(CHR_E_NOT_FOUND, "open_group: no group " + std::to_string(id));
    }
    it = groups_.emplace(id, std::make_unique<Group>()).first;
    it->second->id = id;
    group_count_.store(groups_.size());
  }
  Group& group = *it->second;
  if (group.lane != nullptr) {
    throw sdk::Error(CHR_E_EXISTS, "open_group: group " + std::to_string(id) + " is open already");
  }
  group.lane = lanes_[lane].get();
  return group;
}

void MemoryStore::CloseGroup(Group& group) {
  const std::scoped_lock lock(group.lane->mutex);
  if (group.in_flight > 0) {
    host_.Misbehaved("close_group: operations of the group are in flight");
  }
  group.lane = nullptr;
}

chr_status MemoryStore::DestroyGroup(uint64_t id, sdk::Done&) {
  CheckAlive();
  const auto it = groups_.find(id);
  if (it == groups_.end()) {
    return CHR_OK;
  }
  Group& group = *it->second;
  if (group.lane != nullptr) {
    return Refuse("destroy_group: close the group first");
  }
  used_bytes_ -= group.StoredBytes();
  groups_.erase(it);
  group_count_.store(groups_.size());
  return CHR_OK;
}

chr_status MemoryStore::Bounds(Group& group, chr_log_bounds& out) {
  CheckAlive();
  const std::scoped_lock lock(group.lane->mutex);
  group.applied.FillBounds(out);
  out.hard_state = group.hard_state;
  out.bytes = group.payload_bytes;
  return CHR_OK;
}

size_t MemoryStore::Terms(Group& group, std::span<chr_log_term> out) {
  CheckAlive();
  const std::scoped_lock lock(group.lane->mutex);
  const auto& terms = group.applied.terms();
  std::copy_n(terms.begin(), std::min(terms.size(), out.size()), out.begin());
  return terms.size();
}

chr_status MemoryStore::Read(Group& group, const chr_log_read& what, chr_log_slice& out) {
  CheckAlive();
  const std::scoped_lock lock(group.lane->mutex);
  if (what.by > CHR_LOG_BY_MAX_TIMESTAMP || what.end_index > group.applied.end_index()) {
    return CHR_E_INVALID;
  }
  const std::optional<uint64_t> found = group.applied.Find(what);
  if (!found) {
    return CHR_E_RANGE;
  }
  sdk::SliceBuilder slice;
  for (uint64_t index = *found; index < what.end_index; ++index) {
    const sdk::Buffer& payload = group.payloads[index - group.applied.first_index()];
    const bool full =
        slice.bytes() + payload.size() > what.max_bytes || (what.max_entries != 0 && slice.count() >= what.max_entries);
    if (full && slice.count() > 0) {
      break;
    }
    slice.Add(group.applied.At(index), payload);
  }
  out = slice.Finish();
  return CHR_OK;
}

sdk::Buffer MemoryStore::Checkpoint(Group& group) {
  CheckAlive();
  const std::scoped_lock lock(group.lane->mutex);
  if (!group.checkpoint) {
    throw sdk::Error(CHR_E_NOT_FOUND, "the group has no checkpoint");
  }
  return *group.checkpoint;
}

chr_log_stats MemoryStore::Stats() const {
  chr_log_stats stats{};
  stats.groups = group_count_.load();
  stats.bytes_used = used_bytes_.load();
  stats.bytes_free = max_bytes_ - stats.bytes_used;
  stats.inflight_bytes = inflight_bytes_.load();
  stats.appends = appends_.load();
  return stats;
}

void MemoryStore::CheckAlive() const {
  if (poisoned_.load()) {
    throw sdk::Error(CHR_E_FATAL, "the store is poisoned; its log says why");
  }
}

chr_status MemoryStore::Poison(const char* why) {
  poisoned_.store(true);
  host_.Fatal(CHR_E_FATAL, why);
  return CHR_E_FATAL;
}

chr_status MemoryStore::Refuse(std::string_view rule) const {
  host_.Misbehaved(rule);
  return CHR_E_INVALID;
}

}  // namespace chronik_log_memory
