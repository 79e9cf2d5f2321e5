// SPDX-License-Identifier: Apache-2.0
// Goal: what the Raft core does, step by step, in the situations that broke other systems. Method: text files with
// commands and what must come of them (README.md). `scenario_test --rewrite` writes what came of them instead: hold
// every line of the difference against the paper before it is committed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "tests/scenario/scenario.h"

namespace chronik::raft {
namespace {

constexpr size_t kFilesMin = 40;
constexpr int kPitfalls = 39;
constexpr const char* kOutcome = "----";  // between the commands of a step and what comes of them
constexpr const char* kNotOfTheCore = "not of the core: ";

bool rewrite = false;

std::filesystem::path Folder() {
  const char* source = std::getenv("CHRONIK_SOURCE");
  return std::filesystem::path(source == nullptr ? "." : source) / "tests/scenario";
}

std::vector<std::filesystem::path> Files() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(Folder())) {
    if (entry.path().extension() == ".txt" && entry.path().filename() != "CMakeLists.txt") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string Read(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The text with what comes of each step in the place of what stands there. Throws if it has no step.
std::string Replay(const std::string& text) {
  Scenario scenario;
  std::ostringstream out;
  std::istringstream in(text);
  std::string happened;
  bool commands = false;
  bool outcome = false;  // of the step, as it stands there
  size_t steps = 0;
  const auto end_step = [&] {
    if (commands) out << kOutcome << "\n" << (happened.empty() ? "nothing\n" : happened);
    steps += commands ? 1 : 0;
    happened.clear();
    commands = outcome = false;
  };
  for (std::string line; std::getline(in, line);) {
    if (line == kOutcome) outcome = true;
    if (line.empty()) end_step();
    if (outcome) continue;
    out << line << "\n";
    if (line.empty() || line[0] == '#') continue;
    commands = true;
    happened += scenario.Run(line);
  }
  end_step();
  if (steps == 0) throw std::invalid_argument("nothing happens");
  return out.str();
}

struct Header {
  std::set<std::string> covers;
  std::string shows;
};

// Of the first line: "# pre-vote, P21: What it shows."
Header HeaderOf(const std::string& text) {
  Header out;
  const std::string line = text.substr(0, text.find('\n'));
  const size_t colon = line.find(": ");
  if (!line.starts_with("# ") || colon == std::string::npos) return out;
  out.shows = line.substr(colon + 2);
  std::istringstream names(line.substr(2, colon - 2));
  for (std::string name; std::getline(names >> std::ws, name, ',');) out.covers.insert(name);
  return out;
}

// The README with links to the scenarios that cover a pitfall or a feature in the last cell of its row.
class Index {
 public:
  explicit Index(const std::map<std::string, std::vector<std::string>>& covering) : covering_(covering) {}

  std::string Rewrite(const std::string& readme) {
    std::ostringstream out;
    std::istringstream in(readme);
    for (std::string line; std::getline(in, line);) out << Row(line) << "\n";
    return out.str();
  }
  const std::set<std::string>& names() const { return names_; }
  const std::vector<std::string>& uncovered() const { return uncovered_; }

 private:
  // | name | what it is | scenarios, or why there are none |
  std::string Row(const std::string& line) {
    const size_t second = line.find(" | ", 2);
    const size_t third = second == std::string::npos ? second : line.find(" | ", second + 3);
    if (!line.starts_with("| ") || third == std::string::npos || line.starts_with("| id ")) return line;
    const std::string name = line.substr(2, second - 2);
    EXPECT_TRUE(names_.insert(name).second) << name << " stands twice";
    const auto found = covering_.find(name);
    if (found == covering_.end()) {
      const std::string reason = line.substr(third + 3);
      // More than the mark and the closing bar: a reason.
      if (!reason.starts_with(kNotOfTheCore) || reason.size() < std::string(kNotOfTheCore).size() + 10) {
        uncovered_.push_back(name);
      }
      return line;
    }
    std::string links;
    for (const std::string& file : found->second) {
      links += (links.empty() ? "" : ", ") + ("[" + file + "](" + file + ".txt)");
    }
    return line.substr(0, third + 3) + links + " |";
  }

  const std::map<std::string, std::vector<std::string>>& covering_;
  std::set<std::string> names_;
  std::vector<std::string> uncovered_;
};

void Expect(const std::filesystem::path& path, const std::string& expected, const std::string& happened) {
  if (!rewrite) {
    EXPECT_EQ(happened, expected);
  } else if (happened != expected) {
    std::ofstream(path) << happened;
    std::cout << "rewrote " << path.filename() << "\n";
  }
}

TEST(Scenario, EveryFileHappensAsWritten) {
  const std::vector<std::filesystem::path> files = Files();
  EXPECT_GE(files.size(), kFilesMin);
  for (const std::filesystem::path& path : files) {
    SCOPED_TRACE(path.filename().string());
    const std::string expected = Read(path);
    try {
      Expect(path, expected, Replay(expected));
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
  }
}

TEST(Scenario, EveryPitfallAndFeatureIsCoveredOrIsNotOfTheCore) {
  std::map<std::string, std::vector<std::string>> covering;
  for (const std::filesystem::path& path : Files()) {
    const Header header = HeaderOf(Read(path));
    EXPECT_FALSE(header.covers.empty() || header.shows.size() < 10)
        << path.filename() << " does not begin with '# what it covers: What it shows.'";
    for (const std::string& name : header.covers) covering[name].push_back(path.stem().string());
  }
  Index index(covering);
  const std::filesystem::path readme = Folder() / "README.md";
  const std::string text = Read(readme);
  Expect(readme, text, index.Rewrite(text));
  for (const std::string& name : index.uncovered()) ADD_FAILURE() << name << " has neither a scenario nor a reason";
  for (int i = 1; i <= kPitfalls; ++i) {
    EXPECT_TRUE(index.names().contains("P" + std::to_string(i))) << "README.md lacks P" << i;
  }
  for (const auto& [name, files] : covering) {
    EXPECT_TRUE(index.names().contains(name)) << files.front() << " covers " << name << ", which README.md lacks";
  }
}

TEST(Interpreter, NoticesWhatDoesNotHappen) {
  const std::string commands = "# P2: x\n\ngroup voters=1\ncampaign 1\n";
  const std::string right = Replay(commands);
  EXPECT_NE(right.find("1 is candidate of term 1"), std::string::npos) << right;
  EXPECT_EQ(Replay(right), right);
  EXPECT_NE(right, commands) << "an outcome that is missing";
  EXPECT_EQ(Replay(commands + "----\n"), right) << "an outcome that is empty";
  EXPECT_EQ(Replay(commands + "----\nnothing\n"), right);
  EXPECT_EQ(Replay(right + "1 is leader of term 1, leader 1\n"), right);
}

TEST(Interpreter, RefusesWhatMakesNoSense) {
  EXPECT_THROW(Replay(""), std::invalid_argument);
  EXPECT_THROW(Replay("# P2: Only words.\n"), std::invalid_argument);
  EXPECT_THROW(Replay("campain 1\n"), std::invalid_argument);
  EXPECT_THROW(Replay("group voters=1\ncampaign 2\n"), std::invalid_argument);
  EXPECT_THROW(Replay("group voters=1\ntick 1 cuont=2\n"), std::invalid_argument);
}

}  // namespace
}  // namespace chronik::raft

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) chronik::raft::rewrite |= std::string(argv[i]) == "--rewrite";
  return RUN_ALL_TESTS();
}
