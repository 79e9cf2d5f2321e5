// SPDX-License-Identifier: Apache-2.0
// Journal files that no lane uses: those to be recycled, and new ones filled with zeros in the background. Overwriting
// a file costs a sync half of what growing one does, and a sync waits for whatever else is dirty in its file; so a file
// is filled before a lane gets it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/log_wal/journal_file.h"
#include "plugins/log_wal/threads.h"

namespace chronik_log_wal {

class Store;

class JournalPool {
 public:
  explicit JournalPool(Store& store) : store_(store) {}

  void AddFound(std::vector<std::string> paths);  // of an earlier run
  void AddLane();
  // A file for a lane to write next, under a name that recovery does not look at, for at least out->size bytes. An
  // errno; out->path is set in any case.
  int Take(JournalFile* out, bool first_of_lane);
  // Somebody will Take soon.
  void PrepareSoon();
  // What it held is elsewhere. An errno.
  int GiveBack(const JournalFile& file);
  void Stop() { stopping_.store(true); }  // preparing ends soon

 private:
  std::string NewName();
  void Prepare();
  int Fill(const std::string& path);

  Store& store_;
  Mutex mutex_;
  std::vector<std::string> free_;
  size_t lanes_ = 0;
  size_t asked_ = 0;  // for files that were not taken yet
  bool preparing_ = false;
  std::atomic<bool> stopping_{false};
};

}  // namespace chronik_log_wal
