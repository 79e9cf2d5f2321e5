// SPDX-License-Identifier: Apache-2.0
// One file of a lane's journal.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "plugins/log_wal/file_system.h"
#include "plugins/log_wal/format.h"

namespace chronik_log_wal {

struct JournalFile {
  std::string path;
  FilePtr file;
  FileHeader header;
  uint64_t size = 0;          // what it may grow to
  uint64_t zeroed = 0;        // [0, zeroed) is allocated and may be overwritten
  std::set<uint64_t> groups;  // whose records it holds
  bool asked_for_next = false;

  explicit operator bool() const { return file != nullptr; }
  int ZeroUpTo(uint64_t end);  // an errno
};

}  // namespace chronik_log_wal
