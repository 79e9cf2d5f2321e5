// SPDX-License-Identifier: Apache-2.0
// Goal: whatever lies in the store's directory, a start ends with a verdict, and a refused one changes nothing. What a
// start accepts can be read, and is the same after a power cut and after another restart. Method: the input is a list
// of journal files, segments and checkpoints; once as it is, once with checksums set right, so that mutations get
// behind them.
//   input := file*    file := kind:u8 group:u8 birth:u8 incarnation:u8 first:u8 chunks:u8 (size:u16 bytes)*
//   kind % 4: 0 journal file (named as its header says; every chunk begins at a multiple of 4096), 1 .rix, 2 .log,
//   3 checkpoint. At most 15 chunks count.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel/base/invariant.h"
#include "plugins/log_wal/format.h"
#include "plugins/log_wal/segment.h"
#include "plugins/log_wal/store_rig.h"

namespace chronik_log_wal {
namespace {

constexpr size_t kStateBytes = 100;
constexpr size_t kChunksMax = 16;

template <class T>
T Load(const std::string& bytes, size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
// A number that the store counts on from; the very last ones it accepts leave it no room.
void LeaveRoom(std::string& bytes, size_t at) {
  const uint64_t number = Load<uint64_t>(bytes, at) & UINT32_MAX;
  std::memcpy(bytes.data() + at, &number, sizeof number);
}
template <class T>
void Store32(std::string& bytes, size_t at, T value) {
  static_assert(sizeof value == 4);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// Sets the checksums of a frame's records right and cuts its body where a record is none.
class BodyMender {
 public:
  explicit BodyMender(std::string body) : body_(std::move(body)) {
    size_t good = 0;
    uint32_t good_crc = 0;
    while (at_ < body_.size() && MendRecord()) {
      ++count_;
      good = at_;
      good_crc = crc_;
    }
    body_.resize(good);
    crc_ = good_crc;
  }
  const std::string& body() const { return body_; }
  uint32_t meta_crc() const { return crc_; }
  uint32_t record_count() const { return count_; }

 private:
  bool Skip(size_t bytes) {
    if (body_.size() - at_ < bytes) return false;
    at_ += bytes;
    return true;
  }
  void Cover() {
    crc_ = Crc32c(body_.data() + covered_, at_ - covered_, crc_);
    covered_ = at_;
  }
  // Its size and checksum stand right before it.
  bool MendPayload() {
    const auto size = Load<uint32_t>(body_, at_ - 8);
    if (body_.size() - at_ < size) return false;
    Store32(body_, at_ - 4, Crc32c(body_.data() + at_, size));
    Cover();
    at_ += size;
    covered_ = at_;
    return true;
  }
  bool MendRecord() {
    const size_t start = at_;
    if (!Skip(16)) return false;
    const auto type = Load<uint32_t>(body_, start);
    const auto flags = Load<uint32_t>(body_, start + 4);
    if (type < 1 || type > 7) return false;
    if ((flags & 2) != 0 || type == 3 || type == 6) {
      if (!Skip(kStateBytes)) return false;
      for (size_t number = 0; number < 3; ++number) LeaveRoom(body_, start + 16 + 8 * number);
    }
    if ((flags & 1) != 0 && !Skip(24)) return false;
    if (type == 2 && !Skip(24)) return false;
    if ((type == 4 || type == 5 || type == 7) && !Skip(8)) return false;
    if (type == 5 || type == 7) LeaveRoom(body_, at_ - 8);
    if (type == 4 && !MendPayload()) return false;
    if (type == 1) {
      if (!Skip(4)) return false;
      for (auto left = Load<uint32_t>(body_, at_ - 4); left > 0; --left) {
        if (!Skip(kEntryHeaderBytes) || !MendPayload()) return false;
      }
    }
    Cover();
    return true;
  }

  std::string body_;
  size_t at_ = 0;
  size_t covered_ = 0;
  uint32_t crc_ = 0;
  uint32_t count_ = 0;
};

std::string MendFrame(std::string frame, const FileHeader& file, uint64_t number) {
  frame.resize(std::max(frame.size(), kFrameHeaderBytes));
  const BodyMender mended(frame.substr(kFrameHeaderBytes));
  FrameHeader header;
  header.file_id = file.file_id;
  header.sequence = file.first_frame + number;
  header.durable_sequence = Load<uint64_t>(frame, 24);
  header.order = Load<uint64_t>(frame, 32);
  header.body_bytes = static_cast<uint32_t>(mended.body().size());
  header.meta_crc = mended.meta_crc();
  header.record_count = mended.record_count();
  EncodeFrameHeader(header, reinterpret_cast<uint8_t*>(frame.data()));
  return frame.substr(0, kFrameHeaderBytes) + mended.body();
}

// The files that an input stands for, by path below the store's directory.
class Directory {
 public:
  Directory(const uint8_t* data, size_t size, bool mend) : in_(data, size), mend_(mend) {
    while (in_.left() > 0) ReadFile();
    if (!mend_) return;
    for (auto& [path, content] : files_) {
      if (path.ends_with(".rix")) MendRows(content, files_[path.substr(0, path.size() - 3) + "log"]);
      if (path.ends_with("/checkpoint")) MendCheckpoint(content);
    }
  }
  const std::map<std::string, std::string>& files() const { return files_; }

 private:
  void ReadFile() {
    const auto kind = in_.Get<uint8_t>();
    const auto group = in_.Get<uint8_t>();
    const auto birth = in_.Get<uint8_t>();
    const auto incarnation = in_.Get<uint8_t>();
    const auto first = in_.Get<uint8_t>();
    std::vector<std::string> chunks(in_.Get<uint8_t>() % kChunksMax);
    for (std::string& chunk : chunks) {
      const size_t wanted = in_.Get<uint16_t>();
      const size_t present = std::min(wanted, in_.left());
      if (present > 0) chunk.assign(reinterpret_cast<const char*>(in_.Skip(present)), present);
    }
    if (kind % 4 == 0) return AddJournalFile(std::move(chunks));
    char directory[64];
    std::snprintf(directory, sizeof directory, "groups/%u-%016x", group, birth);
    std::string& content =
        files_[kind % 4 == 3 ? std::string(directory) + "/checkpoint"
                             : SegmentPath(directory, incarnation, first) + (kind % 4 == 1 ? ".rix" : ".log")];
    for (const std::string& chunk : chunks) content += chunk;
  }
  void AddJournalFile(std::vector<std::string> chunks) {
    if (chunks.empty()) return;
    chunks[0].resize(kFileHeaderBytes);
    FileHeader header;
    header.file_id = Load<uint64_t>(chunks[0], 8);
    if (mend_) LeaveRoom(chunks[0], 16);
    header.run = Load<uint64_t>(chunks[0], 16);
    header.lane = Load<uint32_t>(chunks[0], 24);
    header.sequence = Load<uint64_t>(chunks[0], 32);
    header.first_frame = Load<uint64_t>(chunks[0], 40);
    if (mend_) chunks[0] = EncodeFileHeader(header);
    std::string content;
    for (size_t i = 0; i < chunks.size(); ++i) {
      content += mend_ && i > 0 ? MendFrame(chunks[i], header, i - 1) : chunks[i];
      content.resize(AlignUp(content.size()));
    }
    files_["journal/" + JournalFileName(header)] = content;
  }
  static void MendRows(std::string& rows, const std::string& log) {
    for (size_t at = 0; at + kRowBytes <= rows.size(); at += kRowBytes) {
      const auto size = Load<uint32_t>(rows, at + kEntryHeaderBytes - 8);
      const auto position = Load<uint64_t>(rows, at + kEntryHeaderBytes);
      if (position <= log.size() && size <= log.size() - position)
        Store32(rows, at + kEntryHeaderBytes - 4, Crc32c(log.data() + position, size));
      Store32(rows, at + kRowBytes - 4, Crc32c(rows.data() + at, kRowBytes - 4));
    }
  }
  static void MendCheckpoint(std::string& content) {
    content.resize(std::max<size_t>(content.size(), 8));
    Store32(content, 0, kFormatVersion);
    Store32(content, 4, Crc32c(content.data() + 8, content.size() - 8));
  }

  ByteReader in_;
  const bool mend_;
  std::map<std::string, std::string> files_;
};

Options FuzzOptions() {
  Options options = SmallOptions();
  options.journal_file_bytes = 16 << 10;
  options.segment_bytes = 4 << 10;
  options.tail_bytes_max = 2 << 10;
  return options;
}

struct Found {
  chr_status status = CHR_OK;
  LogImage image;
  bool operator==(const Found&) const = default;
};

std::map<uint64_t, Found> ReadAll(StoreRig& rig, bool mended) {
  std::map<uint64_t, Found> out;
  for (const uint64_t id : rig.Groups()) {
    Found& found = out[id];
    const Failure opened = rig.Open(id, id % 2, false);  // many a group moves
    CHRONIK_CHECK(opened.ok()) << opened.message;
    found.status = rig.ReadImage(id, &found.image);
    // Payloads in segments are checked when they are read.
    CHRONIK_CHECK(found.status == CHR_OK || (found.status == CHR_E_CORRUPT && !mended))
        << "group " << id << ": " << found.status << " " << rig.trouble();
  }
  CHRONIK_CHECK(rig.host().fatal_reports().empty()) << rig.host().fatal_reports().front();
  return out;
}

void Recover(const Directory& directory, bool mended) {
  auto disk = std::make_shared<FaultyDisk>(1);
  for (const auto& [path, content] : directory.files()) disk->Put("/data/" + path, content);
  const auto before = disk->Snapshot();
  std::map<uint64_t, Found> first;
  {
    StoreRig rig(disk, FuzzOptions());
    const Failure started = rig.Start();
    if (!started.ok()) {
      CHRONIK_CHECK(started.status == CHR_E_CORRUPT || started.status == CHR_E_UNSUPPORTED) << started.message;
      CHRONIK_CHECK(disk->Snapshot() == before) << "a start that failed changed files";
      return;
    }
    first = ReadAll(rig, mended);
    disk->Crash();
  }
  disk->Reboot();
  for (int restart = 0; restart < 2; ++restart) {
    StoreRig rig(disk, FuzzOptions());
    const Failure started = rig.Start();
    CHRONIK_CHECK(started.ok()) << started.message;
    const auto again = ReadAll(rig, mended);
    CHRONIK_CHECK(again.size() == first.size()) << again.size() << " groups instead of " << first.size();
    for (const auto& [id, found] : again) {
      CHRONIK_CHECK(found == first[id]) << "group " << id << ": " << Difference(found.image, first[id].image);
    }
  }
}

}  // namespace
}  // namespace chronik_log_wal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const bool mend : {false, true}) {
    chronik_log_wal::Recover(chronik_log_wal::Directory(data, size, mend), mend);
  }
  return 0;
}
