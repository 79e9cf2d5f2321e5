// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/machine.h"

#include <algorithm>

#include "kernel/base/endian.h"

namespace chronik::sim {
namespace {

constexpr size_t kStateBytes = 16;
constexpr size_t kPaddingBytes = 3000;

}  // namespace

Bytes DigestMachine::EncodeCheckpoint() const {
  uint8_t* out = nullptr;
  Bytes bytes = Bytes::Allocate(kStateBytes + kPaddingBytes, &out);
  StoreLittle(out, applied_.value);
  StoreLittle(out + 8, digest_);
  std::fill_n(out + kStateBytes, kPaddingBytes, static_cast<uint8_t>(digest_));
  return bytes;
}

Status DigestMachine::RestoreCheckpoint(ByteView checkpoint) {
  if (checkpoint.size() != kStateBytes + kPaddingBytes) return Error{ErrorCode::kCorrupt, "not a digest's state"};
  applied_ = LogIndex(LoadLittle<uint64_t>(checkpoint.data()));
  digest_ = LoadLittle<uint64_t>(checkpoint.data() + 8);
  if (!muted_) oracle_.OnRestored(group_, node_, applied_, digest_);
  return {};
}

void DigestMachine::Apply(const log::Entry& entry) {
  applied_ = entry.meta.index;
  digest_ = Mix(Mix(digest_, entry.meta.index.value), entry.meta.term.value);
  digest_ = Mix(Mix(digest_, static_cast<uint64_t>(entry.meta.kind)), HashOf(entry.body));
  if (!muted_) oracle_.OnApply(group_, node_, entry, digest_);
}

void DigestMachine::OnHighWatermark(Offset high_watermark) {
  if (!muted_) oracle_.OnHighWatermark(group_, node_, high_watermark_, high_watermark);
  high_watermark_ = high_watermark;
}

void DigestMachine::OnSoftState(const raft::SoftState& state) {
  if (muted_) return;
  oracle_.OnSoftState(group_, node_, state);
  if (state.role == raft::Role::kLeader) oracle_.OnElected(group_, node_, state.term, replica_->raft()->commit_index());
}

void DigestMachine::OnReady() {
  if (!muted_) oracle_.OnReady(group_, *replica_, node_);
}

}  // namespace chronik::sim
