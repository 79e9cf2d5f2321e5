// SPDX-License-Identifier: Apache-2.0
// A node's disk: FaultyDisk, which knows page cache and platter, and around it time and faults. Every file operation
// takes a while on the virtual clock, during which other threads run; it takes effect in the middle of that while, so
// that a crash may come before or after it.
//
// Faults are settings, which may be changed at any time, or single calls. What the store above may expect of a disk,
// and what not: a completed sync is kept by every crash; what is not synced survives in random pieces; flipped bits,
// misdirected writes and Wipe break that promise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugins/log_wal/faulty_file_system.h"
#include "tests/simulation/scheduler.h"

namespace chronik::sim {

struct DiskSettings {
  // Medians (Random::LogNormal). 0: at once.
  Duration read = std::chrono::microseconds(100);
  Duration write = std::chrono::microseconds(5);  // into the page cache
  Duration sync = std::chrono::milliseconds(1);
  Duration name = std::chrono::microseconds(20);  // create, rename, remove, list
  // One operation in so many, on average; 0: none.
  uint64_t stall_one_in = 0;        // takes up to stall_max longer
  uint64_t sync_error_one_in = 0;   // EIO; what was to be synced may be lost by the next crash
  uint64_t write_error_one_in = 0;  // EIO; a part may be written
  uint64_t read_error_one_in = 0;   // EIO
  uint64_t misdirect_one_in = 0;    // of syncs: one sector goes to a wrong place
  Duration stall_max = std::chrono::seconds(2);
  uint64_t limit_bytes = 0;   // ENOSPC beyond; 0: no limit
  uint64_t torn_percent = 0;  // of the sectors that a crash keeps: half old, half new
};

// What was injected so far.
struct DiskCounts {
  uint64_t operations = 0;
  uint64_t syncs = 0;
  uint64_t stalls = 0;
  uint64_t sync_errors = 0;
  uint64_t write_errors = 0;
  uint64_t read_errors = 0;
  uint64_t full = 0;  // operations that failed with ENOSPC
  uint64_t misdirected = 0;
  uint64_t flipped_bits = 0;
  uint64_t crashes = 0;
  uint64_t disconnects = 0;
  uint64_t wipes = 0;
};

class SimDisk {
 public:
  // `number` tells the disks of a run apart in its trace. Outlives what is mounted.
  SimDisk(Scheduler& scheduler, uint64_t number);
  ~SimDisk();

  Scheduler& scheduler() const { return scheduler_; }
  DiskSettings& settings() { return settings_; }
  const DiskCounts& counts() const { return counts_; }

  // The file system as one process sees it, with the directory /data. What was mounted before fails from now on. After
  // a crash this gives what survived.
  std::unique_ptr<chronik_log_wal::FileSystem> Mount();
  // Another view for the process that mounted it last.
  std::unique_ptr<chronik_log_wal::FileSystem> View();
  // The power goes: all that is mounted fails with EIO from now on, at once also where it is under way.
  void Crash();
  // The process is gone (kill -9), the machine is not: as Crash, but the page cache stays.
  void Disconnect();
  // An empty disk takes the place of this one.
  void Wipe();

  // Every operation waits until then.
  void Stall(Duration duration);
  void FailNextSync();
  void MisdirectNextSync();
  // In a random file, page cache and platter alike; its path, or nothing.
  std::string FlipRandomBit();

  uint64_t BytesUsed() const { return disk_->BytesUsed(); }
  // For tests that look at or damage certain files.
  chronik_log_wal::FaultyDisk& inner() { return *disk_; }

 private:
  friend class SimFile;
  friend class SimMount;
  enum class Kind : uint8_t { kRead, kWrite, kSync, kName };

  // Half of the time an operation of a mount takes; called before and after its effect. False: the mount is gone.
  bool Delay(uint64_t mount, Kind kind);
  Duration Latency(Kind kind);
  int Note(const char* kind, const std::string& path, uint64_t a, uint64_t b, int error);
  void EndMount();

  Scheduler& scheduler_;
  const uint64_t number_;
  DiskSettings settings_;
  DiskCounts counts_;
  std::shared_ptr<chronik_log_wal::FaultyDisk> disk_;
  uint64_t mount_ = 0;
  bool crashed_ = false;
  Instant stalled_until_{};
  std::vector<Scheduler::Ticket> delayed_;
};

}  // namespace chronik::sim
