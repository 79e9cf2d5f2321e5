// SPDX-License-Identifier: Apache-2.0
#include "kernel/records/producer_state.h"

#include <algorithm>
#include <limits>
#include <string>

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"
#include "kernel/base/invariant.h"

namespace chronik::records {
namespace {

// Snapshot, little-endian: header {magic, version, committed end, producers}, then per producer {id, last timestamp,
// epoch, batches} and per batch {base offset, first sequence, last sequence}, then the CRC-32C of all before it.
constexpr uint32_t kSnapshotMagic = 0x53504843;  // "CHPS"
constexpr uint32_t kSnapshotVersion = 1;
constexpr size_t kHeaderBytes = 4 + 4 + 8 + 4;
constexpr size_t kProducerBytes = 8 + 8 + 2 + 1;
constexpr size_t kBatchBytes = 8 + 4 + 4;
constexpr size_t kCrcBytes = 4;

template <class T>
void Put(std::vector<uint8_t>* out, T value) {
  const size_t at = out->size();
  out->resize(at + sizeof value);
  StoreLittle(out->data() + at, value);
}

// The caller has made sure that there are enough bytes.
template <class T>
T Take(ByteView* rest) {
  const T value = LoadLittle<T>(rest->data());
  *rest = rest->subspan(sizeof value);
  return value;
}

Error Corrupt(const char* what) { return Error{ErrorCode::kCorrupt, std::string("producer state snapshot: ") + what}; }

bool Follows(int32_t last_sequence, int32_t next_sequence) {
  return AdvanceSequence(last_sequence, 1) == next_sequence;
}

}  // namespace

void ProducerStateTable::Entry::Apply(const ProducerBatch& batch) {
  if (batch.epoch != epoch) {  // a new epoch starts its sequences anew (KIP-360)
    epoch = batch.epoch;
    size = 0;
  }
  if (size == kRememberedBatches) {
    std::move(batches.begin() + 1, batches.end(), batches.begin());
    --size;
  }
  batches[size++] = {batch.first_sequence, batch.last_sequence, batch.base_offset};
  last_timestamp = batch.timestamp;
}

const ProducerStateTable::Entry* ProducerStateTable::Find(ProducerId producer_id) const {
  if (auto it = overlay_.find(producer_id); it != overlay_.end()) return &it->second.entry;
  if (auto it = committed_.find(producer_id); it != committed_.end()) return &it->second;
  return nullptr;
}

Result<SequenceCheck> ProducerStateTable::Check(ProducerId producer_id, int16_t epoch, int32_t first_sequence,
                                                int32_t last_sequence) const {
  const Entry* entry = Find(producer_id);
  if (entry == nullptr) return SequenceCheck{};
  const std::string who = "producer " + std::to_string(producer_id.value);
  if (epoch < entry->epoch) {
    return Error{ErrorCode::kInvalidProducerEpoch, who + " has epoch " + std::to_string(epoch) + ", epoch " +
                                                       std::to_string(entry->epoch) + " has been seen"};
  }
  if (epoch > entry->epoch) {
    if (first_sequence == 0) return SequenceCheck{};
    return Error{ErrorCode::kOutOfOrderSequence, who + " begins epoch " + std::to_string(epoch) + " with sequence " +
                                                     std::to_string(first_sequence) + ", not 0"};
  }
  for (size_t i = 0; i < entry->size; ++i) {
    const Remembered& batch = entry->batches[i];
    if (batch.first_sequence != first_sequence || batch.last_sequence != last_sequence) continue;
    const bool committed = batch.base_offset < committed_end_;
    return SequenceCheck{committed ? SequenceVerdict::kDuplicateCommitted : SequenceVerdict::kDuplicatePending,
                         batch.base_offset};
  }
  if (Follows(entry->newest().last_sequence, first_sequence)) return SequenceCheck{};
  return Error{ErrorCode::kOutOfOrderSequence, who + " sent sequence " + std::to_string(first_sequence) + " after " +
                                                   std::to_string(entry->newest().last_sequence)};
}

void ProducerStateTable::AppendPending(const ProducerBatch& batch) {
  CHRONIK_CHECK(batch.producer_id > kNoProducerId) << "a batch without a producer id";
  CHRONIK_CHECK(batch.base_offset >= committed_end_ &&
                (pending_.empty() || batch.base_offset > pending_.back().base_offset))
      << "batch at " << batch.base_offset << " does not lie behind what is known";
  pending_.push_back(batch);
  Overlay(batch);
}

void ProducerStateTable::Overlay(const ProducerBatch& batch) {
  auto [it, added] = overlay_.try_emplace(batch.producer_id);
  if (added) {
    if (auto committed = committed_.find(batch.producer_id); committed != committed_.end()) {
      it->second.entry = committed->second;
    }
  }
  it->second.entry.Apply(batch);
  ++it->second.pending;
}

void ProducerStateTable::Commit(Offset end) {
  committed_end_ = std::max(committed_end_, end);
  while (!pending_.empty() && pending_.front().base_offset < committed_end_) {
    CommitOne(pending_.front());
    pending_.pop_front();
  }
}

void ProducerStateTable::CommitOne(const ProducerBatch& batch) {
  Entry& entry = committed_[batch.producer_id];
  if (entry.size > 0) by_last_batch_.erase(entry.newest().base_offset);
  entry.Apply(batch);
  by_last_batch_.emplace(batch.base_offset, batch.producer_id);
  auto overlay = overlay_.find(batch.producer_id);
  if (--overlay->second.pending == 0) overlay_.erase(overlay);
  while (committed_.size() > max_producers_) Forget(by_last_batch_.begin()->second);
}

void ProducerStateTable::Forget(ProducerId producer_id) {
  auto it = committed_.find(producer_id);
  by_last_batch_.erase(it->second.newest().base_offset);
  committed_.erase(it);
}

void ProducerStateTable::Truncate(Offset from) {
  CHRONIK_CHECK(from >= committed_end_) << "truncation at " << from << " below the commit at " << committed_end_;
  bool cut = false;
  while (!pending_.empty() && pending_.back().base_offset >= from) {
    pending_.pop_back();
    cut = true;
  }
  if (!cut) return;
  overlay_.clear();
  for (size_t i = 0; i < pending_.size(); ++i) Overlay(pending_[i]);
}

size_t ProducerStateTable::Expire(WallTime now, std::chrono::milliseconds max_age) {
  std::vector<ProducerId> expired;
  for (const auto& [producer_id, entry] : committed_) {
    if (entry.last_timestamp < now - max_age && !overlay_.contains(producer_id)) expired.push_back(producer_id);
  }
  for (const ProducerId producer_id : expired) Forget(producer_id);
  return expired.size();
}

std::vector<ProducerStateTable::Description> ProducerStateTable::Describe() const {
  std::map<ProducerId, const Entry*> all;
  for (const auto& [producer_id, entry] : committed_) all[producer_id] = &entry;
  for (const auto& [producer_id, overlay] : overlay_) all[producer_id] = &overlay.entry;
  std::vector<Description> out;
  out.reserve(all.size());
  for (const auto& [producer_id, entry] : all) {
    out.push_back({producer_id, entry->epoch, entry->newest().last_sequence, entry->last_timestamp});
  }
  return out;
}

Bytes ProducerStateTable::Encode() const {
  std::vector<uint8_t> out;
  out.reserve(kHeaderBytes + committed_.size() * (kProducerBytes + kRememberedBatches * kBatchBytes) + kCrcBytes);
  Put(&out, kSnapshotMagic);
  Put(&out, kSnapshotVersion);
  Put(&out, committed_end_.value);
  Put(&out, static_cast<uint32_t>(committed_.size()));
  for (const auto& [producer_id, entry] : committed_) {
    Put(&out, producer_id.value);
    Put(&out, static_cast<int64_t>(entry.last_timestamp.time_since_epoch().count()));
    Put(&out, entry.epoch);
    Put(&out, entry.size);
    for (size_t i = 0; i < entry.size; ++i) {
      Put(&out, entry.batches[i].base_offset.value);
      Put(&out, entry.batches[i].first_sequence);
      Put(&out, entry.batches[i].last_sequence);
    }
  }
  Put(&out, Crc32c(out));
  return Bytes::Copy(out);
}

Result<ProducerStateTable> ProducerStateTable::Decode(ByteView snapshot, size_t max_producers) {
  if (snapshot.size() < kHeaderBytes + kCrcBytes) return Corrupt("cut short");
  ByteView rest = snapshot.first(snapshot.size() - kCrcBytes);
  if (Crc32c(rest) != LoadLittle<uint32_t>(snapshot.data() + rest.size())) return Corrupt("CRC");
  if (Take<uint32_t>(&rest) != kSnapshotMagic) return Corrupt("not one");
  if (const auto version = Take<uint32_t>(&rest); version != kSnapshotVersion) {
    return Error{ErrorCode::kUnsupportedVersion, "producer state snapshot of version " + std::to_string(version)};
  }
  ProducerStateTable table(max_producers);
  table.committed_end_ = Offset(Take<int64_t>(&rest));
  const auto producers = Take<uint32_t>(&rest);
  ProducerId previous = kNoProducerId;
  for (uint32_t i = 0; i < producers; ++i) {
    if (rest.size() < kProducerBytes) return Corrupt("cut short");
    const ProducerId producer_id(Take<int64_t>(&rest));
    if (producer_id <= previous) return Corrupt("producers out of order");
    previous = producer_id;
    Entry entry;
    entry.last_timestamp = WallTime(std::chrono::milliseconds(Take<int64_t>(&rest)));
    entry.epoch = Take<int16_t>(&rest);
    entry.size = Take<uint8_t>(&rest);
    if (entry.size == 0 || entry.size > kRememberedBatches) return Corrupt("number of batches");
    if (rest.size() < entry.size * kBatchBytes) return Corrupt("cut short");
    for (size_t b = 0; b < entry.size; ++b) {
      entry.batches[b].base_offset = Offset(Take<int64_t>(&rest));
      entry.batches[b].first_sequence = Take<int32_t>(&rest);
      entry.batches[b].last_sequence = Take<int32_t>(&rest);
    }
    const Offset last = entry.newest().base_offset;
    if (last >= table.committed_end_ || !table.by_last_batch_.emplace(last, producer_id).second) {
      return Corrupt("batch offset");
    }
    table.committed_.emplace_hint(table.committed_.end(), producer_id, entry);
  }
  if (!rest.empty()) return Corrupt("bytes left over");
  while (table.committed_.size() > max_producers) table.Forget(table.by_last_batch_.begin()->second);
  return table;
}

}  // namespace chronik::records
