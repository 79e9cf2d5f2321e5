// SPDX-License-Identifier: Apache-2.0
// From what the host submits to what a lane commits: an operation is checked against those before it, and becomes a
// record.
#include <algorithm>
#include <cstring>
#include <utility>

#include "plugins/log_wal/store.h"

namespace chronik_log_wal {
namespace {

// Whether `op` can follow what was submitted before; moves `s` on.
bool Admit(const chr_log_op& op, Group::Submitted& s) {
  switch (op.opcode) {
    case CHR_LOG_APPEND: {
      Group::Submitted next = s;
      uint64_t total = 0;
      for (uint64_t i = 0; i < op.entry_count; ++i) {
        const chr_log_entry& e = op.entries[i];
        uint64_t size = 0;
        for (uint32_t b = 0; b < e.buf_count; ++b) size += e.bufs[b].size;
        const bool replaces = i == 0 && e.index <= next.last_index && e.index >= next.first_index;
        const bool follows =
            e.index == next.last_index + 1 && e.term >= next.last_term && e.base_offset == next.next_offset;
        total += size;
        if (size > kEntryBytesMax || total > kOperationBytesMax || e.index > kCountMax || e.base_offset < 0 ||
            static_cast<uint64_t>(e.base_offset) > kCountMax || !(replaces || follows))
          return false;
        next.last_index = e.index;
        next.last_term = e.term;
        next.next_offset = e.base_offset + e.offset_count;
      }
      s = next;
      return op.entry_count > 0 || op.hard_state != nullptr;
    }
    case CHR_LOG_TRUNCATE_PREFIX:
      if (op.index > s.last_index + 1) return false;
      s.first_index = std::max(s.first_index, op.index);
      return true;
    case CHR_LOG_RESET:
      if (op.index == 0 || op.index > kCountMax || op.offset < 0 || static_cast<uint64_t>(op.offset) > kCountMax)
        return false;
      s = {op.index, op.index - 1, op.term, op.offset, s.exists};
      return true;
    case CHR_LOG_CHECKPOINT: return op.blob.size <= kCheckpointBytesMax;
    default: return false;
  }
}

Buffer Joined(const chr_log_entry& e) {
  if (e.buf_count == 1) return Buffer(e.bufs[0]);
  size_t size = 0;
  for (uint32_t i = 0; i < e.buf_count; ++i) size += e.bufs[i].size;
  if (size == 0) return {};
  Buffer out = Buffer::Allocate(size);
  size_t at = 0;
  for (uint32_t i = 0; i < e.buf_count; ++i) {
    if (e.bufs[i].size > 0) std::memcpy(out.writable() + at, e.bufs[i].data, e.bufs[i].size);
    at += e.bufs[i].size;
  }
  return out;
}

Record MakeRecord(const chr_log_op& op, const Group& group, uint64_t incarnation) {
  Record r;
  r.group = group.id;
  if (op.hard_state != nullptr) r.hard_state = *op.hard_state;
  switch (op.opcode) {
    case CHR_LOG_APPEND:
      r.entries.reserve(op.entry_count);
      for (uint64_t i = 0; i < op.entry_count; ++i) {
        const chr_log_entry& e = op.entries[i];
        Buffer payload = Joined(e);
        const uint32_t crc = Crc32c(payload.data(), payload.size());
        r.entries.push_back({{e.index, e.term, e.base_offset, e.max_timestamp, e.offset_count, e.kind,
                              static_cast<uint32_t>(payload.size()), crc},
                             std::move(payload)});
      }
      break;
    case CHR_LOG_TRUNCATE_PREFIX:
      r.type = RecordType::kTruncatePrefix;
      r.index = op.index;
      break;
    case CHR_LOG_RESET:
      r.type = RecordType::kReset;
      r.state.incarnation = incarnation;
      r.state.first_index = op.index;
      r.state.prev_term = op.term;
      r.state.first_offset = op.offset;
      break;
    case CHR_LOG_CHECKPOINT:
      r.type = RecordType::kCheckpoint;
      r.blob = op.blob.size > 0 ? Buffer(op.blob) : Buffer();
      break;
    default: break;
  }
  return r;
}

}  // namespace

chr_status Store::Submit(uint32_t lane_id, const chr_log_op* ops, size_t count, size_t* accepted) {
  *accepted = 0;
  Lane* const lane = LaneOf(lane_id);
  if (lane == nullptr) return CHR_E_INVALID;
  if (fatal()) return CHR_E_FATAL;
  for (; *accepted < count; ++*accepted) {
    const chr_log_op& op = ops[*accepted];
    Lane::Operation operation;
    operation.tag = op.tag;
    if (op.opcode == CHR_LOG_BARRIER) {
      operation.has_record = false;
      if (const chr_status status = lane->Enqueue(std::move(operation)); status < 0) return status;
      continue;
    }
    if (op.group == nullptr || op.group->lane != lane_id) return CHR_E_INVALID;
    Group& group = *op.group->group;
    if (group.failed.load() && group.in_flight.load() == 0) {
      group.failed.store(false);
      const std::scoped_lock lock(group.mutex);
      group.ResetSubmitted();
    }
    const Group::Submitted before = group.submitted;
    if (!Admit(op, group.submitted)) {
      group.submitted = before;
      return CHR_E_INVALID;
    }
    operation.group = op.group->group;
    operation.record = MakeRecord(op, group, op.opcode == CHR_LOG_RESET ? NextNumber() : 0);
    if (!group.submitted.exists) {
      GroupState& state = operation.record.state;
      const GroupState reset = state;
      const std::scoped_lock lock(group.mutex);
      operation.record.creates = true;
      state = group.state;
      if (op.opcode == CHR_LOG_RESET) {
        state.incarnation = reset.incarnation;
        state.first_index = reset.first_index;
        state.prev_term = reset.prev_term;
        state.first_offset = reset.first_offset;
      }
      group.submitted.exists = true;
    }
    for (const Entry& entry : operation.record.entries) operation.bytes += entry.meta.size + kEntryHeaderBytes;
    operation.bytes += operation.record.blob.size() + kFrameHeaderBytes;
    group.in_flight.fetch_add(1);
    if (const chr_status status = lane->Enqueue(std::move(operation)); status < 0) {
      group.in_flight.fetch_sub(1);
      group.submitted = before;
      return status;
    }
  }
  return CHR_PENDING;
}

}  // namespace chronik_log_wal
