// SPDX-License-Identifier: Apache-2.0
// One file of a lane's journal, and the zeroed space ahead of the writer: overwriting zeros costs half of what growing
// a file does (measurements.md), so somebody writes them before they are needed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "plugins/log_wal/file_system.h"
#include "plugins/log_wal/format.h"
#include "plugins/log_wal/threads.h"

namespace chronik_log_wal {

inline constexpr uint64_t kZeroChunkBytes = 4ull << 20;  // zeroed ahead at a time
inline constexpr uint64_t kZeroStepBytes = 64ull << 10;  // between syncs of it

// [0, zeroed) of the file is allocated and may be overwritten. Shared by the writer and whoever zeroes ahead.
struct ZeroedSpace {
  // Not the committer's: Linux reports a failed writeback once to every open file description, and each must see it.
  FilePtr file;
  uint64_t limit = 0;  // never beyond
  std::atomic<uint64_t> zeroed{0};
  std::atomic<bool> extending{false};  // somebody is at it or on the way
  std::atomic<bool> retired{false};    // the writer has moved on
  Mutex mutex;                         // held while zeroing

  // Zeroes up to at least `target`, in the caller's thread. An errno.
  int ExtendTo(uint64_t target);
};

struct JournalFile {
  std::string path;
  FilePtr file;
  FileHeader header;
  uint64_t size = 0;
  std::shared_ptr<ZeroedSpace> space;
  std::set<uint64_t> groups;  // whose records it holds

  explicit operator bool() const { return file != nullptr; }
};

}  // namespace chronik_log_wal
