// SPDX-License-Identifier: Apache-2.0
// How far into each journal the other files reach. A damaged last frame of a journal looks like a torn one, which goes
// without notice; that is wrong once segments, a checkpoint or a deletion follow from it, as these would then belong to
// a later history than the journal tells of. So before such a change the mark says which frames it may follow from, and
// a start refuses a journal that ends before its mark. FORMAT.md has the bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "plugins/log_wal/threads.h"

namespace chronik_log_wal {

class FileSystem;

class FlushMark {
 public:
  struct Journal {
    uint64_t run = 0;
    uint32_t lane = 0;
    auto operator<=>(const Journal&) const = default;
  };
  struct Frame {
    Journal journal;
    uint64_t sequence = 0;
  };
  using Sequences = std::map<Journal, uint64_t>;  // the last frame that counts

  FlushMark(FileSystem& fs, const std::string& journal_directory)
      : fs_(fs), directory_(journal_directory), path_(directory_ + "/flushed") {}

  const std::string& path() const { return path_; }
  // An errno; EBADMSG: it is damaged; ENOTSUP: a newer build's. No file: no sequences.
  int Read(Sequences* out) const;
  // Journals of earlier runs, as a start found them. Nothing is covered until they are in the mark.
  void Found(const Sequences& journals);
  // A frame that is on disk, and of which more follows than entries behind the last one. (Rows of those are not
  // believed if their frame is missing.) Before anybody can see its effect.
  void Note(const Frame& frame);
  // Before the effects of frames up to this one get to any file. An errno.
  int Cover(const Frame& frame);
  int CoverAll();  // that were noted

 private:
  int Write();
  int Put(const Sequences& sequences);

  FileSystem& fs_;
  const std::string directory_;
  const std::string path_;
  Mutex mutex_;
  Sequences noted_;
  Sequences written_;
  bool found_is_written_ = true;
  Mutex write_mutex_;  // taken before `mutex_`: one writer at a time
};

}  // namespace chronik_log_wal
