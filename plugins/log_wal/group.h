// SPDX-License-Identifier: Apache-2.0
// One log in memory: bounds, term table, the entries that are not in segments yet, and a description of those that are.
// `mutex` guards the part that completed operations change; what was submitted but not completed belongs to the lane's
// submitting thread.
#pragma once

#include <chronik/log_store.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugins/log_wal/format.h"
#include "plugins/log_wal/segment.h"
#include "plugins/log_wal/threads.h"

namespace chronik_log_wal {

class Group {
 public:
  Group(uint64_t group_id, const GroupState& at_start, std::string group_directory)
      : id(group_id), directory(std::move(group_directory)), state(at_start) {}

  const uint64_t id;
  const std::string directory;

  Mutex mutex;
  GroupState state;                  // as of the last completed operation
  int64_t tail_bytes = 0;            // of payloads in the tail
  std::vector<chr_log_term> terms;   // of [first, last]
  std::vector<SegmentPtr> segments;  // ascending; the last one grows
  std::deque<Entry> tail;            // from segments' end + 1 to last
  std::optional<Buffer> checkpoint;  // newer than the file
  bool has_checkpoint_file = false;
  uint64_t changed_at = 0;  // the last frame of its lane in this run that did more than add entries behind the last one
  uint64_t changes = 0;     // counts drops of suffixes and resets: a flush that raced one is void
  std::vector<std::string> dead_files;  // segments that are no part of the log any more
  std::string damage;                   // found while replaying; the group cannot be opened
  bool open = false;
  bool exists = false;  // something of it was made durable
  bool destroying = false;
  bool destroyed = false;  // its files are the flusher's to delete
  // The group moved, but the lane it left has not recorded that yet.
  struct Leave {
    uint32_t lane;
    uint64_t residence;
  };
  std::optional<Leave> unrecorded_leave;

  Mutex flush_mutex;  // taken before `mutex`: whoever holds it may change the group's files

  // The lane's submitting thread only: where the log will end once everything submitted has completed.
  struct Submitted {
    uint64_t first_index = 1;
    uint64_t last_index = 0;
    uint64_t last_term = 0;
    int64_t next_offset = 0;
    bool exists = false;
  } submitted;
  std::atomic<uint32_t> in_flight{0};
  uint64_t last_round = 0;          // the committing thread only: the round that took its last operation
  std::atomic<bool> failed{false};  // an operation failed; those behind it are cancelled until none is in flight

  uint64_t segmented_end() const { return segments.empty() ? state.first_index : segments.back()->last_index() + 1; }

  // With `mutex` held:
  void Apply(const Record& record);  // a completed or replayed operation
  // Whether a replayed one can have happened here. (What is submitted is checked by Admit, in submit.cc.)
  bool CanApply(const Record& record) const;
  bool OnlyGrowsBy(const Record& record) const;  // entries behind the last one, or a hard state
  void FillBounds(chr_log_bounds* out) const;
  uint64_t bytes() const;  // of payloads in the log, about
  std::optional<uint64_t> TermAt(uint64_t index) const;
  void ResetSubmitted();
  // Starts over from a kState record; segments found on disk are added next, in order, up to its last_index.
  void Restore(const GroupState& to);
  void AddLoadedSegment(Segment segment, const std::vector<chr_log_term>& its_terms);
  int64_t DropTail();  // returns its payload bytes
  // Empty, or what of [first, last] is neither in segments nor in the tail.
  std::string Gap() const;
  // Base offset of `index` in [first, last + 1], where memory knows it: else `*row_in` is the segment that has it.
  std::optional<int64_t> OffsetOf(uint64_t index, SegmentPtr* row_in) const;

 private:
  void AppendOne(const Entry& entry);
  void DropSuffix(uint64_t from);
  void DropPrefix(const Record& record);
  void DropRowsFrom(uint64_t from);
  void Clear(const GroupState& to);
};
using GroupPtr = std::shared_ptr<Group>;

}  // namespace chronik_log_wal

// The ABI's opaque handle.
struct chr_log_group {
  chronik_log_wal::GroupPtr group;
  uint32_t lane;
};
