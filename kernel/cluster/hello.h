// SPDX-License-Identifier: Apache-2.0
// What two nodes tell each other at the beginning of every connection, before anything else is listened to: which
// cluster they belong to, which life of theirs this is, and which versions of the wire format they speak.
//
// Bytes: u32 magic "CHKH", u16 lowest and u16 highest frame version, u64 incarnation, cluster id (u32 length, text),
// software, rpc address (likewise), u32 generation + 1. Later versions append fields; what a reader does not know at
// the end it ignores.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/result.h"
#include "kernel/cluster/message_wire.h"

namespace chronik::cluster {

struct Hello {
  uint16_t version_min = kFrameVersion;
  uint16_t version_max = kFrameVersion;
  // Drawn when a data directory is made: a node that lost its disk is another one than it was (KIP-853).
  uint64_t incarnation = 0;
  std::string cluster_id;              // empty: not known yet, the cluster is being formed
  std::string software;                // "chronik 0.1.0"; for messages only
  std::string rpc_address;             // where this node can be reached, "host:port"; empty: not known
  std::optional<uint32_t> generation;  // of this life of the node (ids.h); nullopt: it takes no part yet
  friend bool operator==(const Hello&, const Hello&) = default;
};

std::vector<uint8_t> EncodeHello(const Hello& hello);
Result<Hello> DecodeHello(ByteView bytes);

// Why the two cannot talk: kConfig with both cluster ids, kUnsupportedVersion with both ranges.
Status CheckHello(const Hello& mine, const Hello& theirs);

}  // namespace chronik::cluster
