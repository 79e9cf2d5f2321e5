// SPDX-License-Identifier: Apache-2.0
#include "kernel/raft/test_cluster.h"

#include <algorithm>
#include <sstream>

#include "kernel/raft/quorum.h"

namespace chronik::raft {

const EntryMeta* TestLog::Find(LogIndex index) const {
  if (index <= previous.index || index > last_index()) return nullptr;
  return &entries[index - previous.index - 1];
}

void TestLog::Apply(const Persist& persist) {
  if (persist.hard_state) {
    EXPECT_GE(persist.hard_state->term, hard_state.term) << "the term went back";
    if (persist.hard_state->term == hard_state.term && hard_state.vote != ReplicaId{}) {
      EXPECT_EQ(persist.hard_state->vote, hard_state.vote) << "a second vote in one term";
    }
    hard_state = *persist.hard_state;
  }
  if (persist.reset) {
    ASSERT_TRUE(persist.entries.empty() && persist.hard_state.has_value());
    ASSERT_EQ(persist.hard_state->commit, persist.reset->last.index);
    previous = persist.reset->last;
    previous_next_offset = persist.reset->next_offset;
    base = persist.reset->configuration;
    entries.clear();
    configurations.clear();
  }
  if (persist.entries.empty()) return;
  const LogIndex first = persist.entries.front().index;
  ASSERT_GT(first, previous.index);
  ASSERT_LE(first, last_index() + 1) << "a gap";
  entries.resize(first - previous.index - 1);
  configurations.erase(configurations.lower_bound(first.value), configurations.end());
  auto configuration = persist.configurations.begin();
  for (const EntryMeta& entry : persist.entries) {
    ASSERT_EQ(entry.index, last_index() + 1);
    ASSERT_EQ(entry.base_offset, next_offset()) << "the offset chain broke at " << entry.index;
    entries.push_back(entry);
    if (entry.kind != EntryKind::kConfiguration) continue;
    ASSERT_TRUE(configuration != persist.configurations.end()) << "a configuration without a body";
    ASSERT_EQ(entry.bytes, EncodedSize(*configuration));
    configurations[entry.index.value] = *configuration++;
  }
  ASSERT_TRUE(configuration == persist.configurations.end()) << "a body without an entry";
}

const Configuration& TestLog::ConfigurationAt(LogIndex index) const {
  const auto behind = configurations.upper_bound(index.value);
  return behind == configurations.begin() ? base : std::prev(behind)->second;
}

void TestLog::TruncatePrefix(LogIndex first) {
  if (first <= previous.index + 1) return;
  const EntryMeta last_dropped = *Find(first - 1);
  base = ConfigurationAt(first - 1);
  configurations.erase(configurations.begin(), configurations.lower_bound(first.value));
  entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(first - previous.index - 1));
  previous = last_dropped.id();
  previous_next_offset = last_dropped.next_offset();
}

std::vector<TermStart> TestLog::Terms() const {
  std::vector<TermStart> out;
  for (const EntryMeta& entry : entries) {
    if (out.empty() || out.back().term != entry.term) out.push_back({entry.term, entry.index, entry.base_offset});
  }
  return out;
}

InitialState TestLog::Initial() const {
  std::vector<raft::ConfigurationAt> later;
  for (const auto& [index, configuration] : configurations) later.push_back({LogIndex(index), configuration});
  return {.hard_state = hard_state,
          .previous = previous,
          .previous_next_offset = previous_next_offset,
          .terms = Terms(),
          .last_index = last_index(),
          .next_offset = next_offset(),
          .configuration = base,
          .applied = previous.index,
          .later_configurations = std::move(later)};
}

TestCluster::TestCluster(uint64_t voters, uint64_t learners, uint64_t seed, Options options, uint64_t spare)
    : options_(options), nodes_(voters + learners + spare), random_(seed), seed_(seed) {
  Configuration first;
  for (uint64_t id = 1; id <= voters; ++id) first.voters.push_back(ReplicaId(id));
  for (uint64_t id = voters + 1; id <= voters + learners; ++id) first.learners.push_back(ReplicaId(id));
  for (uint64_t id = 1; id <= nodes_.size(); ++id) {
    if (id <= voters + learners) node(id).disk.base = first;
    Restart(id);
  }
}

std::string TestCluster::Where(uint64_t id) const {
  return "seed " + std::to_string(seed_) + " time " + std::to_string(now_) + " node " + std::to_string(id);
}

void TestCluster::Restart(uint64_t id) {
  TestNode& n = node(id);
  n.memory = n.disk;
  Options options = options_;
  options.self = ReplicaId(id);
  options.random_seed = seed_ * 1000 + id * 100 + ++restarts_;
  n.group = std::make_unique<RaftGroup>(options, n.disk.Initial());
  n.commit = n.memory.previous.index;
  n.up = true;
  CheckCommit(id);
  CheckView(id);
}

void TestCluster::Crash(uint64_t id) {
  TestNode& n = node(id);
  n.up = false;
  // Some writes had reached the disk although nobody was told.
  for (uint64_t survivors = Random(n.writes.size() + 1); survivors > 0; --survivors) {
    n.disk.Apply(n.writes.front().persist);
    n.writes.pop_front();
  }
  n.writes.clear();
  n.waiting.clear();
  n.barriers.clear();
  n.pull.reset();
  n.group.reset();
}

void TestCluster::Isolate(uint64_t id) {
  for (uint64_t other = 1; other <= nodes_.size(); ++other) {
    Cut(id, other);
    Cut(other, id);
  }
}

void TestCluster::HealAndRestartAll() {
  Heal();
  faults = {};
  for (uint64_t id = 1; id <= nodes_.size(); ++id) {
    node(id).stalled_until = 0;
    if (!node(id).up) Restart(id);
  }
}

void TestCluster::Advance(uint64_t units) {
  for (uint64_t i = 0; i < units; ++i) Advance();
}

void TestCluster::Advance() {
  ++now_;
  for (uint64_t id = 1; id <= nodes_.size(); ++id) {
    TestNode& n = node(id);
    while (n.up && !n.writes.empty() && n.writes.front().due <= now_ && n.stalled_until <= now_) {
      const Persist persist = std::move(n.writes.front().persist);
      n.writes.pop_front();
      n.disk.Apply(persist);
      Step(id, StorageDone{persist.sequence});
    }
    if (n.up && n.pull && n.pull->due <= now_) FinishPull(id);
    if (n.up && (now_ + id * 3) % kUnitsPerTick == 0) Step(id, Tick{});
  }
  std::vector<Flying> due;
  const auto later =
      std::stable_partition(flying_.begin(), flying_.end(), [&](const Flying& f) { return f.due > now_; });
  std::move(later, flying_.end(), std::back_inserter(due));
  flying_.erase(later, flying_.end());
  for (Flying& f : due) {
    if (cut_.contains({f.message.from.value, f.message.to.value})) continue;
    if (node(f.message.to.value).up) Step(f.message.to.value, std::move(f.message));
  }
}

Output TestCluster::Run(uint64_t id, Input input) {
  TestNode& n = node(id);
  n.before = {n.group->configuration(), n.group->soft_state()};
  Output out;
  n.group->Step(std::move(input), out);
  return out;
}

void TestCluster::Step(uint64_t id, Input input) {
  Output out = Run(id, std::move(input));
  Drain(id, out);
}

Result<LogIndex> TestCluster::Change(uint64_t id, std::vector<ReplicaId> voters, std::vector<ReplicaId> learners) {
  Output out = Run(id, ChangeConfiguration{std::move(voters), std::move(learners)});
  const Result<LogIndex> answer = out.configuration_change.value();
  Drain(id, out);
  return answer;
}

Result<Proposed> TestCluster::Propose(uint64_t id, uint32_t count, uint32_t bytes) {
  chronik::raft::Propose propose;
  propose.entries.push_back({EntryKind::kData, count, bytes});
  Output out = Run(id, std::move(propose));
  const Result<Proposed> answer = out.proposed.value();
  Drain(id, out);
  return answer;
}

void TestCluster::AskBarrier(uint64_t id) {
  const uint64_t context = ++barriers_;
  node(id).barriers[context] = committed();
  Step(id, ReadBarrier{context});
}

void TestCluster::DropPrefix(uint64_t id, LogIndex first) {
  TestNode& n = node(id);
  // Only what is on the disk and applied can be dropped there.
  first = std::min({first, n.commit + 1, n.group->durable_index() + 1});
  if (first <= n.memory.previous.index + 1) return;
  n.memory.TruncatePrefix(first);
  n.disk.TruncatePrefix(first);
  n.group->TruncatedPrefix(first, n.memory.previous_next_offset);
  CheckView(id);
}

void TestCluster::Drain(uint64_t id, Output& out) {
  TestNode& n = node(id);
  for (Persist& persist : out.persist) {
    n.memory.Apply(persist);
    const uint64_t after = n.writes.empty() ? 0 : n.writes.back().due;
    n.writes.push_back({std::max(after, now_ + 1 + Random(faults.max_write_delay)), std::move(persist)});
  }
  for (Message& message : out.messages) SendNow(id, std::move(message));
  for (auto& [sequence, message] : out.messages_after) n.waiting.emplace_back(sequence, std::move(message));
  const uint64_t open = n.writes.empty() ? UINT64_MAX : n.writes.front().persist.sequence;
  while (!n.waiting.empty() && n.waiting.front().first < open) {
    SendNow(id, std::move(n.waiting.front().second));
    n.waiting.pop_front();
  }
  CheckRole(id);
  CheckCommit(id);
  CheckView(id);
  CheckConfigurations(id);
  if (out.configuration) {
    EXPECT_TRUE(*out.configuration == n.group->configuration()) << Where(id);
  } else {
    EXPECT_TRUE(n.before.configuration == n.group->configuration())
        << Where(id) << " the configuration changed unheard";
  }
  if (out.settled && n.before.state.role == Role::kLeader) ++settled_;
  for (const uint64_t context : out.barriers_passed) {
    ASSERT_TRUE(n.barriers.contains(context)) << Where(id) << " a barrier nobody waits for";
    EXPECT_GE(n.group->commit_index(), n.barriers[context]) << Where(id) << " a stale read";
    n.barriers.erase(context);
    ++n.barriers_passed;
  }
  for (const uint64_t context : out.barriers_failed) {
    n.barriers.erase(context);
    ++n.barriers_failed;
  }
  if (out.pull_snapshot && !n.pull) n.pull = {now_ + 1 + Random(faults.max_pull_delay), *out.pull_snapshot};
}

// The chunks have arrived, unless the leader has dropped that snapshot or cannot be reached.
void TestCluster::FinishPull(uint64_t id) {
  TestNode& n = node(id);
  const Message offer = std::move(n.pull->offer);
  const auto& snapshot = std::get<InstallSnapshot>(offer.body);
  n.pull.reset();
  const TestNode& source = node(offer.from.value);
  if (!source.up || cut_.contains({id, offer.from.value}) || cut_.contains({offer.from.value, id})) return;
  if (source.memory.previous != snapshot.last) return;
  const auto& original = committed_.at(snapshot.last.index.value - 1).entry;
  EXPECT_TRUE(snapshot.last == original.id()) << Where(id) << " a snapshot of what was never committed";
  EXPECT_EQ(snapshot.next_offset, original.next_offset());
  const LogIndex before = n.memory.previous.index;
  Step(id, SnapshotReady{snapshot.last, snapshot.next_offset, snapshot.configuration});
  if (n.memory.previous.index > before) ++n.installed;
}

void TestCluster::SendNow(uint64_t id, Message message) {
  EXPECT_EQ(message.from, ReplicaId(id));
  if (!FillFromLog(node(id), message)) return;
  if (auto* append = std::get_if<AppendRequest>(&message.body)) {
    for (const EntryMeta& entry : append->entries) {
      if (entry.kind != EntryKind::kConfiguration) continue;
      const auto body = EncodeConfiguration(node(id).memory.configurations.at(entry.index.value));
      append->configurations.push_back(*DecodeConfiguration(body));
    }
  }
  CheckPromise(id, message);
  if (std::holds_alternative<AppendRequest>(message.body)) ++sent_appends_;
  const int copies = Random(100) < faults.duplicate_percent ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (Random(100) < faults.drop_percent) continue;
    flying_.push_back({now_ + 1 + Random(faults.max_message_delay), message});
  }
}

// What a driver does with read_through.
bool TestCluster::FillFromLog(TestNode& n, Message& message) {
  auto* append = std::get_if<AppendRequest>(&message.body);
  if (append == nullptr || append->read_through == LogIndex{}) return true;
  EXPECT_TRUE(append->entries.empty());
  uint64_t bytes = 0;
  for (LogIndex i = append->previous.index + 1; i <= append->read_through; ++i) {
    const EntryMeta* entry = n.memory.Find(i);
    if (entry == nullptr) return false;
    if (!append->entries.empty() && bytes + entry->bytes > options_.max_append_bytes) break;
    append->entries.push_back(*entry);
    bytes += entry->bytes;
  }
  append->previous_next_offset = append->entries.front().base_offset;
  append->read_through = LogIndex{};
  return true;
}

void TestCluster::CheckPromise(uint64_t id, const Message& message) {
  const TestNode& n = node(id);
  const auto remember_vote = [&](uint64_t candidate) {
    const auto [vote, fresh] = vote_of_.try_emplace({message.term.value, id}, candidate);
    EXPECT_EQ(vote->second, candidate) << Where(id) << " voted twice in term " << message.term;
    EXPECT_GE(n.disk.hard_state.term, message.term) << Where(id) << " its vote is not on disk";
    if (n.disk.hard_state.term == message.term) {
      EXPECT_EQ(n.disk.hard_state.vote, ReplicaId(candidate)) << Where(id);
    }
  };
  if (const auto* vote = std::get_if<VoteResponse>(&message.body); vote != nullptr && vote->granted && !vote->pre) {
    remember_vote(message.to.value);
  } else if (const auto* ask = std::get_if<VoteRequest>(&message.body); ask != nullptr && !ask->pre) {
    remember_vote(id);
  } else if (const auto* taken = std::get_if<AppendResponse>(&message.body); taken != nullptr && !taken->rejected) {
    EXPECT_LE(taken->match, n.disk.last_index()) << Where(id) << " acknowledged what is not on disk";
  }
}

// Election safety and leader completeness.
void TestCluster::CheckRole(uint64_t id) {
  const TestNode& n = node(id);
  const SoftState state = n.group->soft_state();
  if (state.role != Role::kLeader) return;
  const auto [leader, fresh] = leader_of_.try_emplace(state.term.value, id);
  ASSERT_EQ(leader->second, id) << Where(id) << " two leaders of term " << state.term;
  if (!fresh) return;
  for (const Committed& c : committed_) {
    if (c.seen_in >= state.term || c.entry.index <= n.memory.previous.index) continue;
    const EntryMeta* mine = n.memory.Find(c.entry.index);
    ASSERT_TRUE(mine != nullptr && *mine == c.entry) << Where(id) << " leads without committed entry " << c.entry.index;
  }
}

// Commit never goes back, all commit the same, and a leader only what a majority has on disk.
void TestCluster::CheckCommit(uint64_t id) {
  TestNode& n = node(id);
  const LogIndex commit = n.group->commit_index();
  ASSERT_GE(commit, n.commit) << Where(id) << " the commit index went back";
  ASSERT_LE(commit, n.memory.last_index()) << Where(id);
  for (LogIndex i = std::max(n.commit, n.memory.previous.index) + 1; i <= commit; ++i) {
    const EntryMeta* mine = n.memory.Find(i);
    ASSERT_NE(mine, nullptr) << Where(id);
    if (i.value <= committed_.size()) {
      const Committed& c = committed_[i.value - 1];
      ASSERT_TRUE(*mine == c.entry) << Where(id) << " committed another entry " << i;
      if (c.configuration) {
        ASSERT_TRUE(n.memory.configurations.at(i.value) == *c.configuration) << Where(id) << " at " << i;
      }
      continue;
    }
    ASSERT_EQ(i.value, committed_.size() + 1) << Where(id);
    ASSERT_TRUE(n.before.state.role == Role::kLeader) << Where(id) << " only a leader decides";
    const bool on_disks = QuorumHolds(n.before.configuration, [&](ReplicaId voter) {
      const TestLog& disk = node(voter.value).disk;
      const EntryMeta* there = disk.Find(i);
      return disk.previous.index >= i || (there != nullptr && *there == *mine);
    });
    ASSERT_TRUE(on_disks) << Where(id) << " entry " << i << ": no majority has it on disk";
    committed_.push_back({*mine, n.before.state.term, std::nullopt});
    if (mine->kind == EntryKind::kConfiguration) {
      committed_.back().configuration = n.memory.configurations.at(i.value);
    }
  }
  n.commit = commit;
}

// The core's idea of the log is the log.
void TestCluster::CheckView(uint64_t id) {
  const TestNode& n = node(id);
  ASSERT_EQ(n.group->last_index(), n.memory.last_index()) << Where(id);
  ASSERT_EQ(n.group->next_offset(), n.memory.next_offset()) << Where(id);
  ASSERT_TRUE(n.group->term_table() == n.memory.Terms()) << Where(id) << " the term table";
  // The tail that is said to be durable is there, now and whatever is still under way; nothing while a log is reset.
  if (n.group->durable_index() == LogIndex(0)) return;
  const EntryMeta* durable = n.disk.Find(n.group->durable_index());
  ASSERT_TRUE(durable != nullptr || n.group->durable_index() == n.disk.previous.index) << Where(id);
  if (durable != nullptr) {
    ASSERT_EQ(n.group->TermAt(durable->index), durable->term) << Where(id) << " at " << durable->index;
  }
}

// The core holds the configuration of its log's newest entry, and no log has two of them uncommitted.
void TestCluster::CheckConfigurations(uint64_t id) {
  const TestNode& n = node(id);
  ASSERT_TRUE(n.group->configuration() == n.memory.ConfigurationAt(n.memory.last_index())) << Where(id);
  const auto open =
      std::distance(n.memory.configurations.upper_bound(committed_.size()), n.memory.configurations.end());
  ASSERT_LE(open, 1) << Where(id) << " two changes at a time";
}

std::string TestCluster::Describe() const {
  std::ostringstream out;
  out << "committed " << committed_.size();
  for (uint64_t id = 1; id <= nodes_.size(); ++id) {
    const TestNode& n = nodes_[id - 1];
    out << "\n  " << id;
    if (!n.up) {
      out << " down";
      continue;
    }
    const SoftState state = n.group->soft_state();
    out << " role " << static_cast<int>(state.role) << " term " << state.term << " leader " << state.leader << " log ("
        << n.memory.previous.index << ", " << n.memory.last_index() << "] durable " << n.group->durable_index()
        << " commit " << n.commit << " writes " << n.writes.size() << " voters";
    for (const ReplicaId voter : n.group->configuration().voters) out << " " << voter;
    out << " phase " << static_cast<int>(n.group->configuration().phase);
    for (const PeerStatus& p : n.group->peers()) {
      out << " {" << p.peer << " match " << p.match << " next " << p.next;
      out << (p.recently_active ? " active" : "") << "}";
    }
  }
  return out.str();
}

void TestCluster::CheckLogMatching() const {
  for (size_t a = 0; a < nodes_.size(); ++a) {
    for (size_t b = a + 1; b < nodes_.size(); ++b) {
      const TestLog& x = nodes_[a].memory;
      const TestLog& y = nodes_[b].memory;
      bool must_match = false;
      const LogIndex begin = std::max(x.previous.index, y.previous.index);
      for (LogIndex i = std::min(x.last_index(), y.last_index()); i > begin; i = i - 1) {
        if (x.Find(i)->term == y.Find(i)->term) must_match = true;
        if (!must_match) continue;
        ASSERT_TRUE(*x.Find(i) == *y.Find(i)) << "seed " << seed_ << " entry " << i;
      }
    }
  }
}

std::optional<uint64_t> TestCluster::Leader() const {
  std::optional<uint64_t> best;
  for (uint64_t id = 1; id <= nodes_.size(); ++id) {
    const TestNode& n = nodes_[id - 1];
    if (!n.up || !n.group->leader_is_confirmed()) continue;
    if (!best || nodes_[*best - 1].group->soft_state().term < n.group->soft_state().term) best = id;
  }
  return best;
}

uint64_t TestCluster::ElectLeader() {
  EXPECT_TRUE(RunUntil([&] { return Leader().has_value(); })) << "no leader, seed " << seed_;
  return Leader().value_or(1);
}

bool TestCluster::Converged() const {
  const auto leader = Leader();
  if (!leader) return false;
  const Configuration& now = nodes_[*leader - 1].group->configuration();
  const std::vector<ReplicaId> members = Members(now);
  return now.phase == ConfigurationPhase::kStable && std::all_of(members.begin(), members.end(), [&](ReplicaId id) {
           const TestNode& n = nodes_[id.value - 1];
           return n.up && n.group->commit_index() == committed() && n.group->last_index() == committed();
         });
}

}  // namespace chronik::raft
