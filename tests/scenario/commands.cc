// SPDX-License-Identifier: Apache-2.0
// The commands of a scenario; README.md says what each does.
#include <algorithm>
#include <limits>
#include <stdexcept>

#include "tests/scenario/describe.h"
#include "tests/scenario/scenario.h"

namespace chronik::raft {

const std::map<std::string, Scenario::Handler>& Scenario::Handlers() {
  static const std::map<std::string, Handler> handlers = {
      {"group", &Scenario::DoGroup},     {"node", &Scenario::DoNode},       {"campaign", &Scenario::DoCampaign},
      {"tick", &Scenario::DoTick},       {"run", &Scenario::DoRun},         {"propose", &Scenario::DoPropose},
      {"read", &Scenario::DoRead},       {"change", &Scenario::DoChange},   {"transfer", &Scenario::DoTransfer},
      {"lost", &Scenario::DoLost},       {"write", &Scenario::DoWrite},     {"done", &Scenario::DoDone},
      {"stall", &Scenario::DoStall},     {"fail", &Scenario::DoFail},       {"deliver", &Scenario::DoDeliver},
      {"drop", &Scenario::DoDrop},       {"inject", &Scenario::DoInject},   {"settle", &Scenario::DoSettle},
      {"cut", &Scenario::DoCut},         {"heal", &Scenario::DoHeal},       {"crash", &Scenario::DoCrash},
      {"restart", &Scenario::DoRestart}, {"compact", &Scenario::DoCompact}, {"chunk", &Scenario::DoChunk},
      {"state", &Scenario::DoState},     {"peers", &Scenario::DoPeers},     {"elect", &Scenario::DoElect},
      {"members", &Scenario::DoMembers},
  };
  return handlers;
}

void Scenario::DoGroup(const Command& c) {
  const auto small = [&](const char* key, uint32_t otherwise) {
    return static_cast<uint32_t>(c.Number(key, otherwise));
  };
  options_.election_ticks = small("election", options_.election_ticks);
  options_.max_append_bytes = small("append-bytes", options_.max_append_bytes);
  options_.max_inflight_messages = small("window-messages", options_.max_inflight_messages);
  options_.max_inflight_bytes = c.Number("window-bytes", options_.max_inflight_bytes);
  options_.max_uncommitted_bytes = c.Number("uncommitted-bytes", options_.max_uncommitted_bytes);
  options_.max_uncommitted_entries = small("uncommitted-entries", options_.max_uncommitted_entries);
  first_ = {c.Nodes("voters"), c.Nodes("learners")};
  for (const ReplicaId id : Members(first_)) nodes_[id.value].disk.base = first_;
  for (const ReplicaId id : c.Nodes("spare")) nodes_[id.value];
  for (const auto& [id, n] : nodes_) Start(id);
}

// Starts over with a log of these terms: the first entry of a term is a no-op, the others span one offset.
void Scenario::DoNode(const Command& c) {
  Node& n = At(c.Node());
  n.disk = {};
  if (!c.Flag("blank")) n.disk.base = first_;
  for (const uint64_t term : c.Numbers("log")) {
    const bool first = n.disk.entries.empty() || n.disk.entries.back().term.value != term;
    n.disk.entries.push_back({n.disk.last_index() + 1, Term(term), n.disk.next_offset(), first ? 0u : 1u,
                              first ? 0u : 10u, first ? EntryKind::kNoop : EntryKind::kData});
  }
  n.disk.hard_state = {Term(c.Number("term", 0)), ReplicaId(c.Number("vote", 0)), LogIndex(c.Number("commit", 0))};
  n.priority = c.Number("priority", 0);
  Start(c.Node());
}

void Scenario::DoCampaign(const Command& c) { Step(c.Node(), CampaignNow{}); }

// Of what happens, only the result is told.
void Scenario::DoElect(const Command& c) {
  quiet_ = true;
  Step(c.Node(), CampaignNow{});
  Settle();
  out_.str("");
  if (!Running(c.Node()).group->leader_is_confirmed()) throw std::invalid_argument("it is not elected");
  Say() << c.Node() << " leads term " << Running(c.Node()).group->soft_state().term << "\n";
}

void Scenario::DoTick(const Command& c) {
  for (uint64_t i = c.Number("count", 1); i > 0; --i) Step(c.Node(), Tick{});
}

// Time passes for everybody who runs, and only what stalls or is cut off is slow.
void Scenario::DoRun(const Command& c) {
  quiet_ = true;
  for (uint64_t i = c.Number("ticks"); i > 0; --i) {
    for (const auto& [id, n] : nodes_) {
      if (n.up) Step(id, Tick{});
    }
    Settle();
  }
}

void Scenario::DoPropose(const Command& c) {
  Propose propose;
  for (uint64_t i = c.Number("entries", 1); i > 0; --i) {
    propose.entries.push_back({EntryKind::kData, static_cast<uint32_t>(c.Number("offsets", 1)),
                               static_cast<uint32_t>(c.Number("bytes", 10))});
  }
  Step(c.Node(), std::move(propose));
}

void Scenario::DoRead(const Command& c) { Step(c.Node(), ReadBarrier{c.Number("context")}); }
void Scenario::DoTransfer(const Command& c) { Step(c.Node(), TransferLeadership{ReplicaId(c.Number("to"))}); }
void Scenario::DoChange(const Command& c) {
  Step(c.Node(), ChangeConfiguration{c.Nodes("voters"), c.Nodes("learners")});
}
void Scenario::DoLost(const Command& c) { Step(c.Node(), PeerLost{ReplicaId(c.Number("peer"))}); }

void Scenario::DoWrite(const Command& c) {
  if (Running(c.Node()).writes.empty()) throw std::invalid_argument("nothing is to be written");
  if (c.Flag("together")) return CompleteTogether(c.Node());
  CompleteWrites(c.Node(), c.Number("count", std::numeric_limits<uint64_t>::max()));
}

// What storage said already, or says too late.
void Scenario::DoDone(const Command& c) { Step(c.Node(), StorageDone{c.Number("sequence")}); }
void Scenario::DoStall(const Command& c) { At(c.Node()).stalled = !c.Flag("no-more"); }
void Scenario::DoFail(const Command& c) { Step(c.Node(), StorageFailed{}); }

void Scenario::DoDeliver(const Command& c) {
  std::deque<Message> messages = TakeFlying(c);
  if (c.Flag("backwards")) std::reverse(messages.begin(), messages.end());
  for (Message& m : messages) {
    if (c.Flag("twice")) Arrive(m);
    Arrive(std::move(m));
  }
}

void Scenario::DoDrop(const Command& c) {
  for (const Message& m : TakeFlying(c)) Detail() << "lost: " << Describe(m) << "\n";
}

namespace {

// "2/1:0+1" is entry 2 of term 1 at offset 0, spanning 1.
std::vector<EntryMeta> Entries(const std::string& text) {
  std::vector<EntryMeta> out;
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, ',');) {
    const size_t slash = item.find('/');
    const size_t colon = item.find(':');
    const size_t plus = item.find('+');
    if (slash == std::string::npos || colon == std::string::npos || plus == std::string::npos || slash > colon ||
        colon > plus) {
      throw std::invalid_argument("an entry is index/term:offset+count, not " + item);
    }
    const auto count = static_cast<uint32_t>(ToNumber(item.substr(plus + 1)));
    out.push_back({LogIndex(ToNumber(item.substr(0, slash))), Term(ToNumber(item.substr(slash + 1, colon - slash - 1))),
                   Offset(static_cast<int64_t>(ToNumber(item.substr(colon + 1, plus - colon - 1)))), count, 10 * count,
                   count == 0 ? EntryKind::kNoop : EntryKind::kData});
  }
  return out;
}

decltype(Message::body) Body(const Command& c) {
  const std::string& kind = c.Word(1);
  if (kind == "vote?" || kind == "prevote?") return VoteRequest{kind == "prevote?", c.Flag("transfer"), c.Id("last")};
  if (kind == "vote" || kind == "prevote") return VoteResponse{kind == "prevote", c.Flag("granted")};
  if (kind == "append") {
    return AppendRequest{c.Id("after"), Offset(static_cast<int64_t>(c.Number("offset"))), Entries(c.Text("entries")),
                         LogIndex(c.Number("commit", 0)), LogIndex{}};
  }
  if (kind == "accepted") return AppendResponse{false, LogIndex(c.Number("match")), {}, {}};
  if (kind == "rejected") return AppendResponse{true, {}, c.Id("hint"), LogIndex(c.Number("after"))};
  if (kind == "beat") return HeartbeatRequest{LogIndex(c.Number("commit")), c.Number("read", 0)};
  if (kind == "alive") return HeartbeatResponse{c.Number("read", 0)};
  if (kind == "campaign-now") return TimeoutNow{};
  if (kind == "snapshot") {
    return InstallSnapshot{
        c.Id("last"), Offset(static_cast<int64_t>(c.Number("offset"))), {c.Nodes("voters"), c.Nodes("learners")}};
  }
  throw std::invalid_argument("unknown message " + kind);
}

}  // namespace

// A message that no core sent just now: an old one, or one that no correct peer sends.
void Scenario::DoInject(const Command& c) {
  const auto [from, to] = c.Link();
  Step(c.Number("at", to), Message{ReplicaId(from), ReplicaId(to), Term(c.Number("term")), Body(c)});
}

void Scenario::DoSettle(const Command&) {
  quiet_ = true;
  Settle();
}

void Scenario::DoCut(const Command& c) {
  const auto [from, to] = c.Link();
  cut_.insert({from, to});
  if (!c.Flag("oneway")) cut_.insert({to, from});
}

void Scenario::DoHeal(const Command&) { cut_.clear(); }

// What had not completed is lost, but for the first written= writes, of which nobody was told.
void Scenario::DoCrash(const Command& c) {
  Node& n = Running(c.Node());
  for (uint64_t left = c.Number("written", 0); left > 0; --left) {
    if (n.writes.empty()) throw std::invalid_argument("there are not so many writes");
    n.disk.Apply(n.writes.front());
    n.writes.pop_front();
  }
  n.up = false;
  Say() << c.Node() << " loses " << n.writes.size() << " writes\n";
  n.group.reset();
}

void Scenario::DoRestart(const Command& c) {
  Start(c.Node());
  StateOf(c.Node());
}

void Scenario::DoCompact(const Command& c) {
  Node& n = Running(c.Node());
  const LogIndex first(c.Number("first"));
  if (first > std::min(n.group->commit_index(), n.group->durable_index()) + 1) {
    throw std::invalid_argument("only what is committed and durable goes");
  }
  n.memory.TruncatePrefix(first);
  n.disk.TruncatePrefix(first);
  n.group->TruncatedPrefix(first, n.memory.previous_next_offset);
}

// The next chunk of the snapshot that was offered arrives; with the last one, the snapshot is durable.
void Scenario::DoChunk(const Command& c) {
  Node& n = Running(c.Node());
  if (!n.offer) throw std::invalid_argument("nothing was offered");
  if (!n.pull) n.pull.emplace(static_cast<uint32_t>(c.Number("max", 100)), 3);
  if (n.pull->Offer(*n.offer) == SnapshotPull::Action::kStartOver) Detail() << c.Node() << " empties its file\n";
  const std::optional<FetchSnapshot> fetch = n.pull->Next();
  if (!fetch) throw std::invalid_argument("nothing is asked for");
  Detail() << c.Node() << " asks " << fetch->to << " for " << Describe(fetch->last) << " at " << fetch->position
           << ", at most " << fetch->max_bytes << "B\n";
  if (c.Flag("lost")) return n.pull->Tick(3);
  const SnapshotChunk chunk{fetch->last, fetch->position, static_cast<uint32_t>(c.Number("bytes", 0)),
                            c.Number("of", 0), c.Flag("gone")};
  switch (n.pull->OnChunk(fetch->to, chunk)) {
    case SnapshotPull::Action::kComplete: {
      const InstallSnapshot snapshot = n.pull->offer();
      n.pull.reset();
      n.offer.reset();
      Detail() << c.Node() << " has it all\n";
      return Step(c.Node(), SnapshotReady{snapshot.last, snapshot.next_offset, snapshot.configuration});
    }
    case SnapshotPull::Action::kNothing:
      Detail() << c.Node() << " gives up\n";
      n.pull.reset();
      n.offer.reset();
      return;
    default: return;
  }
}

void Scenario::DoState(const Command& c) {
  if (c.HasWord(0)) return StateOf(c.Node());
  for (const auto& [id, n] : nodes_) StateOf(id);
}

void Scenario::DoMembers(const Command& c) {
  Say() << c.Node() << " has " << Describe(Running(c.Node()).group->configuration()) << "\n";
}

void Scenario::DoPeers(const Command& c) {
  const RaftGroup& group = *Running(c.Node()).group;
  for (const PeerStatus& peer : group.peers()) {
    Say() << peer.peer << (peer.learner ? " learner" : " voter") << " match " << peer.match << " next " << peer.next
          << (peer.recently_active ? "" : " silent") << "\n";
  }
  Say() << "uncommitted " << group.uncommitted_bytes() << "B, " << (group.leader_is_confirmed() ? "" : "not ")
        << "confirmed, offset conflicts " << group.offset_conflicts() << "\n";
}

}  // namespace chronik::raft
