// SPDX-License-Identifier: Apache-2.0
// What a replica drives: the state that follows from the committed entries of its group.
#pragma once

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/result.h"
#include "kernel/log/entry.h"
#include "kernel/raft/types.h"

namespace chronik::replica {

// All calls on the group's shard thread. A call may propose to the replica, but not destroy it.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // The state as EncodeCheckpoint wrote it; called once, before the first Apply, and only if there is a checkpoint.
  virtual Status RestoreCheckpoint(ByteView checkpoint) = 0;
  // A versioned encoding of the state after the last Apply.
  virtual Bytes EncodeCheckpoint() const = 0;
  // The next committed entry, in index order, each once.
  virtual void Apply(const log::Entry& entry) = 0;
  // The high watermark moved: entries below it were applied.
  virtual void OnHighWatermark(Offset high_watermark) = 0;
  // Entries that were proposed but not committed are gone, or may be: drop what was derived from them.
  virtual void OnPendingLost() = 0;
  // The disk is full: a group of one takes no appends for now, but what is committed can be read. Comes with
  // OnPendingLost.
  virtual void OnReadOnly() = 0;
  // The role or leader changed. Comes with OnPendingLost.
  virtual void OnSoftState(const raft::SoftState& state) = 0;
  // This replica leads and has applied everything that earlier leaders committed: it may serve clients.
  virtual void OnReady() = 0;
  // After a Tick that the schedule of Options::ticks made.
  virtual void OnTicked() {}

  // --- for metrics only
  // A snapshot of that many bytes was pulled from a peer, and took so long to make durable and to restore.
  virtual void OnSnapshotInstalled(uint64_t /*bytes*/, Duration /*took*/) {}
  // A follower acknowledged entries so long after they were sent. A sample: one request at a time is watched.
  virtual void OnRoundTrip(Duration /*took*/) {}
};

}  // namespace chronik::replica
