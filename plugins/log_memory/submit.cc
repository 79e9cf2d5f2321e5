// SPDX-License-Identifier: Apache-2.0
// MemoryStore's write path: submit checks and queues, a task of the host's applies and reports.
#include <algorithm>
#include <iterator>
#include <utility>

#include "plugins/log_memory/lane.h"

namespace chronik_log_memory {

chr_status MemoryStore::Submit(uint32_t lane_id, std::span<const chr_log_op> ops, size_t& accepted) {
  CheckAlive();
  if (lane_id >= kMaxLanes) {
    return Refuse("submit: no such lane");
  }
  Lane& lane = *lanes_[lane_id];
  chr_status status = CHR_PENDING;
  std::string broken_rule;
  bool start = false;
  try {
    const std::scoped_lock lock(lane.mutex);
    for (const chr_log_op& op : ops) {
      broken_rule = Check(lane, op);
      if (!broken_rule.empty()) {
        break;
      }
      const uint64_t cost_bytes = sdk::PayloadBytes(op) + op.entry_count * kEntryOverheadBytes + kOpOverheadBytes;
      if (lane.inflight_bytes > 0 && lane.inflight_bytes + cost_bytes > max_inflight_bytes_) {
        lane.wants_writable = true;
        status = CHR_E_BUSY;
        break;
      }
      Enqueue(lane, op, cost_bytes);
      ++accepted;
    }
    start = accepted > 0 && !lane.draining;
    lane.draining = lane.draining || start;
  } catch (const std::bad_alloc&) {
    return Poison("out of memory while taking an operation");  // outlines may be half changed
  }
  if (start) {
    const chr_status started = StartDraining(lane, accepted);
    status = started < 0 ? started : status;
  }
  return broken_rule.empty() ? status : Refuse("submit: " + broken_rule);
}

// Empty, or how the operation breaks the contract. Structure first: only then may the group be looked at.
std::string MemoryStore::Check(const Lane& lane, const chr_log_op& op) const {
  if (op.flags != 0) {
    return "flags must be 0.";
  }
  if (op.opcode == CHR_LOG_BARRIER) {
    return op.group == nullptr ? "" : "a barrier has no group.";
  }
  const Group* group = sdk::GroupOf<Group>(op);
  if (group == nullptr || group->lane != &lane) {
    return "the group is not open on this lane.";
  }
  if (std::string rule = CheckPayload(op); !rule.empty() || group->failed) {
    return rule;  // a failed group cancels what arrives: the host built it on operations that are gone
  }
  const char* rule = group->submitted.Check(op);
  return rule == nullptr ? "" : rule;
}

std::string MemoryStore::CheckPayload(const chr_log_op& op) const {
  for (const chr_log_entry& entry : std::span(op.entries, op.entry_count)) {
    if (sdk::PayloadBytes(entry) > max_entry_bytes_) {
      return "an entry is larger than caps.max_entry_bytes.";
    }
  }
  return op.opcode == CHR_LOG_CHECKPOINT && op.blob.size > kMaxCheckpointBytes
             ? "a checkpoint is larger than caps.max_checkpoint_bytes."
             : "";
}

void MemoryStore::Enqueue(Lane& lane, const chr_log_op& op, uint64_t cost_bytes) {
  PendingOp pending{.opcode = op.opcode,
                    .group = sdk::GroupOf<Group>(op),
                    .tag = op.tag,
                    .entries = {op.entries, op.entries + op.entry_count},
                    .bufs = {},
                    .hard_state = op.hard_state == nullptr ? std::nullopt : std::optional(*op.hard_state),
                    .index = op.index,
                    .term = op.term,
                    .offset = op.offset,
                    .stored_bytes = sdk::PayloadBytes(op) + op.entry_count * kEntryOverheadBytes,
                    .cost_bytes = cost_bytes};
  for (const chr_log_entry& entry : pending.entries) {
    pending.bufs.insert(pending.bufs.end(), entry.bufs, entry.bufs + entry.buf_count);
  }
  if (op.opcode == CHR_LOG_CHECKPOINT) {
    pending.bufs.push_back(op.blob);
  }
  if (Group* group = pending.group; group != nullptr) {
    ++group->in_flight;
    if (!group->failed) {
      group->submitted.Apply(op);
    }
  }
  lane.inflight_bytes += cost_bytes;
  inflight_bytes_ += cost_bytes;
  lane.queue.push_back(std::move(pending));
}

// Completions never come from inside a call of the host, so a task of the host's applies what was queued.
chr_status MemoryStore::StartDraining(Lane& lane, size_t& accepted) {
  chr_status refused = CHR_OK;
  {
    const std::scoped_lock lock(stop_mutex_);
    refused = stopping_ ? CHR_E_CLOSED : CHR_OK;
    busy_lanes_ += stopping_ ? 0 : 1;
  }
  if (refused == CHR_OK) {
    refused = sdk::Guard(nullptr, [&] { host_.Post([this, &lane] { Drain(lane); }); });
    if (refused == CHR_OK) {
      return CHR_OK;
    }
    FinishDraining();
  }
  // The lane was idle, so exactly the operations of this call are in its queue: give them back.
  const std::scoped_lock lock(lane.mutex);
  for (const PendingOp& op : lane.queue) {
    if (op.group != nullptr) {
      --op.group->in_flight;
    }
  }
  lane.queue.clear();
  inflight_bytes_ -= std::exchange(lane.inflight_bytes, 0);
  lane.draining = false;
  accepted = 0;
  return Poison("submit after stop, or the host takes no task");
}

// --- apply: one task at a time per lane -----------------------------------------------------------------------------

void MemoryStore::Drain(Lane& lane) {
  std::deque<PendingOp> batch;
  {
    const std::scoped_lock lock(lane.mutex);
    batch.swap(lane.queue);
  }
  std::vector<chr_log_cqe> cqes;
  cqes.reserve(batch.size());
  std::string why;
  for (const PendingOp& op : batch) {
    cqes.push_back(Apply(lane, op, why));
  }
  sink_.Complete(lane.id, cqes, why);
  used_bytes_gauge_.Set(static_cast<double>(used_bytes_.load()));

  bool writable = false;
  bool more = false;
  {
    const std::scoped_lock lock(lane.mutex);
    if (lane.inflight_bytes <= max_inflight_bytes_ / 2) {
      writable = std::exchange(lane.wants_writable, false);
    }
    more = lane.draining = !lane.queue.empty();
  }
  if (writable) {
    sink_.Writable(lane.id);
  }
  if (more) {
    host_.Post([this, &lane] { Drain(lane); });  // throws: the host learns that the store is broken
  } else {
    FinishDraining();
  }
}

// Checks happened in Submit; what is left to fail is memory.
chr_log_cqe MemoryStore::Apply(Lane& lane, const PendingOp& op, std::string& why) {
  std::vector<sdk::Buffer> payloads;
  chr_status status = CHR_OK;
  if (!Reserve(op.stored_bytes)) {
    status = CHR_E_NO_SPACE;
    why = "max_bytes of log_memory is reached";
  } else {
    chr_error err{.struct_size = sizeof(chr_error), .code = 0, .os_errno = 0, .flags = 0, .message = {}};
    status = sdk::Guard(&err, [&] { payloads = CopyPayloads(op); });
    if (status < 0) {
      used_bytes_ -= op.stored_bytes;
      why = err.message;
    }
  }

  std::vector<sdk::Buffer> dropped;  // freed after the lock
  const std::scoped_lock lock(lane.mutex);
  lane.inflight_bytes -= op.cost_bytes;
  inflight_bytes_ -= op.cost_bytes;
  if (op.group == nullptr) {
    return {op.tag, 0, status, 0};
  }
  Group& group = *op.group;
  if (group.failed) {
    used_bytes_ -= status == CHR_OK ? op.stored_bytes : 0;
    status = CHR_E_CANCELLED;
  } else if (status < 0) {
    group.failed = true;
  } else {
    used_bytes_ -= group.Change(op, std::move(payloads), dropped);
    appends_ += op.opcode == CHR_LOG_APPEND ? 1 : 0;
  }
  if (--group.in_flight == 0 && group.failed) {
    group.failed = false;
    group.submitted = group.applied;
  }
  return {op.tag, status < 0 ? 0 : group.applied.end_index() - 1, status, 0};
}

// Copies every payload into memory of the host: the caller's bytes are only lent.
std::vector<sdk::Buffer> MemoryStore::CopyPayloads(const PendingOp& op) const {
  std::vector<sdk::Buffer> payloads;
  std::span<const chr_buf> rest = op.bufs;
  for (const chr_log_entry& entry : op.entries) {
    payloads.push_back(host_.Copy(rest.first(entry.buf_count)));
    rest = rest.subspan(entry.buf_count);
  }
  if (op.opcode == CHR_LOG_CHECKPOINT) {
    payloads.push_back(host_.Copy(rest));
  }
  return payloads;
}

void MemoryStore::FinishDraining() {
  sdk::Done stopped;
  {
    const std::scoped_lock lock(stop_mutex_);
    if (--busy_lanes_ == 0) {
      stopped = std::move(stop_done_);
    }
  }
  stopped.Complete(CHR_OK);  // last: the host may destroy the store now
}

// Takes `bytes` out of max_bytes, or nothing.
bool MemoryStore::Reserve(uint64_t bytes) {
  uint64_t used = used_bytes_.load();
  do {
    if (bytes > max_bytes_ - used) {
      return false;
    }
  } while (!used_bytes_.compare_exchange_weak(used, used + bytes));
  return true;
}

uint64_t MemoryStore::Group::StoredBytes() const {
  return payload_bytes + payloads.size() * kEntryOverheadBytes + (checkpoint ? checkpoint->size() : 0);
}

uint64_t MemoryStore::Group::Change(const PendingOp& op, std::vector<sdk::Buffer> bytes,
                                    std::vector<sdk::Buffer>& dropped) {
  const uint64_t before = StoredBytes();
  const auto drop = [&](auto from, auto to) {
    for (auto it = from; it != to; ++it) {
      payload_bytes -= it->size();
    }
    dropped.insert(dropped.end(), std::move_iterator(from), std::move_iterator(to));
    payloads.erase(from, to);
  };
  switch (op.opcode) {
    case CHR_LOG_APPEND:
      if (!op.entries.empty()) {
        drop(payloads.begin() + static_cast<int64_t>(op.entries.front().index - applied.first_index()), payloads.end());
        applied.Append(op.entries);
      }
      for (sdk::Buffer& payload : bytes) {
        payload_bytes += payload.size();
        payloads.push_back(std::move(payload));
      }
      hard_state = op.hard_state.value_or(hard_state);
      break;
    case CHR_LOG_TRUNCATE_PREFIX:
      if (op.index > applied.first_index()) {
        drop(payloads.begin(), payloads.begin() + static_cast<int64_t>(op.index - applied.first_index()));
        applied.TruncatePrefix(op.index);
      }
      break;
    case CHR_LOG_RESET:
      drop(payloads.begin(), payloads.end());
      applied.Reset(op.index, op.term, op.offset);
      break;
    default:  // CHR_LOG_CHECKPOINT
      checkpoint = std::move(bytes.front());
      break;
  }
  return before + op.stored_bytes - StoredBytes();
}

}  // namespace chronik_log_memory
