// SPDX-License-Identifier: Apache-2.0
// Goal: files, the environment and flags reach the loader. Method: real files in a temporary folder and real variables.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kernel/config/source.h"

namespace chronik::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SourceTest : public testing::Test {
 protected:
  SourceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "chronik-config-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~SourceTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }

  std::filesystem::path folder_;
};

TEST_F(SourceTest, ReadsFilesVariablesAndFlags) {
  setenv("CHRONIK_NODE_ID", "12", 1);
  CommandLine line;
  line.config_files = {Write("a.toml", "[broker]\nshards = 2\n")};
  line.overrides = {{"listen", "127.0.0.1:0"}};
  const Inputs inputs = ReadInputs(line);
  unsetenv("CHRONIK_NODE_ID");
  EXPECT_THAT(inputs.problems, ElementsAre());
  ASSERT_EQ(inputs.files.size(), 1u);
  EXPECT_EQ(inputs.files[0].path, line.config_files[0]);
  EXPECT_EQ(inputs.files[0].text, "[broker]\nshards = 2\n");
  EXPECT_EQ(inputs.environment.at("CHRONIK_NODE_ID"), "12");
  EXPECT_EQ(inputs.flags, line.overrides);
  EXPECT_THAT(inputs.defaults.at("broker.plugin_dir"), testing::EndsWith("/lib/chronik/plugins"));
}

TEST_F(SourceTest, UnreadableFilesAreProblemsNotExceptions) {
  CommandLine line;
  line.config_files = {(folder_ / "none.toml").string(), folder_.string(),
                       Write("big.toml", std::string((1 << 20) + 1, '#'))};
  const Inputs inputs = ReadInputs(line);
  EXPECT_THAT(inputs.problems,
              ElementsAre(HasSubstr("none.toml: cannot be opened: No such file"),
                          HasSubstr("cannot be read: Is a directory"), HasSubstr("big.toml: is larger")));
  Inputs only_problems;
  only_problems.problems = inputs.problems;
  EXPECT_FALSE(Loader(only_problems).Finish().ok());
}

}  // namespace
}  // namespace chronik::config
