// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/process.h"

#include <algorithm>
#include <utility>

#include "kernel/base/invariant.h"

namespace chronik::sim {
namespace {

constexpr int64_t kMillion = 1'000'000;
// A whole number of milliseconds in 2023, and not zero: a record's timestamp must look like one.
constexpr std::chrono::milliseconds kWallStart(1'700'000'000'000);

}  // namespace

Process::Process(Scheduler& scheduler, std::string name)
    : scheduler_(scheduler), name_(std::move(name)), rate_since_(scheduler.Now()), own_at_rate_(scheduler.Now()) {}

void Process::Pause(Duration duration) {
  const Instant until = scheduler_.Now() + duration;
  if (until <= paused_until_ || killed_) return;
  paused_until_ = until;
  scheduler_.At(until, [this] { Continue(); });
}

void Process::Continue() {
  if (paused()) return;
  // At the same time, hence in the order in which they were held.
  for (Task& task : std::exchange(held_, {})) scheduler_.After(Duration(0), std::move(task));
}

bool Process::Hold(Task task) {
  if (!paused()) return false;
  held_.push_back(std::move(task));
  return true;
}

void Process::Kill() {
  killed_ = true;
  paused_until_ = Instant{};
  for (KillListener* const listener : kill_listeners_) listener->Killed();
  Continue();
}

Instant Process::Now() const {
  const Duration passed = scheduler_.Now() - rate_since_;
  return own_at_rate_ + passed + passed / kMillion * parts_per_million_;
}

WallTime Process::WallNow() const {
  const Duration shown = Now().time_since_epoch() + wall_offset_;
  return WallTime(kWallStart + std::chrono::floor<std::chrono::milliseconds>(shown));
}

void Process::SetRate(int64_t parts_per_million) {
  CHRONIK_CHECK(parts_per_million > -kMillion / 2 && parts_per_million < kMillion) << parts_per_million;
  own_at_rate_ = Now();
  rate_since_ = scheduler_.Now();
  parts_per_million_ = parts_per_million;
}

Duration Process::TrueDuration(Duration own) const {
  return own / (kMillion + parts_per_million_) * kMillion +
         own % (kMillion + parts_per_million_) * kMillion / (kMillion + parts_per_million_);
}

}  // namespace chronik::sim
