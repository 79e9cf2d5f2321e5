// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/brokers/run.h"

#include <memory>

#include "tests/simulation/brokers/faults.h"
#include "tests/simulation/brokers/workload.h"

namespace chronik::sim::brokers {
namespace {

using std::chrono::milliseconds;

class Simulation {
 public:
  explicit Simulation(const RunOptions& options)
      : options_(options),
        scheduler_(options.seed),
        cluster_(scheduler_, Nodes(options), options.seed % 2 == 0),
        workload_(cluster_, Limits(options)),
        faults_(cluster_, options.faults, Limits(options).replicas_min == 3) {
    scheduler_.trace().Record(options.trace_lines);
  }

  RunResult Run() {
    const Instant begin = scheduler_.Now();
    cluster_.Start();
    Housekeep();
    if (Until([this](std::string* why) { return cluster_.Settled(why); })) {
      workload_.Start();
      faults_.Start(options_.fault_period);
      RunFor(options_.safety);
      faults_.Heal();
      workload_.Quiesce();
      if (Until([this](std::string* why) { return Rested(why); })) ReadAll();
    }
    workload_.Stop();
    housekeeping_ = false;
    RunResult result;
    result.violation = cluster_.violation();
    result.hash = scheduler_.trace().hash();
    result.simulated = scheduler_.Now() - begin;
    if (result.violation.empty()) cluster_.Stop();
    result.nodes = cluster_.size();
    result.events = scheduler_.events();
    result.acked = workload_.history().acked();
    result.read = workload_.history().read();
    result.faults = faults_.counts();
    result.lines.assign(scheduler_.trace().lines().begin(), scheduler_.trace().lines().end());
    return result;
  }

 private:
  static size_t Nodes(const RunOptions& options) {
    constexpr size_t kSizes[] = {3, 4, 3, 5};
    return options.nodes != 0 ? std::max<size_t>(options.nodes, 2) : kSizes[options.seed % 4];
  }
  // A partition with fewer replicas may be lost with a disk.
  static Workload::Limits Limits(const RunOptions& options) {
    Workload::Limits limits;
    if (options.seed % 3 == 0) limits.replicas_min = 1;
    return limits;
  }

  void Housekeep() {
    scheduler_.After(milliseconds(100), [this] {
      if (!housekeeping_) return;
      cluster_.Housekeep();
      faults_.Operate();
      Housekeep();
    });
  }

  bool RunFor(Duration duration) {
    const Instant end = scheduler_.Now() + duration;
    while (cluster_.violation().empty() && scheduler_.NextEvent() <= end) scheduler_.RunOne();
    return cluster_.violation().empty();
  }

  bool Rested(std::string* why) {
    if (!workload_.idle()) {
      *why = "clients are not answered";
    } else {
      return cluster_.Settled(why);
    }
    return false;
  }

  void ReadAll() {
    workload_.ReadAll();
    Until([this](std::string* why) {
      *why = "not everything can be read";
      return workload_.done();
    });
  }

  template <class Condition>
  bool Until(Condition condition) {
    const Instant end = scheduler_.Now() + options_.liveness;
    for (std::string why; !condition(&why);) {
      if (!RunFor(milliseconds(200))) return false;
      if (scheduler_.Now() < end) continue;
      cluster_.Violate("liveness: " + why);
      scheduler_.trace().Line(scheduler_.Now(), cluster_.Describe());
      return false;
    }
    return cluster_.violation().empty();
  }

  const RunOptions options_;
  Scheduler scheduler_;
  Cluster cluster_;
  Workload workload_;
  Faults faults_;
  bool housekeeping_ = true;
};

}  // namespace

// What a violation leaves behind is in no state to be taken down; it is abandoned.
RunResult Run(const RunOptions& options) {
  auto simulation = std::make_unique<Simulation>(options);
  RunResult result = simulation->Run();
  if (!result.violation.empty()) (void)simulation.release();
  return result;
}

}  // namespace chronik::sim::brokers
