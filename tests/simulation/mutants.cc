// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/mutants.h"

#include <algorithm>
#include <bitset>
#include <sstream>
#include <string>

#include "kernel/base/invariant.h"
#include "kernel/base/mutation.h"

namespace chronik {
namespace sim {
namespace {

std::string_view g_on;

constexpr Scenario kScenarios[] = {
    {"everything", 0, 4,
     "power-loss power-loss-of-all process-kill pause partition one-way isolation clog slow-link loss repetition "
     "wall-clock-jump clock-rate disk-stall disk-slow bit-flip misdirected-write disk-loss transfer membership "
     "truncation"},
    {"alone", 1, 8, "power-loss process-kill disk-slow truncation"},
    {"crashes", 3, 4, "power-loss power-loss-of-all process-kill disk-slow disk-stall transfer"},
    {"network", 3, 8, "partition one-way isolation clog slow-link loss repetition transfer pause"},
    {"delays", 3, 8, "clog slow-link pause repetition transfer"},
    {"members", 5, 8, "membership partition isolation power-loss"},
    {"snapshots", 3, 8, "truncation process-kill power-loss isolation disk-slow"},
    {"damage", 3, 6, "bit-flip misdirected-write power-loss"},
    {"brokers-network", 3, 8, "partition one-way isolation clog slow-link loss repetition transfer pause", true},
    {"brokers-lose-disks", 3, 3, "disk-loss isolation partition process-kill", true},
    {"brokers-move", 4, 6, "membership power-loss isolation partition pause", true},
};

constexpr Mutant kMutants[] = {
    {"commit_counts_old_terms", "P6, paper 5.4.2", "network", 15},
    {"leader_counts_before_its_disk", "P2", "alone", 15},
    {"leader_takes_its_tail_for_durable", "P3", "crashes", 10},
    {"answer_before_fsync", "P1", "everything", 10},
    {"vote_granted_before_its_disk", "P5", "everything", 10},
    {"vote_forgotten_at_restart", "P5", "crashes", 10},
    {"vote_for_a_shorter_log", "paper 5.4.1", "everything", 10},
    {"completion_covers_later_writes", "P4", "everything", 10},
    {"stale_completion_attests", "P7", "network", 15},
    {"answer_waits_for_no_write", "P8", "everything", 10},
    {"commits_what_was_not_compared", "P10", "network", 15},
    {"heartbeat_commits_beyond_match", "P26", "network", 15},
    {"stale_term_is_accepted", "paper 5.1", "delays", 60},
    {"configuration_not_rolled_back", "P28", "members", 20},
    {"joint_needs_one_majority", "P20", "members", 20},
    {"change_without_joint", "P20", "members", 20},
    {"learner_counts", "thesis 4.2.1", "members", 20},
    {"barrier_without_round", "P19", "network", 15},
    {"ready_before_own_entry", "P19", "network", 15},
    {"applied_twice_after_restart", "P18", "everything", 10},
    {"pulled_flag_lost", "P34", "snapshots", 15},
    {"completes_before_fsync", "P35", "alone", 15},
    {"journal_name_not_synced", "P33", "alone", 15},
    {"recovered_tail_not_synced", "kill -9, then power loss", "alone", 15},
    {"torn_frame_is_believed", "P39", "alone", 15},
    {"damage_cut_like_a_torn_tail", "CTRL", "damage", 200},
    {"payload_checksum_ignored", "P39", "damage", 45},
    {"journal_freed_before_segments_are_synced", "P33", "alone", 15},
    {"suffix_stays_in_segments", "P29", "network", 15},
    {"acks_before_commit", "acks=all is acks=1", "brokers-network", 20},
    {"batches_of_other_leaders_are_unknown", "KIP-98", "brokers-network", 20},
    {"lost_disk_is_the_same_life", "KIP-853", "brokers-lose-disks", 20},
    {"move_ends_before_it_is_done", "KIP-455", "brokers-move", 20},
};

}  // namespace

std::span<const Mutant> Mutants() { return kMutants; }
std::span<const Scenario> Scenarios() { return kScenarios; }

void SwitchOn(std::string_view name) { g_on = name; }

RunOptions OptionsOf(std::string_view name) {
  const auto* const scenario =
      std::find_if(std::begin(kScenarios), std::end(kScenarios), [&](const Scenario& s) { return s.name == name; });
  CHRONIK_CHECK(scenario != std::end(kScenarios)) << "no scenario is called " << name;
  RunOptions options;
  options.brokers = scenario->brokers;
  options.nodes = scenario->nodes;
  options.faults = 0;
  std::istringstream in{std::string(scenario->faults)};
  for (std::string fault; in >> fault;) {
    CHRONIK_CHECK(FaultOf(fault) != Fault::kCount) << "no fault is called " << fault;
    options.faults |= uint64_t{1} << static_cast<size_t>(FaultOf(fault));
  }
  // The period is that of all kinds together.
  const double of_all = scenario->per_second * kFaults / static_cast<double>(std::bitset<64>(options.faults).count());
  options.fault_period = Duration(static_cast<int64_t>(1e9 / of_all));
  return options;
}

}  // namespace sim

bool MutantIsOn(std::string_view name) { return name == sim::g_on; }

}  // namespace chronik

namespace chronik_log_wal {

// As plugins/log_wal/mutation.h declares it, which has the same macro.
bool MutantIsOn(std::string_view name) { return chronik::MutantIsOn(name); }

}  // namespace chronik_log_wal
