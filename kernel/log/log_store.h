// SPDX-License-Identifier: Apache-2.0
// The kernel's typed view of a log store plugin: chr_log_store turned into C++ calls, and its completions, which arrive
// on the plugin's threads, turned into tasks on the shard that submitted. Lane n of the store is shard n.
//
// Threads: Start, OpenGroup, CloseGroup, DestroyGroup, ListGroups and Checkpoint block; one control thread calls them.
// The rest belongs to the shard thread of the group's lane.
#pragma once

#include <chronik/log_store.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/function.h"
#include "kernel/base/result.h"
#include "kernel/log/entry.h"

namespace chronik::log {

// A group as the store knows it. Owned by the store; passed around as a handle.
using GroupHandle = chr_log_group*;

struct Bounds {
  raft::EntryId previous;  // the entry before the first one
  LogIndex first_index;
  LogIndex last_index;  // first_index - 1 if empty
  Term last_term;
  Offset first_offset;
  Offset next_offset;
  raft::HardState hard_state;
  uint64_t bytes = 0;  // of bodies, about
};

struct OpenedGroup {
  GroupHandle handle = nullptr;
  Bounds bounds;
  std::vector<raft::TermStart> terms;
  Bytes checkpoint;  // empty: none
};

// What to make durable as one unit. Completed with the store's verdict.
struct Append {
  std::optional<raft::HardState> hard_state;
  std::vector<Entry> entries;
};

enum class ReadBy : uint32_t {
  kIndex = CHR_LOG_BY_INDEX,
  kOffset = CHR_LOG_BY_OFFSET,
  kTimestamp = CHR_LOG_BY_TIMESTAMP,
  kMaxTimestamp = CHR_LOG_BY_MAX_TIMESTAMP,
};

struct ReadRequest {
  ReadBy by = ReadBy::kIndex;
  int64_t key = 0;
  LogIndex end_index;  // exclusive
  uint64_t max_bytes = 1 << 20;
  uint32_t max_entries = 0;  // 0: no limit
};

using DoneCallback = UniqueFunction<void(Status)>;
using ReadCallback = UniqueFunction<void(Result<std::vector<Entry>>)>;

// Says in our terms what a status of the ABI means.
Error FromAbi(chr_status status, std::string message);

class LogStore {
 public:
  // `executors[n]` runs lane n; they outlive the store.
  LogStore(std::vector<Executor*> executors);
  ~LogStore();
  LogStore(const LogStore&) = delete;
  LogStore& operator=(const LogStore&) = delete;

  // The sink to start the plugin instance with; lives as long as this object.
  const chr_log_sink* sink() const { return &sink_; }
  // The created (not yet started) instance. Reads its capabilities.
  Status Attach(const chr_log_store& table, void* self);
  const chr_log_caps& caps() const { return caps_; }
  bool durable() const { return (caps_.flags & CHR_LOG_CAP_DURABLE) != 0; }
  chr_log_stats stats() const;

  Result<std::vector<GroupId>> ListGroups();
  Result<OpenedGroup> OpenGroup(GroupId id, ShardId lane, bool create);
  void CloseGroup(GroupHandle group);
  Status DestroyGroup(GroupId id);

  // What is durable now, for a replica that starts over after a refused append. Without the checkpoint. Lane's thread.
  Result<OpenedGroup> Reload(GroupHandle group);

  // In submission order per group; a full store is waited for, in memory bounded by what replicas have in flight.
  void Submit(ShardId lane, GroupHandle group, Append append, DoneCallback done);
  // Drops all entries; the log goes on behind `last`, whose next entry has base offset `next_offset`. Then makes the
  // hard state durable: after a crash in between the log is empty behind `last` and the old hard state stands.
  void Reset(ShardId lane, GroupHandle group, raft::EntryId last, Offset next_offset, raft::HardState hard_state,
             DoneCallback done);
  void TruncatePrefix(ShardId lane, GroupHandle group, LogIndex first, DoneCallback done);
  void Checkpoint(ShardId lane, GroupHandle group, Bytes blob, DoneCallback done);
  // Durable entries only. The callback never runs inside the call.
  void Read(ShardId lane, GroupHandle group, const ReadRequest& request, ReadCallback done);

 private:
  struct PendingOp;
  struct Lane;

  chr_status ReadTerms(GroupHandle group, std::vector<raft::TermStart>* out);
  Lane& lane(ShardId id) { return *lanes_[id.value]; }
  void Enqueue(ShardId lane, std::unique_ptr<PendingOp> op);
  void Flush(Lane& lane);
  bool SubmitHead(Lane& lane);
  void Complete(Lane& lane, const std::vector<chr_log_cqe>& cqes, const std::string& message);

  static void OnComplete(void* ctx, uint32_t lane, const chr_log_cqe* cqes, size_t count, chr_str message) noexcept;
  static void OnWritable(void* ctx, uint32_t lane) noexcept;
  static void OnRead(void* ctx, uint32_t lane, uint64_t tag, chr_status status, chr_log_slice slice,
                     chr_str message) noexcept;

  chr_log_store table_{};
  void* self_ = nullptr;
  chr_log_caps caps_{};
  chr_log_sink sink_{};
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace chronik::log
