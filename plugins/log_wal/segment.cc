// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/segment.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "plugins/log_wal/mutation.h"

namespace chronik_log_wal {
namespace {

void EncodeRow(const Row& row, ByteWriter& out) {
  const size_t start = out.out().size();
  PutEntryMeta(out, row.meta);
  out.Put(row.position);
  out.Put(uint32_t{0});
  out.Put(Crc32c(out.out().data() + start, out.out().size() - start));
}

bool DecodeRow(const uint8_t* in, Row* out) {
  ByteReader r(in, kRowBytes);
  out->meta = GetEntryMeta(r);
  out->position = r.Get<uint64_t>();
  (void)r.Get<uint32_t>();
  return r.Get<uint32_t>() == Crc32c(in, kRowBytes - 4);
}

void Extend(Segment& segment, const Row& row) {
  if (segment.rows == 0) segment.first_offset = row.meta.base_offset;
  ++segment.rows;
  segment.next_offset = row.meta.next_offset();
  if (row.meta.offset_count > 0) segment.max_timestamp = std::max(segment.max_timestamp, row.meta.max_timestamp);
  segment.log_bytes = row.position + row.meta.size;
}

}  // namespace

std::string SegmentPath(const std::string& directory, uint64_t incarnation, uint64_t first_index) {
  char name[64];
  std::snprintf(name, sizeof name, "/%016" PRIx64 "-%020" PRIu64, incarnation, first_index);
  return directory + name;
}

bool ParseSegmentName(const std::string& name, uint64_t* incarnation, uint64_t* first_index) {
  if (std::sscanf(name.c_str(), "%16" SCNx64 "-%20" SCNu64, incarnation, first_index) != 2) return false;
  return SegmentPath("", *incarnation, *first_index) + ".rix" == "/" + name;
}

int LoadSegment(FileSystem& fs, const std::string& path, uint64_t first_index, uint64_t end, Segment* out,
                std::vector<chr_log_term>* terms) {
  *out = Segment{};
  out->path = path;
  out->first_index = first_index;
  FilePtr rix;
  FilePtr log;
  if (const int error = fs.Open(path + ".rix", false, &rix)) return error;
  if (const int error = fs.Open(path + ".log", false, &log)) return error == ENOENT ? 0 : error;
  uint64_t rix_bytes = 0;
  uint64_t log_bytes = 0;
  if (const int error = rix->Size(&rix_bytes)) return error;
  if (const int error = log->Size(&log_bytes)) return error;
  constexpr size_t kRowsAtOnce = 4096;
  std::vector<uint8_t> block(kRowsAtOnce * kRowBytes);
  const uint64_t stored = std::min(rix_bytes / kRowBytes, end > first_index ? end - first_index : 0);
  for (uint64_t done = 0; done < stored;) {
    const size_t count = std::min<uint64_t>(kRowsAtOnce, stored - done);
    if (const int error = rix->ReadAt(done * kRowBytes, block.data(), count * kRowBytes)) return error;
    for (size_t i = 0; i < count; ++i) {
      Row row;
      const bool fits = DecodeRow(block.data() + i * kRowBytes, &row) && row.meta.IsPossible() &&
                        row.meta.index == first_index + out->rows && row.position == out->log_bytes &&
                        row.position + row.meta.size <= log_bytes;
      if (!fits) return 0;
      Extend(*out, row);
      if (terms->empty() || terms->back().term != row.meta.term)
        terms->push_back({row.meta.term, row.meta.index, row.meta.base_offset});
    }
    done += count;
  }
  return 0;
}

int WriteSegment(FileSystem& fs, const Segment& segment, const std::vector<Entry>& entries, Segment* grown) {
  *grown = segment;
  FilePtr log;
  FilePtr rix;
  if (const int error = fs.Open(segment.path + ".log", true, &log)) return error;
  if (const int error = fs.Open(segment.path + ".rix", true, &rix)) return error;
  if (segment.rows > 0) {
    // The rows that count may end earlier than what was written: a suffix was dropped since.
    std::vector<uint8_t> raw(kRowBytes);
    Row last;
    if (const int error = rix->ReadAt((segment.rows - 1) * kRowBytes, raw.data(), kRowBytes)) return error;
    if (!DecodeRow(raw.data(), &last)) return EBADMSG;
    grown->log_bytes = last.position + last.meta.size;
  } else {
    grown->log_bytes = 0;
  }
  const uint64_t log_start = grown->log_bytes;
  ByteWriter rows;
  std::vector<iovec> payloads;
  for (const Entry& entry : entries) {
    const Row row{entry.meta, grown->log_bytes};
    EncodeRow(row, rows);
    Extend(*grown, row);
    if (entry.payload.size() > 0)
      payloads.push_back({const_cast<uint8_t*>(entry.payload.data()), entry.payload.size()});
  }
  if (const int error = log->WriteAt(log_start, payloads)) return error;
  if (const int error = rix->WriteAt(segment.rows * kRowBytes, rows.out().data(), rows.out().size())) return error;
  // Stale rows behind the new end would be believed after a restart.
  if (const int error = log->Truncate(grown->log_bytes)) return error;
  if (const int error = rix->Truncate(grown->rows * kRowBytes)) return error;
  grown->unsynced = true;
  return 0;
}

int SyncSegment(FileSystem& fs, const Segment& segment) {
  for (const char* ending : {".log", ".rix"}) {
    FilePtr file;
    if (const int error = fs.Open(segment.path + ending, false, &file)) return error;
    if (const int error = file->SyncData()) return error;
  }
  return 0;
}

namespace {

// The segment's description says that the bytes are there.
int ReadStored(File& file, uint64_t position, void* out, size_t size) {
  const int error = file.ReadAt(position, out, size);
  return error == ENODATA ? EBADMSG : error;
}

}  // namespace

int SegmentReader::Open(FileSystem& fs, const Segment& segment) {
  path_ = segment.path;
  first_index_ = segment.first_index;
  if (const int error = fs.Open(segment.path + ".log", false, &log_)) return error;
  return fs.Open(segment.path + ".rix", false, &rix_);
}

int SegmentReader::ReadRow(uint64_t index, Row* out) {
  uint8_t raw[kRowBytes];
  if (const int error = ReadStored(*rix_, (index - first_index_) * kRowBytes, raw, sizeof raw)) return error;
  return DecodeRow(raw, out) && out->meta.index == index ? 0 : EBADMSG;
}

int SegmentReader::ReadPayload(const Row& row, Buffer* out) {
  if (row.meta.size == 0) return 0;
  *out = Buffer::Allocate(row.meta.size);
  if (const int error = ReadStored(*log_, row.position, out->writable(), row.meta.size)) return error;
  return Crc32c(out->data(), out->size()) == row.meta.crc ? 0 : EBADMSG;
}

int SegmentReader::ReadEntries(uint64_t from, uint64_t end, uint64_t max_bytes, uint64_t max_entries,
                               std::vector<Entry>* out) {
  // Rows first, then their payloads in one read, as they lie back to back.
  constexpr uint64_t kRowsMax = 4096;
  const uint64_t count = std::min({end - from, kRowsMax, max_entries == 0 ? kRowsMax : max_entries});
  std::vector<uint8_t> raw(count * kRowBytes);
  if (const int error = ReadStored(*rix_, (from - first_index_) * kRowBytes, raw.data(), raw.size())) return error;
  std::vector<Row> rows;
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Row row;
    if (!DecodeRow(raw.data() + i * kRowBytes, &row) || row.meta.index != from + i) return EBADMSG;
    if (!rows.empty() && bytes + row.meta.size > max_bytes) break;
    bytes += row.meta.size;
    rows.push_back(row);
  }
  Buffer all = Buffer::Allocate(bytes);
  if (bytes > 0) {
    if (const int error = ReadStored(*log_, rows.front().position, all.writable(), bytes)) return error;
  }
  size_t at = 0;
  for (const Row& row : rows) {
    if (Crc32c(all.data() + at, row.meta.size) != row.meta.crc && !CHRONIK_MUTANT(payload_checksum_ignored))
      return EBADMSG;
    out->push_back({row.meta, all.Slice(at, row.meta.size)});
    at += row.meta.size;
  }
  return 0;
}

}  // namespace chronik_log_wal
