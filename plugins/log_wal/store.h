// SPDX-License-Identifier: Apache-2.0
// The store: groups, lanes with their journals, and the flusher, which moves what the journals hold into segments so
// that journal files can be used again. Reader's order: FORMAT.md, format.h, lane.h, group.h, segment.h, this file.
#pragma once

#include <chronik/log_store.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugins/log_wal/file_system.h"
#include "plugins/log_wal/flush_mark.h"
#include "plugins/log_wal/group.h"
#include "plugins/log_wal/host_view.h"
#include "plugins/log_wal/journal_file.h"
#include "plugins/log_wal/journal_pool.h"
#include "plugins/log_wal/lane.h"
#include "plugins/log_wal/threads.h"

namespace chronik_log_wal {

struct Options {
  std::string directory;
  uint64_t journal_file_bytes = 64ull << 20;
  uint64_t segment_bytes = 128ull << 20;
  uint64_t inflight_bytes_max = 64ull << 20;  // per lane
  uint64_t tail_bytes_max = 32ull << 20;      // entries kept in memory until the flusher takes them
  bool sync_always = true;
  uint64_t sync_interval_ns = 0;
  uint64_t flush_retry_ns = 1'000'000'000;  // after a full disk
  uint64_t file_id_seed = 0;                // 0: random
};

inline constexpr uint64_t kEntryBytesMax = 256ull << 20;
inline constexpr uint64_t kOperationBytesMax = 1ull << 30;
inline constexpr uint64_t kCheckpointBytesMax = 64ull << 20;
inline constexpr uint32_t kLanesMax = 256;
inline constexpr size_t kJournalFilesPendingMax = 4;  // per lane, full and waiting for the flusher

struct Failure {
  chr_status status = CHR_OK;
  std::string message;
  int os_errno = 0;
  bool ok() const { return status >= 0; }
};

class Store {
 public:
  Store(HostView host, std::unique_ptr<FileSystem> fs, Options options);
  ~Store();

  Failure Start(const chr_log_sink* sink);
  void Stop();

  void ListGroups(std::vector<uint64_t>* ids);
  Failure OpenGroup(uint64_t id, uint32_t lane, bool create, chr_log_group** out, chr_log_bounds* bounds);
  void CloseGroup(chr_log_group* group);
  // CHR_PENDING: `done` comes later.
  Failure DestroyGroup(uint64_t id, chr_done done);
  chr_status Submit(uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted);
  chr_status Read(chr_log_group* group, const chr_log_read& what, chr_log_slice* out);
  Failure Checkpoint(chr_log_group* group, chr_buf* out);
  void Stats(chr_log_stats* out);

  // For lanes and readers.
  const HostView& host() const { return host_; }
  FileSystem& fs() { return *fs_; }
  const Options& options() const { return options_; }
  const chr_log_sink& sink() const { return *sink_; }
  uint64_t NextOrder() { return next_order_.fetch_add(1); }
  // Births, incarnations and residences of groups.
  uint64_t NextNumber() { return next_number_.fetch_add(1); }
  uint64_t NextFileId();
  uint64_t run() const { return run_; }
  std::string journal_directory() const { return options_.directory + "/journal"; }
  std::string groups_directory() const { return options_.directory + "/groups"; }
  std::string group_directory(uint64_t id, uint64_t birth) const;
  bool fatal() const { return fatal_.load(std::memory_order_acquire); }
  void SetFatal(const std::string& why);
  // Of every group that exists and lives there, by id.
  std::map<uint64_t, GroupState> StatesOfLane(uint32_t lane);
  JournalPool& pool() { return pool_; }
  FlushMark& mark() { return mark_; }
  // Work that may block, on a thread of the host; Stop waits for it. False: it was not taken.
  bool PostBlocking(std::function<void()> work);
  void RetireJournalFile(JournalFile file);  // full, or found at start: back once its entries are in segments
  // Waits until the lane may retire one more file. An errno: the flusher cannot write.
  int AwaitFlusher(uint32_t lane);
  void AddTailBytes(int64_t bytes);
  int64_t tail_bytes() const { return tail_bytes_.load(); }
  void NoteSync(uint64_t ns);
  void NoteCompleted(uint64_t operations);
  void Destroyed(const GroupPtr& group);
  Counters& counters() { return counters_; }

 private:
  friend class Recovery;

  GroupPtr Find(uint64_t id);
  GroupPtr FindOrAdd(uint64_t id);
  Failure MoveGroup(const GroupPtr& group, Lane& to, uint32_t lane_id);
  Failure RecordLeave(const GroupPtr& group);
  static chr_status CommitAndWait(Lane& lane, const GroupPtr& group, Record record);
  void RunFlusher();
  bool FlushDue() const;
  int FlushOnce();
  int RemoveDoomed(const std::vector<std::string>& doomed);
  int FlushTails();
  int FlushFile(const JournalFile& file);
  int FlushGroup(const GroupPtr& group, bool sync);
  struct TailPiece;
  bool TakeTail(Group& group, TailPiece* out) const;
  int WriteTail(const GroupPtr& group, bool* again);
  int WriteCheckpoint(const GroupPtr& group);
  int SyncSegments(const GroupPtr& group);
  int RemoveDeadFiles(const GroupPtr& group);
  int FlushFailed(int error, const std::string& what);

  const HostView host_;
  const std::unique_ptr<FileSystem> fs_;
  const Options options_;
  const chr_log_sink* sink_ = nullptr;
  Counters counters_;
  std::atomic<uint64_t> next_order_{1};
  std::atomic<uint64_t> next_number_{1};
  std::atomic<uint64_t> next_file_id_{1};
  uint64_t run_ = 0;
  OnceFlag fatal_once_;
  std::atomic<bool> fatal_{false};
  std::atomic<uint64_t> completed_{0};
  std::atomic<uint64_t> syncs_{0};
  std::atomic<uint64_t> sync_ns_total_{0};
  std::atomic<uint64_t> sync_ns_max_{0};

  Mutex groups_mutex_;
  std::unordered_map<uint64_t, GroupPtr> groups_;

  Mutex handles_mutex_;
  std::unordered_map<chr_log_group*, std::unique_ptr<chr_log_group>> handles_;  // of open groups

  Mutex lanes_mutex_;
  std::map<uint32_t, std::unique_ptr<Lane>> lanes_;
  Lane* LaneOf(uint32_t id);
  std::atomic<Lane*> lane_table_[kLanesMax] = {};

  JournalPool pool_{*this};
  FlushMark mark_{*fs_, journal_directory()};

  Mutex flush_mutex_;
  Condition flush_wake_;              // the flusher waits
  Condition retired_room_;            // lanes wait
  std::vector<JournalFile> retired_;  // the front one may be with the flusher
  std::vector<std::string> doomed_;   // directories of destroyed groups
  int flush_error_ = 0;               // why the flusher could not write the last time it tried
  bool stopping_ = false;
  std::atomic<int64_t> tail_bytes_{0};
  Thread flusher_;

  Mutex background_mutex_;
  Condition background_done_;
  size_t background_ = 0;  // tasks on the host's threads that use this object
};

}  // namespace chronik_log_wal
