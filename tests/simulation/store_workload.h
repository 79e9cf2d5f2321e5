// SPDX-License-Identifier: Apache-2.0
// One node that only logs: kernel/log over log_wal over a simulated disk, a few groups on two lanes, and a random
// workload with restarts. After each start every group must be what it was after some operation at or behind the last
// one that had completed. Everything follows from the seed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernel/log/log_store.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/executor.h"
#include "tests/simulation/process.h"
#include "tests/simulation/sim_store.h"
#include "tests/simulation/simulated_threads.h"

namespace chronik::sim {

// A group as its user sees it.
struct LogModel {
  raft::EntryId previous;
  Offset empty_offset;  // the first offset if there is no entry
  std::vector<log::Entry> entries;
  raft::HardState hard_state;
  Bytes checkpoint;

  LogIndex first_index() const { return previous.index + 1; }
  LogIndex last_index() const { return previous.index + entries.size(); }
  Term last_term() const { return entries.empty() ? previous.term : entries.back().meta.term; }
  Offset next_offset() const { return entries.empty() ? empty_offset : entries.back().meta.next_offset(); }
  void Append(const log::Append& append);
  void TruncatePrefix(LogIndex first);
  // What differs, for people; empty: nothing.
  std::string Difference(const LogModel& other) const;
  std::string Describe() const;
};

class StoreWorkload {
 public:
  explicit StoreWorkload(uint64_t seed);
  ~StoreWorkload();

  // How a round ends.
  enum class End { kOrderly, kProcessDies, kPowerFails };

  Scheduler& scheduler() { return scheduler_; }
  SimDisk& disk() { return disk_; }
  // Starts the node and checks what it finds, lets it work for that long, and ends it. False: see trouble().
  bool Round(Duration duration, End end);
  // The disk broke its promises: from now on the store may refuse what it has, and lose the end of it, but it must not
  // invent anything.
  void ExpectDamage() { damaged_ = true; }
  const std::string& trouble() const { return trouble_; }
  uint64_t completed() const { return completed_; }
  uint64_t failed() const { return failed_; }
  uint64_t reads() const { return reads_; }
  uint64_t checked() const { return checked_; }  // groups found as they should be after a start
  uint64_t destroyed() const { return destroyed_; }
  uint64_t refused() const { return refused_; }  // starts, groups and reads, for damage

 private:
  struct Node;
  struct History {
    std::deque<LogModel> states;  // states[i]: after i operations of this round
    size_t completed = 0;
  };

  void Verify(Node& node);
  bool Destroy(Node& node, uint64_t id);
  bool Find(Node& node, uint64_t id, ShardId lane, LogModel* found);
  bool ReadAll(Node& node, uint64_t id, ShardId lane, LogModel* found);
  void Work(Node& node, ShardId lane, Instant until);
  void Step(Node& node, uint64_t id);
  void Reset(Node& node, uint64_t id, LogModel state);
  void Push(uint64_t id, LogModel state);
  log::DoneCallback Done(Node& node, uint64_t id);
  log::Append RandomAppend(const LogModel& state, bool replace);
  void Read(Node& node, uint64_t id);
  bool Fits(const LogModel& state, const std::vector<log::Entry>& entries) const;
  void Refused(const std::string& why);
  void Fail(const std::string& why) {
    if (trouble_.empty()) trouble_ = why;
  }

  Scheduler scheduler_;
  SimDisk disk_;
  Process outside_;  // whoever stops the node
  std::map<uint64_t, History> histories_;
  std::string trouble_;
  uint64_t rounds_ = 0;
  uint64_t completed_ = 0;
  uint64_t failed_ = 0;
  uint64_t reads_ = 0;
  uint64_t checked_ = 0;
  uint64_t destroyed_ = 0;
  bool damaged_ = false;
  uint64_t refused_ = 0;
};

}  // namespace chronik::sim
