// SPDX-License-Identifier: Apache-2.0
// Idempotent producers of one partition: what was appended last, so that a retry is recognised and a gap refused. A
// function of the log alone; see KIP-98 and, for the rules as they are today, Kafka's ProducerAppendInfo.checkSequence.
//
// Two layers. The committed one follows the commit index and is what a snapshot holds. The overlay covers the
// uncommitted tail; it is cut back when the log is truncated. Check() sees both, so a retry that races its own first
// copy is caught. Every replica feeds both layers, so a new leader knows its uncommitted tail too. One thread at a
// time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/base/ring.h"
#include "kernel/records/batch.h"

namespace chronik::records {

// How many batches back a duplicate is recognised: the most that a producer may have in flight (KIP-98, KAFKA-5494).
inline constexpr size_t kRememberedBatches = 5;

// A data batch with a producer id, as it stands in the log.
struct ProducerBatch {
  ProducerId producer_id;
  int16_t epoch = kNoProducerEpoch;
  int32_t first_sequence = kNoSequence;
  int32_t last_sequence = kNoSequence;
  Offset base_offset;
  // When the batch was appended, or its max timestamp where that is not known (replay). Read by Expire() only.
  WallTime timestamp = kNoTimestamp;
};

enum class SequenceVerdict : uint8_t {
  kAccept,
  kDuplicateCommitted,  // answer with base_offset
  kDuplicatePending,    // wait for the batch at base_offset to commit, then answer with it; never append again
};

struct SequenceCheck {
  SequenceVerdict verdict = SequenceVerdict::kAccept;
  Offset base_offset;  // of the first copy; only for the two duplicates
};

class ProducerStateTable {
 public:
  // Beyond `max_producers` committed producers the one whose last batch is the oldest in the log is forgotten, which is
  // the same one on every replica.
  explicit ProducerStateTable(size_t max_producers = 100000) : max_producers_(max_producers) {}

  // Whether a client's batch may be appended now. Kafka's rules:
  //   an older epoch                              kInvalidProducerEpoch
  //   one of the last 5 batches, same epoch       duplicate
  //   unknown producer                            accepted at any sequence: its state may have expired (KAFKA-5435)
  //   newer epoch                                 must start at sequence 0, else kOutOfOrderSequence
  //   same epoch                                  must follow on (2^31-1 is followed by 0), else kOutOfOrderSequence.
  // A repeat older than the 5 remembered batches, or one that overlaps in part, is kOutOfOrderSequence as well.
  Result<SequenceCheck> Check(ProducerId producer_id, int16_t epoch, int32_t first_sequence,
                              int32_t last_sequence) const;

  // A batch was appended behind everything known so far. Not checked again: the leader did that, followers obey.
  void AppendPending(const ProducerBatch& batch);
  // Everything below `end` (exclusive: the high watermark) is committed. Going back is ignored.
  void Commit(Offset end);
  // The log was cut: nothing at or above `from` exists any more. `from` is not below the last Commit().
  void Truncate(Offset from);
  void DropPending() { Truncate(committed_end_); }

  // Forgets committed producers without pending batches whose last batch is older than `max_age` (Kafka's
  // producer.id.expiration.ms). Returns how many.
  size_t Expire(WallTime now, std::chrono::milliseconds max_age);

  size_t committed_producers() const { return committed_.size(); }
  size_t pending_batches() const { return pending_.size(); }
  Offset committed_end() const { return committed_end_; }

  // The remembered state of one producer, both layers, newest batch last; for DescribeProducers and tools.
  struct Description {
    ProducerId producer_id;
    int16_t epoch = kNoProducerEpoch;
    int32_t last_sequence = kNoSequence;
    WallTime last_timestamp = kNoTimestamp;
  };
  std::vector<Description> Describe() const;  // ordered by producer id

  // Snapshot of the committed layer: own format, versioned, with a CRC; equal states give equal bytes. Decode gives
  // kCorrupt on damaged bytes and kUnsupportedVersion on a newer format.
  Bytes Encode() const;
  static Result<ProducerStateTable> Decode(ByteView snapshot, size_t max_producers = 100000);

 private:
  struct Remembered {
    int32_t first_sequence = kNoSequence;
    int32_t last_sequence = kNoSequence;
    Offset base_offset;
  };
  struct Entry {
    int16_t epoch = kNoProducerEpoch;
    uint8_t size = 0;                                    // 1 .. kRememberedBatches once something was applied
    std::array<Remembered, kRememberedBatches> batches;  // oldest first
    WallTime last_timestamp = kNoTimestamp;

    const Remembered& newest() const { return batches[size - 1u]; }
    void Apply(const ProducerBatch& batch);
  };
  struct OverlayEntry {
    Entry entry;  // committed state plus this producer's pending batches
    size_t pending = 0;
  };

  const Entry* Find(ProducerId producer_id) const;
  void Overlay(const ProducerBatch& batch);
  void CommitOne(const ProducerBatch& batch);
  void Forget(ProducerId producer_id);

  size_t max_producers_;
  Offset committed_end_;
  std::map<ProducerId, Entry> committed_;
  std::map<Offset, ProducerId> by_last_batch_;  // of committed_, by newest().base_offset: the order of eviction
  std::map<ProducerId, OverlayEntry> overlay_;
  Ring<ProducerBatch> pending_;  // ascending base_offset
};

}  // namespace chronik::records
