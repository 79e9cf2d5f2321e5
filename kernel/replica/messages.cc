// SPDX-License-Identifier: Apache-2.0
// Messages of the group: what the core sends gets the bodies of its entries on the way out, and loses them on the way
// in. Bodies come from the tail cache; for a follower that is far behind, from the store.
#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/replica/replica.h"

namespace chronik::replica {

using log::Entry;
using raft::AppendRequest;
using raft::EntryKind;

void Replica::Send(ReplicaId to, decltype(PeerMessage::body) body) {
  CHRONIK_CHECK(options_.peers != nullptr) << "group " << options_.group << " has nobody to send to";
  options_.peers->Send(options_.group, {options_.raft.self, to, std::move(body)});
}

void Replica::SendRaft(raft::Message message) {
  const ReplicaId to = message.to;
  auto* request = std::get_if<AppendRequest>(&message.body);
  if (request == nullptr || (request->entries.empty() && request->read_through == LogIndex{}))
    return Send(to, RaftMessage{std::move(message)});
  RaftMessage out{std::move(message)};
  if (FillFromCache(out)) return SendEntries(std::move(out));
  FeedFromStore(std::move(out));
}

// One message a follower waits; what the core repeats meanwhile is dropped, as the network might.
void Replica::FeedFromStore(RaftMessage out) {
  if (closing_) return;
  if (options_.recovery == nullptr) return ReadBodies(std::move(out));
  const ReplicaId to = out.message.to;
  if (std::find(waiting_to_be_fed_.begin(), waiting_to_be_fed_.end(), to) != waiting_to_be_fed_.end()) return;
  waiting_to_be_fed_.push_back(to);
  options_.recovery->Ask(this, [this, to, generation = generation_, out = std::move(out)]() mutable {
    std::erase(waiting_to_be_fed_, to);
    if (generation == generation_ && !failed_ && !refused_ && !closing_) ReadBodies(std::move(out));
  });
}

void Replica::SendEntries(RaftMessage out) {
  constexpr std::chrono::seconds kGivenUp{10};  // the request or its answer was lost
  const Instant now = executor_.Now();
  const ReplicaId to = out.message.to;
  if ((!watched_ || now - watched_->sent > kGivenUp) && !out.entries.empty())
    watched_ = Watched{to, out.entries.back().meta.index, now};
  Send(to, std::move(out));
}

void Replica::NoteRoundTrip(ReplicaId from, const raft::AppendResponse& response) {
  if (!watched_ || watched_->peer != from || response.rejected || response.match < watched_->through) return;
  machine_.OnRoundTrip(executor_.Now() - watched_->sent);
  watched_.reset();
}

// False: the first of its entries is not cached.
bool Replica::FillFromCache(RaftMessage& out) const {
  auto& request = std::get<AppendRequest>(out.message.body);
  const bool chosen = request.read_through == LogIndex{};  // by the core; else: as many as go into one message
  LogIndex next = request.previous.index + 1 + out.entries.size();
  const LogIndex last = chosen ? request.previous.index + request.entries.size() : request.read_through;
  uint64_t bytes = 0;
  for (const Entry& entry : out.entries) bytes += entry.body.size();
  for (; next <= last; ++next) {
    const Entry* entry = tail_.At(next);
    if (entry == nullptr) break;
    if (!chosen && !out.entries.empty() && bytes + entry->body.size() > options_.raft.max_append_bytes) break;
    bytes += entry->body.size();
    out.entries.push_back(*entry);
  }
  if (out.entries.empty() || (chosen && next <= last)) return false;
  if (!chosen) request.previous_next_offset = out.entries.front().meta.base_offset;
  request.read_through = LogIndex{};
  request.entries.clear();
  return true;
}

void Replica::ReadBodies(RaftMessage out) {
  const auto& request = std::get<AppendRequest>(out.message.body);
  const LogIndex first = request.previous.index + 1 + out.entries.size();
  LogIndex last = request.read_through;
  uint64_t bytes = options_.raft.max_append_bytes;
  if (last == LogIndex{}) {
    last = request.previous.index + request.entries.size();
    bytes = 0;
    for (const raft::EntryMeta& meta : request.entries) bytes += meta.bytes;
  }
  last = std::min(last, durable_);
  if (first > last || first <= log_begin_.index || closing_) return;  // the core tries again
  ++operations_;
  store_.Read(
      options_.shard, handle_,
      {.by = log::ReadBy::kIndex, .key = static_cast<int64_t>(first.value), .end_index = last + 1, .max_bytes = bytes},
      [this, generation = generation_, out = std::move(out)](Result<std::vector<Entry>> read) mutable {
        if (!read.ok()) {
          CHRONIK_LOG(kWarn) << "group " << options_.group << ": cannot read entries for node " << out.message.to
                             << ": " << read.error();
        } else if (generation == generation_ && !failed_ && !refused_ && !closing_) {
          SendWhatWasRead(std::move(out), *std::move(read));
        }
        OperationDone();
      });
}

// Only if it is still the leader of that term, so that what it read is what that leader's log holds.
void Replica::SendWhatWasRead(RaftMessage out, std::vector<Entry> read) {
  const raft::SoftState now = raft_->soft_state();
  if (now.role != raft::Role::kLeader || now.term != out.message.term || read.empty()) return;
  auto& request = std::get<AppendRequest>(out.message.body);
  if (raft_->TermAt(request.previous.index) != request.previous.term) return;
  uint64_t bytes = 0;
  for (Entry& entry : read) {
    bytes += entry.body.size();
    out.entries.push_back(std::move(entry));
  }
  if (options_.recovery != nullptr) options_.recovery->Took(bytes);
  const ReplicaId to = out.message.to;
  const bool chosen = request.read_through == LogIndex{};
  const bool complete = FillFromCache(out);
  if (!complete && chosen) {  // a part is better than nothing: what follows is refused, and sent again
    request.entries.clear();
  }
  Send(to, std::move(out));
}

void Replica::SendDurable(uint64_t sequence) {
  while (!after_.empty() && after_.front().first <= sequence) {
    raft::Message message = std::move(after_.front().second);
    after_.pop_front();
    SendRaft(std::move(message));
  }
}

void Replica::Receive(PeerMessage message) {
  if (!raft_ || failed_ || refused_ || closing_ || message.to != options_.raft.self) return;
  if (auto* raft = std::get_if<RaftMessage>(&message.body)) {
    if (raft->message.from == message.from) OnRaftMessage(std::move(*raft));
  } else if (const auto* fetch = std::get_if<raft::FetchSnapshot>(&message.body)) {
    OnFetchSnapshot(message.from, *fetch);
  } else if (const auto* chunk = std::get_if<SnapshotChunk>(&message.body)) {
    OnSnapshotChunk(message.from, *chunk);
  }
}

void Replica::OnRaftMessage(RaftMessage in) {
  if (auto* request = std::get_if<AppendRequest>(&in.message.body)) {
    request->read_through = LogIndex{};
    request->entries.clear();
    request->configurations.clear();
    request->entries.reserve(in.entries.size());
    for (const Entry& entry : in.entries) {
      if (entry.meta.bytes != entry.body.size()) return;
      request->entries.push_back(entry.meta);
      if (entry.meta.kind != EntryKind::kConfiguration) continue;
      auto configuration = raft::DecodeConfiguration(entry.body);
      if (!configuration.ok()) {
        CHRONIK_LOG(kError) << "group " << options_.group << ": from node " << in.message.from << ": "
                            << configuration.error();
        return;
      }
      request->configurations.push_back(*std::move(configuration));
    }
  } else {
    in.entries.clear();
    if (const auto* response = std::get_if<raft::AppendResponse>(&in.message.body))
      NoteRoundTrip(in.message.from, *response);
  }
  CatchUpWithTicks();
  incoming_ = std::move(in.entries);
  out_.Clear();
  raft_->Step(std::move(in.message), out_);
  CarryOut();
  incoming_.clear();
}

}  // namespace chronik::replica
