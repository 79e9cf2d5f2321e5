// SPDX-License-Identifier: Apache-2.0
// Where a partition's records begin: DeleteRecords, retention by age and by size, and cutting off what nobody may read
// any more.
#include <algorithm>
#include <utility>

#include "kernel/base/endian.h"
#include "kernel/base/log.h"
#include "kernel/broker/log_start.h"
#include "kernel/broker/partition.h"

namespace chronik::broker {
namespace {

constexpr uint8_t kVersion = 1;
constexpr size_t kEncodedBytes = 1 + sizeof(int64_t);

}  // namespace

Bytes EncodeLogStart(Offset offset) {
  uint8_t* out = nullptr;
  Bytes body = Bytes::Allocate(kEncodedBytes, &out);
  out[0] = kVersion;
  StoreLittle(out + 1, offset.value);
  return body;
}

Result<Offset> DecodeLogStart(ByteView body) {
  if (body.empty()) return Error{ErrorCode::kCorrupt, "an empty log start"};
  if (body[0] != kVersion)
    return Error{ErrorCode::kUnsupportedVersion, "log start of version " + std::to_string(body[0])};
  if (body.size() != kEncodedBytes) return Error{ErrorCode::kCorrupt, "a log start of the wrong size"};
  const Offset offset(LoadLittle<int64_t>(body.data() + 1));
  if (offset < Offset(0)) return Error{ErrorCode::kCorrupt, "a negative log start"};
  return offset;
}

Bytes EncodePartitionState(Offset log_start, const Bytes& producers) {
  uint8_t* out = nullptr;
  Bytes state = Bytes::Allocate(kEncodedBytes + producers.size(), &out);
  out[0] = kVersion;
  StoreLittle(out + 1, log_start.value);
  std::copy_n(producers.data(), producers.size(), out + kEncodedBytes);
  return state;
}

Result<PartitionState> DecodePartitionState(ByteView state) {
  auto log_start = DecodeLogStart(state.subspan(0, std::min(kEncodedBytes, state.size())));
  if (!log_start.ok()) return log_start.error();
  return PartitionState{*log_start, state.subspan(kEncodedBytes)};
}

Offset Partition::log_start_offset() const { return std::max(log_start_, replica_.first_offset()); }

void Partition::DeleteRecords(Offset before, Callback<DeleteRecordsOutcome> done) {
  if (const Status writable = replica_.writable(); !writable.ok())
    return done({writable.error().code == ErrorCode::kNotLeader ? WhyNotServing() : writable.error(), Offset(-1)});
  const Offset end = replica_.high_watermark();
  if (before == kAllRecords) before = end;
  if (before < Offset(0) || before > end) {
    return done(
        {Error{ErrorCode::kOffsetOutOfRange, "offset " + std::to_string(before.value) +
                                                 " is not below the high watermark " + std::to_string(end.value)},
         Offset(-1)});
  }
  if (before <= log_start_offset()) return done({std::nullopt, log_start_offset()});
  MoveLogStart(before, [this, done = std::move(done)](Status status) mutable {
    done({status.ok() ? std::nullopt : std::optional<Error>(status.error()),
          status.ok() ? log_start_offset() : Offset(-1)});
  });
}

void Partition::MoveLogStart(Offset to, log::DoneCallback done) {
  replica::Proposal proposal;
  proposal.kind = raft::EntryKind::kLogStart;
  proposal.body = EncodeLogStart(to);
  auto shared = std::make_shared<log::DoneCallback>(std::move(done));
  const auto proposed = replica_.Propose(std::move(proposal), replica::WaitFor::kCommitted,
                                         [shared](Status status) { (*shared)(std::move(status)); });
  if (!proposed.ok()) (*shared)(proposed.error());
}

void Partition::ApplyLogStart(const log::Entry& entry) {
  const auto offset = DecodeLogStart(entry.body);
  // It was committed before its entry was proposed.
  CHRONIK_CHECK(offset.ok() && *offset <= entry.meta.base_offset)
      << "entry " << entry.meta.index << " of group " << ref_.group << " is no log start of this log";
  log_start_ = std::max(log_start_, *offset);
  CutOff();
}

// --- retention

void Partition::Retain() {
  CutOff();
  if (retaining_ || !replica_.is_ready() || replica_.closing()) return;
  retaining_ = true;
  if (settings_.retention_ms < 0) return RetainBySize(log_start_offset());
  const int64_t oldest =
      (executor_.WallNow().time_since_epoch() - std::chrono::milliseconds(settings_.retention_ms)).count();
  // It finds nothing among what there is now: what comes meanwhile is not old.
  const Offset end = replica_.high_watermark();
  replica_.FindEntry(log::ReadBy::kTimestamp, std::max<int64_t>(oldest, 0), [this, end](auto entry) {
    if (!entry.ok()) return RetainFrom(log_start_offset());
    RetainBySize(entry->has_value() ? (*entry)->meta.base_offset : end);
  });
}

// Kafka keeps at least so much: the oldest entries go while what is left is no less.
void Partition::RetainBySize(Offset start) {
  start = std::max(start, log_start_offset());
  const uint64_t bytes = settings_.retention_bytes < 0 ? 0 : replica_.log_bytes();
  const auto kept = static_cast<uint64_t>(std::max<int64_t>(settings_.retention_bytes, 0));
  if (bytes <= kept || replica_.closing()) return RetainFrom(start);
  DropOldest(replica_.first_index(), bytes - kept, start);
}

void Partition::DropOldest(LogIndex next, uint64_t excess, Offset start) {
  if (next > replica_.applied().index || replica_.closing()) return RetainFrom(start);
  replica_.FindEntry(log::ReadBy::kIndex, static_cast<int64_t>(next.value), [this, next, excess, start](auto entry) {
    if (!entry.ok() || !entry->has_value() || (*entry)->body.size() > excess) return RetainFrom(start);
    DropOldest(next + 1, excess - (*entry)->body.size(), std::max(start, (*entry)->meta.next_offset()));
  });
}

void Partition::RetainFrom(Offset start) {
  retaining_ = false;
  if (start <= log_start_offset() || !replica_.is_ready() || replica_.closing()) return;
  CHRONIK_LOG(kInfo) << "'" << topic_ << "' partition " << ref_.partition << ": records before offset " << start
                     << " are older or more than is to be retained";
  MoveLogStart(start, [](Status) {});  // if it comes to nothing, the next look finds the same
}

// --- the log follows

// The entry that holds the log start offset becomes the first one; a leader waits for followers that are about to get
// what goes, for a while: it is tried again at every look and at every retention check.
void Partition::CutOff() {
  if (cutting_off_ || replica_.closing() || cut_off_ >= log_start_) return;
  cutting_off_ = true;
  if (log_start_ >= replica_.high_watermark()) return CutOffBefore(replica_.applied().index + 1, log_start_);
  replica_.FindEntry(log::ReadBy::kOffset, log_start_.value, [this, start = log_start_](auto entry) {
    if (entry.ok() && entry->has_value() && !replica_.closing()) return CutOffBefore((*entry)->meta.index, start);
    cutting_off_ = false;
  });
}

void Partition::CutOffBefore(LogIndex first, Offset start) {
  LogIndex needed = first;
  if (replica_.is_ready()) {
    for (const raft::PeerStatus& peer : replica_.raft()->peers()) {
      if (peer.recently_active) needed = std::min(needed, peer.match + 1);
    }
  }
  if (needed <= replica_.first_index()) {
    cutting_off_ = false;
    if (first <= replica_.first_index()) cut_off_ = start;
    return;
  }
  replica_.TruncatePrefix(needed, [this, start, all = needed == first](const Status& status) {
    cutting_off_ = false;
    if (status.ok() && all) cut_off_ = start;
  });
}

}  // namespace chronik::broker
