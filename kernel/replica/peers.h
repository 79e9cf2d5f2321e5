// SPDX-License-Identifier: Apache-2.0
// What a replica says to the other replicas of its group, and the way out for it. Cluster, group and incarnation ids
// belong to the frame that carries a message; who receives it has checked them.
#pragma once

#include <variant>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "kernel/log/entry.h"
#include "kernel/raft/message.h"
#include "kernel/raft/snapshot_pull.h"

namespace chronik::replica {

// An AppendRequest travels with its entries and their bodies. `entries` and `configurations` of the request itself are
// empty on the way and are filled in by the receiver.
struct RaftMessage {
  raft::Message message;
  std::vector<log::Entry> entries = {};
};

struct SnapshotChunk {
  raft::SnapshotChunk chunk;
  Bytes bytes;
};

struct PeerMessage {
  ReplicaId from;
  ReplicaId to;
  std::variant<RaftMessage, raft::FetchSnapshot, SnapshotChunk> body;
};

// Shard thread only, as the replica. Send never calls back into the replica from inside the call. Messages may be
// lost, repeated and overtake each other.
class Peers {
 public:
  virtual ~Peers() = default;
  virtual void Send(GroupId group, PeerMessage message) = 0;
};

}  // namespace chronik::replica
