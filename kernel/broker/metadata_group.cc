// SPDX-License-Identifier: Apache-2.0
#include "kernel/broker/metadata_group.h"

#include <utility>

#include "kernel/metadata/snapshot.h"

namespace chronik::broker {

MetadataGroup::MetadataGroup(Executor& executor, log::LogStore& store, log::TailCache& cache, MetadataEvents& events,
                             replica::Options options, log::OpenedGroup opened)
    : events_(events), replica_(executor, store, cache, *this, std::move(options), std::move(opened)) {}

void MetadataGroup::Propose(const metadata::Command& command, Callback<Result<metadata::Effect>> done) {
  replica::Proposal proposal;
  proposal.kind = raft::EntryKind::kCommand;
  proposal.body = metadata::EncodeCommand(command);
  // Known only once Propose returned; the waiter runs later.
  auto id = std::make_shared<raft::EntryId>();
  const auto proposed = replica_.Propose(std::move(proposal), replica::WaitFor::kCommitted, [this, id](Status status) {
    // Applied entries were answered by Apply; what is left was not committed, as far as this node can tell.
    if (auto left = proposed_.extract(*id)) {
      left.mapped()(status.ok() ? Error{ErrorCode::kInternal, "a committed command was not applied"} : status.error());
    }
  });
  if (!proposed.ok()) {
    return done(proposed.error().code == ErrorCode::kNotLeader
                    ? Error{ErrorCode::kNotController, "the metadata group has no leader yet"}
                    : proposed.error());
  }
  *id = {proposed->first, proposed->term};
  proposed_.emplace(*id, std::move(done));
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
  if (entry.meta.kind != raft::EntryKind::kCommand) return;
  const auto command = metadata::DecodeCommand(entry.body);
  if (!command.ok()) return events_.OnMetadataFatal(command.error());
  auto applied = metadata::Apply(*image_, *command);
  if (applied.ok()) {
    image_ = applied->image;
    events_.OnImage(image_, &applied->effect);
  }
  if (auto proposer = proposed_.extract(entry.meta.id())) {
    proposer.mapped()(applied.ok() ? Result<metadata::Effect>(std::move(applied->effect)) : applied.error());
  }
}

}  // namespace chronik::broker
