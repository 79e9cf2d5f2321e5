// SPDX-License-Identifier: Apache-2.0
#include "kernel/cluster/hello.h"

#include "kernel/base/wire.h"

namespace chronik::cluster {
namespace {

constexpr uint32_t kMagic = 0x484b4843;  // "CHKH"
constexpr size_t kTextBytesMax = 255;

std::string Range(const Hello& hello) {
  return std::to_string(hello.version_min) + " to " + std::to_string(hello.version_max);
}

}  // namespace

std::vector<uint8_t> EncodeHello(const Hello& hello) {
  WireWriter out;
  out.Put(kMagic);
  out.Put(hello.version_min);
  out.Put(hello.version_max);
  out.Put(hello.incarnation);
  out.Put(std::string_view(hello.cluster_id).substr(0, kTextBytesMax));
  out.Put(std::string_view(hello.software).substr(0, kTextBytesMax));
  out.Put(std::string_view(hello.rpc_address).substr(0, kTextBytesMax));
  out.Put(hello.generation ? *hello.generation + 1 : 0);
  return {out.bytes().begin(), out.bytes().end()};
}

Result<Hello> DecodeHello(ByteView bytes) {
  WireReader in(bytes);
  Hello hello;
  const bool ours = in.Take<uint32_t>() == kMagic;
  hello.version_min = in.Take<uint16_t>();
  hello.version_max = in.Take<uint16_t>();
  hello.incarnation = in.Take<uint64_t>();
  hello.cluster_id = in.TakeString(kTextBytesMax);
  hello.software = in.TakeString(kTextBytesMax);
  hello.rpc_address = in.TakeString(kTextBytesMax);
  if (const auto generation = in.Take<uint32_t>(); generation > 0) hello.generation = generation - 1;
  if (!ours || !in.ok() || hello.version_min > hello.version_max)
    return Error{ErrorCode::kCorrupt, "the other end's hello is not one of a chronik node"};
  return hello;
}

Status CheckHello(const Hello& mine, const Hello& theirs) {
  if (!mine.cluster_id.empty() && !theirs.cluster_id.empty() && mine.cluster_id != theirs.cluster_id) {
    return Error{ErrorCode::kConfig, "it belongs to cluster " + theirs.cluster_id + ", this node to cluster " +
                                         mine.cluster_id + "; check the addresses in cluster.peers"};
  }
  if (mine.version_max < theirs.version_min || theirs.version_max < mine.version_min) {
    return Error{ErrorCode::kUnsupportedVersion, "it speaks message versions " + Range(theirs) + " (" +
                                                     theirs.software + "), this node " + Range(mine) + " (" +
                                                     mine.software + "); upgrade one release at a time"};
  }
  return {};
}

}  // namespace chronik::cluster
