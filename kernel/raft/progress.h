// SPDX-License-Identifier: Apache-2.0
// What a leader knows of one follower, and what it may send it next.
//
//   kProbe      where the follower's log agrees is unknown, or entries must be read from disk: one message at a time
//   kReplicate  agreed up to `match`: messages leave ahead of the answers, up to a window in messages and in bytes
//   kSnapshot   the follower needs entries that are gone: nothing is sent until it has pulled a snapshot
//
// match only grows within one leadership: it is what the follower said is durable. match < next always.
#pragma once

#include <cstdint>

#include "kernel/base/ring.h"
#include "kernel/raft/types.h"

namespace chronik::raft {

// AppendRequests that were sent and not answered, oldest first. An answer for one answers all before it.
class Inflight {
 public:
  void Add(LogIndex last, uint64_t bytes) {
    sent_.push_back({last, bytes});
    bytes_ += bytes;
  }
  void FreeThrough(LogIndex match);
  void Clear();
  bool Full(uint32_t max_messages, uint64_t max_bytes) const {
    return sent_.size() >= max_messages || bytes_ >= max_bytes;
  }
  bool empty() const { return sent_.empty(); }
  size_t messages() const { return sent_.size(); }
  uint64_t bytes() const { return bytes_; }
  void ReleaseMemory() { sent_.ReleaseIfEmpty(); }

 private:
  struct Sent {
    LogIndex last;
    uint64_t bytes;
  };
  Ring<Sent> sent_;
  uint64_t bytes_ = 0;
};

class Progress {
 public:
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot };

  Progress(ReplicaId peer, bool learner, LogIndex next) : peer_(peer), next_(next), learner_(learner) {}

  ReplicaId peer() const { return peer_; }
  bool learner() const { return learner_; }
  void set_learner(bool learner) { learner_ = learner; }
  State state() const { return state_; }
  LogIndex match() const { return match_; }
  LogIndex next() const { return next_; }
  bool probing() const { return state_ == State::kProbe; }
  bool replicating() const { return state_ == State::kReplicate; }
  // Everything before `next` is known to agree, so that entries sent now will be taken.
  bool agreed() const { return next_ == match_ + 1; }

  // One message of a probe is out: wait for its answer, or for a heartbeat's if it was lost. `reads_log`: it carries
  // entries that the driver has to read, up to max_append_bytes of them. Such a one gets more time, and only an answer
  // that brings the follower forward asks for the next: else every repetition would breed another.
  bool probe_sent() const { return probe_sent_; }
  void SentProbe(bool reads_log) {
    probe_sent_ = true;
    reads_log_ = reads_log;
    beats_waited_ = 0;
  }
  bool ResumeProbe();  // a heartbeat was answered; returns whether to send again
  // Entries up to `last` left while replicating.
  void SentEntries(LogIndex last, uint64_t bytes);

  void BecomeProbe();  // from match + 1 on; what is in flight is given up
  void BecomeSnapshot();

  // The follower has `match` on disk, and it agrees. Returns whether that is news.
  bool Accepted(LogIndex match);
  // The follower refused entries behind `rejected`; `hint` is the last place where the logs may agree. Returns whether
  // there is something else to try now; stale answers and refusals that teach nothing are ignored.
  bool Refused(LogIndex rejected, LogIndex hint);

  Inflight& inflight() { return inflight_; }
  const Inflight& inflight() const { return inflight_; }

  bool recently_active = false;      // heard of since the last check of the quorum
  bool was_active = false;           // in the period before that
  bool accepted_since_beat = false;  // an answer came since the last heartbeat's: nothing seems lost
  LogIndex told_commit;              // the commit index the follower was told last
  uint64_t read_round = 0;           // the newest round of read barriers it answered

 private:
  ReplicaId peer_;
  LogIndex match_;
  LogIndex next_;
  Inflight inflight_;
  State state_ = State::kProbe;
  bool probe_sent_ = false;
  bool reads_log_ = false;
  uint8_t beats_waited_ = 0;
  bool learner_;
};

}  // namespace chronik::raft
