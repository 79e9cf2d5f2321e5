// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/flush_mark.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "plugins/log_wal/bytes.h"
#include "plugins/log_wal/file_system.h"
#include "plugins/log_wal/format.h"

namespace chronik_log_wal {
namespace {

constexpr uint64_t kHeadBytes = 8;
constexpr uint64_t kPlaceBytes = 24;
constexpr uint64_t kSizeMax = 64ull << 20;

std::string Encode(const FlushMark::Sequences& sequences) {
  ByteWriter out;
  out.Put(kFormatVersion);
  out.Put(static_cast<uint32_t>(sequences.size()));
  for (const auto& [journal, sequence] : sequences) {
    out.Put(journal.run);
    out.Put(journal.lane);
    out.Put(uint32_t{0});
    out.Put(sequence);
  }
  out.Put(Crc32c(out.out().data(), out.out().size()));
  return std::move(out.out());
}

int Decode(const std::vector<uint8_t>& bytes, FlushMark::Sequences* out) {
  ByteReader in(bytes.data(), bytes.size());
  if (in.Get<uint32_t>() > kFormatVersion) return ENOTSUP;
  const auto count = in.Get<uint32_t>();
  if (bytes.size() != kHeadBytes + count * kPlaceBytes + 4) return EBADMSG;
  for (uint32_t i = 0; i < count; ++i) {
    FlushMark::Journal journal;
    journal.run = in.Get<uint64_t>();
    journal.lane = in.Get<uint32_t>();
    (void)in.Get<uint32_t>();
    (*out)[journal] = in.Get<uint64_t>();
  }
  return in.Get<uint32_t>() == Crc32c(bytes.data(), bytes.size() - 4) ? 0 : EBADMSG;
}

}  // namespace

int FlushMark::Read(Sequences* out) const {
  FilePtr file;
  if (const int error = fs_.Open(path_, false, &file)) return error == ENOENT ? 0 : error;
  uint64_t size = 0;
  if (const int error = file->Size(&size)) return error;
  // It got its name once it was whole.
  if (size < kHeadBytes + 4 || size > kSizeMax) return EBADMSG;
  std::vector<uint8_t> bytes(size);
  if (const int error = file->ReadAt(0, bytes.data(), bytes.size())) return error;
  return Decode(bytes, out);
}

void FlushMark::Found(const Sequences& journals) {
  const std::scoped_lock lock(mutex_);
  noted_ = journals;
  found_is_written_ = journals.empty();
}

void FlushMark::Note(const Frame& frame) {
  if (frame.sequence == 0) return;
  const std::scoped_lock lock(mutex_);
  uint64_t& noted = noted_[frame.journal];
  noted = std::max(noted, frame.sequence);
}

int FlushMark::Cover(const Frame& frame) {
  {
    const std::scoped_lock lock(mutex_);
    const auto written = written_.find(frame.journal);
    const uint64_t covered = written == written_.end() ? 0 : written->second;
    if (found_is_written_ && covered >= frame.sequence) return 0;
  }
  return Write();
}

int FlushMark::CoverAll() { return Write(); }

int FlushMark::Write() {
  const std::scoped_lock write_lock(write_mutex_);
  Sequences sequences;
  {
    const std::scoped_lock lock(mutex_);
    if (noted_ == written_) return 0;
    sequences = noted_;
  }
  if (const int error = Put(sequences)) return error;
  const std::scoped_lock lock(mutex_);
  written_ = std::move(sequences);
  found_is_written_ = true;
  return 0;
}

// Written beside and renamed, so that a cut leaves one mark or the other.
int FlushMark::Put(const Sequences& sequences) {
  const std::string bytes = Encode(sequences);
  FilePtr file;
  if (const int error = fs_.Open(path_ + ".new", true, &file)) return error;
  if (const int error = file->Truncate(0)) return error;
  if (const int error = file->WriteAt(0, bytes.data(), bytes.size())) return error;
  if (file->SyncData() != 0) return EIO;  // ENOSPC too: the pages may be lost already
  if (const int error = fs_.Rename(path_ + ".new", path_)) return error;
  return fs_.SyncDirectory(directory_);
}

}  // namespace chronik_log_wal
