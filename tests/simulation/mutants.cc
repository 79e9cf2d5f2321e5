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
    {"network", 3, 4, "partition one-way isolation clog slow-link loss repetition transfer pause"},
    {"members", 5, 12, "membership partition isolation power-loss transfer"},
    {"snapshots", 3, 8, "truncation process-kill power-loss isolation disk-slow"},
    {"damage", 3, 4, "bit-flip misdirected-write power-loss"},
};

constexpr Mutant kMutants[] = {
    {"commit_counts_old_terms", "P6, paper 5.4.2", "network", 40},
    {"leader_counts_before_its_disk", "P2", "alone", 5},
    {"leader_takes_its_tail_for_durable", "P3", "crashes", 20},
    {"answer_before_fsync", "P1", "everything", 5},
    {"vote_granted_before_its_disk", "P5", "everything", 5},
    {"vote_forgotten_at_restart", "P5", "crashes", 20},
    {"vote_for_a_shorter_log", "paper 5.4.1", "everything", 20},
    {"completion_covers_later_writes", "P4", "everything", 5},
    {"stale_completion_attests", "P7", "network", 40},
    {"answer_waits_for_no_write", "P8", "everything", 20},
    {"commits_what_was_not_compared", "P10", "network", 40},
    {"heartbeat_commits_beyond_match", "P26", "network", 40},
    {"stale_term_is_accepted", "paper 5.1", "network", 20},
    {"configuration_not_rolled_back", "P28", "members", 40},
    {"joint_needs_one_majority", "P20", "members", 40},
    {"change_without_joint", "P20", "members", 40},
    {"learner_counts", "thesis 4.2.1", "members", 40},
    {"barrier_without_round", "P19", "network", 20},
    {"ready_before_own_entry", "P19", "network", 20},
    {"applied_twice_after_restart", "P18", "everything", 5},
    {"pulled_flag_lost", "P34", "snapshots", 40},
    {"completes_before_fsync", "P35", "alone", 5},
    {"journal_name_not_synced", "P33", "alone", 5},
    {"recovered_tail_not_synced", "3.4", "alone", 40},
    {"torn_frame_is_believed", "P39", "alone", 5},
    {"damage_cut_like_a_torn_tail", "3.3", "damage", 40},
    {"payload_checksum_ignored", "P39", "damage", 40},
    {"journal_freed_before_segments_are_synced", "P33", "alone", 20},
    {"suffix_stays_in_segments", "P29", "network", 40},
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
