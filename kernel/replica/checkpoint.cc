// SPDX-License-Identifier: Apache-2.0
#include "kernel/replica/checkpoint.h"

#include <cstring>

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"

namespace chronik::replica {
namespace {

constexpr uint32_t kMagic = 0x504b4843;  // "CHKP"
constexpr uint32_t kVersion = 2;
constexpr size_t kCrcAt = 44;
constexpr size_t kHeaderBytes = 48;
constexpr size_t kRowHeaderBytes = 12;

uint32_t Checksum(const uint8_t* checkpoint, size_t size) {
  return Crc32c({checkpoint + kHeaderBytes, size - kHeaderBytes}, Crc32c({checkpoint, kCrcAt}));
}

// Takes the next row from the front of `rest`; an invalid one: nullopt.
std::optional<raft::ConfigurationAt> TakeRow(ByteView& rest) {
  if (rest.size() < kRowHeaderBytes) return std::nullopt;
  const LogIndex index(LoadLittle<uint64_t>(rest.data()));
  const auto size = LoadLittle<uint32_t>(rest.data() + 8);
  rest = rest.subspan(kRowHeaderBytes);
  if (size > rest.size()) return std::nullopt;
  if (size == 0) return raft::ConfigurationAt{index, {}};  // of a replica that joined: it knew of none
  auto configuration = raft::DecodeConfiguration(rest.first(size));
  if (!configuration.ok()) return std::nullopt;
  rest = rest.subspan(size);
  return raft::ConfigurationAt{index, *std::move(configuration)};
}

}  // namespace

Bytes EncodeCheckpoint(const Checkpoint& checkpoint) {
  std::vector<uint8_t> rows;
  for (const raft::ConfigurationAt& row : checkpoint.configurations) {
    std::vector<uint8_t> encoded;
    if (row.configuration != raft::Configuration{}) encoded = raft::EncodeConfiguration(row.configuration);
    const size_t at = rows.size();
    rows.resize(at + kRowHeaderBytes);
    StoreLittle(rows.data() + at, row.index.value);
    StoreLittle(rows.data() + at + 8, static_cast<uint32_t>(encoded.size()));
    rows.insert(rows.end(), encoded.begin(), encoded.end());
  }
  uint8_t* out = nullptr;
  Bytes bytes = Bytes::Allocate(kHeaderBytes + rows.size() + checkpoint.state.size(), &out);
  StoreLittle(out, kMagic);
  StoreLittle(out + 4, kVersion);
  StoreLittle(out + 8, checkpoint.applied.index.value);
  StoreLittle(out + 16, checkpoint.applied.term.value);
  StoreLittle(out + 24, checkpoint.next_offset.value);
  StoreLittle(out + 32, static_cast<uint32_t>(checkpoint.pulled));
  StoreLittle(out + 36, static_cast<uint32_t>(checkpoint.configurations.size()));
  StoreLittle(out + 40, static_cast<uint32_t>(checkpoint.state.size()));
  if (!rows.empty()) std::memcpy(out + kHeaderBytes, rows.data(), rows.size());
  if (!checkpoint.state.empty())
    std::memcpy(out + kHeaderBytes + rows.size(), checkpoint.state.data(), checkpoint.state.size());
  StoreLittle(out + kCrcAt, Checksum(out, bytes.size()));
  return bytes;
}

Result<Checkpoint> DecodeCheckpoint(const Bytes& bytes) {
  const Error broken{ErrorCode::kCorrupt, "a checkpoint is damaged"};
  const uint8_t* in = bytes.data();
  if (bytes.size() < kHeaderBytes || LoadLittle<uint32_t>(in) != kMagic) return broken;
  if (const auto version = LoadLittle<uint32_t>(in + 4); version != kVersion) {
    return Error{ErrorCode::kUnsupportedVersion, "a checkpoint of version " + std::to_string(version) +
                                                     "; this chronik reads version " + std::to_string(kVersion)};
  }
  if (Checksum(in, bytes.size()) != LoadLittle<uint32_t>(in + kCrcAt)) return broken;
  Checkpoint out;
  out.applied = {LogIndex(LoadLittle<uint64_t>(in + 8)), Term(LoadLittle<uint64_t>(in + 16))};
  out.next_offset = Offset(LoadLittle<int64_t>(in + 24));
  out.pulled = LoadLittle<uint32_t>(in + 32) != 0;
  ByteView rest = bytes.view().subspan(kHeaderBytes);
  for (auto rows = LoadLittle<uint32_t>(in + 36); rows > 0; --rows) {
    auto row = TakeRow(rest);
    if (!row || (!out.configurations.empty() && row->index <= out.configurations.back().index)) return broken;
    out.configurations.push_back(*std::move(row));
  }
  if (rest.size() != LoadLittle<uint32_t>(in + 40)) return broken;
  out.state = bytes.Slice(bytes.size() - rest.size(), rest.size());
  return out;
}

}  // namespace chronik::replica
