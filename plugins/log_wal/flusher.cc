// SPDX-License-Identifier: Apache-2.0
// Writing behind: entries leave the memory tail for segments, segments are synced, and journal files whose entries are
// all in synced segments are used again.
#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "plugins/log_wal/mutation.h"
#include "plugins/log_wal/store.h"

namespace chronik_log_wal {
namespace {

constexpr uint64_t kWriteBytesMax = 8ull << 20;  // of one group at a time

// What makes room on a full disk goes without the mark, which needs some.
int UnlessFull(int error) { return error == ENOSPC || error == EDQUOT ? 0 : error; }

}  // namespace

int Store::AwaitFlusher(uint32_t lane) {
  std::unique_lock lock(flush_mutex_);
  const auto has_room = [&] {
    const auto pending = std::count_if(retired_.begin(), retired_.end(), [&](const JournalFile& f) {
      return f.header.run == run_ && f.header.lane == lane;
    });
    return pending < static_cast<long>(kJournalFilesPendingMax);
  };
  // A lane that fills files faster than the flusher empties them has to wait, or memory and disk would have no bound.
  retired_room_.wait(lock, [&] { return fatal() || flush_error_ != 0 || has_room(); });
  if (fatal()) return EIO;
  return has_room() ? 0 : flush_error_;
}

void Store::RetireJournalFile(JournalFile file) {
  const std::scoped_lock lock(flush_mutex_);
  retired_.push_back(std::move(file));
  flush_wake_.notify_one();
}

void Store::AddTailBytes(int64_t bytes) {
  if (bytes == 0) return;
  const int64_t before = tail_bytes_.fetch_add(bytes);
  const auto limit = static_cast<int64_t>(options_.tail_bytes_max);
  if (before <= limit && before + bytes > limit) {
    const std::scoped_lock lock(flush_mutex_);
    flush_wake_.notify_one();
  }
}

void Store::RunFlusher() {
  std::unique_lock lock(flush_mutex_);
  while (!stopping_) {
    if (fatal() || !FlushDue()) {
      flush_wake_.wait(lock);
      continue;
    }
    lock.unlock();
    const int error = FlushOnce();
    lock.lock();
    flush_error_ = error;
    retired_room_.notify_all();
    if (error != 0)
      flush_wake_.wait_for(lock, std::chrono::nanoseconds(options_.flush_retry_ns), [&] { return stopping_; });
  }
}

bool Store::FlushDue() const {
  return !doomed_.empty() || !retired_.empty() || tail_bytes_.load() > static_cast<int64_t>(options_.tail_bytes_max);
}

// One step. An errno: it can be tried again.
int Store::FlushOnce() {
  std::vector<std::string> doomed;
  JournalFile file;
  {
    // Both at once: a file that records a destruction is free only after the directory is gone.
    const std::scoped_lock lock(flush_mutex_);
    doomed = doomed_;
    if (!retired_.empty()) file = retired_.front();
  }
  if (!doomed.empty()) {
    int error = UnlessFull(mark_.CoverAll());
    if (error == 0) error = RemoveDoomed(doomed);
    if (error != 0) return FlushFailed(error, groups_directory());
    if (fatal()) return 0;
  }
  if (file) {
    if (const int error = FlushFile(file)) return error;
    if (fatal()) return 0;
    const std::scoped_lock lock(flush_mutex_);
    retired_.erase(retired_.begin());
    if (retired_.empty()) ::malloc_trim(0);  // what recovery had read is on disk now
    return 0;
  }
  return FlushTails();
}

int Store::RemoveDoomed(const std::vector<std::string>& doomed) {
  for (const std::string& directory : doomed) {
    if (const int error = fs_->RemoveDirectory(directory)) return error;
  }
  if (const int error = fs_->SyncDirectory(groups_directory())) return error;
  const std::scoped_lock lock(flush_mutex_);
  doomed_.erase(doomed_.begin(), doomed_.begin() + static_cast<long>(doomed.size()));
  return 0;
}

// The largest tails go first, until half of what is allowed is left.
int Store::FlushTails() {
  std::vector<std::pair<int64_t, GroupPtr>> by_size;
  {
    const std::scoped_lock groups_lock(groups_mutex_);
    for (const auto& [id, group] : groups_) {
      const std::scoped_lock lock(group->mutex);
      if (group->tail_bytes > 0) by_size.emplace_back(group->tail_bytes, group);
    }
  }
  std::sort(by_size.begin(), by_size.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [bytes, group] : by_size) {
    if (tail_bytes_.load() <= static_cast<int64_t>(options_.tail_bytes_max / 2)) break;
    if (const int error = FlushGroup(group, false)) return FlushFailed(error, group->directory);
  }
  return 0;
}

// 0 without a fatal error: everything that the file holds is elsewhere, durably, and the file is free.
int Store::FlushFile(const JournalFile& file) {
  for (const uint64_t id : file.groups) {
    const GroupPtr group = Find(id);
    if (!group) continue;  // destroyed
    if (const int error = FlushGroup(group, true)) return FlushFailed(error, group->directory);
  }
  // What replaces it, the states that a later file begins with, is not to be taken for torn.
  if (const int error = UnlessFull(mark_.CoverAll())) return FlushFailed(error, mark_.path());
  if (const int error = pool_.GiveBack(file)) return FlushFailed(error, file.path);
  return 0;
}

// The errno if it makes sense to try again, else 0 and the store is done for.
int Store::FlushFailed(int error, const std::string& what) {
  const std::string why = "writing " + what + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE) {
    host_.Log(CHR_LOG_WARN, why + "; it is tried again");
    return error;
  }
  SetFatal(why);
  return 0;
}

int Store::FlushGroup(const GroupPtr& group, bool sync) {
  const std::scoped_lock flush_lock(group->flush_mutex);
  for (bool again = true; again;) {
    if (const int error = WriteTail(group, &again)) return error;
  }
  if (!sync || CHRONIK_MUTANT(journal_freed_before_segments_are_synced)) return 0;
  if (const int error = SyncSegments(group)) return error;
  if (const int error = WriteCheckpoint(group)) return error;
  return RemoveDeadFiles(group);
}

struct Store::TailPiece {
  std::vector<Entry> entries;
  SegmentPtr segment;  // where they go
  bool fresh = false;  // it is a new one
  uint64_t changes = 0;
  FlushMark::Frame changed_at;
};

// False: there is nothing to write.
bool Store::TakeTail(Group& group, TailPiece* out) const {
  const std::scoped_lock lock(group.mutex);
  uint64_t bytes = 0;
  for (const Entry& entry : group.tail) {
    if (!out->entries.empty() && bytes + entry.meta.size > kWriteBytesMax) break;
    bytes += entry.meta.size;
    out->entries.push_back(entry);
  }
  if (out->entries.empty() || group.destroyed) return false;
  out->changes = group.changes;
  out->changed_at = {{run_, group.state.lane}, group.changed_at};
  out->fresh = group.segments.empty() || group.segments.back()->log_bytes >= options_.segment_bytes;
  if (!out->fresh) {
    out->segment = group.segments.back();
    return true;
  }
  out->segment = std::make_shared<Segment>();
  out->segment->first_index = out->entries.front().meta.index;
  out->segment->fresh = true;
  out->segment->path = SegmentPath(group.directory, group.state.incarnation, out->segment->first_index);
  return true;
}

// Moves one piece of the tail into the last segment, or into a new one.
int Store::WriteTail(const GroupPtr& group, bool* again) {
  *again = false;
  TailPiece piece;
  if (!TakeTail(*group, &piece)) return 0;
  const auto& [entries, segment, fresh, changes, changed_at] = piece;
  if (const int error = mark_.Cover(changed_at)) return error;
  if (fresh) {
    if (const int error = fs_->MakeDirectory(group->directory)) return error;
  }
  auto grown = std::make_shared<Segment>();
  if (const int error = WriteSegment(*fs_, *segment, entries, grown.get())) {
    // Part of it may be there. Unless it is written after all it is no segment, and a restart must not find it.
    const std::scoped_lock lock(group->mutex);
    if (fresh) group->dead_files.push_back(segment->path);
    return error;
  }
  int64_t written = 0;
  {
    const std::scoped_lock lock(group->mutex);
    *again = true;
    // A suffix or everything was dropped meanwhile: what was written does not count, and a file that is no segment must
    // go before the journal files that say so, or a restart would take it for one.
    if (group->changes != changes) {
      if (fresh) group->dead_files.push_back(segment->path);
      return 0;
    }
    // The tail may have lost a suffix of these entries without a change of segments.
    size_t still = 0;
    while (still < entries.size() && still < group->tail.size() && group->tail[still].meta == entries[still].meta) {
      ++still;
    }
    if (still != entries.size()) {
      if (fresh) group->dead_files.push_back(segment->path);
      return 0;
    }
    for (const Entry& entry : entries) written += entry.meta.size;
    group->tail_bytes -= written;
    group->tail.erase(group->tail.begin(), group->tail.begin() + static_cast<long>(entries.size()));
    if (fresh) {
      std::erase(group->dead_files, grown->path);
      group->segments.push_back(std::move(grown));
    } else {
      group->segments.back() = std::move(grown);
    }
    *again = !group->tail.empty();
  }
  tail_bytes_.fetch_sub(written);
  return 0;
}

int Store::SyncSegments(const GroupPtr& group) {
  std::vector<SegmentPtr> unsynced;
  {
    const std::scoped_lock lock(group->mutex);
    for (const SegmentPtr& segment : group->segments) {
      if (segment->unsynced) unsynced.push_back(segment);
    }
  }
  if (unsynced.empty()) return 0;
  bool fresh = false;
  for (const SegmentPtr& segment : unsynced) {
    const int error = SyncSegment(*fs_, *segment);
    if (error != 0 && error != EMFILE && error != ENFILE) return EIO;  // ENOSPC too: pages may be lost already
    if (error != 0) return error;
    fresh = fresh || segment->fresh;
  }
  if (fresh) {
    if (const int error = fs_->SyncDirectory(group->directory)) return error;
    if (const int error = fs_->SyncDirectory(groups_directory())) return error;
  }
  const std::scoped_lock lock(group->mutex);
  for (const SegmentPtr& segment : unsynced) {
    for (SegmentPtr& current : group->segments) {
      if (current != segment) continue;
      auto synced = std::make_shared<Segment>(*segment);
      synced->unsynced = false;
      synced->fresh = false;
      current = std::move(synced);
    }
  }
  return 0;
}

// checkpoint := version:u32le crc32c(blob):u32le blob; written beside and renamed.
int Store::WriteCheckpoint(const GroupPtr& group) {
  Buffer blob;
  FlushMark::Frame changed_at;
  {
    const std::scoped_lock lock(group->mutex);
    if (!group->checkpoint || group->destroyed) return 0;
    blob = *group->checkpoint;
    changed_at = {{run_, group->state.lane}, group->changed_at};
  }
  if (const int error = mark_.Cover(changed_at)) return error;
  const std::string path = group->directory + "/checkpoint";
  if (const int error = fs_->MakeDirectory(group->directory)) return error;
  FilePtr file;
  if (const int error = fs_->Open(path + ".new", true, &file)) return error;
  ByteWriter head;
  head.Put(kFormatVersion);
  head.Put(Crc32c(blob.data(), blob.size()));
  std::vector<iovec> parts{{head.out().data(), head.out().size()}};
  if (blob.size() > 0) parts.push_back({blob.writable(), blob.size()});
  if (const int error = file->Truncate(0)) return error;
  if (const int error = file->WriteAt(0, parts)) return error;
  if (file->SyncData() != 0) return EIO;
  if (const int error = fs_->Rename(path + ".new", path)) return error;
  if (const int error = fs_->SyncDirectory(group->directory)) return error;
  if (const int error = fs_->SyncDirectory(groups_directory())) return error;
  const std::scoped_lock lock(group->mutex);
  group->has_checkpoint_file = true;
  if (group->checkpoint && group->checkpoint->data() == blob.data()) group->checkpoint.reset();
  return 0;
}

int Store::RemoveDeadFiles(const GroupPtr& group) {
  std::vector<std::string> dead;
  FlushMark::Frame changed_at;
  {
    const std::scoped_lock lock(group->mutex);
    changed_at = {{run_, group->state.lane}, group->changed_at};
    dead.swap(group->dead_files);
    for (const SegmentPtr& segment : group->segments) std::erase(dead, segment->path);
  }
  if (dead.empty()) return 0;
  int error = UnlessFull(mark_.Cover(changed_at));
  for (const std::string& path : dead) {
    if (error == 0) error = fs_->Remove(path + ".rix");
    if (error == 0) error = fs_->Remove(path + ".log");
  }
  if (error == 0) error = fs_->SyncDirectory(group->directory);
  if (error == 0) return 0;
  const std::scoped_lock lock(group->mutex);
  group->dead_files.insert(group->dead_files.end(), dead.begin(), dead.end());
  return error;
}

}  // namespace chronik_log_wal
