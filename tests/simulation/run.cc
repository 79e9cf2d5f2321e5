// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/run.h"

#include <memory>

#include "tests/simulation/brokers/run.h"
#include "tests/simulation/clients.h"

namespace chronik::sim {
namespace {

class Simulation {
 public:
  explicit Simulation(const RunOptions& options)
      : options_(options),
        scheduler_(options.seed),
        cluster_(scheduler_, Nodes(options), options.groups),
        clients_(scheduler_, cluster_),
        faults_(scheduler_, cluster_, options.faults) {
    scheduler_.trace().Record(options.trace_lines);
  }

  RunResult Run() {
    const Instant begin = scheduler_.Now();
    cluster_.Start();
    Housekeeping();
    clients_.Start();
    if (UntilHealthy()) {
      faults_.Start(options_.fault_period);
      RunFor(options_.safety);
      faults_.Heal();
      if (UntilHealthy()) UntilAgreed();
    }
    clients_.Stop();
    housekeeping_ = false;
    RunResult result;
    result.violation = cluster_.violation();
    result.hash = scheduler_.trace().hash();
    result.simulated = scheduler_.Now() - begin;
    if (result.violation.empty()) cluster_.Stop();
    result.nodes = cluster_.size();
    result.events = scheduler_.events();
    result.acked = cluster_.oracle().acks();
    result.read = clients_.reads();
    result.faults = faults_.counts();
    result.lines.assign(scheduler_.trace().lines().begin(), scheduler_.trace().lines().end());
    return result;
  }

 private:
  static size_t Nodes(const RunOptions& options) {
    constexpr size_t kSizes[] = {3, 3, 3, 5, 1};
    return options.nodes != 0 ? options.nodes : kSizes[options.seed % 5];
  }

  void Housekeeping() {
    scheduler_.After(std::chrono::milliseconds(100), [this] {
      if (!housekeeping_) return;
      cluster_.Operate();
      cluster_.Check();
      Housekeeping();
    });
  }

  // False: a violation.
  bool RunFor(Duration duration) {
    const Instant end = scheduler_.Now() + duration;
    while (cluster_.violation().empty() && scheduler_.NextEvent() <= end) scheduler_.RunOne();
    return cluster_.violation().empty();
  }

  bool UntilHealthy() {
    return Until([this] { return cluster_.settled(); }, "no leader with the wanted configuration");
  }

  // The clients stop, one last write goes through, and all replicas have it.
  void UntilAgreed() {
    clients_.Stop();
    const uint64_t before = cluster_.oracle().acks();
    Until(
        [this, before] {
          if (cluster_.oracle().acks() >= before + cluster_.groups().size() && cluster_.settled() &&
              cluster_.caught_up())
            return true;
          clients_.WriteOnce();
          return false;
        },
        "the replicas do not catch up");
  }

  template <class Condition>
  bool Until(Condition condition, const char* otherwise) {
    const Instant end = scheduler_.Now() + options_.liveness;
    while (!condition()) {
      if (!RunFor(std::chrono::milliseconds(200))) return false;
      if (scheduler_.Now() >= end) {
        cluster_.Violate(std::string("liveness: ") + otherwise);
        scheduler_.trace().Line(scheduler_.Now(), cluster_.Describe());
        return false;
      }
    }
    return true;
  }

  const RunOptions options_;
  Scheduler scheduler_;
  Cluster cluster_;
  Clients clients_;
  Faults faults_;
  bool housekeeping_ = true;
};

}  // namespace

// What a violation leaves behind is in no state to be taken down; it is abandoned.
RunResult Run(const RunOptions& options) {
  if (options.brokers) return brokers::Run(options);
  auto simulation = std::make_unique<Simulation>(options);
  RunResult result = simulation->Run();
  if (!result.violation.empty()) (void)simulation.release();
  return result;
}

}  // namespace chronik::sim
