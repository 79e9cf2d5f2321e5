// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/cluster.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "kernel/cluster/message_wire.h"

namespace chronik::sim {

Cluster::Cluster(Scheduler& scheduler, size_t nodes, size_t groups)
    : scheduler_(scheduler),
      oracle_([this](const std::string& what) { Violate(what); }),
      network_(scheduler,
               [this](size_t to, GroupId group, replica::PeerMessage message) {
                 if (Broker* target = broker(to); target != nullptr && target->id() == message.to)
                   target->Deliver(group, std::move(message));
               }),
      context_{scheduler,
               oracle_,
               {},
               [this](ReplicaId from, GroupId group, replica::PeerMessage message) {
                 Send(from, group, std::move(message));
               },
               [this](ReplicaId node, bool corrupt, const std::string& why) { OnFatal(node, corrupt, why); },
               [this](ReplicaId node) { return !suspect_ || SlotOf(node) != suspect_; }} {
  for (size_t i = 0; i < groups; ++i) context_.groups.push_back(GroupId(i + 1));
  for (size_t i = 0; i < nodes; ++i) {
    Slot& slot = slots_.emplace_back();
    slot.disk = std::make_unique<SimDisk>(scheduler, i);
    slot.id = ReplicaId(next_id_++);
    founders_.push_back(slot.id);
    want_voters_.push_back(i);
  }
}

Cluster::~Cluster() = default;

void Cluster::Start() {
  for (size_t i = 0; i < size(); ++i) Boot(i);
}

void Cluster::Boot(size_t slot) {
  Slot& s = slots_[slot];
  s.restart_due = false;
  scheduler_.Note("boot", {slot, s.id.value});
  s.broker = std::make_unique<Broker>(context_, *s.disk, s.id, s.joins ? std::vector<ReplicaId>{} : founders_);
  s.broker->Start();
}

void Cluster::Violate(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  scheduler_.trace().Line(scheduler_.Now(), "VIOLATION " + what);
}

void Cluster::Send(ReplicaId from, GroupId group, replica::PeerMessage message) {
  const auto sender = SlotOf(from);
  const auto receiver = SlotOf(message.to);
  if (!sender || !receiver) return;
  NoteMessage(group, message);
  network_.Send(*sender, *receiver, group, OverTheWire(group, std::move(message)));
}

// As it would arrive: encoded and decoded.
replica::PeerMessage Cluster::OverTheWire(GroupId group, replica::PeerMessage message) {
  cluster::MessageFrame frame;
  frame.Add(group, message);
  auto decoded = cluster::DecodeMessages(frame.Take().Flatten(), message.from.node(), message.to.node());
  if (!decoded.ok() || decoded->size() != 1 || decoded->front().group != group) {
    Violate("wire: a message of group " + std::to_string(group.value) +
            " does not survive it: " + (decoded.ok() ? "another one came out" : decoded.error().message));
    return message;
  }
  return std::move(decoded->front().message);
}

// kind: position in the variants, 10 and up if it is no message of the core's.
void Cluster::NoteMessage(GroupId group, const replica::PeerMessage& message) {
  const auto* raft = std::get_if<replica::RaftMessage>(&message.body);
  if (raft == nullptr)
    return scheduler_.Note("send", {group.value, message.from.value, message.to.value, 10 + message.body.index()});
  const raft::Message& m = raft->message;
  uint64_t first = 0;
  uint64_t second = raft->entries.size();
  if (const auto* append = std::get_if<raft::AppendRequest>(&m.body)) first = append->previous.index.value;
  if (const auto* answer = std::get_if<raft::AppendResponse>(&m.body)) {
    first = answer->rejected ? answer->rejected_index.value : answer->match.value;
    second = answer->rejected ? 1 : 0;
  }
  scheduler_.Note("send", {group.value, m.from.value, m.to.value, m.body.index(), m.term.value, first, second});
}

std::optional<size_t> Cluster::SlotOf(ReplicaId id) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].id == id) return i;
  }
  return std::nullopt;
}

std::vector<ReplicaId> Cluster::Ids(const std::vector<size_t>& slots) const {
  std::vector<ReplicaId> ids;
  for (const size_t slot : slots) ids.push_back(slots_[slot].id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

Broker* Cluster::Leader(GroupId group) {
  Broker* leader = nullptr;
  for (Slot& slot : slots_) {
    if (!slot.broker || slot.broker->dead()) continue;
    const replica::Replica* r = slot.broker->replica(group);
    if (r == nullptr || !r->is_ready()) continue;
    if (leader == nullptr || r->soft_state().term > leader->replica(group)->soft_state().term)
      leader = slot.broker.get();
  }
  return leader;
}

// The others see their connections break, some of them; it restarts when it was told to.
void Cluster::Kill(size_t slot, Loss loss, Duration down) {
  Slot& s = slots_[slot];
  if (!s.broker) return;
  scheduler_.Note("kill", {slot, static_cast<uint64_t>(loss)});
  loss == Loss::kPower ? s.disk->Crash() : s.disk->Disconnect();
  s.broker->Kill();
  dying_.push_back(std::move(s.broker));
  for (Slot& other : slots_) {
    if (other.broker && scheduler_.random().Percent(hint_percent_)) other.broker->PeerLost(s.id);
  }
  if (stopping_ || s.restart_due) return;
  s.restart_due = true;
  scheduler_.After(down, [this, slot] {
    if (slots_[slot].restart_due && !stopping_) Boot(slot);
  });
}

bool Cluster::Suspect(size_t slot) {
  if (!may_lose_disk()) return false;
  suspect_ = slot;
  const Duration later = scheduler_.random().Between(std::chrono::seconds(1), std::chrono::seconds(4));
  scheduler_.After(later, [this, slot] {
    if (!stopping_ && suspect_ == slot) Replace(slot);
  });
  return true;
}

bool Cluster::may_lose_disk() {
  return !replacing_ && !suspect_ && size() >= 3 && want_voters_.size() == size() && settled() &&
         std::all_of(groups().begin(), groups().end(), [this](GroupId group) {
           return nobody_knows_better(group, Leader(group)->replica(group)->soft_state().term);
         });
}

bool Cluster::Replace(size_t slot) {
  if (suspect_ != slot && !may_lose_disk()) return false;
  suspect_.reset();
  replacing_ = slot;
  Slot& s = slots_[slot];
  Kill(slot, Loss::kPower, std::chrono::milliseconds(500));
  s.disk->Wipe();
  s.id = ReplicaId(next_id_++);
  s.joins = true;
  scheduler_.Note("replace", {slot, s.id.value});
  return true;
}

// A node whose disk lies is replaced; any other one is started again by its supervisor. In a group of one there is
// nobody to get the data from, and no silent damage is done to it.
void Cluster::OnFatal(ReplicaId node, bool corrupt, const std::string& why) {
  const auto slot = SlotOf(node);
  if (!slot) return;
  if (scheduler_.trace().recording())
    scheduler_.trace().Line(scheduler_.Now(), "node " + std::to_string(node.value) + " is fatal: " + why);
  scheduler_.After(std::chrono::milliseconds(1), [this, slot = *slot, node, corrupt, why] {
    if (stopping_ || slots_[slot].id != node || !slots_[slot].broker) return;
    if (!corrupt) return Kill(slot, Loss::kProcess, std::chrono::milliseconds(300));
    if (suspect_ != slot)
      Violate("node " + std::to_string(node.value) + " finds its data damaged, and it was not: " + why);
    if (!Replace(slot)) Kill(slot, Loss::kProcess, std::chrono::seconds(1));
  });
}

void Cluster::Want(std::vector<size_t> voters, std::vector<size_t> learners) {
  if (replacing_ || suspect_) return;
  want_voters_ = std::move(voters);
  want_learners_ = std::move(learners);
}

void Cluster::Operate() {
  for (const GroupId group : groups()) {
    Broker* leader = Leader(group);
    if (leader == nullptr) continue;
    const raft::Configuration wanted{Ids(want_voters_), Ids(want_learners_)};
    if (leader->replica(group)->raft()->configuration() == wanted) continue;
    // It may be a while until the node gets to it; an operator who changed his mind says nothing then.
    leader->OnShard(group, [this, wanted](replica::Replica& r) {
      if (wanted == raft::Configuration{Ids(want_voters_), Ids(want_learners_)})
        (void)r.ChangeConfiguration(wanted.voters, wanted.learners);
    });
  }
  Bury();
  if (replacing_ && settled() && caught_up()) replacing_.reset();
}

bool Cluster::settled() {
  const raft::Configuration wanted{Ids(want_voters_), Ids(want_learners_)};
  return std::all_of(groups().begin(), groups().end(), [this, &wanted](GroupId group) {
    Broker* leader = Leader(group);
    if (leader == nullptr) return false;
    const raft::RaftGroup& raft = *leader->replica(group)->raft();
    return raft.configuration() == wanted && raft.configurations().newest_index() <= raft.commit_index();
  });
}

// Its leader may be deposed and not know it; then somebody knows a newer term.
bool Cluster::nobody_knows_better(GroupId group, Term term) {
  return std::all_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
    const replica::Replica* r = slot.broker ? slot.broker->replica(group) : nullptr;
    return r != nullptr && r->raft() != nullptr && r->soft_state().term <= term;
  });
}

bool Cluster::caught_up() {
  for (const std::vector<size_t>* slots : {&want_voters_, &want_learners_}) {
    for (const size_t slot : *slots) {
      for (const GroupId group : groups()) {
        const replica::Replica* r = broker(slot) == nullptr ? nullptr : broker(slot)->replica(group);
        if (r == nullptr || r->applied().index < oracle_.committed(group) ||
            r->durable_index() < oracle_.committed(group)) {
          return false;
        }
      }
    }
  }
  return true;
}

void Cluster::Check() {
  for (const GroupId group : groups()) {
    const replica::Replica* before = nullptr;
    for (Slot& slot : slots_) {
      const replica::Replica* r = slot.broker ? slot.broker->replica(group) : nullptr;
      if (r == nullptr) continue;
      if (before != nullptr) oracle_.CheckMatching(group, *before, *r);
      before = r;
    }
  }
}

std::string Cluster::Describe() {
  std::ostringstream out;
  for (size_t i = 0; i < size(); ++i) {
    out << "place " << i << ", node " << slots_[i].id << (broker(i) == nullptr ? ": down\n" : ":\n");
    for (const GroupId group : groups()) {
      const replica::Replica* r = broker(i) == nullptr ? nullptr : broker(i)->replica(group);
      if (r == nullptr || r->raft() == nullptr) {
        out << "  group " << group << " is not open\n";
        continue;
      }
      const raft::RaftGroup& raft = *r->raft();
      const raft::SoftState soft = raft.soft_state();
      out << "  group " << group << " role " << static_cast<int>(soft.role) << " leader " << soft.leader << " term "
          << soft.term << " log " << r->first_index() << ".." << raft.last_index() << " durable " << r->durable_index()
          << " commit " << raft.commit_index() << " applied " << r->applied().index << " ready " << r->is_ready()
          << " writable " << (r->writable().ok() ? "yes" : r->writable().error().message) << " voters";
      for (const ReplicaId id : raft.configuration().voters) out << ' ' << id;
      if (raft.configuration().joint()) out << " joint with";
      for (const ReplicaId id : raft.configuration().next_voters) out << ' ' << id;
      out << " learners";
      for (const ReplicaId id : raft.configuration().learners) out << ' ' << id;
      out << '\n';
    }
  }
  return out.str();
}

void Cluster::Bury() {
  std::erase_if(dying_, [](const std::unique_ptr<Broker>& broker) { return broker->gone(); });
}

void Cluster::Stop() {
  stopping_ = true;
  for (size_t i = 0; i < size(); ++i) Kill(i, Loss::kPower, Duration(0));
  for (int steps = 0; !dying_.empty(); ++steps) {
    CHRONIK_CHECK(steps < 10'000) << "a killed process does not end: " << scheduler_.Waiting();
    scheduler_.RunFor(std::chrono::milliseconds(10));
    Bury();
  }
}

}  // namespace chronik::sim
