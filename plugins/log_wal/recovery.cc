// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/recovery.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include "plugins/log_wal/mutation.h"

namespace chronik_log_wal {
namespace {

Failure Io(const std::string& what, int error) {
  return {error == ENOSPC ? CHR_E_NO_SPACE : CHR_E_IO, what + ": " + std::strerror(error), error};
}

Failure Corrupt(const std::string& what) {
  return {CHR_E_CORRUPT, what + "; nothing was changed: restore the directory from a replica or a backup", 0};
}

}  // namespace

Failure Recovery::Run() {
  if (Failure f = ReadFiles(); !f.ok()) return f;
  if (Failure f = CheckChains(); !f.ok()) return f;
  if (Failure f = CheckMark(); !f.ok()) return f;
  if (Failure f = Replay(); !f.ok()) return f;
  if (Failure f = CheckGroups(); !f.ok()) return f;
  for (FoundFile& found : files_) {
    if (Failure f = MakeDurable(found); !f.ok()) return f;
  }
  if (const int error = store_.fs().SyncDirectory(store_.journal_directory()))
    return Io(store_.journal_directory(), error);
  uint64_t run = 0;
  FlushMark::Sequences ends;
  for (const FoundFile& found : files_) {
    run = std::max(run, found.file.header.run);
    if (found.last_frame() > 0) ends[{found.file.header.run, found.file.header.lane}] = found.last_frame();
  }
  store_.mark_.Found(ends);
  store_.run_ = run + 1;
  store_.next_number_ = number_max_ + 1;
  store_.pool_.AddFound(std::move(free_files_));
  store_.doomed_.assign(doomed_.begin(), doomed_.end());
  for (FoundFile& found : files_) store_.retired_.push_back(std::move(found.file));
  return {};
}

Failure Recovery::ReadFiles() {
  std::vector<std::string> names;
  if (const int error = store_.fs().List(store_.journal_directory(), &names))
    return Io(store_.journal_directory(), error);
  for (const std::string& name : names) {
    if (name.starts_with("free-")) free_files_.push_back(store_.journal_directory() + "/" + name);
    if (!name.starts_with("j-")) continue;
    if (Failure f = ReadFile(name); !f.ok()) return f;
  }
  return {};
}

Failure Recovery::ReadFile(const std::string& name) {
  FoundFile found;
  const std::string path = store_.journal_directory() + "/" + name;
  found.file.path = path;
  if (const int error = store_.fs().Open(path, false, &found.file.file)) return Io(path, error);
  if (const int error = found.file.file->Size(&found.file.size)) return Io(path, error);
  // A file gets its name once its header is on disk, so a header that does not hold has been damaged since.
  if (found.file.size < kFileHeaderBytes) return Corrupt(path + " is cut short");
  std::string block(kFileHeaderBytes, '\0');
  if (const int error = found.file.file->ReadAt(0, block.data(), block.size())) return Io(path, error);
  uint32_t version = 0;
  switch (DecodeFileHeader(reinterpret_cast<const uint8_t*>(block.data()), &found.file.header, &version)) {
    case HeaderState::kValid: break;
    case HeaderState::kDamaged: return Corrupt(path + ": its header is damaged");
    case HeaderState::kNewer:
      return {CHR_E_UNSUPPORTED,
              path + " has format version " + std::to_string(version) + ", this build reads up to " +
                  std::to_string(kFormatVersion) + "; start the newer build",
              0};
  }
  if (JournalFileName(found.file.header) != name) return Corrupt(path + ": its header is another file's");
  const FileHeader& header = found.file.header;
  if (header.run > kCountMax || header.lane >= kLanesMax || header.first_frame == 0 || header.first_frame > kCountMax)
    return Corrupt(path + ": no store counts up to its run, lane or first frame");
  if (Failure f = ReadFrames(found); !f.ok()) return f;
  files_.push_back(std::move(found));
  return {};
}

Failure Recovery::ReadFrames(FoundFile& found) {
  Buffer content = Buffer::Allocate(found.file.size);
  if (const int error = found.file.file->ReadAt(0, content.writable(), content.size()))
    return Io(found.file.path, error);
  uint64_t at = kFileHeaderBytes;
  while (at + kFrameHeaderBytes <= content.size()) {
    const auto header = DecodeFrameHeader(content.data() + at, found.file.header.file_id);
    if (!header || header->sequence != found.file.header.first_frame + found.frames.size()) break;
    if (header->body_bytes > content.size() - at - kFrameHeaderBytes) break;
    std::vector<Record> records;
    if (!DecodeFrameBody(*header, content.Slice(at + kFrameHeaderBytes, header->body_bytes), &records)) break;
    found.frames.push_back({at, *header});
    at = AlignUp(at + kFrameHeaderBytes + header->body_bytes);
  }
  found.end = std::min<uint64_t>(at, content.size());
  found.later_frames = HasSyncedFrameBehind(found, content);
  KeepWindow(found, content);
  return {};
}

void Recovery::KeepWindow(FoundFile& found, const Buffer& content) {
  if (found.frames.empty()) return;
  const uint64_t durable = found.frames.back().header.durable_sequence;
  const auto first = std::find_if(found.frames.begin(), found.frames.end(),
                                  [&](const Frame& frame) { return frame.header.sequence > durable; });
  if (first == found.frames.end()) return;
  found.unvouched = first->position;
  found.window = Buffer::Copy(content.data() + first->position, found.end - first->position);
}

// A frame tells up to where the journal was synced when it was written: a damaged one below that is no torn write.
bool Recovery::HasSyncedFrameBehind(const FoundFile& found, const Buffer& content) const {
  const uint64_t expected = found.file.header.first_frame + found.frames.size();
  for (uint64_t at = found.end; at + kFrameHeaderBytes <= content.size(); at += kFrameAlign) {
    const auto header = DecodeFrameHeader(content.data() + at, found.file.header.file_id);
    if (header && header->sequence > expected && header->durable_sequence >= expected) return true;
  }
  return false;
}

// Files of one run and lane continue each other; only the end of the last may be torn, as the next begins after a sync.
Failure Recovery::CheckChains() {
  std::sort(files_.begin(), files_.end(), [](const FoundFile& a, const FoundFile& b) {
    const FileHeader& x = a.file.header;
    const FileHeader& y = b.file.header;
    return std::tie(x.run, x.lane, x.sequence) < std::tie(y.run, y.lane, y.sequence);
  });
  for (size_t i = 0; i < files_.size(); ++i) {
    const FoundFile& found = files_[i];
    const FileHeader& header = found.file.header;
    const std::string where = found.file.path + " at " + std::to_string(found.end);
    if (found.later_frames && !CHRONIK_MUTANT(damage_cut_like_a_torn_tail))
      return Corrupt(where + ": a frame is damaged, and frames after it were written once it was synced");
    if (i + 1 == files_.size()) continue;
    const FoundFile& next = files_[i + 1];
    if (next.file.header.run != header.run || next.file.header.lane != header.lane) continue;
    if (next.file.header.sequence != header.sequence + 1)
      return Corrupt(found.file.path + ": the file that follows it is missing");
    if (next.file.header.first_frame != header.first_frame + found.frames.size()) {
      return Corrupt(where + ": a frame is damaged, and " + next.file.path + " was begun after it");
    }
  }
  return {};
}

// A journal may have been dropped as a whole, but what is left of one reaches as far as the files that follow from it.
Failure Recovery::CheckMark() {
  if (CHRONIK_MUTANT(damage_cut_like_a_torn_tail)) return {};
  FlushMark::Sequences marked;
  const std::string& path = store_.mark_.path();
  const int error = store_.mark_.Read(&marked);
  if (error == EBADMSG) return Corrupt(path + " is damaged");
  if (error == ENOTSUP) return {CHR_E_UNSUPPORTED, path + " was written by a newer build", 0};
  if (error != 0) return Io(path, error);
  for (size_t i = 0; i < files_.size(); ++i) {
    const FoundFile& found = files_[i];
    const FlushMark::Journal journal{found.file.header.run, found.file.header.lane};
    const auto mark = marked.find(journal);
    const bool is_last = i + 1 == files_.size() || files_[i + 1].file.header.run != journal.run ||
                         files_[i + 1].file.header.lane != journal.lane;
    if (is_last && mark != marked.end() && mark->second > found.last_frame()) {
      return Corrupt(found.file.path + " at " + std::to_string(found.end) +
                     ": a frame is damaged, and files were changed for what it held");
    }
  }
  return {};
}

// What was read may be in the page cache only, and nobody may be told that it is durable before it is. A sync alone
// does not do: after a failed one Linux has the pages marked clean though they never reached the disk (Rebello et al.,
// "Can Applications Recover from fsync Failures?", USENIX ATC 2020), so that later ones have nothing to write. The
// bytes that no successful sync is known to cover are written again, in place: the same ones, so that a cut on the way
// does no harm.
Failure Recovery::MakeDurable(FoundFile& found) {
  if (CHRONIK_MUTANT(recovered_tail_not_synced)) return {};
  File& file = *found.file.file;
  if (found.window.size() > 0) {
    if (const int error = file.WriteAt(found.unvouched, found.window.data(), found.window.size()))
      return Io("writing " + found.file.path + " again", error);
    found.window = {};
  }
  if (const int error = file.SyncData()) return Io("fdatasync of " + found.file.path, error);
  return {};
}

Failure Recovery::Replay() {
  std::vector<std::pair<FoundFile*, const Frame*>> all;
  for (FoundFile& found : files_) {
    for (const Frame& frame : found.frames) all.emplace_back(&found, &frame);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first->file.header.run, a.second->header.order) <
           std::tie(b.first->file.header.run, b.second->header.order);
  });
  const auto same = [](const auto& a, const auto& b) {
    return a.first->file.header.run == b.first->file.header.run && a.second->header.order == b.second->header.order;
  };
  if (const auto twice = std::adjacent_find(all.begin(), all.end(), same); twice != all.end())
    return Corrupt(twice->first->file.path + ": a frame has another frame's place in the order");
  for (const auto& [found, frame] : all) {
    if (Failure f = ReplayFrame(*found, *frame); !f.ok()) return f;
  }
  return {};
}

Failure Recovery::ReplayFrame(FoundFile& found, const Frame& frame) {
  Buffer body = Buffer::Allocate(frame.header.body_bytes);
  if (const int error = found.file.file->ReadAt(frame.position + kFrameHeaderBytes, body.writable(), body.size())) {
    return Io(found.file.path, error);
  }
  std::vector<Record> records;
  if (!DecodeFrameBody(frame.header, body, &records)) {
    return Io(found.file.path + " at " + std::to_string(frame.position) + " reads differently every time", EIO);
  }
  for (const Record& record : records) {
    found.file.groups.insert(record.group);
    // If two lanes vouched for one stay of a group, the files of one could go while the other's bring the group back.
    const bool has_state = record.type == RecordType::kState || record.creates;
    if (has_state && record.state.lane != found.file.header.lane) {
      return Corrupt(found.file.path + " at " + std::to_string(frame.position) + ": group " +
                     std::to_string(record.group) + " is recorded for lane " + std::to_string(record.state.lane));
    }
    if (Failure f = ApplyRecord(record); !f.ok()) return f;
  }
  return {};
}

GroupPtr Recovery::AddGroup(const Record& record) {
  const auto group =
      std::make_shared<Group>(record.group, record.state, store_.group_directory(record.group, record.state.birth));
  store_.groups_[record.group] = group;
  return group;
}

Failure Recovery::ApplyRecord(const Record& record) {
  const GroupState& state = record.state;
  const bool possible = record.type == RecordType::kState ? state.IsPossible()
                        : record.creates                  ? state.Emptied().IsPossible()
                                                          : true;
  if (!possible || record.group == 0 || std::max(record.residence, record.birth) > kCountMax)
    return Corrupt("group " + std::to_string(record.group) + ": the journal tells of a state that cannot be");
  number_max_ =
      std::max({number_max_, state.birth, state.incarnation, state.residence, record.residence, record.birth});
  if (record.type == RecordType::kState) return ApplyState(record);
  GroupPtr group = store_.Find(record.group);
  if (record.type == RecordType::kDestroy) {
    doomed_.insert(store_.group_directory(record.group, record.birth));
    if (group && group->state.birth == record.birth) store_.groups_.erase(record.group);
    return {};
  }
  if (record.type == RecordType::kLeave) {
    // Where it went it was either recorded later than what is known here, or destroyed.
    if (group && group->state.residence == record.residence) store_.groups_.erase(record.group);
    return {};
  }
  if (record.creates) group = AddGroup(record);
  if (!group)
    return Corrupt("group " + std::to_string(record.group) + ": the journal begins in the middle of its life");
  if (!group->CanApply(record))
    return Corrupt(group->directory + ": the journal tells of an operation that cannot follow entry " +
                   std::to_string(group->state.last_index));
  group->Apply(record);
  return {};
}

Failure Recovery::ApplyState(const Record& record) {
  GroupPtr group = store_.Find(record.group);
  if (group && group->state.residence > record.state.residence) return {};  // by the lane that it is leaving
  if (group && group->state.residence == record.state.residence) {
    if (group->state.last_index != record.state.last_index || group->state.first_index != record.state.first_index) {
      return Corrupt(group->directory + ": the journal does not add up at entry " +
                     std::to_string(record.state.last_index));
    }
    return {};  // older files have said it all
  }
  // Older files are gone, or were written before the group moved here: what they held is in segments.
  group = AddGroup(record);
  group->Restore(record.state);
  return LoadSegments(group);
}

Failure Recovery::LoadSegments(const GroupPtr& group) {
  std::vector<std::string> names;
  if (const int error = store_.fs().List(group->directory, &names)) {
    return error == ENOENT ? Failure{} : Io(group->directory, error);
  }
  for (const std::string& name : names) {
    if (name == "checkpoint") group->has_checkpoint_file = true;
    uint64_t incarnation = 0;
    uint64_t first = 0;
    if (!ParseSegmentName(name, &incarnation, &first) || incarnation != group->state.incarnation) continue;
    const std::string path = SegmentPath(group->directory, incarnation, first);
    Segment segment;
    std::vector<chr_log_term> terms;
    // Rows behind the recorded end were written for operations that later frames repeat, if they were completed at all.
    if (const int error = LoadSegment(store_.fs(), path, first, group->state.last_index + 1, &segment, &terms))
      return Io("reading " + path, error);
    group->AddLoadedSegment(std::move(segment), terms);
  }
  return {};
}

Failure Recovery::CheckGroups() {
  std::set<std::string> known = doomed_;
  for (const auto& [id, group] : store_.groups_) {
    const std::string gap = group->damage.empty() ? group->Gap() : group->damage;
    if (!gap.empty()) return Corrupt(group->directory + ": " + gap);
    if (doomed_.contains(group->directory))
      return Corrupt(group->directory + ": the journal goes on after it was destroyed");
    if (Failure f = FindDeadFiles(group); !f.ok()) return f;
    store_.tail_bytes_.fetch_add(group->tail_bytes);
    known.insert(group->directory);
  }
  std::vector<std::string> names;
  if (const int error = store_.fs().List(store_.groups_directory(), &names))
    return Io(store_.groups_directory(), error);
  for (const std::string& name : names) {
    const std::string path = store_.groups_directory() + "/" + name;
    if (!known.contains(path))
      return Corrupt(path + " belongs to no group that the journal knows; journal files are missing");
  }
  return {};
}

// Segments that are no part of the log go before the journal files that say so.
Failure Recovery::FindDeadFiles(const GroupPtr& group) {
  std::vector<std::string> names;
  if (const int error = store_.fs().List(group->directory, &names)) {
    return error == ENOENT ? Failure{} : Io(group->directory, error);
  }
  std::set<std::string> live;
  for (const SegmentPtr& segment : group->segments) live.insert(segment->path);
  std::set<std::string> dead;
  for (const std::string& name : names) {
    if (!name.ends_with(".rix") && !name.ends_with(".log")) continue;
    std::string path = group->directory + "/" + name.substr(0, name.size() - 4);
    if (!live.contains(path)) dead.insert(std::move(path));
  }
  group->dead_files.assign(dead.begin(), dead.end());
  return {};
}

}  // namespace chronik_log_wal
