// SPDX-License-Identifier: Apache-2.0
// Goal: the simulator finds bugs. Method: each mutant, a known bug built in behind CHRONIK_MUTANT, is switched on and
// has to be found within its number of seeds; with none switched on the same seeds find nothing. Prints for each what
// found it, and when. CHRONIK_SIM_SCENARIO=<name> and CHRONIK_SIM_SEEDS=<number> look elsewhere, and longer.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/simulation/campaign.h"
#include "tests/simulation/mutants.h"

namespace chronik::sim {
namespace {

constexpr unsigned kJobs = 2;
constexpr std::chrono::minutes kWallTime(10);

class EachMutant : public testing::TestWithParam<Mutant> {};

uint64_t FirstSeed() {
  const char* const text = std::getenv("CHRONIK_SIM_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

TEST_P(EachMutant, IsFound) {
  const Mutant& mutant = GetParam();
  const uint64_t first = FirstSeed();
  SwitchOn(mutant.name);
  const CampaignResult result =
      RunCampaign(OptionsOf(mutant.scenario), first, first + mutant.seeds - 1, kJobs, kWallTime);
  SwitchOn("");
  ASSERT_TRUE(result.failed) << result.seeds << " seeds find nothing";
  std::printf("found by seed %llu of %llu: %s\n", static_cast<unsigned long long>(result.failed_seed - first + 1),
              static_cast<unsigned long long>(mutant.seeds), result.violation.c_str());
}

INSTANTIATE_TEST_SUITE_P(Simulator, EachMutant, testing::ValuesIn(Mutants().begin(), Mutants().end()),
                         [](const auto& mutant) { return std::string(mutant.param.name); });

TEST(MutationTest, FindsNothingInTheTrueProgram) {
  const uint64_t first = FirstSeed();
  for (const Scenario& scenario : Scenarios()) {
    uint64_t seeds = 0;
    for (const Mutant& mutant : Mutants()) {
      if (mutant.scenario == scenario.name) seeds = std::max(seeds, mutant.seeds);
    }
    const CampaignResult result = RunCampaign(OptionsOf(scenario.name), first, first + seeds - 1, kJobs, kWallTime);
    EXPECT_FALSE(result.failed) << scenario.name << ", seed " << result.failed_seed << ": " << result.violation;
    EXPECT_EQ(result.seeds, seeds) << scenario.name;
  }
}

// A mutant that nobody looks for, or that stands nowhere, would prove nothing.
TEST(MutationTest, EveryMutantOfTheSourcesIsLookedFor) {
  const char* const source = std::getenv("CHRONIK_SOURCE");
  ASSERT_NE(source, nullptr) << "run by ctest, or set CHRONIK_SOURCE";
  static const std::regex kUse("CHRONIK_MUTANT\\((\\w+)\\)");
  std::set<std::string> written;
  for (const char* folder : {"kernel", "plugins"}) {
    for (const auto& file : std::filesystem::recursive_directory_iterator(std::filesystem::path(source) / folder)) {
      const auto ending = file.path().extension();
      if (file.path().filename() == "mutation.h" || (ending != ".cc" && ending != ".h")) continue;
      std::stringstream text;
      text << std::ifstream(file.path()).rdbuf();
      const std::string all = text.str();
      for (std::sregex_iterator use(all.begin(), all.end(), kUse), end; use != end; ++use) written.insert((*use)[1]);
    }
  }
  std::set<std::string> known;
  for (const Mutant& mutant : Mutants()) known.insert(std::string(mutant.name));
  EXPECT_EQ(written, known);
}

}  // namespace
}  // namespace chronik::sim
