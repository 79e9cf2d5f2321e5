// SPDX-License-Identifier: Apache-2.0
// A cluster of RaftGroups in one thread, for the tests: a network that delays, drops, doubles and reorders, disks that
// complete late and lose what they had not completed when their node crashes. One seed = one run. After every step it
// checks what Raft promises; a violation is a test failure that names seed and time.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel/raft/raft.h"

namespace chronik::raft {

// A log with its hard state: what is on a disk, or what a driver has handed to it.
struct TestLog {
  HardState hard_state;
  EntryId previous;
  Offset previous_next_offset;
  std::vector<EntryMeta> entries;
  Configuration base;                                // that held at `previous`
  std::map<uint64_t, Configuration> configurations;  // of its kConfiguration entries

  LogIndex last_index() const { return previous.index + entries.size(); }
  Offset next_offset() const { return entries.empty() ? previous_next_offset : entries.back().next_offset(); }
  const EntryMeta* Find(LogIndex index) const;
  void Apply(const Persist& persist);  // fails the test if offsets or indexes do not chain
  void TruncatePrefix(LogIndex first);
  std::vector<TermStart> Terms() const;
  const Configuration& ConfigurationAt(LogIndex index) const;
  InitialState Initial() const;
};

struct TestNode {
  bool up = false;
  std::unique_ptr<RaftGroup> group;
  TestLog memory;  // with everything the core asked to persist
  TestLog disk;    // with everything that completed
  struct Write {
    uint64_t due;
    Persist persist;
  };
  std::deque<Write> writes;
  uint64_t stalled_until = 0;                        // the disk completes nothing before
  std::deque<std::pair<uint64_t, Message>> waiting;  // messages_after
  struct Pull {                                      // of a snapshot
    uint64_t due;
    Message offer;
  };
  std::optional<Pull> pull;
  LogIndex commit;
  struct {
    Configuration configuration;
    SoftState state;
  } before;                               // the Step that runs
  uint64_t installed = 0;                 // snapshots
  std::map<uint64_t, LogIndex> barriers;  // context -> what the cluster had committed when it was asked for
  uint64_t barriers_passed = 0;
  uint64_t barriers_failed = 0;
};

class TestCluster {
 public:
  // Time runs in units; a node ticks every kUnitsPerTick of them.
  static constexpr uint64_t kUnitsPerTick = 10;

  struct Faults {
    uint32_t drop_percent = 0;
    uint32_t duplicate_percent = 0;
    uint64_t max_message_delay = 1;
    uint64_t max_write_delay = 1;
    uint64_t max_pull_delay = 1;
  };

  // `spare` nodes run without belonging to the group.
  TestCluster(uint64_t voters, uint64_t learners, uint64_t seed, Options options = {}, uint64_t spare = 0);

  void Advance();  // one unit of time
  void Advance(uint64_t units);
  template <class Condition>
  bool RunUntil(Condition&& condition, uint64_t max_units = 2000) {
    for (uint64_t i = 0; i < max_units; ++i) {
      if (condition()) return true;
      Advance();
    }
    return condition();
  }

  void Step(uint64_t id, Input input);
  Result<Proposed> Propose(uint64_t id, uint32_t count, uint32_t bytes);
  Result<LogIndex> Change(uint64_t id, std::vector<ReplicaId> voters, std::vector<ReplicaId> learners);
  void AskBarrier(uint64_t id);
  void Crash(uint64_t id);    // loses what had not completed
  void Restart(uint64_t id);  // from the disk
  void Cut(uint64_t from, uint64_t to) { cut_.insert({from, to}); }
  void Isolate(uint64_t id);
  void Heal() { cut_.clear(); }
  void DropPrefix(uint64_t id, LogIndex first);
  void HealAndRestartAll();

  std::optional<uint64_t> Leader() const;  // confirmed, of the highest term
  uint64_t ElectLeader();                  // waits for one
  TestNode& node(uint64_t id) { return nodes_[id - 1]; }
  RaftGroup& group(uint64_t id) { return *nodes_[id - 1].group; }
  size_t size() const { return nodes_.size(); }
  LogIndex committed() const { return LogIndex(committed_.size()); }
  // A leader's configuration is stable, and all its members are up, have the commit index and no more than that.
  bool Converged() const;
  void CheckLogMatching() const;
  std::string Describe() const;  // for messages
  uint64_t Random(uint64_t bound) { return random_() % bound; }
  uint64_t now() const { return now_; }
  uint64_t sent_appends() const { return sent_appends_; }
  uint64_t settled() const { return settled_; }

  Faults faults;

 private:
  struct Flying {
    uint64_t due;
    Message message;
  };
  struct Committed {
    EntryMeta entry;
    Term seen_in;
    std::optional<Configuration> configuration;
  };

  Output Run(uint64_t id, Input input);
  void Drain(uint64_t id, Output& out);
  void SendNow(uint64_t id, Message message);
  bool FillFromLog(TestNode& node, Message& message);
  void CheckPromise(uint64_t id, const Message& message);
  void CheckRole(uint64_t id);
  void CheckCommit(uint64_t id);
  void CheckView(uint64_t id);
  void CheckConfigurations(uint64_t id);
  void FinishPull(uint64_t id);
  std::string Where(uint64_t id) const;

  Options options_;
  std::vector<TestNode> nodes_;
  std::vector<Flying> flying_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  std::mt19937_64 random_;
  uint64_t seed_;
  uint64_t now_ = 0;
  uint64_t restarts_ = 0;
  uint64_t barriers_ = 0;
  uint64_t sent_appends_ = 0;
  uint64_t settled_ = 0;                                       // configurations that a leader called settled
  std::vector<Committed> committed_;                           // of the cluster, from index 1
  std::map<uint64_t, uint64_t> leader_of_;                     // term -> node
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> vote_of_;  // {term, voter} -> candidate
};

}  // namespace chronik::raft
