// SPDX-License-Identifier: Apache-2.0
// Goal: the command line's flags, their errors and --help. Method: argument lists in, the CommandLine or the error out.
#include <gtest/gtest.h>

#include "kernel/config/flags.h"

namespace chronik::config {
namespace {

using testing::HasSubstr;
using Action = CommandLine::Action;

Result<CommandLine> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "chronikd");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

std::string ErrorOf(std::vector<const char*> arguments) {
  const Result<CommandLine> line = Parse(std::move(arguments));
  return line.ok() ? "no error" : line.error().message;
}

TEST(Flags, NothingMeansServe) {
  const Result<CommandLine> line = Parse({});
  ASSERT_TRUE(line.ok()) << line.error();
  EXPECT_EQ(line->action, Action::kServe);
  EXPECT_TRUE(line->config_files.empty());
  EXPECT_TRUE(line->overrides.empty());
}

TEST(Flags, DashesUnderscoresAndEqualsSignsAreTheSame) {
  const Result<CommandLine> line = Parse({"--data-dir", "/d", "--plugin_dir=/p", "-node-id", "7", "--http-listen="});
  ASSERT_TRUE(line.ok()) << line.error();
  const std::map<std::string, std::string> expected = {
      {"data-dir", "/d"}, {"plugin-dir", "/p"}, {"node-id", "7"}, {"http-listen", ""}};
  EXPECT_EQ(line->overrides, expected);
}

TEST(Flags, ConfigFilesComeInTheirOrder) {
  const Result<CommandLine> line = Parse({"--cluster-config", "b.toml", "--config", "a.toml"});
  ASSERT_TRUE(line.ok()) << line.error();
  EXPECT_EQ(line->config_files, (std::vector<std::string>{"a.toml", "b.toml"}));
}

TEST(Flags, Actions) {
  EXPECT_EQ(Parse({"--check-config"})->action, Action::kCheckConfig);
  EXPECT_EQ(Parse({"--check-config=false"})->action, Action::kServe);
  EXPECT_EQ(Parse({"--help"})->action, Action::kHelp);
  EXPECT_EQ(Parse({"-h"})->action, Action::kHelp);
  EXPECT_EQ(Parse({"--version"})->action, Action::kVersion);
  EXPECT_EQ(Parse({"--version-compat"})->action, Action::kVersionCompat);
  EXPECT_EQ(Parse({"--list-plugins"})->action, Action::kListPlugins);
  EXPECT_EQ(Parse({"--print-config"})->action, Action::kPrintConfig);
  EXPECT_EQ(Parse({"--generate-config-docs"})->action, Action::kGenerateConfigDocs);
  const Result<CommandLine> explain = Parse({"--explain", "broker.listen"});
  EXPECT_EQ(explain->action, Action::kExplain);
  EXPECT_EQ(explain->argument, "broker.listen");
}

TEST(Flags, MistakesAreRefusedAllAtOnce) {
  EXPECT_EQ(ErrorOf({"--lisen", "--data-dri=x"}),
            "unknown flag '--lisen'; did you mean '--listen'?\nunknown flag '--data-dri'; did you mean '--data-dir'?");
  EXPECT_EQ(ErrorOf({"--v=1"}), "unknown flag '--v'; --help lists the flags") << "glog's flags are not ours";
  EXPECT_EQ(ErrorOf({"--listen"}), "--listen needs a value: --listen HOST:PORT");
  EXPECT_EQ(ErrorOf({"--listen", "--check-config"}), "--listen needs a value: --listen HOST:PORT");
  EXPECT_EQ(ErrorOf({"--node-id", "1", "--node_id", "2"}), "--node-id is given twice");
  EXPECT_EQ(ErrorOf({"--check-config", "--print-config"}), "--print-config does not go with --check-config");
  EXPECT_EQ(ErrorOf({"--check-config=maybe"}), "--check-config does not take 'maybe'");
  EXPECT_THAT(ErrorOf({"start"}), HasSubstr("unexpected argument 'start'"));
  EXPECT_THAT(ErrorOf({"--"}), HasSubstr("unexpected argument '--'"));
}

TEST(Flags, HelpListsOurFlagsOnly) {
  const std::string help = HelpText();
  for (const char* flag : {"--config FILE", "--listen HOST:PORT", "--generate-config-docs", "--help", "--version "}) {
    EXPECT_THAT(help, HasSubstr(flag));
  }
  EXPECT_THAT(help, HasSubstr("Where Kafka clients connect (broker.listen)."));
  EXPECT_EQ(help.find("logtostderr"), std::string::npos);
  EXPECT_EQ(help.find("flagfile"), std::string::npos);
}

}  // namespace
}  // namespace chronik::config
