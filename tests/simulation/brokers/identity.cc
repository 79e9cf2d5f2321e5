// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/brokers/identity.h"

#include <cerrno>
#include <string>
#include <vector>

#include "kernel/base/wire.h"

namespace chronik::sim::brokers {
namespace {

using chronik_log_wal::FilePtr;
using chronik_log_wal::FileSystem;

constexpr char kDirectory[] = "/data";
constexpr char kPath[] = "/data/identity";
constexpr char kFresh[] = "/data/identity.new";

Error Failed(int error) { return {ErrorCode::kStorage, "identity: errno " + std::to_string(error)}; }

std::vector<uint8_t> Encode(const broker::Life& life) {
  WireWriter out;
  out.Put(life.incarnation);
  out.Put(static_cast<uint8_t>(life.generation ? 1 : 0));
  out.Put(life.generation.value_or(0));
  out.Put(static_cast<uint8_t>(life.established));
  out.PutCount(life.founders.size());
  for (const NodeId node : life.founders) out.Put(node);
  return {out.bytes().begin(), out.bytes().end()};
}

Result<broker::Life> Decode(ByteView bytes) {
  WireReader in(bytes);
  broker::Life life;
  life.incarnation = in.Take<uint64_t>();
  const bool generation = in.Take<uint8_t>() != 0;
  const auto number = in.Take<uint32_t>();
  if (generation) life.generation = number;
  life.established = in.Take<uint8_t>() != 0;
  const auto founders = in.Take<uint32_t>();
  for (uint32_t i = 0; i < founders && in.ok(); ++i) life.founders.emplace_back(in.Take<uint64_t>());
  if (!in.done()) return Error{ErrorCode::kCorrupt, "identity: a damaged file"};
  return life;
}

}  // namespace

Result<broker::Life> ReadOrMakeLife(FileSystem& files, uint64_t fresh_incarnation) {
  FilePtr file;
  const int opened = files.Open(kPath, false, &file);
  if (opened == ENOENT) {
    const broker::Life made{fresh_incarnation, std::nullopt, {}, false};
    CHRONIK_RETURN_IF_ERROR(WriteLife(files, made));
    return made;
  }
  if (opened != 0) return Failed(opened);
  uint64_t size = 0;
  if (const int error = file->Size(&size)) return Failed(error);
  std::vector<uint8_t> bytes(size);
  if (const int error = file->ReadAt(0, bytes.data(), bytes.size())) return Failed(error);
  return Decode(bytes);
}

Status WriteLife(FileSystem& files, const broker::Life& life) {
  const std::vector<uint8_t> bytes = Encode(life);
  FilePtr file;
  if (const int error = files.Open(kFresh, true, &file)) return Failed(error);
  if (const int error = file->Truncate(0)) return Failed(error);
  if (const int error = file->WriteAt(0, bytes.data(), bytes.size())) return Failed(error);
  if (const int error = file->SyncData()) return Failed(error);
  if (const int error = files.Rename(kFresh, kPath)) return Failed(error);
  if (const int error = files.SyncDirectory(kDirectory)) return Failed(error);
  return {};
}

}  // namespace chronik::sim::brokers
