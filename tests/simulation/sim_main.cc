// SPDX-License-Identifier: Apache-2.0
// chronik-sim: runs the production kernel and log_wal on simulated nodes, disks, networks and clocks, many times.
#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "kernel/base/log.h"
#include "tests/simulation/campaign.h"

DEFINE_string(seeds, "1..100", "first..last: the seeds to run");
DEFINE_uint64(seed, 0, "run this one seed, and print the hash of its trace");
DEFINE_uint64(minutes, 60, "stop after so many");
DEFINE_uint32(jobs, 2, "processes to run seeds in");
DEFINE_bool(cluster, false, "clusters of whole brokers, with their metadata and clients, not of replicas alone");
DEFINE_uint64(nodes, 0, "nodes of a cluster, up to 8; 0: each seed has its own, 1, 3 or 5 (--cluster: 3, 4 or 5)");
DEFINE_uint64(groups, 2, "Raft groups; not with --cluster");
DEFINE_uint64(seconds, 15, "simulated seconds with faults, of each run");
DEFINE_string(faults, "", "only these kinds, comma-separated (default: all)");
DEFINE_uint64(fault_period_us, 250'000, "simulated time between two faults, those that --faults leaves out included");
DEFINE_uint64(trace, 0, "with --seed: print the last so many lines of its trace");
DEFINE_bool(minimise, true, "look for a smaller run that fails, once one has failed");

namespace chronik::sim {
namespace {

bool ParseFaults(const std::string& text, uint64_t* faults) {
  if (text.empty()) return true;
  *faults = 0;
  std::istringstream in(text);
  for (std::string name; std::getline(in, name, ',');) {
    const Fault fault = FaultOf(name);
    if (fault == Fault::kCount) {
      std::cerr << "chronik-sim: no fault is called " << name << '\n';
      return false;
    }
    *faults |= uint64_t{1} << static_cast<size_t>(fault);
  }
  return true;
}

std::string FaultNames(uint64_t faults) {
  std::string names;
  for (size_t i = 0; i < kFaults; ++i) {
    if ((faults >> i & 1) != 0) names += (names.empty() ? "" : ",") + std::string(NameOf(static_cast<Fault>(i)));
  }
  return names;
}

int OneSeed(RunOptions options) {
  options.seed = FLAGS_seed;
  options.trace_lines = FLAGS_trace;
  const RunResult result = Run(options);
  for (const std::string& line : result.lines) std::cout << line << '\n';
  std::printf("seed %llu: %zu nodes, %.1f s simulated, %llu events, %llu acked, %llu read, hash %016llx\n",
              static_cast<unsigned long long>(options.seed), result.nodes,
              static_cast<double>(result.simulated.count()) / 1e9, static_cast<unsigned long long>(result.events),
              static_cast<unsigned long long>(result.acked), static_cast<unsigned long long>(result.read),
              static_cast<unsigned long long>(result.hash));
  if (result.violation.empty()) return 0;
  std::cout << "VIOLATION: " << result.violation << std::endl;
  _exit(1);  // what the run left is not taken down
}

void Report(const CampaignResult& r, double wall_seconds) {
  const double simulated_hours = static_cast<double>(r.simulated.count()) / 3.6e12;
  std::printf(
      "%llu seeds, %.2f simulated hours in %.0f s: %.1f per wall hour; %.1f M events, %llu acked, %llu read; hash "
      "%016llx\n",
      static_cast<unsigned long long>(r.seeds), simulated_hours, wall_seconds,
      wall_seconds > 0 ? simulated_hours * 3600 / wall_seconds : 0, static_cast<double>(r.events) / 1e6,
      static_cast<unsigned long long>(r.acked), static_cast<unsigned long long>(r.read),
      static_cast<unsigned long long>(r.hash));
  for (size_t i = 0; i < kFaults; ++i) {
    std::printf("  %-18s %llu\n", std::string(NameOf(static_cast<Fault>(i))).c_str(),
                static_cast<unsigned long long>(r.faults[i]));
  }
}

int ManySeeds(const RunOptions& options) {
  unsigned long long first = 0;
  unsigned long long last = 0;
  if (std::sscanf(FLAGS_seeds.c_str(), "%llu..%llu", &first, &last) != 2 || first > last) {
    std::cerr << "chronik-sim: --seeds wants first..last, as in 1..100\n";
    return 2;
  }
  const auto begin = std::chrono::steady_clock::now();
  const CampaignResult result =
      RunCampaign(options, first, last, std::max(1u, FLAGS_jobs), std::chrono::minutes(FLAGS_minutes));
  Report(result, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  if (!result.failed) return 0;
  std::cout << "FAILED: seed " << result.failed_seed << ": " << result.violation << std::endl;
  if (!FLAGS_minimise) return 1;
  RunOptions smaller = options;
  smaller.seed = result.failed_seed;
  smaller = Minimise(smaller);
  std::cout << "smaller: " << (options.brokers ? "--cluster " : "") << "--seed " << smaller.seed << " --seconds "
            << std::chrono::ceil<std::chrono::seconds>(smaller.safety).count() << " --faults "
            << FaultNames(smaller.faults) << ": " << RunApart(smaller) << '\n'
            << "(add --trace 300 for its last events)" << std::endl;
  return 1;
}

}  // namespace
}  // namespace chronik::sim

int main(int argc, char** argv) {
  gflags::SetUsageMessage(
      "chronik-sim [--seeds A..B] [--minutes M] | --seed N [--trace lines]\n"
      "Runs simulated clusters of the production kernel and log_wal. Exit code 1: a run violated an invariant.");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  chronik::sim::RunOptions options;
  options.brokers = FLAGS_cluster;
  options.nodes = std::min<uint64_t>(FLAGS_nodes, chronik::sim::SimNetwork::kSlotsMax);
  options.groups = std::max<uint64_t>(1, FLAGS_groups);
  options.safety = std::chrono::seconds(FLAGS_seconds);
  options.fault_period = std::chrono::microseconds(std::max<uint64_t>(1, FLAGS_fault_period_us));
  if (!chronik::sim::ParseFaults(FLAGS_faults, &options.faults)) return 2;
  if (FLAGS_trace == 0) chronik::SetLogSink([](chronik::LogLevel, const char*, int, std::string_view) {});
  return FLAGS_seed != 0 ? chronik::sim::OneSeed(options) : chronik::sim::ManySeeds(options);
}
