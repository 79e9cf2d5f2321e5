// SPDX-License-Identifier: Apache-2.0
#include "kernel/broker/partition.h"

#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/base/mutation.h"
#include "kernel/records/assign.h"
#include "kernel/records/batch.h"
#include "kernel/records/record.h"
#include "kernel/records/validate.h"

namespace chronik::broker {
namespace {

constexpr uint32_t kTicksBetweenLooks = 10;         // at who is in sync
constexpr size_t kDecompressedBytesMax = 64 << 20;  // to find a record by its time

int64_t Milliseconds(WallTime time) { return time.time_since_epoch().count(); }

struct FoundRecord {
  Offset offset{-1};
  int64_t timestamp_ms = -1;
};

// The first record of `batch` at or after `timestamp_ms`, and not before `from`.
Result<FoundRecord> FindRecord(ByteView bytes, int64_t timestamp_ms, Offset from) {
  auto batch = records::BatchView::Parse(bytes);
  if (!batch.ok()) return batch.error();
  auto it = records::RecordIterator::Open(*batch, kDecompressedBytesMax);
  if (!it.ok()) return it.error();
  for (;;) {
    auto more = it->Next();
    if (!more.ok()) return more.error();
    if (!*more) break;
    if (Milliseconds(it->timestamp()) >= timestamp_ms && it->offset() >= from)
      return FoundRecord{it->offset(), Milliseconds(it->timestamp())};
  }
  return FoundRecord{};
}

}  // namespace

Partition::Partition(Executor& executor, log::LogStore& store, log::TailCache& cache, PartitionEvents& events,
                     RaftMetrics& metrics, PartitionRef ref, std::string topic, metadata::TopicSettings settings,
                     replica::Options options, replica::InSyncReplicas::Limits in_sync, log::OpenedGroup opened)
    : executor_(executor),
      events_(events),
      metrics_(metrics),
      ticks_(*options.ticks),
      ref_(ref),
      topic_(std::move(topic)),
      self_(options.raft.self.node()),
      settings_(settings),
      producers_end_(opened.bounds.first_offset),
      in_sync_(in_sync),
      replica_(executor, store, cache, *this, std::move(options), std::move(opened)) {}

LeaderInfo Partition::leader() const {
  const raft::SoftState state = replica_.soft_state();
  return {state.leader.node(), static_cast<int32_t>(state.term.value)};
}

ProduceOutcome Partition::Refusal(Error error) const {
  return {
      .error = std::move(error), .base_offset = Offset(-1), .log_start_offset = log_start_offset(), .leader = leader()};
}

ProduceOutcome Partition::Accepted(Offset base_offset, int64_t log_append_time_ms) const {
  return {.error = std::nullopt,
          .base_offset = base_offset,
          .log_append_time_ms = log_append_time_ms,
          .log_start_offset = log_start_offset(),
          .leader = leader()};
}

void Partition::Produce(Bytes records, Acks acks, bool zstd_allowed, Callback<ProduceOutcome> done) {
  if (Status writable = replica_.writable(); !writable.ok()) return done(Refusal(writable.error()));
  const auto in_sync = static_cast<int32_t>(in_sync_.followers().size() + 1);
  if (acks == Acks::kAll && in_sync < settings_.min_insync_replicas) {
    return done(Refusal({ErrorCode::kNotEnoughReplicas, std::to_string(in_sync) + " replicas are in sync, " +
                                                            std::to_string(settings_.min_insync_replicas) +
                                                            " are demanded (min.insync.replicas)"}));
  }
  records::ValidationLimits limits;
  limits.max_message_bytes = static_cast<size_t>(settings_.max_message_bytes);
  limits.allow_zstd = zstd_allowed;
  if (!settings_.log_append_time) {
    limits.now = executor_.WallNow();
    limits.timestamp_before_max_ms = settings_.timestamp_before_max_ms;
    limits.timestamp_after_max_ms = settings_.timestamp_after_max_ms;
  }
  int32_t bad_record = -1;
  const Result<records::BatchInfo> info = records::ValidateForProduce(records, limits, &bad_record);
  if (!info.ok()) {
    ProduceOutcome refusal = Refusal(info.error());
    refusal.bad_record = bad_record;
    return done(std::move(refusal));
  }
  if (info->transactional) {
    return done(Refusal({ErrorCode::kInvalidTransaction, "this version of chronik has no transactions"}));
  }
  if (info->has_producer_id()) {
    const auto check =
        producers_.Check(info->producer_id, info->producer_epoch, info->base_sequence, info->last_sequence);
    if (!check.ok()) return RefuseSequence(check.error(), std::move(done));
    if (check->verdict == records::SequenceVerdict::kDuplicateCommitted) return done(Accepted(check->base_offset, -1));
    if (check->verdict == records::SequenceVerdict::kDuplicatePending) {
      // Its first copy may still be lost: it is answered together with it, and never appended again.
      const auto at = std::upper_bound(duplicates_.begin(), duplicates_.end(), check->base_offset,
                                       [](Offset o, const PendingDuplicate& d) { return o < d.base_offset; });
      duplicates_.insert(at, {check->base_offset, std::move(done)});
      return;
    }
  }
  Append(std::move(records), *info, acks, std::move(done));
}

// Producers take these errors for final. A leader that was deposed and does not know it misses what the producer sent
// to its successor, so it says so only once it is proven to lead.
void Partition::RefuseSequence(Error error, Callback<ProduceOutcome> done) {
  replica_.ReadBarrier([this, error = std::move(error), done = std::move(done)](const Status& leads) mutable {
    done(Refusal(leads.ok() ? std::move(error) : Error{ErrorCode::kNotLeader, "this broker was deposed"}));
  });
}

void Partition::Append(Bytes records, const records::BatchInfo& info, Acks acks, Callback<ProduceOutcome> done) {
  replica::Proposal proposal;
  proposal.offset_count = static_cast<uint32_t>(info.record_count);
  proposal.max_timestamp = Milliseconds(info.max_timestamp);
  const WallTime now = executor_.WallNow();
  int64_t log_append_time_ms = -1;
  if (settings_.log_append_time) {
    proposal.log_append_time = now;
    log_append_time_ms = Milliseconds(now);
  } else if (records::BatchView::Parse(records)->max_timestamp() != info.max_timestamp) {
    records::SetMaxTimestamp({records.unsafe_mutable_data(), records.size()}, info.max_timestamp);
  }
  proposal.body = std::move(records);

  const Offset base_offset = replica_.log_end_offset();
  // Shared by the two ways out: refused at once, or answered later.
  auto shared_done = std::make_shared<Callback<ProduceOutcome>>(std::move(done));
  const bool all = acks == Acks::kAll && !CHRONIK_MUTANT(acks_before_commit);
  const auto wait = all                   ? replica::WaitFor::kCommitted
                    : acks != Acks::kNone ? replica::WaitFor::kDurable
                                          : replica::WaitFor::kNothing;
  // Known once Propose returned; the waiter runs later. Hardly ever needed, so hardly ever allocated.
  const bool beyond_majority = wait == replica::WaitFor::kCommitted && NeedsMoreThanMajority();
  const auto index = beyond_majority ? std::make_shared<LogIndex>() : nullptr;
  const bool commits = wait == replica::WaitFor::kCommitted;
  const Instant begun = commits ? executor_.Now() : Instant{};
  const auto proposed = replica_.Propose(
      std::move(proposal), wait, [this, index, shared_done, base_offset, log_append_time_ms, begun](Status status) {
        if (begun != Instant{} && status.ok()) metrics_.OnCommitted(executor_.Now() - begun);
        ProduceOutcome outcome = status.ok() ? Accepted(base_offset, log_append_time_ms) : Refusal(status.error());
        if (!index || !status.ok() || CopiesOf(*index) >= static_cast<size_t>(settings_.min_insync_replicas))
          return (*shared_done)(std::move(outcome));
        pending_in_sync_.push_back({*index, std::move(*shared_done), std::move(outcome)});
      });
  if (!proposed.ok()) return (*shared_done)(Refusal(proposed.error()));
  if (index) *index = proposed->first;
  CHRONIK_CHECK(proposed->base_offset == base_offset)
      << "promised offset " << base_offset << ", got " << proposed->base_offset;
  if (info.has_producer_id()) {
    producers_.AppendPending(
        {info.producer_id, info.producer_epoch, info.base_sequence, info.last_sequence, base_offset, now});
  }
  producers_end_ = base_offset + info.record_count;
  if (wait == replica::WaitFor::kNothing) (*shared_done)(Accepted(base_offset, log_append_time_ms));
}

Status Partition::CheckEpoch(int32_t current_leader_epoch) const {
  if (current_leader_epoch < 0) return {};
  const auto term = static_cast<int32_t>(replica_.soft_state().term.value);
  if (current_leader_epoch < term)
    return Error{ErrorCode::kFencedLeaderEpoch, "the leader epoch is " + std::to_string(term)};
  if (current_leader_epoch > term)
    return Error{ErrorCode::kUnknownLeaderEpoch, "the leader epoch is " + std::to_string(term)};
  return {};
}

void Partition::Receive(replica::PeerMessage message) {
  replica_.Receive(std::move(message));
  AnswerInSync();
}

void Partition::OnTicked() {
  if (!replica_.is_ready() || ticks_.now() - looked_ < kTicksBetweenLooks) return;
  LookWhoIsInSync();
  CutOff();
  replica_.AlignConfiguration(members_, {});
  if (moving_ && (replica_.IsSettled(members_) || CHRONIK_MUTANT(move_ends_before_it_is_done))) events_.OnSettled(ref_);
}

void Partition::SetMembers(std::vector<ReplicaId> members, bool moving) {
  members_ = std::move(members);
  moving_ = moving;
  replica_.SetAlwaysTicked(moving);
  replica_.AlignConfiguration(members_, {});
}

// To the present life of the node.
void Partition::TransferLeadership(NodeId to) {
  const auto target = std::find_if(members_.begin(), members_.end(), [to](ReplicaId id) { return id.node() == to; });
  if (target != members_.end()) replica_.TransferLeadership(*target);
}

void Partition::LookWhoIsInSync() {
  looked_ = ticks_.now();
  const raft::RaftGroup& raft = *replica_.raft();
  const std::vector<raft::PeerStatus> peers = raft.peers();
  const bool changed = in_sync_.Look(executor_.Now(), raft.last_index(), peers);
  for (const raft::PeerStatus& peer : peers) {
    if (peer.learner) continue;
    const uint64_t behind = peer.match >= raft.last_index() ? 0 : raft.last_index() - peer.match;
    led_metrics_->SetLag(peer.peer.node(), behind, behind == 0 ? Duration(0) : in_sync_.LagOf(peer.peer));
  }
  if (!changed) return;
  std::vector<NodeId> all{self_};
  for (const ReplicaId follower : in_sync_.followers()) all.push_back(follower.node());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());  // two lives of a node, while one replaces the other
  led_metrics_->SetInSync(all.size());
  events_.OnInSync(ref_, static_cast<int32_t>(raft.soft_state().term.value), std::move(all));
}

bool Partition::NeedsMoreThanMajority() const {
  const raft::Configuration& configuration = replica_.raft()->configuration();
  return static_cast<size_t>(settings_.min_insync_replicas) > configuration.voters.size() / 2 + 1;
}

// How many voters have the entry on disk, as far as they said.
size_t Partition::CopiesOf(LogIndex index) const {
  size_t copies = replica_.durable_index() >= index ? 1 : 0;
  for (const raft::PeerStatus& peer : replica_.raft()->peers()) copies += !peer.learner && peer.match >= index ? 1 : 0;
  return copies;
}

// What does not get there is given up by the request's own timeout.
void Partition::AnswerInSync() {
  while (!pending_in_sync_.empty() &&
         CopiesOf(pending_in_sync_.front().index) >= static_cast<size_t>(settings_.min_insync_replicas)) {
    PendingInSync ready = std::move(pending_in_sync_.front());
    pending_in_sync_.pop_front();
    ready.done(std::move(ready.outcome));
  }
}

void Partition::CampaignSoon(std::chrono::milliseconds pause, uint32_t attempts) {
  const raft::SoftState state = replica_.soft_state();
  const bool is_new = state.term == Term(0) && replica_.log_end_offset() == Offset(0);
  if (attempts == 0 || !is_new || state.leader != ReplicaId{}) return;
  replica_.Campaign();
  campaign_timer_ = executor_.Schedule(pause, [this, pause, attempts] { CampaignSoon(pause, attempts - 1); });
}

// A client that is told who leads goes there; one that is told to wait asks here again.
Error Partition::WhyNotServing() const {
  const raft::SoftState state = replica_.soft_state();
  if (state.role == raft::Role::kLeader)
    return Error{ErrorCode::kOffsetNotAvailable, "the new leader has not committed an entry of its term yet"};
  return Error{ErrorCode::kNotLeader, state.leader == ReplicaId{}
                                          ? "an election is under way"
                                          : "this broker follows " + std::to_string(state.leader.node().value)};
}

// One that hears from a leader is behind it by a round trip; one that does not may be behind by any time.
bool Partition::FollowsALeader() const {
  const raft::SoftState state = replica_.soft_state();
  return state.role == raft::Role::kFollower && state.leader != ReplicaId{} && replica_.raft() != nullptr &&
         !replica_.failed();
}

Status Partition::CheckReadable(int32_t current_leader_epoch, bool as_follower) const {
  if (replica_.closing()) return Error{ErrorCode::kShuttingDown, "this partition is closing"};
  if (!replica_.is_ready()) {
    // Committed data can still be read while the disk refuses writes.
    const Status writable = replica_.writable();
    const ErrorCode code = writable.ok() ? ErrorCode::kNotLeader : writable.error().code;
    if (code == ErrorCode::kNotLeader)
      return as_follower && FollowsALeader() ? CheckEpoch(current_leader_epoch) : Status(WhyNotServing());
    if (code != ErrorCode::kNoSpace) return writable;
  }
  return CheckEpoch(current_leader_epoch);
}

// Kafka's LeaderEpochFileCache.endOffsetFor: the end of the largest known epoch that is not above the one asked for.
EpochEnd Partition::EndOfEpoch(int32_t epoch) const {
  const auto& terms = replica_.term_table();
  if (terms.empty() || epoch < 0 || static_cast<uint64_t>(epoch) > replica_.soft_state().term.value) return {};
  const auto next = std::find_if(terms.begin(), terms.end(),
                                 [&](const raft::TermStart& t) { return t.term.value > static_cast<uint64_t>(epoch); });
  if (next == terms.begin()) return {epoch, next->first_offset};
  const auto known = static_cast<int32_t>(std::prev(next)->term.value);
  return {known, next == terms.end() ? replica_.log_end_offset() : next->first_offset};
}

bool Partition::Fetch(const FetchItem& item, replica::DataLimit limit, FetchOutcome& out) {
  out.leader = leader();
  out.log_start_offset = log_start_offset();
  if (Status readable = CheckReadable(item.current_leader_epoch, follower_reads_); !readable.ok()) {
    out.error = readable.error();
    return true;
  }
  out.high_watermark = replica_.high_watermark();
  out.last_stable_offset = out.high_watermark;
  if (item.last_fetched_epoch >= 0) {
    const EpochEnd end = EndOfEpoch(item.last_fetched_epoch);
    if (end.epoch < item.last_fetched_epoch || end.end_offset < item.offset) {
      out.diverging = end;
      return true;
    }
  }
  if (item.offset < log_start_offset() || item.offset > replica_.log_end_offset()) {
    out.error = Error{ErrorCode::kOffsetOutOfRange, "offset " + std::to_string(item.offset.value) + " is outside of [" +
                                                        std::to_string(log_start_offset().value) + ", " +
                                                        std::to_string(replica_.log_end_offset().value) + "]"};
    return true;
  }
  if (item.offset >= out.high_watermark) return true;
  limit.max_bytes = std::min<uint64_t>(item.max_bytes, limit.max_bytes);
  if (limit.max_bytes == 0 && !limit.at_least_one) {
    out.more = true;
    return true;
  }
  auto cached = replica_.ReadCached(item.offset, limit);
  if (!cached) return false;
  out.records = std::move(cached->batches);
  out.more = cached->next < out.high_watermark;
  return true;
}

void Partition::FetchCold(const FetchItem& item, replica::DataLimit limit, FetchOutcome out,
                          Callback<FetchOutcome> done) {
  limit.max_bytes = std::min<uint64_t>(item.max_bytes, limit.max_bytes);
  replica_.ReadCold(item.offset, limit,
                    [out = std::move(out), done = std::move(done)](Result<replica::DataRead> read) mutable {
                      if (read.ok()) {
                        out.records = std::move(read->batches);
                        out.more = read->next < out.high_watermark;
                      } else {
                        out.error = read.error();
                      }
                      done(std::move(out));
                    });
}

void Partition::ListOffset(const ListOffsetItem& item, Callback<ListOffsetOutcome> done) {
  ListOffsetOutcome out;
  if (Status readable = CheckReadable(item.current_leader_epoch); !readable.ok()) {
    out.error = readable.error();
    return done(std::move(out));
  }
  out.leader_epoch = leader().epoch;
  if (item.timestamp == kLatestTimestamp) {
    out.offset = replica_.high_watermark();
    return done(std::move(out));
  }
  if (item.timestamp == kEarliestTimestamp || item.timestamp == kEarliestLocalTimestamp) {
    out.offset = log_start_offset();
    return done(std::move(out));
  }
  if (item.timestamp < 0 && item.timestamp != kMaxTimestamp) {
    out.error =
        Error{ErrorCode::kUnsupportedVersion, "timestamp " + std::to_string(item.timestamp) + " has no meaning here"};
    return done(std::move(out));
  }
  const bool by_max = item.timestamp == kMaxTimestamp;
  replica_.FindEntry(by_max ? log::ReadBy::kMaxTimestamp : log::ReadBy::kTimestamp, by_max ? 0 : item.timestamp,
                     [this, item, out, done = std::move(done)](Result<std::optional<log::Entry>> entry) mutable {
                       AnswerTimestamp(item, std::move(entry), std::move(out), std::move(done));
                     });
}

void Partition::AnswerTimestamp(const ListOffsetItem& item, Result<std::optional<log::Entry>> entry,
                                ListOffsetOutcome out, Callback<ListOffsetOutcome> done) {
  out.leader_epoch = -1;
  if (!entry.ok()) {
    out.error = entry.error();
    return done(std::move(out));
  }
  if (!entry->has_value()) return done(std::move(out));
  const log::Entry& e = **entry;
  const bool by_max = item.timestamp == kMaxTimestamp;
  const auto found = e.max_timestamp < item.timestamp
                         ? Result<FoundRecord>(FoundRecord{})
                         : FindRecord(e.body, by_max ? e.max_timestamp : item.timestamp, log_start_offset());
  if (!found.ok()) {
    out.error = found.error();
  } else if (found->offset != Offset(-1)) {
    out.offset = found->offset;
    out.timestamp_ms = found->timestamp_ms;
    out.leader_epoch = static_cast<int32_t>(e.meta.term.value);
  } else if (!by_max && !replica_.closing()) {
    // It is among those that were deleted: the next may be in any entry behind them.
    const Offset next = std::max(e.meta.next_offset(), log_start_offset());
    if (next >= replica_.high_watermark()) return done(std::move(out));
    return replica_.FindEntry(log::ReadBy::kOffset, next.value,
                              [this, item, out, done = std::move(done)](auto following) mutable {
                                AnswerTimestamp(item, std::move(following), std::move(out), std::move(done));
                              });
  }
  done(std::move(out));
}

EpochOutcome Partition::OffsetForLeaderEpoch(const EpochQuery& query) const {
  EpochOutcome out;
  if (Status readable = CheckReadable(query.current_leader_epoch); !readable.ok()) {
    out.error = readable.error();
  } else {
    out.end = EndOfEpoch(query.epoch);
  }
  return out;
}

bool Partition::Watch(Offset offset, std::shared_ptr<DataWatcher> watcher) {
  if (replica_.high_watermark() > offset) return false;
  const DataWatcher* key = watcher.get();
  const auto [at, added] = watchers_.try_emplace(key, Watching{offset, std::move(watcher)});
  if (!added) at->second.offset = std::min(at->second.offset, offset);
  return true;
}

void Partition::WakeAllWatchers() {
  for (auto& [key, watching] : std::exchange(watchers_, {})) watching.watcher->OnData();
}

void Partition::Close(Task done) {
  WakeAllWatchers();
  executor_.Cancel(std::exchange(campaign_timer_, 0));
  replica_.Close(std::move(done));
}

Status Partition::RestoreCheckpoint(ByteView checkpoint) {
  const auto state = DecodePartitionState(checkpoint);
  if (!state.ok()) return state.error();
  auto table = records::ProducerStateTable::Decode(state->producers);
  if (!table.ok()) return table.error();
  log_start_ = state->log_start;
  producers_ = *std::move(table);
  producers_end_ = producers_.committed_end();
  return {};
}

void Partition::Apply(const log::Entry& entry) {
  if (entry.meta.kind == raft::EntryKind::kLogStart) return ApplyLogStart(entry);
  // What this leader appended itself is in producers_ already; the rest comes from before a restart.
  if (entry.meta.kind != raft::EntryKind::kData || entry.meta.base_offset < producers_end_) return;
  const auto batch = records::BatchView::Parse(entry.body);
  CHRONIK_CHECK(batch.ok()) << "entry " << entry.meta.index << " of group " << ref_.group
                            << " holds no batch: " << batch.error().message;
  if (batch->has_producer_id() && !CHRONIK_MUTANT(batches_of_other_leaders_are_unknown)) {
    producers_.AppendPending({batch->producer_id(), batch->producer_epoch(), batch->base_sequence(),
                              batch->last_sequence(), entry.meta.base_offset, batch->max_timestamp()});
  }
  producers_end_ = entry.meta.next_offset();
}

void Partition::OnHighWatermark(Offset high_watermark) {
  producers_.Commit(high_watermark);
  while (!duplicates_.empty() && duplicates_.front().base_offset < high_watermark) {
    PendingDuplicate duplicate = std::move(duplicates_.front());
    duplicates_.pop_front();
    duplicate.done(Accepted(duplicate.base_offset, -1));
  }
  for (auto at = watchers_.begin(); at != watchers_.end();) {
    if (at->second.offset >= high_watermark) {
      ++at;
      continue;
    }
    const std::shared_ptr<DataWatcher> watcher = std::move(at->second.watcher);
    at = watchers_.erase(at);
    watcher->OnData();
  }
}

void Partition::OnPendingLost() {
  producers_.DropPending();
  producers_end_ = std::min(producers_end_, std::max(producers_.committed_end(), replica_.first_offset()));
  for (PendingDuplicate& duplicate : std::exchange(duplicates_, {})) {
    duplicate.done(Refusal({ErrorCode::kTimedOut, "the first copy may be lost; the outcome is unknown"}));
  }
  for (PendingInSync& pending : std::exchange(pending_in_sync_, {})) {
    pending.outcome.error = Error{ErrorCode::kNotEnoughReplicasAfterAppend,
                                  "committed, but on fewer replicas than min.insync.replicas as far as is known"};
    pending.done(std::move(pending.outcome));
  }
  WakeAllWatchers();
}

void Partition::OnReadOnly() {
  events_.OnLeader(ref_, {self_, static_cast<int32_t>(replica_.soft_state().term.value)});
}

void Partition::OnSoftState(const raft::SoftState& state) {
  // A leader is announced once it may serve (OnReady); until then an election is under way.
  const bool self_leads = state.role == raft::Role::kLeader;
  led_metrics_.reset();  // until it is ready
  if (state.leader == ReplicaId{}) {
    if (!leaderless_since_) leaderless_since_ = executor_.Now();
  } else if (!self_leads) {
    leaderless_since_.reset();
  }
  events_.OnLeader(ref_, {self_leads ? NodeId(0) : state.leader.node(), static_cast<int32_t>(state.term.value)});
}

void Partition::OnReady() {
  const auto since = std::exchange(leaderless_since_, std::nullopt);
  metrics_.OnElected(since ? std::optional<Duration>(executor_.Now() - *since) : std::nullopt);
  if (!led_metrics_) led_metrics_ = std::make_unique<LedPartitionMetrics>(metrics_, topic_, ref_.partition);
  in_sync_.Begin(executor_.Now());
  LookWhoIsInSync();
  events_.OnLeader(ref_, {self_, static_cast<int32_t>(replica_.soft_state().term.value)});
  events_.OnReady(ref_);
}

}  // namespace chronik::broker
