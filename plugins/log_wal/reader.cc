// SPDX-License-Identifier: Apache-2.0
// Reading: from the memory tail inside the call, from segments on a blocking thread of the host; and checkpoints.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "plugins/log_wal/store.h"

namespace chronik_log_wal {
namespace {

// Entries as the ABI hands them out; lives until released.
struct Slice {
  chr_owner owner;
  std::atomic<uint32_t> references{1};
  std::vector<Entry> kept;
  std::vector<chr_buf> bufs;
  std::vector<chr_log_entry> entries;

  static void Retain(chr_owner* self) noexcept { reinterpret_cast<Slice*>(self)->references.fetch_add(1); }
  static void Release(chr_owner* self) noexcept {
    auto* slice = reinterpret_cast<Slice*>(self);
    if (slice->references.fetch_sub(1) == 1) delete slice;
  }
};

chr_log_slice MakeSlice(std::vector<Entry> entries) {
  if (entries.empty()) return {nullptr, 0, nullptr};
  auto slice = std::make_unique<Slice>();
  slice->owner = {&Slice::Retain, &Slice::Release};
  slice->kept = std::move(entries);
  slice->bufs.reserve(slice->kept.size());
  slice->entries.reserve(slice->kept.size());
  for (const Entry& entry : slice->kept) {
    const EntryMeta& m = entry.meta;
    chr_buf buf = entry.payload.abi();
    if (buf.owner == nullptr) buf.owner = &slice->owner;  // an empty payload still has an owner to retain
    slice->bufs.push_back(buf);
    slice->entries.push_back(
        {m.index, m.term, m.base_offset, m.max_timestamp, m.offset_count, m.kind, 1, 0, &slice->bufs.back()});
  }
  Slice* const raw = slice.release();
  return {raw->entries.data(), raw->entries.size(), &raw->owner};
}

bool IsMatch(const chr_log_read& what, const EntryMeta& m) {
  switch (what.by) {
    case CHR_LOG_BY_OFFSET: return m.offset_count > 0 && m.next_offset() > what.key;
    case CHR_LOG_BY_TIMESTAMP: return m.offset_count > 0 && m.max_timestamp >= what.key;
    default: return m.index >= static_cast<uint64_t>(what.key);
  }
}

// What one read sees of a group: segments by description, the tail by value where it is needed.
struct View {
  std::vector<SegmentPtr> segments;
  uint64_t first_index = 0;
  uint64_t end_index = 0;  // of the read, clipped to the log
  uint64_t tail_start = 0;
  uint64_t changes = 0;  // of the group when this was taken
};

// With the group's mutex held.
void TakeSegments(const Group& group, View* view) {
  view->segments = group.segments;
  view->first_index = group.state.first_index;
  view->tail_start = group.segmented_end();
  view->changes = group.changes;
}

// With the group's mutex held. The tail's entries from the first match on, as far as the limits go.
std::vector<Entry> ReadTail(const Group& group, const chr_log_read& what, uint64_t end) {
  std::vector<Entry> out;
  auto at = group.tail.begin();
  if (what.by == CHR_LOG_BY_INDEX || what.by == CHR_LOG_BY_OFFSET) {
    at = std::partition_point(group.tail.begin(), group.tail.end(), [&](const Entry& e) {
      return what.by == CHR_LOG_BY_INDEX ? e.meta.index < static_cast<uint64_t>(what.key)
                                         : e.meta.next_offset() <= what.key;
    });
  }
  while (at != group.tail.end() && !IsMatch(what, at->meta)) ++at;
  uint64_t bytes = 0;
  for (; at != group.tail.end() && at->meta.index < end; ++at) {
    if (!out.empty() &&
        (bytes + at->meta.size > what.max_bytes || (what.max_entries != 0 && out.size() >= what.max_entries)))
      break;
    bytes += at->meta.size;
    out.push_back(*at);
  }
  return out;
}

// The same read, beginning at an entry that was found by other means.
chr_log_read FromIndex(chr_log_read what, uint64_t index) {
  what.by = CHR_LOG_BY_INDEX;
  what.key = static_cast<int64_t>(index);
  return what;
}

// The entry with the largest timestamp below `end`, in the tail.
const Entry* NewestInTail(const Group& group, uint64_t end) {
  const Entry* best = nullptr;
  for (const Entry& e : group.tail) {
    if (e.meta.index >= end) break;
    if (e.meta.offset_count > 0 && (best == nullptr || e.meta.max_timestamp > best->meta.max_timestamp)) best = &e;
  }
  return best;
}

// In segments: the index of the first row that matches; 0 if none does.
int FindInSegments(FileSystem& fs, const View& view, const chr_log_read& what, SegmentReader& reader, uint64_t* index) {
  for (const SegmentPtr& segment : view.segments) {
    if (segment->first_index >= view.end_index) break;
    if (what.by == CHR_LOG_BY_INDEX && segment->last_index() < static_cast<uint64_t>(what.key)) continue;
    if (what.by == CHR_LOG_BY_OFFSET && segment->next_offset <= what.key) continue;
    if (what.by == CHR_LOG_BY_TIMESTAMP && segment->max_timestamp < what.key) continue;
    if (const int error = reader.Open(fs, *segment)) return error;
    uint64_t low = std::max(segment->first_index, view.first_index);
    const uint64_t end = std::min(segment->last_index() + 1, view.end_index);
    if (what.by == CHR_LOG_BY_INDEX) low = std::max(low, static_cast<uint64_t>(what.key));
    Row row;
    for (uint64_t high = end; what.by == CHR_LOG_BY_OFFSET && low < high;) {
      const uint64_t middle = low + (high - low) / 2;
      if (const int error = reader.ReadRow(middle, &row)) return error;
      if (row.meta.next_offset() <= what.key) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    for (; low < end; ++low) {
      if (const int error = reader.ReadRow(low, &row)) return error;
      if (!IsMatch(what, row.meta)) continue;
      *index = low;
      return 0;
    }
  }
  *index = 0;
  return 0;
}

int FindNewest(FileSystem& fs, const View& view, SegmentReader& reader, EntryMeta* best, bool* found) {
  for (const SegmentPtr& segment : view.segments) {
    if (segment->first_index >= view.end_index) break;
    if (*found && segment->max_timestamp <= best->max_timestamp) continue;
    if (const int error = reader.Open(fs, *segment)) return error;
    const uint64_t end = std::min(segment->last_index() + 1, view.end_index);
    for (uint64_t i = std::max(segment->first_index, view.first_index); i < end; ++i) {
      Row row;
      if (const int error = reader.ReadRow(i, &row)) return error;
      if (row.meta.offset_count == 0 || (*found && row.meta.max_timestamp <= best->max_timestamp)) continue;
      *best = row.meta;
      *found = true;
    }
  }
  return 0;
}

// A read that has to touch files.
class ColdRead {
 public:
  ColdRead(Store& store, GroupPtr group, uint32_t lane, const chr_log_read& what, View view)
      : store_(store), group_(std::move(group)), lane_(lane), what_(what), view_(std::move(view)) {}

  void Run() {
    std::vector<Entry> entries;
    int error = 0;
    // A flush, a truncation or a rewrite of a suffix may replace the segments while this reads; then it looks again, as
    // rows of two histories must not be mixed.
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      entries.clear();
      error = what_.by == CHR_LOG_BY_MAX_TIMESTAMP ? ReadNewest(&entries) : ReadFirst(&entries);
      if (!Refresh(error)) break;
      error = EAGAIN;
    }
    if (error == 0 && BeginsBehindKey(entries)) error = ERANGE;
    const chr_log_sink& sink = store_.sink();
    if (error == 0) return sink.on_read(sink.ctx, lane_, what_.tag, CHR_OK, MakeSlice(std::move(entries)), {"", 0});
    const std::string message = "group " + std::to_string(group_->id) + ": reading " + reader_.path() + ": " +
                                (error == EBADMSG ? "stored data fails its checksum" : std::strerror(error));
    const chr_status status = error == EBADMSG ? CHR_E_CORRUPT : error == ERANGE ? CHR_E_RANGE : CHR_E_IO;
    sink.on_read(sink.ctx, lane_, what_.tag, status, {nullptr, 0, nullptr}, {message.data(), message.size()});
  }

 private:
  static constexpr int kAttempts = 100;

  // A prefix with the key in it was dropped meanwhile.
  bool BeginsBehindKey(const std::vector<Entry>& entries) const {
    if (entries.empty()) return false;
    const EntryMeta& first = entries.front().meta;
    if (what_.by == CHR_LOG_BY_INDEX) return first.index > static_cast<uint64_t>(what_.key);
    return what_.by == CHR_LOG_BY_OFFSET && first.base_offset > what_.key;
  }
  int ReadFirst(std::vector<Entry>* out) {
    uint64_t from = 0;
    if (const int error = FindInSegments(store_.fs(), view_, what_, reader_, &from)) return error;
    if (from == 0) {
      const std::scoped_lock lock(group_->mutex);
      if (group_->segmented_end() != view_.tail_start) return EAGAIN;  // part of the tail went to segments
      *out = ReadTail(*group_, what_, view_.end_index);
      return 0;
    }
    return ReadAt(from, what_.max_bytes, what_.max_entries, out);
  }
  int ReadNewest(std::vector<Entry>* out) {
    EntryMeta best;
    bool found = false;
    if (const int error = FindNewest(store_.fs(), view_, reader_, &best, &found)) return error;
    {
      const std::scoped_lock lock(group_->mutex);
      if (group_->segmented_end() != view_.tail_start) return EAGAIN;
      const Entry* in_tail = NewestInTail(*group_, view_.end_index);
      if (in_tail != nullptr && (!found || in_tail->meta.max_timestamp > best.max_timestamp)) {
        *out = ReadTail(*group_, FromIndex(what_, in_tail->meta.index), view_.end_index);
        return 0;
      }
    }
    return found ? ReadAt(best.index, what_.max_bytes, what_.max_entries, out) : 0;
  }
  int ReadAt(uint64_t from, uint64_t max_bytes, uint64_t max_entries, std::vector<Entry>* out) {
    for (const SegmentPtr& segment : view_.segments) {
      if (segment->last_index() < from) continue;
      if (const int error = reader_.Open(store_.fs(), *segment)) return error;
      return reader_.ReadEntries(from, std::min(segment->last_index() + 1, view_.end_index), max_bytes, max_entries,
                                 out);
    }
    return EBADMSG;
  }
  // Whether to read once more. A success counts if no row that was read can have been replaced; an error if nothing
  // changed.
  bool Refresh(int error) {
    const std::scoped_lock lock(group_->mutex);
    if (error == 0 ? group_->changes == view_.changes : group_->segments == view_.segments && error != EAGAIN)
      return false;
    TakeSegments(*group_, &view_);
    view_.end_index = std::min(view_.end_index, group_->state.last_index + 1);
    return true;
  }

  Store& store_;
  const GroupPtr group_;
  const uint32_t lane_;
  const chr_log_read what_;
  View view_;
  SegmentReader reader_;
};

}  // namespace

chr_status Store::Read(chr_log_group* handle, const chr_log_read& what, chr_log_slice* out) {
  *out = {nullptr, 0, nullptr};
  if (fatal()) return CHR_E_FATAL;
  if (what.by > CHR_LOG_BY_MAX_TIMESTAMP) return CHR_E_INVALID;
  const GroupPtr& group = handle->group;
  View view;
  {
    const std::scoped_lock lock(group->mutex);
    const GroupState& s = group->state;
    const auto key = static_cast<uint64_t>(what.key);
    if (what.by == CHR_LOG_BY_INDEX && (key < s.first_index || key > s.last_index + 1)) return CHR_E_RANGE;
    if (what.by == CHR_LOG_BY_OFFSET && what.key < s.first_offset) return CHR_E_RANGE;
    view.end_index = std::min(what.end_index, s.last_index + 1);
    const bool in_tail = group->segments.empty() || (what.by == CHR_LOG_BY_INDEX && key >= group->segmented_end()) ||
                         (what.by == CHR_LOG_BY_OFFSET && what.key >= group->segments.back()->next_offset);
    if (in_tail && what.by == CHR_LOG_BY_MAX_TIMESTAMP) {
      if (const Entry* newest = NewestInTail(*group, view.end_index)) {
        *out = MakeSlice(ReadTail(*group, FromIndex(what, newest->meta.index), view.end_index));
      }
      return CHR_OK;
    }
    if (in_tail) {
      *out = MakeSlice(ReadTail(*group, what, view.end_index));
      return CHR_OK;
    }
    TakeSegments(*group, &view);
  }
  auto read = std::make_shared<ColdRead>(*this, group, handle->lane, what, std::move(view));
  return PostBlocking([read] { read->Run(); }) ? CHR_PENDING : CHR_E_NO_MEMORY;
}

Failure Store::Checkpoint(chr_log_group* handle, chr_buf* out) {
  if (fatal()) return {CHR_E_FATAL, "an earlier write failed for good", 0};
  Group& group = *handle->group;
  {
    const std::scoped_lock lock(group.mutex);
    if (group.checkpoint) {
      *out = Buffer(*group.checkpoint).Release();
      return {};
    }
    if (!group.has_checkpoint_file) return {CHR_E_NOT_FOUND, "no checkpoint", 0};
  }
  const std::string path = group.directory + "/checkpoint";
  FilePtr file;
  uint64_t size = 0;
  int error = fs_->Open(path, false, &file);
  if (error == 0) error = file->Size(&size);
  Buffer content;
  if (error == 0) {
    content = Buffer::Allocate(size);
    error = file->ReadAt(0, content.writable(), size);
  }
  if (error != 0) return {CHR_E_IO, path + ": " + std::strerror(error), error};
  if (size < 8) return {CHR_E_CORRUPT, path + " is cut short", 0};
  uint32_t version = 0;
  uint32_t crc = 0;
  std::memcpy(&version, content.data(), 4);
  std::memcpy(&crc, content.data() + 4, 4);
  if (version > kFormatVersion) return {CHR_E_UNSUPPORTED, path + " was written by a newer build", 0};
  if (Crc32c(content.data() + 8, size - 8) != crc) return {CHR_E_CORRUPT, path + " fails its checksum", 0};
  *out = content.Slice(8, size - 8).Release();
  return {};
}

}  // namespace chronik_log_wal
