// SPDX-License-Identifier: Apache-2.0
// A group of Raft cores, a network and disks that do nothing by themselves: every message is delivered and every write
// completed by a command of the scenario. README.md lists the commands.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "kernel/raft/raft.h"
#include "kernel/raft/snapshot_pull.h"
#include "kernel/raft/test_cluster.h"
#include "tests/scenario/command.h"

namespace chronik::raft {

class Scenario {
 public:
  // What happens, a line each. Throws std::invalid_argument on a command that makes no sense.
  std::string Run(const std::string& line);

 private:
  struct Node {
    bool up = false;
    std::unique_ptr<RaftGroup> group;
    TestLog memory;  // with everything the core asked to persist
    TestLog disk;    // with everything that completed
    std::deque<Persist> writes;
    std::deque<std::pair<uint64_t, Message>> waiting;  // messages_after
    uint64_t done = 0;                                 // sequence
    bool stalled = false;                              // `settle` and `run` complete none of its writes
    uint64_t priority = 0;
    std::optional<Message> offer;
    std::optional<SnapshotPull> pull;
  };
  using Handler = void (Scenario::*)(const Command&);
  static const std::map<std::string, Handler>& Handlers();

  // commands.cc
  void DoGroup(const Command& c);
  void DoNode(const Command& c);
  void DoCampaign(const Command& c);
  void DoElect(const Command& c);
  void DoTick(const Command& c);
  void DoRun(const Command& c);
  void DoPropose(const Command& c);
  void DoRead(const Command& c);
  void DoTransfer(const Command& c);
  void DoChange(const Command& c);
  void DoLost(const Command& c);
  void DoWrite(const Command& c);
  void DoDone(const Command& c);
  void DoStall(const Command& c);
  void DoFail(const Command& c);
  void DoDeliver(const Command& c);
  void DoDrop(const Command& c);
  void DoInject(const Command& c);
  void DoSettle(const Command& c);
  void DoCut(const Command& c);
  void DoHeal(const Command& c);
  void DoCrash(const Command& c);
  void DoRestart(const Command& c);
  void DoCompact(const Command& c);
  void DoChunk(const Command& c);
  void DoState(const Command& c);
  void DoPeers(const Command& c);
  void DoMembers(const Command& c);

  // scenario.cc
  Node& At(uint64_t id);
  Node& Running(uint64_t id);
  void Start(uint64_t id);
  void Step(uint64_t id, Input input);
  void Drain(uint64_t id, Output& out);
  void DrainAnswers(uint64_t id, const Output& out);
  void DrainNews(uint64_t id, const Output& out);
  void DrainPermissions(uint64_t id, const Output& out);
  void Send(uint64_t id, Message message);
  bool FillFromLog(const Node& node, Message& message);
  void Arrive(Message message);
  std::deque<Message> TakeFlying(const Command& c);  // those that the command's link and count= name
  void CompleteWrites(uint64_t id, uint64_t count);
  void CompleteTogether(uint64_t id);  // and say only that the last one is done
  void Settle();
  void StateOf(uint64_t id);
  std::ostream& Say() { return out_; }
  std::ostream& Detail() { return quiet_ ? nowhere_ : static_cast<std::ostream&>(out_); }

  Options options_;
  Configuration first_;  // of the group's creation
  std::map<uint64_t, Node> nodes_;
  std::deque<Message> flying_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  std::ostringstream out_;
  std::ostringstream nowhere_;
  bool quiet_ = false;  // of writes and messages
};

}  // namespace chronik::raft
