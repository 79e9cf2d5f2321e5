// SPDX-License-Identifier: Apache-2.0
// The driver of a scenario: carries out Outputs in the order that raft.h asks for, and says what they hold.
#include "tests/scenario/scenario.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "tests/scenario/describe.h"

namespace chronik::raft {

namespace {

constexpr int kSettleRoundsMax = 1000;

}  // namespace

std::string Scenario::Run(const std::string& line) {
  const Command command(line);
  const auto handler = Handlers().find(command.name());
  if (handler == Handlers().end()) throw std::invalid_argument("unknown command: " + line);
  out_.str("");
  quiet_ = command.Flag("quietly");
  (this->*handler->second)(command);
  command.Finish();
  return out_.str();
}

Scenario::Node& Scenario::At(uint64_t id) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) throw std::invalid_argument("there is no node " + std::to_string(id));
  return found->second;
}

Scenario::Node& Scenario::Running(uint64_t id) {
  Node& n = At(id);
  if (!n.up) throw std::invalid_argument("node " + std::to_string(id) + " is down");
  return n;
}

// From what is on the disk.
void Scenario::Start(uint64_t id) {
  Node& n = At(id);
  n.memory = n.disk;
  n.writes.clear();
  n.waiting.clear();
  n.offer.reset();
  n.pull.reset();
  n.done = 0;
  Options options = options_;
  options.self = ReplicaId(id);
  options.random_seed = id;
  options.priority = static_cast<uint32_t>(n.priority);
  n.group = std::make_unique<RaftGroup>(options, n.disk.Initial());
  n.up = true;
}

void Scenario::Step(uint64_t id, Input input) {
  Output out;
  Running(id).group->Step(std::move(input), out);
  Drain(id, out);
}

void Scenario::Drain(uint64_t id, Output& out) {
  Node& n = At(id);
  for (Persist& persist : out.persist) {
    Detail() << id << " writes " << Describe(persist) << "\n";
    n.memory.Apply(persist);
    n.writes.push_back(std::move(persist));
  }
  DrainAnswers(id, out);
  DrainNews(id, out);
  DrainPermissions(id, out);
  for (Message& message : out.messages) Send(id, std::move(message));
  for (auto& [sequence, message] : out.messages_after) {
    Detail() << "  after #" << sequence << ": " << Describe(message) << "\n";
    n.waiting.emplace_back(sequence, std::move(message));
  }
  for (; !n.waiting.empty() && n.waiting.front().first <= n.done; n.waiting.pop_front()) {
    Detail() << Describe(n.waiting.front().second) << "\n";
    flying_.push_back(std::move(n.waiting.front().second));
  }
}

void Scenario::DrainAnswers(uint64_t id, const Output& out) {
  if (out.proposed) {
    Say() << id;
    if (out.proposed->ok()) {
      Say() << " takes it as " << Describe(EntryId{(*out.proposed)->first, (*out.proposed)->term}) << " at offset "
            << (*out.proposed)->base_offset << "\n";
    } else {
      Say() << " refuses: " << out.proposed->error().message << "\n";
    }
  }
  if (out.configuration_change) {
    Say() << id;
    if (out.configuration_change->ok()) {
      Say() << " changes the configuration, entry " << **out.configuration_change << "\n";
    } else {
      Say() << " refuses: " << out.configuration_change->error().message << "\n";
    }
  }
}

void Scenario::DrainNews(uint64_t id, const Output& out) {
  if (out.soft_state) {
    Say() << id << " is " << Describe(out.soft_state->role) << " of term " << out.soft_state->term << ", leader ";
    Say() << Describe(out.soft_state->leader) << "\n";
  }
  if (out.committed) Say() << id << " committed " << *out.committed << "\n";
  if (out.configuration) Say() << id << " has " << Describe(*out.configuration) << "\n";
  if (out.settled) Say() << id << " settled on " << Describe(*out.settled) << "\n";
  if (out.transfer_failed) Say() << id << " does not hand over to " << *out.transfer_failed << "\n";
}

void Scenario::DrainPermissions(uint64_t id, const Output& out) {
  for (const uint64_t context : out.barriers_passed) Say() << id << " may read " << context << "\n";
  for (const uint64_t context : out.barriers_failed) Say() << id << " may not read " << context << "\n";
  if (!out.pull_snapshot) return;
  const auto& snapshot = std::get<InstallSnapshot>(out.pull_snapshot->body);
  Say() << id << " needs snapshot " << Describe(snapshot.last) << " of " << out.pull_snapshot->from << "\n";
  At(id).offer = out.pull_snapshot;
}

void Scenario::Send(uint64_t id, Message message) {
  auto* append = std::get_if<AppendRequest>(&message.body);
  if (append != nullptr) {
    if (append->read_through != LogIndex{}) {
      Detail() << id << " reads entries " << append->previous.index + 1 << " to " << append->read_through << "\n";
      if (!FillFromLog(At(id), message)) return;
    }
    for (const EntryMeta& entry : append->entries) {
      if (entry.kind != EntryKind::kConfiguration) continue;
      append->configurations.push_back(At(id).memory.configurations.at(entry.index.value));
    }
  }
  Detail() << Describe(message) << "\n";
  flying_.push_back(std::move(message));
}

// What a driver does with read_through.
bool Scenario::FillFromLog(const Node& node, Message& message) {
  auto& append = std::get<AppendRequest>(message.body);
  uint64_t bytes = 0;
  for (LogIndex i = append.previous.index + 1; i <= append.read_through; ++i) {
    const EntryMeta* entry = node.memory.Find(i);
    if (entry == nullptr) return false;
    if (!append.entries.empty() && bytes + entry->bytes > options_.max_append_bytes) break;
    append.entries.push_back(*entry);
    bytes += entry->bytes;
  }
  append.previous_next_offset = append.entries.front().base_offset;
  append.read_through = LogIndex{};
  return true;
}

// A message to a node that is down, unknown or cut off is lost.
void Scenario::Arrive(Message message) {
  const uint64_t to = message.to.value;
  if (cut_.contains({message.from.value, to}) || !nodes_.contains(to) || !At(to).up) {
    Detail() << "lost: " << Describe(message) << "\n";
  } else {
    Step(to, std::move(message));
  }
}

std::deque<Message> Scenario::TakeFlying(const Command& c) {
  const auto [from, to] = c.Link();
  const uint64_t count = c.Number("count", std::numeric_limits<uint64_t>::max());
  std::deque<Message> taken;
  std::deque<Message> left;
  for (Message& m : flying_) {
    const bool take = m.from.value == from && m.to.value == to && taken.size() < count;
    (take ? taken : left).push_back(std::move(m));
  }
  flying_ = std::move(left);
  if (taken.empty()) throw std::invalid_argument("nothing is under way: " + c.name() + " " + c.Word(0));
  return taken;
}

void Scenario::CompleteWrites(uint64_t id, uint64_t count) {
  for (Node& n = Running(id); count > 0 && !n.writes.empty(); --count) {
    const Persist persist = std::move(n.writes.front());
    n.writes.pop_front();
    n.disk.Apply(persist);
    n.done = persist.sequence;
    Step(id, StorageDone{persist.sequence});
  }
}

void Scenario::CompleteTogether(uint64_t id) {
  Node& n = Running(id);
  for (const Persist& persist : n.writes) {
    n.disk.Apply(persist);
    n.done = persist.sequence;
  }
  n.writes.clear();
  Step(id, StorageDone{n.done});
}

// Completes every write and delivers every message, also those that follow, until nothing moves.
void Scenario::Settle() {
  for (int round = 0; round < kSettleRoundsMax; ++round) {
    bool moved = false;
    for (auto& [id, n] : nodes_) {
      if (!n.up || n.stalled || n.writes.empty()) continue;
      CompleteWrites(id, std::numeric_limits<uint64_t>::max());
      moved = true;
    }
    for (size_t left = flying_.size(); left > 0; --left) {
      Message message = std::move(flying_.front());
      flying_.pop_front();
      moved = true;
      Arrive(std::move(message));
    }
    if (!moved) return;
  }
  Say() << "never settles\n";
}

void Scenario::StateOf(uint64_t id) {
  const Node& n = At(id);
  Say() << id;
  if (!n.up) {
    Say() << " down\n";
    return;
  }
  const SoftState state = n.group->soft_state();
  const ReplicaId vote = n.group->hard_state().vote;
  Say() << " " << Describe(state.role) << " term " << state.term;
  if (vote != ReplicaId{}) Say() << " voted " << vote;
  Say() << " log";
  if (n.memory.previous.index != LogIndex{}) Say() << " behind " << Describe(n.memory.previous) << ":";
  for (const TermStart& row : n.group->term_table()) {
    Say() << " " << Describe(EntryId{row.first_index, row.term}) << "@" << row.first_offset;
  }
  Say() << " to " << n.group->last_index() << "@" << n.group->next_offset() << " durable " << n.group->durable_index()
        << " commit " << n.group->commit_index() << "\n";
}

}  // namespace chronik::raft
