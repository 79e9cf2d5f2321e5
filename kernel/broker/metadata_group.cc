// SPDX-License-Identifier: Apache-2.0
#include "kernel/broker/metadata_group.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kernel/metadata/snapshot.h"

namespace chronik::broker {
namespace {

constexpr size_t kRecentMax = 1024;
constexpr uint32_t kTicksBetweenAligns = 10;

}  // namespace

MetadataGroup::MetadataGroup(Executor& executor, log::LogStore& store, log::TailCache& cache, MetadataEvents& events,
                             replica::Options options, log::OpenedGroup opened, CutOffAfter cut_off)
    : events_(events),
      ticks_(*options.ticks),
      cut_off_(cut_off),
      replica_(executor, store, cache, *this, std::move(options), std::move(opened)) {}

void MetadataGroup::OnTicked() {
  if (ticks_.now() - aligned_ >= kTicksBetweenAligns) AlignMembers();
}

void MetadataGroup::AlignMembers() {
  aligned_ = ticks_.now();
  if (!replica_.is_ready()) return;
  const std::vector<NodeId>& names = image_->metadata_voters();
  std::vector<ReplicaId> voters;
  std::vector<ReplicaId> learners;
  for (const NodeId node : names) voters.push_back(image_->ReplicaOf(node));
  for (const metadata::Broker& broker : image_->Brokers()) {
    if (!std::binary_search(names.begin(), names.end(), broker.id)) learners.push_back(broker.replica());
  }
  std::sort(voters.begin(), voters.end());
  std::sort(learners.begin(), learners.end());
  replica_.AlignConfiguration(voters, learners);
}

bool MetadataGroup::NeedsVoter(NodeId node) const {
  if (!replica_.is_ready()) return true;
  const raft::RaftGroup& raft = *replica_.raft();
  const raft::Configuration& now = raft.configuration();
  if (now.phase != raft::ConfigurationPhase::kStable || raft.configurations().newest_index() > raft.commit_index())
    return true;
  return std::any_of(now.voters.begin(), now.voters.end(), [node](ReplicaId voter) { return voter.node() == node; });
}

Result<raft::EntryId> MetadataGroup::Propose(Bytes command) {
  replica::Proposal proposal;
  proposal.kind = raft::EntryKind::kCommand;
  proposal.body = std::move(command);
  auto id = std::make_shared<raft::EntryId>();  // known once Propose returned; the waiter runs later
  const auto proposed = replica_.Propose(std::move(proposal), replica::WaitFor::kCommitted, [this, id](Status status) {
    // What was applied was answered then. What is left was not committed, as far as this node can tell.
    if (status.ok()) return;
    if (auto left = awaited_.extract(*id)) left.mapped()(status.error());
  });
  if (proposed.ok()) return *id = {proposed->first, proposed->term};
  if (proposed.error().code != ErrorCode::kNotLeader) return proposed.error();
  return Error{ErrorCode::kNotController, "the metadata group has no leader here"};
}

void MetadataGroup::Await(raft::EntryId id, Callback<Result<metadata::Effect>> done) {
  if (id.index > replica_.applied().index) {
    awaited_.emplace(id, std::move(done));
    return;
  }
  for (const auto& [applied, effect] : recent_) {
    if (applied == id) return done(effect);
    if (applied.index == id.index) return done(Error{ErrorCode::kNotController, "another leader's entry replaced it"});
  }
  done(Error{ErrorCode::kTimedOut, "applied too long ago; the outcome is unknown"});
}

void MetadataGroup::Close(Task done) {
  for (auto& [id, waiter] : std::exchange(awaited_, {}))
    waiter(Error{ErrorCode::kShuttingDown, "the broker is shutting down; the outcome is unknown"});
  replica_.Close(std::move(done));
}

Status MetadataGroup::RestoreCheckpoint(ByteView checkpoint) {
  auto image = metadata::DecodeImage(checkpoint);
  if (!image.ok()) return image.error();
  image_ = *std::move(image);
  events_.OnImage(image_, nullptr);
  return {};
}

Bytes MetadataGroup::EncodeCheckpoint() const { return metadata::EncodeImage(*image_); }

void MetadataGroup::Apply(const log::Entry& entry) {
  if (entry.meta.kind != raft::EntryKind::kCommand) {
    return Answer(entry, Error{ErrorCode::kInternal, "the entry holds no command"});
  }
  const auto command = metadata::DecodeCommand(entry.body);
  if (!command.ok()) return events_.OnMetadataFatal(command.error());
  auto applied = metadata::Apply(*image_, *command);
  if (applied.ok()) {
    image_ = applied->image;
    events_.OnImage(image_, &applied->effect);
  }
  Answer(entry, applied.ok() ? Result<metadata::Effect>(std::move(applied->effect)) : applied.error());
  CutOff(entry);
}

void MetadataGroup::CutOff(const log::Entry& applied) {
  bytes_since_cut_ += applied.meta.bytes;
  const uint64_t entries = applied.meta.index - replica_.first_index();
  if (bytes_since_cut_ < cut_off_.bytes || entries < cut_off_.entries || replica_.truncating()) return;
  replica_.TruncatePrefix(applied.meta.index - cut_off_.entries / 2, [this](const Status& status) {
    if (status.ok()) bytes_since_cut_ = 0;  // else at the next entry
  });
}

// Who waits for an entry that now has no place any more hears that, too.
void MetadataGroup::Answer(const log::Entry& entry, const Result<metadata::Effect>& effect) {
  recent_.emplace_back(entry.meta.id(), effect);
  if (recent_.size() > kRecentMax) recent_.pop_front();
  while (!awaited_.empty() && awaited_.begin()->first.index <= entry.meta.index) {
    auto awaited = awaited_.extract(awaited_.begin());
    if (awaited.key() == entry.meta.id()) {
      awaited.mapped()(effect);
    } else {
      awaited.mapped()(Error{ErrorCode::kNotController, "another leader's entry replaced it"});
    }
  }
}

}  // namespace chronik::broker
