// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/format.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "plugins/log_wal/mutation.h"

namespace chronik_log_wal {
namespace {

constexpr uint32_t kFileMagic = 0x4a524843;   // "CHRJ"
constexpr uint32_t kFrameMagic = 0x46524843;  // "CHRF"
constexpr uint32_t kHasHardState = 1;
constexpr uint32_t kCreates = 2;

void PutHardState(ByteWriter& out, const chr_hard_state& hs) {
  out.Put(hs.term);
  out.Put(hs.vote);
  out.Put(hs.commit);
}

chr_hard_state GetHardState(ByteReader& in) {
  chr_hard_state hs;
  hs.term = in.Get<uint64_t>();
  hs.vote = in.Get<uint64_t>();
  hs.commit = in.Get<uint64_t>();
  return hs;
}

void PutState(ByteWriter& out, const GroupState& s) {
  out.Put(s.birth);
  out.Put(s.incarnation);
  out.Put(s.residence);
  out.Put(s.first_index);
  out.Put(s.prev_term);
  out.Put(s.first_offset);
  out.Put(s.last_index);
  out.Put(s.last_term);
  out.Put(s.next_offset);
  PutHardState(out, s.hard_state);
  out.Put(s.lane);
}

GroupState GetState(ByteReader& in) {
  GroupState s;
  s.birth = in.Get<uint64_t>();
  s.incarnation = in.Get<uint64_t>();
  s.residence = in.Get<uint64_t>();
  s.first_index = in.Get<uint64_t>();
  s.prev_term = in.Get<uint64_t>();
  s.first_offset = in.Get<int64_t>();
  s.last_index = in.Get<uint64_t>();
  s.last_term = in.Get<uint64_t>();
  s.next_offset = in.Get<int64_t>();
  s.hard_state = GetHardState(in);
  s.lane = in.Get<uint32_t>();
  return s;
}

}  // namespace

GroupState GroupState::Emptied() const {
  GroupState out = *this;
  out.last_index = first_index - 1;
  out.last_term = prev_term;
  out.next_offset = first_offset;
  return out;
}

bool GroupState::IsPossible() const {
  const auto counts = [](int64_t offset) { return offset >= 0 && static_cast<uint64_t>(offset) <= kCountMax; };
  if (std::max({birth, incarnation, residence, first_index, last_index}) > kCountMax) return false;
  if (first_index == 0 || last_index + 1 < first_index || !counts(first_offset) || !counts(next_offset)) return false;
  return !IsEmpty() || (last_term == prev_term && next_offset == first_offset);
}

std::string JournalFileName(const FileHeader& header) {
  char name[96];
  std::snprintf(name, sizeof name, "j-%016" PRIx64 "-%04" PRIu32 "-%010" PRIu64, header.run, header.lane,
                header.sequence);
  return name;
}

std::string EncodeFileHeader(const FileHeader& header) {
  ByteWriter out;
  out.Put(kFileMagic);
  out.Put(kFormatVersion);
  out.Put(header.file_id);
  out.Put(header.run);
  out.Put(header.lane);
  out.Put(uint32_t{0});
  out.Put(header.sequence);
  out.Put(header.first_frame);
  out.Put(Crc32c(out.out().data(), out.out().size()));
  out.out().resize(kFileHeaderBytes, '\0');
  return std::move(out.out());
}

HeaderState DecodeFileHeader(const uint8_t* block, FileHeader* out, uint32_t* version) {
  ByteReader in(block, kFileHeaderBytes);
  const auto magic = in.Get<uint32_t>();
  *version = in.Get<uint32_t>();
  if (magic != kFileMagic) return HeaderState::kDamaged;
  if (*version > kFormatVersion) return HeaderState::kNewer;
  out->file_id = in.Get<uint64_t>();
  out->run = in.Get<uint64_t>();
  out->lane = in.Get<uint32_t>();
  (void)in.Get<uint32_t>();
  out->sequence = in.Get<uint64_t>();
  out->first_frame = in.Get<uint64_t>();
  const auto covered = static_cast<size_t>(in.position() - block);
  return in.Get<uint32_t>() == Crc32c(block, covered) ? HeaderState::kValid : HeaderState::kDamaged;
}

void EncodeFrameHeader(const FrameHeader& header, uint8_t* out) {
  ByteWriter w;
  w.Put(kFrameMagic);
  w.Put(header.body_bytes);
  w.Put(header.file_id);
  w.Put(header.sequence);
  w.Put(header.durable_sequence);
  w.Put(header.order);
  w.Put(header.meta_crc);
  w.Put(header.record_count);
  w.out().resize(kFrameHeaderBytes - 4, '\0');
  w.Put(Crc32c(w.out().data(), w.out().size()));
  std::memcpy(out, w.out().data(), kFrameHeaderBytes);
}

std::optional<FrameHeader> DecodeFrameHeader(const uint8_t* in, uint64_t file_id) {
  ByteReader r(in, kFrameHeaderBytes);
  if (r.Get<uint32_t>() != kFrameMagic) return std::nullopt;
  FrameHeader h;
  h.body_bytes = r.Get<uint32_t>();
  h.file_id = r.Get<uint64_t>();
  h.sequence = r.Get<uint64_t>();
  h.durable_sequence = r.Get<uint64_t>();
  h.order = r.Get<uint64_t>();
  h.meta_crc = r.Get<uint32_t>();
  h.record_count = r.Get<uint32_t>();
  uint32_t crc = 0;
  std::memcpy(&crc, in + kFrameHeaderBytes - 4, sizeof crc);
  if (h.file_id != file_id || crc != Crc32c(in, kFrameHeaderBytes - 4)) return std::nullopt;
  return h;
}

void PutEntryMeta(ByteWriter& out, const EntryMeta& m) {
  out.Put(m.index);
  out.Put(m.term);
  out.Put(m.base_offset);
  out.Put(m.max_timestamp);
  out.Put(m.offset_count);
  out.Put(m.kind);
  out.Put(m.size);
  out.Put(m.crc);
}

EntryMeta GetEntryMeta(ByteReader& in) {
  EntryMeta m;
  m.index = in.Get<uint64_t>();
  m.term = in.Get<uint64_t>();
  m.base_offset = in.Get<int64_t>();
  m.max_timestamp = in.Get<int64_t>();
  m.offset_count = in.Get<uint32_t>();
  m.kind = in.Get<uint32_t>();
  m.size = in.Get<uint32_t>();
  m.crc = in.Get<uint32_t>();
  return m;
}

void FrameBuilder::Add(const Record& record) {
  const size_t before = meta_.out().size();
  meta_.Put(static_cast<uint32_t>(record.type));
  meta_.Put((record.hard_state ? kHasHardState : 0) | (record.creates ? kCreates : 0));
  meta_.Put(record.group);
  if (record.creates || record.type == RecordType::kReset || record.type == RecordType::kState)
    PutState(meta_, record.state);
  if (record.hard_state) PutHardState(meta_, *record.hard_state);
  if (record.type == RecordType::kTruncatePrefix) {
    meta_.Put(record.index);
    meta_.Put(record.offset);
    meta_.Put(record.prev_term);
  }
  if (record.type == RecordType::kDestroy) meta_.Put(record.birth);
  if (record.type == RecordType::kLeave) meta_.Put(record.residence);
  size_t payload_bytes = 0;
  const auto payload = [&](const Buffer& bytes) {
    if (bytes.size() == 0) return;
    pieces_.push_back({meta_.out().size(), bytes.data(), bytes.size()});
    payload_bytes += bytes.size();
  };
  if (record.type == RecordType::kAppend) {
    meta_.Put(static_cast<uint32_t>(record.entries.size()));
    for (const Entry& entry : record.entries) {
      PutEntryMeta(meta_, entry.meta);
      payload(entry.payload);
    }
  } else if (record.type == RecordType::kCheckpoint) {
    meta_.Put(static_cast<uint32_t>(record.blob.size()));
    meta_.Put(Crc32c(record.blob.data(), record.blob.size()));
    payload(record.blob);
  }
  body_bytes_ += meta_.out().size() - before + payload_bytes;
  ++record_count_;
}

uint64_t FrameBuilder::padded_bytes() const { return AlignUp(kFrameHeaderBytes + body_bytes_); }

std::vector<iovec> FrameBuilder::Finish(FrameHeader header) {
  static std::string zeros(kFrameAlign, '\0');
  header.body_bytes = static_cast<uint32_t>(body_bytes_);
  header.record_count = record_count_;
  header.meta_crc = Crc32c(meta_.out().data(), meta_.out().size());
  EncodeFrameHeader(header, header_);
  std::vector<iovec> parts;
  parts.reserve(2 * pieces_.size() + 3);
  parts.push_back({header_, kFrameHeaderBytes});
  size_t at = 0;
  char* const meta = meta_.out().data();
  for (const Piece& piece : pieces_) {
    if (piece.meta_end > at) parts.push_back({meta + at, piece.meta_end - at});
    at = piece.meta_end;
    parts.push_back({const_cast<void*>(piece.payload), piece.payload_size});
  }
  if (meta_.out().size() > at) parts.push_back({meta + at, meta_.out().size() - at});
  if (const uint64_t padding = padded_bytes() - kFrameHeaderBytes - body_bytes_; padding > 0) {
    parts.push_back({zeros.data(), padding});
  }
  return parts;
}

namespace {

// One record; `crc` runs over everything but payloads.
class RecordDecoder {
 public:
  RecordDecoder(ByteReader& in, const Buffer& body, uint32_t* crc)
      : in_(in), body_(body), crc_(crc), covered_(in.position()) {}

  bool Decode(Record* record) {
    const auto type = in_.Get<uint32_t>();
    const auto flags = in_.Get<uint32_t>();
    record->group = in_.Get<uint64_t>();
    if (type < static_cast<uint32_t>(RecordType::kAppend) || type > static_cast<uint32_t>(RecordType::kLeave)) {
      return false;
    }
    record->type = static_cast<RecordType>(type);
    record->creates = (flags & kCreates) != 0;
    if (record->creates || record->type == RecordType::kReset || record->type == RecordType::kState)
      record->state = GetState(in_);
    if ((flags & kHasHardState) != 0) record->hard_state = GetHardState(in_);
    if (record->type == RecordType::kTruncatePrefix) {
      record->index = in_.Get<uint64_t>();
      record->offset = in_.Get<int64_t>();
      record->prev_term = in_.Get<uint64_t>();
    }
    if (record->type == RecordType::kDestroy) record->birth = in_.Get<uint64_t>();
    if (record->type == RecordType::kLeave) record->residence = in_.Get<uint64_t>();
    if (record->type == RecordType::kAppend && !Entries(record)) return false;
    if (record->type == RecordType::kCheckpoint) {
      const auto size = in_.Get<uint32_t>();
      const auto expected = in_.Get<uint32_t>();
      if (!Payload(size, expected, &record->blob)) return false;
    }
    Cover();
    return in_.ok();
  }

 private:
  bool Entries(Record* record) {
    const auto count = in_.Get<uint32_t>();
    if (count > in_.left() / kEntryHeaderBytes) return false;
    record->entries.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      Entry entry;
      entry.meta = GetEntryMeta(in_);
      if (!Payload(entry.meta.size, entry.meta.crc, &entry.payload)) return false;
      record->entries.push_back(std::move(entry));
    }
    return true;
  }
  void Cover() {
    *crc_ = Crc32c(covered_, static_cast<size_t>(in_.position() - covered_), *crc_);
    covered_ = in_.position();
  }
  bool Payload(size_t size, uint32_t expected, Buffer* out) {
    Cover();
    const uint8_t* at = in_.Skip(size);
    covered_ = in_.position();
    if (!in_.ok() || at == nullptr) return false;
    if (Crc32c(at, size) != expected && !CHRONIK_MUTANT(torn_frame_is_believed)) return false;
    if (size > 0) *out = body_.Slice(static_cast<size_t>(at - body_.data()), size);
    return true;
  }

  ByteReader& in_;
  const Buffer& body_;
  uint32_t* crc_;
  const uint8_t* covered_;
};

}  // namespace

bool DecodeFrameBody(const FrameHeader& header, const Buffer& body, std::vector<Record>* out) {
  ByteReader in(body.data(), body.size());
  uint32_t crc = 0;
  for (uint32_t i = 0; i < header.record_count; ++i) {
    Record record;
    if (!RecordDecoder(in, body, &crc).Decode(&record)) return false;
    out->push_back(std::move(record));
  }
  return in.left() == 0 && (crc == header.meta_crc || CHRONIK_MUTANT(torn_frame_is_believed));
}

}  // namespace chronik_log_wal
