// SPDX-License-Identifier: Apache-2.0
// The bytes of journal files: see FORMAT.md, which is the specification.
#pragma once

#include <chronik/log_store.h>
#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/log_wal/bytes.h"

namespace chronik_log_wal {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kFrameAlign = 4096;
inline constexpr uint64_t kFileHeaderBytes = 4096;
inline constexpr size_t kFrameHeaderBytes = 64;
inline constexpr size_t kEntryHeaderBytes = 48;
// No index, offset, run or number gets there, so that one may always be added.
inline constexpr uint64_t kCountMax = uint64_t{1} << 62;

// Start of a journal file, in its first block.
struct FileHeader {
  uint64_t file_id = 0;  // new at every use of a recycled file; part of every frame's header
  uint64_t run = 0;      // counts starts of the store
  uint32_t lane = 0;
  uint64_t sequence = 0;     // of the file within its run and lane, from 1
  uint64_t first_frame = 0;  // sequence of its first frame: files of a run and lane continue each other without a gap
};
std::string JournalFileName(const FileHeader& header);
std::string EncodeFileHeader(const FileHeader& header);  // kFileHeaderBytes long
enum class HeaderState : uint8_t { kValid, kDamaged, kNewer };
HeaderState DecodeFileHeader(const uint8_t* block, FileHeader* out, uint32_t* version);

// One group commit.
struct FrameHeader {
  uint64_t file_id = 0;
  uint64_t sequence = 0;          // within run and lane, from 1, without a gap across files
  uint64_t durable_sequence = 0;  // the highest frame known to be on disk when this one was built
  uint64_t order = 0;             // store-wide: replay applies the frames of all lanes by it
  uint32_t body_bytes = 0;
  uint32_t meta_crc = 0;  // of the body without payloads, which have their own
  uint32_t record_count = 0;
};
void EncodeFrameHeader(const FrameHeader& header, uint8_t* out);
std::optional<FrameHeader> DecodeFrameHeader(const uint8_t* in, uint64_t file_id);

enum class RecordType : uint32_t {
  kAppend = 1,
  kTruncatePrefix = 2,
  kReset = 3,
  kCheckpoint = 4,
  kDestroy = 5,
  kState = 6,  // all that older files said of a group, when they may be dropped
  kLeave = 7,  // the group goes on in another lane's journal
};

struct EntryMeta {
  uint64_t index = 0;
  uint64_t term = 0;
  int64_t base_offset = 0;
  int64_t max_timestamp = -1;
  uint32_t offset_count = 0;
  uint32_t kind = 0;
  uint32_t size = 0;
  uint32_t crc = 0;  // CRC-32C of the payload

  int64_t next_offset() const { return base_offset + offset_count; }
  bool IsPossible() const {
    return index <= kCountMax && base_offset >= 0 && static_cast<uint64_t>(base_offset) <= kCountMax;
  }
  bool operator==(const EntryMeta&) const = default;
};
void PutEntryMeta(ByteWriter& out, const EntryMeta& meta);
EntryMeta GetEntryMeta(ByteReader& in);

struct Entry {
  EntryMeta meta;
  Buffer payload;
};

// Which files a group's log is in, and its ends. Birth, incarnation and residence come from one counter and never
// repeat.
struct GroupState {
  uint64_t birth = 0;        // changes when the group is destroyed and created again; names its directory
  uint64_t incarnation = 0;  // changes with every reset too; names its segments
  uint64_t residence = 0;    // changes with every move to another lane, before which all of the log went to segments
  uint64_t first_index = 1;
  uint64_t prev_term = 0;
  int64_t first_offset = 0;
  uint64_t last_index = 0;  // what must be found again, in segments and later frames, or something is lost
  uint64_t last_term = 0;
  int64_t next_offset = 0;
  chr_hard_state hard_state{};
  uint32_t lane = 0;

  bool IsEmpty() const { return last_index + 1 == first_index; }
  GroupState Emptied() const;  // no entries, the same start
  bool IsPossible() const;
};

struct Record {
  RecordType type = RecordType::kAppend;
  uint64_t group = 0;
  std::optional<chr_hard_state> hard_state;  // kAppend
  std::vector<Entry> entries;                // kAppend
  uint64_t index = 0;                        // kTruncatePrefix
  int64_t offset = 0;                        // kTruncatePrefix: base offset of `index`
  uint64_t prev_term = 0;                    // kTruncatePrefix: term of `index` - 1
  uint64_t birth = 0;                        // kDestroy: of the group that goes
  uint64_t residence = 0;                    // kLeave: the one that ends
  // kState, and where `creates`. kReset: incarnation, first_index, prev_term and first_offset after it; the rest stays.
  GroupState state;
  bool creates = false;  // the group did not exist before
  Buffer blob;           // kCheckpoint
};

// A frame under construction: record headers are gathered, payloads go between them by reference.
class FrameBuilder {
 public:
  void Add(const Record& record);
  size_t body_bytes() const { return body_bytes_; }
  uint32_t record_count() const { return record_count_; }
  uint64_t padded_bytes() const;
  // The frame as a list of parts, padded to kFrameAlign; valid while the builder and the records live.
  std::vector<iovec> Finish(FrameHeader header);

 private:
  struct Piece {
    size_t meta_end;  // meta up to here comes before the payload
    const void* payload;
    size_t payload_size;
  };
  ByteWriter meta_;
  std::vector<Piece> pieces_;
  size_t body_bytes_ = 0;
  uint32_t record_count_ = 0;
  uint8_t header_[kFrameHeaderBytes];
};

// The records of a frame's body, their payloads as slices of `body`. False: it is damaged. An unknown record type is
// damage too: a build that adds one raises the version in the file header.
bool DecodeFrameBody(const FrameHeader& header, const Buffer& body, std::vector<Record>* out);

inline uint64_t AlignUp(uint64_t n) { return (n + kFrameAlign - 1) / kFrameAlign * kFrameAlign; }

}  // namespace chronik_log_wal
