// SPDX-License-Identifier: Apache-2.0
// A machine's disk for tests: what was written is in a page cache until it is synced, and a crash at a chosen operation
// keeps a random part of the rest, sector by sector. Also fails syncs, runs full, and rots.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "plugins/log_wal/file_system.h"

namespace chronik_log_wal {

class FaultyDisk : public std::enable_shared_from_this<FaultyDisk> {
 public:
  static constexpr size_t kSectorBytes = 512;

  explicit FaultyDisk(uint32_t seed);  // with the directory /data
  // A view for one store; it fails with EIO once the machine has crashed, also after the reboot.
  std::unique_ptr<FileSystem> Mount();

  // The power goes at the n-th changing operation from now, in its middle. 0: never.
  void CrashAfter(uint64_t operations);
  void Crash();
  bool crashed() const;
  uint64_t operations() const;         // so far
  void Reboot();                       // a random outcome of the crash becomes the disk
  void Disconnect();                   // what is mounted fails from now on; the page cache stays (kill -9)
  void TearSectors(uint64_t percent);  // of the sectors that a crash keeps, so many are half old, half new
  // Every sync of such files from now on; an empty name: none. As on Linux a part of what was to be synced gets to the
  // platter, the rest is in the page cache only, marked clean: no later sync writes it.
  void FailSync(const std::string& path_part);
  void FailNextSync(bool fails = true);          // of any file
  void FailReads(const std::string& path_part);  // of such files with EIO from now on; an empty name: none
  // One sector of the next sync is written to a random other place. Not seen before the page cache is gone.
  void MisdirectNextSync();
  void AwaitFailedSyncs(uint64_t count);  // until so many have failed
  void LimitBytes(uint64_t bytes);        // of all files together; 0: no limit
  // The disk is full for such files as soon as one is to grow beyond `bytes`. An empty name: for none.
  void LimitFiles(const std::string& path_part, uint64_t bytes);
  // The next write to a file that was opened under such a name waits, until it is released.
  void HoldNextWrite(const std::string& path_part);
  void AwaitHeldWrite();
  void ReleaseWrite();
  void FlipBit(const std::string& path, uint64_t position);
  std::string FlipRandomBit();  // in some file, the larger the likelier; its path, or nothing if all are empty
  void Put(const std::string& path, const std::string& content);
  std::vector<std::string> Files(const std::string& part) const;
  std::string Content(const std::string& path) const;
  std::map<std::string, std::string> Snapshot() const;  // every file
  uint64_t BytesUsed() const;

 private:
  friend class FaultyFile;
  friend class FaultyMount;
  struct Inode {
    std::string cache;
    std::string platter;
    std::set<uint64_t> dirty;  // sectors
    bool directory = false;
  };
  using InodePtr = std::shared_ptr<Inode>;
  struct NameChange {
    std::string removed;
    std::string added;
    InodePtr inode;
  };

  // With `mutex_` held. EIO: the machine is dead. `*torn`: this very operation is the one that is cut.
  int Begin(uint64_t epoch, bool* torn);
  void PassGate(std::unique_lock<std::mutex>& lock, const std::string& path);
  int Write(Inode& inode, uint64_t position, std::string bytes, uint64_t size_max);
  bool SyncFails(const std::string& path);
  void SyncInode(Inode& inode);
  void Misplace(const std::string& bytes);
  void KeepSector(Inode& inode, uint64_t sector);
  void FailSyncOf(Inode& inode);
  Inode* RandomFile(std::string* path);
  void Die();
  void Change(const NameChange& change);
  static std::string Parent(const std::string& path) { return path.substr(0, path.rfind('/')); }
  static void Apply(const NameChange& change, std::map<std::string, InodePtr>* names);

  mutable std::mutex mutex_;
  std::mt19937 random_;
  std::map<std::string, InodePtr> names_;
  std::map<std::string, InodePtr> platter_names_;
  std::map<std::string, std::vector<NameChange>> unsynced_changes_;  // by directory, in order
  std::string failing_;
  std::string unreadable_;
  bool next_sync_fails_ = false;
  bool next_sync_misdirected_ = false;
  uint64_t torn_percent_ = 0;
  uint64_t failed_syncs_ = 0;
  std::condition_variable sync_failed_;
  enum class Gate : uint8_t { kOpen, kClosed, kReached };
  Gate gate_ = Gate::kOpen;
  std::string gate_for_;
  std::condition_variable gate_changed_;
  uint64_t operations_ = 0;
  uint64_t crash_at_ = 0;
  uint64_t limit_ = 0;
  std::string full_for_;
  uint64_t full_at_ = 0;
  uint64_t epoch_ = 1;
  bool dead_ = false;
};

}  // namespace chronik_log_wal
