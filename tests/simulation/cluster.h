// SPDX-License-Identifier: Apache-2.0
// All nodes of a run: power, processes, the network between them, and the operator, who brings the groups to the
// configuration he wants, node by node, and replaces nodes whose disk cannot be trusted.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/network.h"
#include "tests/simulation/node.h"
#include "tests/simulation/oracle.h"

namespace chronik::sim {

class Cluster {
 public:
  Cluster(Scheduler& scheduler, size_t nodes, size_t groups);
  ~Cluster();

  void Start();
  // Everything off, everything freed.
  void Stop();

  size_t size() const { return slots_.size(); }
  const std::vector<GroupId>& groups() const { return context_.groups; }
  Oracle& oracle() { return oracle_; }
  SimNetwork& network() { return network_; }
  SimDisk& disk(size_t slot) { return *slots_[slot].disk; }
  // Null while it is down.
  Broker* broker(size_t slot) { return slots_[slot].broker.get(); }
  // The one that serves as leader, of the newest term; null: none.
  Broker* Leader(GroupId group);

  // The first violation; empty: none.
  const std::string& violation() const { return violation_; }
  void Violate(const std::string& what);

  // --- what happens to nodes
  enum class Loss : uint8_t { kProcess, kPower };
  // The process ends at once; it is started again after `down`.
  void Kill(size_t slot, Loss loss, Duration down);
  // The node's disk goes, and another node takes its place: at most one at a time, or acked data may be lost with
  // good reason. False: not now.
  bool Replace(size_t slot);
  // How many of the others see that a killed node's connections broke; the rest waits for its election timeout.
  void SetHints(uint64_t percent) { hint_percent_ = percent; }
  // Marks a node whose disk was damaged in silence; it is replaced some time later. False: not now, do not damage it.
  bool Suspect(size_t slot);
  // All nodes vote in all groups, and nobody else is damaged: a minority may be lost.
  bool may_lose_disk();

  // --- the operator
  // Who shall vote and learn, by slots; nodes that are in neither list hold their data in vain for a while.
  void Want(std::vector<size_t> voters, std::vector<size_t> learners);
  // Every group has a leader, the configuration that is wanted, and nothing left to do.
  bool settled();
  // Every replica that is wanted has applied all that was ever committed.
  bool caught_up();
  void Operate();  // called now and then

  // Every replica's state, a line each, for a report.
  std::string Describe();

  // Periodic checks across nodes.
  void Check();

 private:
  struct Slot {
    std::unique_ptr<SimDisk> disk;
    ReplicaId id;
    bool joins = false;  // it takes the place of another one
    std::unique_ptr<Broker> broker;
    bool restart_due = false;
  };

  bool nobody_knows_better(GroupId group, Term term);
  void Boot(size_t slot);
  void Send(ReplicaId from, GroupId group, replica::PeerMessage message);
  void NoteMessage(GroupId group, const replica::PeerMessage& message);
  replica::PeerMessage OverTheWire(GroupId group, replica::PeerMessage message);
  void OnFatal(ReplicaId node, bool corrupt, const std::string& why);
  void Bury();
  std::optional<size_t> SlotOf(ReplicaId id) const;
  std::vector<ReplicaId> Ids(const std::vector<size_t>& slots) const;

  Scheduler& scheduler_;
  Oracle oracle_;
  SimNetwork network_;
  BrokerContext context_;
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<Broker>> dying_;
  std::vector<ReplicaId> founders_;
  uint64_t next_id_ = 1;
  std::vector<size_t> want_voters_;
  std::vector<size_t> want_learners_;
  std::optional<size_t> replacing_;
  std::optional<size_t> suspect_;
  uint64_t hint_percent_ = 50;
  bool stopping_ = false;
  std::string violation_;
};

}  // namespace chronik::sim
