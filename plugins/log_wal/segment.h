// SPDX-License-Identifier: Apache-2.0
// A run of entries of one group in two files: `.log`, the payloads back to back (byte-exact Kafka batches), and `.rix`,
// one fixed-width row an entry. See FORMAT.md. Rows beyond `rows` do not count, whatever is on disk.
#pragma once

#include <chronik/log_store.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugins/log_wal/file_system.h"
#include "plugins/log_wal/format.h"

namespace chronik_log_wal {

inline constexpr size_t kRowBytes = 64;

struct Row {
  EntryMeta meta;
  uint64_t position = 0;  // of the payload in .log
};

// What is known of a segment without reading it. Guarded by its group's mutex; only the flusher changes the files.
struct Segment {
  std::string path;  // without ending
  uint64_t first_index = 0;
  uint64_t rows = 0;
  int64_t first_offset = 0;
  int64_t next_offset = 0;
  int64_t max_timestamp = -1;
  uint64_t log_bytes = 0;
  bool unsynced = false;
  bool fresh = false;  // its files' names are not synced yet

  uint64_t last_index() const { return first_index + rows - 1; }
};
using SegmentPtr = std::shared_ptr<Segment>;

std::string SegmentPath(const std::string& directory, uint64_t incarnation, uint64_t first_index);
// The incarnation and first index in a file name; false if it is none of ours.
bool ParseSegmentName(const std::string& name, uint64_t* incarnation, uint64_t* first_index);

// Reads the rows below `end`, until the first that is not whole, in order, or backed by `.log`; gives a description,
// and where each term begins.
int LoadSegment(FileSystem& fs, const std::string& path, uint64_t first_index, uint64_t end, Segment* out,
                std::vector<chr_log_term>* terms);

// Writes `entries` behind the rows that count and cuts what lay there before. On success `*grown` is the segment's new
// description; the given one is left alone.
int WriteSegment(FileSystem& fs, const Segment& segment, const std::vector<Entry>& entries, Segment* grown);
int SyncSegment(FileSystem& fs, const Segment& segment);

// EBADMSG: what was read is wrong, or missing. Any other errno is the file system's.
class SegmentReader {
 public:
  int Open(FileSystem& fs, const Segment& segment);
  const std::string& path() const { return path_; }  // of the segment that was opened last
  int ReadRow(uint64_t index, Row* out);
  int ReadPayload(const Row& row, Buffer* out);
  // Entries of [from, end) as far as max_bytes and max_entries (0: no limit) go, at least one.
  int ReadEntries(uint64_t from, uint64_t end, uint64_t max_bytes, uint64_t max_entries, std::vector<Entry>* out);

 private:
  std::string path_;
  uint64_t first_index_ = 0;
  FilePtr log_;
  FilePtr rix_;
};

}  // namespace chronik_log_wal
