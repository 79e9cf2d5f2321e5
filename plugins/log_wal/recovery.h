// SPDX-License-Identifier: Apache-2.0
// Reads the journal files that an earlier run left and rebuilds the groups from them and from their segments. No
// byte of a file is changed; a torn end of a lane's last file is passed over, anything else that does not add up
// refuses the start and says where. Holds one journal file in memory at a time, then what is not in segments.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "plugins/log_wal/store.h"

namespace chronik_log_wal {

class Recovery {
 public:
  explicit Recovery(Store& store) : store_(store) {}
  Failure Run();

 private:
  struct Frame {
    uint64_t position;
    FrameHeader header;
  };
  struct FoundFile {
    JournalFile file;
    std::vector<Frame> frames;
    uint64_t end = 0;           // position after the last valid frame
    bool later_frames = false;  // frames that were written after the one at `end` was synced exist behind it
    uint64_t unvouched = 0;     // position of the first frame that no later one tells to be on disk
    Buffer window;              // what is from there to `end`
    uint64_t last_frame() const { return file.header.first_frame + frames.size() - 1; }
  };

  Failure ReadFiles();
  Failure ReadFile(const std::string& name);
  Failure ReadFrames(FoundFile& found);
  static void KeepWindow(FoundFile& found, const Buffer& content);
  bool HasSyncedFrameBehind(const FoundFile& found, const Buffer& content) const;
  Failure CheckChains();
  Failure CheckMark();
  Failure Replay();
  Failure ReplayFrame(FoundFile& found, const Frame& frame);
  Failure ApplyRecord(const Record& record);
  Failure ApplyState(const Record& record);
  Failure LoadSegments(const GroupPtr& group);
  Failure CheckGroups();
  Failure FindDeadFiles(const GroupPtr& group);
  Failure MakeDurable(FoundFile& found);
  GroupPtr AddGroup(const Record& record);

  Store& store_;
  std::vector<FoundFile> files_;
  std::vector<std::string> free_files_;
  std::set<std::string> doomed_;  // directories of groups that were destroyed
  uint64_t number_max_ = 0;
};

}  // namespace chronik_log_wal
