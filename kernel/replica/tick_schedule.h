// SPDX-License-Identifier: Apache-2.0
// The ticks of all groups of a shard. A group says how many ticks it can do without, and is left alone that long: a
// follower that hears from its leader is never due, a leader once a heartbeat. What a tick costs is one comparison a
// group, in one array.
//
// Leaders' heartbeats are due together (Options::align), so that they leave in one frame a peer.
//
// Shard thread only.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "kernel/base/function.h"
#include "kernel/base/invariant.h"

namespace chronik::replica {

class Ticked {
 public:
  virtual ~Ticked() = default;
  // May add and remove others, and itself.
  virtual void OnDue() = 0;
};

class TickSchedule {
 public:
  enum class Slot : uint32_t {};

  // `on_needed`: nobody needed ticks, and now somebody does: Advance is to be called again. May be empty.
  explicit TickSchedule(UniqueFunction<void()> on_needed) : on_needed_(std::move(on_needed)) {}

  // Never due until Set says otherwise.
  Slot Add(Ticked& ticked) {
    if (free_.empty()) {
      due_.push_back(kNever);
      ticked_.push_back(&ticked);
      return Slot(static_cast<uint32_t>(due_.size() - 1));
    }
    const Slot slot = free_.back();
    free_.pop_back();
    ticked_[Index(slot)] = &ticked;
    return slot;
  }
  void Remove(Slot slot) {
    due_[Index(slot)] = kNever;
    ticked_[Index(slot)] = nullptr;
    free_.push_back(slot);
  }

  // Due `ticks` from now, at least one, at the next multiple of `align`.
  void Set(Slot slot, uint64_t ticks, uint32_t align) {
    const uint64_t due = now_ + (ticks == 0 ? 1 : ticks);
    due_[Index(slot)] = (due + align - 1) / align * align;
    if (!std::exchange(needed_, true) && on_needed_) on_needed_();
  }
  void SetNever(Slot slot) { due_[Index(slot)] = kNever; }

  // A tick passed. False: nobody needs the next one.
  bool Advance() {
    ++now_;
    needed_ = true;  // so that nobody asks for what is said by the answer
    for (size_t i = 0; i < due_.size(); ++i) {
      if (due_[i] > now_) continue;
      due_[i] = now_ + 1;  // unless it says something else
      ticked_[i]->OnDue();
    }
    needed_ = false;
    for (const uint64_t due : due_) needed_ |= due != kNever;
    return needed_;
  }
  // Ticks that have passed since the schedule was made.
  uint64_t now() const { return now_; }

 private:
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
  static size_t Index(Slot slot) { return static_cast<size_t>(slot); }

  UniqueFunction<void()> on_needed_;
  uint64_t now_ = 0;
  bool needed_ = false;
  std::vector<uint64_t> due_;
  std::vector<Ticked*> ticked_;
  std::vector<Slot> free_;
};

}  // namespace chronik::replica
