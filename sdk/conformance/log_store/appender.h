// SPDX-License-Identifier: Apache-2.0
// The child's side of a crash: writes the histories of several groups on two lanes, several operations in flight, and
// reports what it submitted and what completed. And the parent's bookkeeping of those reports.
#pragma once

#include <deque>
#include <thread>
#include <vector>

#include "sdk/conformance/log_store/history.h"
#include "sdk/conformance/log_store/options.h"
#include "sdk/conformance/log_store/process.h"

namespace chronik_conformance {

class Appender {
 public:
  explicit Appender(Instance& store) : store_(store) {
    std::vector<uint64_t> resume = Options().resume;
    resume.resize(kAppenderGroups);
    for (uint32_t i = 0; i < kAppenderGroups; ++i) {
      histories_.emplace_back(Options().seed, AppenderGroupId(i)).Skip(resume[i]);
      groups_.push_back(store.Open(AppenderGroupId(i), AppenderLane(i, store.caps().max_lanes)));
      completed_[AppenderGroupId(i)] = {i, resume[i]};
    }
    // In the checking host, before the status is known to anyone else.
    store.OnComplete([this](uint64_t group_id, chr_status status) {
      auto& [number, position] = completed_.at(group_id);
      if (status == CHR_OK) Send(Report::kCompleted, number, ++position);
    });
  }

  // Until an operation fails or is refused, or `operations` of each lane are done. The first bad status, or CHR_OK.
  chr_status Run(uint64_t operations) {
    chr_status results[2] = {CHR_OK, CHR_OK};
    std::thread second([&] { results[1] = RunLane(1, operations); });
    results[0] = RunLane(0, operations);
    second.join();
    return results[0] != CHR_OK ? results[0] : results[1];
  }

  const Group& group(uint32_t number) const { return groups_[number]; }

 private:
  chr_status RunLane(uint32_t lane, uint64_t operations) {
    std::mt19937_64 random(Options().seed + lane + 77);
    std::deque<uint64_t> in_flight;
    for (uint64_t i = 0; i < operations; ++i) {
      const auto number = static_cast<uint32_t>(Draw(random, 0, kAppenderGroups - 1));
      const Group& group = groups_[number];
      if (group.lane != lane) continue;
      const Op& op = histories_[number].Next();
      Send(Report::kSubmitted, number, histories_[number].position());
      const GroupOp group_op{&group, &op};
      std::vector<uint64_t> tags;
      chr_status status = CHR_E_BUSY;
      while (status == CHR_E_BUSY) {
        const uint64_t seen = store_.WritableCount(lane);
        status = store_.TrySubmit(lane, {&group_op, 1}, &tags);
        if (status == CHR_E_BUSY) store_.AwaitWritable(lane, seen);
      }
      if (status != CHR_PENDING) return status;
      in_flight.push_back(tags.front());
      while (in_flight.size() > Draw(random, 0, 12)) {
        if (const chr_status done = store_.Wait(in_flight.front()).status; done < 0) return done;
        in_flight.pop_front();
      }
    }
    for (const uint64_t tag : in_flight) {
      if (const chr_status done = store_.Wait(tag).status; done < 0) return done;
    }
    return CHR_OK;
  }

  Instance& store_;
  std::deque<History> histories_;
  std::vector<Group> groups_;
  std::map<uint64_t, std::pair<uint32_t, uint64_t>>
      completed_;  // by group id; the keys never change after construction
};

struct Positions {
  std::vector<uint64_t> completed = std::vector<uint64_t>(kAppenderGroups);
  std::vector<uint64_t> submitted = std::vector<uint64_t>(kAppenderGroups);

  void Note(const Report& report) {
    if (report.kind == Report::kSubmitted) submitted.at(report.group) = report.position;
    if (report.kind == Report::kCompleted) completed.at(report.group) = report.position;
  }
  // Compares every group with its history; the positions found become the new completed ones.
  void Recover(Instance& store, uint64_t seed) {
    for (uint32_t i = 0; i < kAppenderGroups; ++i) {
      const uint32_t lane = AppenderLane(i + 1, store.caps().max_lanes);  // another one than before
      completed[i] = Recovered(store, AppenderGroupId(i), lane, seed, completed[i], submitted[i]);
    }
  }
};

}  // namespace chronik_conformance
