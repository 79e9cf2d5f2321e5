// SPDX-License-Identifier: Apache-2.0
// A simulated cluster of whole brokers: machines with a disk and one process after the other, the network between them,
// and what must hold of their metadata and their groups at any time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/metadata/image.h"
#include "tests/simulation/brokers/node.h"

namespace chronik::sim::brokers {

class Cluster {
 public:
  Cluster(Scheduler& scheduler, size_t nodes, bool fetch_from_followers);
  ~Cluster();

  void Start();
  // Ends all processes and takes them down.
  void Stop();

  Scheduler& scheduler() { return scheduler_; }
  size_t size() const { return slots_.size(); }
  LinkNetwork& network() { return network_; }
  SimDisk& disk(size_t slot) { return *slots_[slot].disk; }
  bool fetch_from_followers() const { return context_.fetch_from_followers; }
  // Null while it is down.
  Node* node(size_t slot) { return slots_[slot].node.get(); }
  // Null while clients cannot ask it.
  Node* serving(size_t slot) { return node(slot) != nullptr && node(slot)->serving() ? node(slot) : nullptr; }

  const std::string& violation() const { return violation_; }  // the first; empty: none
  void Violate(const std::string& what);

  enum class Loss : uint8_t { kProcess, kPower };
  void Kill(size_t slot, Loss loss, Duration down);
  // The machine's disk goes, with all that the node knew of itself. False: not now, acked data might be lost with good
  // reason.
  bool LoseDisk(size_t slot);
  // Of a broker that was decommissioned: it holds nothing, and joins again with an empty disk.
  void Renew(size_t slot);
  // How many of the others see that a killed process's connections broke.
  void SetHints(uint64_t percent) { hint_percent_ = percent; }

  // The newest metadata that any broker serves; null: none does.
  metadata::ImagePtr NewestImage();
  // Every broker serves, all know the same metadata, nothing moves, and every group has a leader, the voters that it
  // should have and nothing left to do. `why`: what is missing.
  bool Settled(std::string* why = nullptr);
  void Housekeep();  // now and then
  std::string Describe();

 private:
  struct Slot {
    std::unique_ptr<SimDisk> disk;
    std::unique_ptr<Node> node;
    bool restart_due = false;
    bool joins_only = false;
  };

  void Boot(size_t slot);
  void Wipe(size_t slot);
  void OnFatal(size_t slot, uint64_t boot, const Error& why);
  void CheckImages();
  std::string WhyNotSettled();
  std::string WhyNotSettled(GroupId group, const std::vector<ReplicaId>& voters, std::vector<ReplicaId> learners);

  Scheduler& scheduler_;
  LinkNetwork network_;
  NodeContext context_;
  std::vector<Slot> slots_;
  std::vector<std::unique_ptr<Node>> dying_;
  uint64_t boots_ = 0;
  uint64_t hint_percent_ = 50;
  bool stopping_ = false;
  std::map<uint64_t, metadata::ImagePtr> images_;  // by version
  std::string violation_;
};

}  // namespace chronik::sim::brokers
