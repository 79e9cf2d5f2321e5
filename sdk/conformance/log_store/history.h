// SPDX-License-Identifier: Apache-2.0
// A reproducible sequence of legal operations on one group: parent and child of a crash test each compute it, so only
// positions travel between them.
#pragma once

#include <random>
#include <string>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {

class History {
 public:
  History(uint64_t seed, uint64_t group_id) : random_(seed * 1'000'003 + group_id) {}

  // The next operation; the state already contains it.
  const Op& Next() {
    op_ = RandomOp(random_, log_);
    log_.Apply(op_);
    ++position_;
    return op_;
  }
  void Skip(uint64_t count) {
    for (; count > 0; --count) Next();
  }
  uint64_t position() const { return position_; }
  const ModelLog& log() const { return log_; }  // after `position` operations

 private:
  std::mt19937_64 random_;
  ModelLog log_;
  Op op_;
  uint64_t position_ = 0;
};

// After a crash: which position in [completed, submitted] does the group show? Breaches (and returns `completed`) if it
// is none, which means a completed operation is lost, an operation is there in part, or something dead came back.
uint64_t Recovered(Instance& store, uint64_t group_id, uint32_t lane, uint64_t seed, uint64_t completed,
                   uint64_t submitted);

}  // namespace chronik_conformance
