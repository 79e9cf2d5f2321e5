// SPDX-License-Identifier: Apache-2.0
// A chr_log_store for the tests of what stands above it: in memory, on a TestThreads thread of its own, with faults to
// order. Holding that thread holds every completion. What it keeps outlives the brokers that open it.
#pragma once

#include <chronik/log_store.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/test_executor.h"

namespace chronik::log {

class TestLogStore {
 public:
  explicit TestLogStore(TestThreads::Thread& disk) : disk_(disk) {}
  TestLogStore(const TestLogStore&) = delete;
  TestLogStore& operator=(const TestLogStore&) = delete;

  static const chr_log_store& table();
  void Start(const chr_log_sink* sink) { sink_ = *sink; }

  // --- faults
  // From now on every append and checkpoint fails with this; CHR_OK: no more. After a failure the group's operations in
  // flight are cancelled, as the contract says.
  void FailWith(chr_status status) { failure_ = status; }
  // The same for what carries entries only: a disk that has room for a vote and for nothing else.
  void FailEntriesWith(chr_status status) { entry_failure_ = status; }
  void FailReadsWith(chr_status status) { read_failure_ = status; }
  // Reads are answered by the disk thread, not inside the call.
  void MakeReadsPend() { reads_pend_ = true; }
  // They wait, while writes go on; what is let go reads what it was asked for then. They pend, too.
  void HoldReads();
  void LetReadsGo();

  // --- what happened
  size_t appends() const { return appends_; }
  size_t reads() const { return reads_; }
  bool Holds(uint64_t group) const { return groups_.contains(group); }
  uint64_t first_index(uint64_t group) const { return groups_.at(group).first_index; }
  bool IsOpen(uint64_t group) const { return groups_.contains(group) && groups_.at(group).open; }

 private:
  struct Stored {
    chr_log_entry header;
    Bytes body;
  };
  struct Group {
    bool open = false;
    uint32_t lane = 0;
    size_t in_flight = 0;
    bool cancelling = false;  // until nothing is in flight
    std::deque<Stored> entries;
    uint64_t first_index = 1;
    uint64_t prev_term = 0;
    int64_t first_offset = 0;
    chr_hard_state hard_state{};
    Bytes checkpoint;

    uint64_t end_index() const { return first_index + entries.size(); }
  };
  struct Operation {
    uint32_t opcode;
    Group* group;
    uint64_t tag;
    uint64_t index;
    uint64_t term;
    int64_t offset;
    std::vector<Stored> entries;
    std::optional<chr_hard_state> hard_state;
    Bytes blob;
  };

  static TestLogStore& Self(void* self) { return *static_cast<TestLogStore*>(self); }
  static Group& Of(chr_log_group* group) { return *reinterpret_cast<Group*>(group); }
  static void FillBounds(const Group& group, chr_log_bounds& out);
  static chr_status Submit(void* self, uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted) CHR_NX;
  static chr_status Terms(void* self, chr_log_group* group, chr_log_term* out, size_t cap, size_t* count) CHR_NX;
  static chr_status Read(void* self, chr_log_group* group, const chr_log_read* what, chr_log_slice* out) CHR_NX;

  void CarryOut(uint32_t lane, Operation operation);
  static void Begin(Group& group, uint64_t first, uint64_t previous_term, int64_t offset, size_t gone);
  static uint64_t FirstMatch(const Group& group, const chr_log_read& what);
  static chr_log_slice Slice(const Group& group, const chr_log_read& what);

  TestThreads::Thread& disk_;
  chr_log_sink sink_{};
  chr_status failure_ = CHR_OK;
  chr_status entry_failure_ = CHR_OK;
  chr_status read_failure_ = CHR_OK;
  bool reads_pend_ = false;
  bool reads_held_ = false;
  std::vector<Task> held_reads_;
  size_t appends_ = 0;
  size_t reads_ = 0;
  std::map<uint64_t, Group> groups_;
};

}  // namespace chronik::log
