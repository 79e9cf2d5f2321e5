// SPDX-License-Identifier: Apache-2.0
// Goal: a good plugin loads; every other one is refused before it can do harm, with
// a line that names the file, what is wrong and what to do. Method: the fixture plugins (tests/fixtures/plugins), one
// fault each, and spoilt copies of the good one.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "kernel/host/plugin_loader.h"
#include "kernel/host/plugin_test_support.h"
#include "kernel/host/sha256.h"

namespace chronik::host {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class PluginLoaderTest : public testing::Test {
 protected:
  // Whoever runs the tests may have set them.
  void SetUp() override {
    ::unsetenv("LD_PRELOAD");
    ::unsetenv("LD_LIBRARY_PATH");
  }

  static std::string Refusal(const fs::path& directory, const std::string& name) {
    const auto plugin = LoadPlugin({directory}, name);
    return plugin.ok() ? "accepted" : plugin.error().message;
  }
};

TEST_F(PluginLoaderTest, LoadsAGoodPlugin) {
  const auto plugin = LoadPlugin({FixtureDirectory()}, "fixture_store");
  ASSERT_TRUE(plugin.ok()) << plugin.error();
  const LoadedPlugin& p = **plugin;
  EXPECT_EQ(p.path, FixtureDirectory() / "fixture_store.so");
  EXPECT_EQ(p.id, "chronik.fixture.store");
  EXPECT_EQ(p.version, "1.0.0");
  EXPECT_EQ(p.built_with, "C11");
  ASSERT_EQ(p.interfaces.size(), 1u);
  EXPECT_EQ(p.interfaces[0].id, CHR_LOG_STORE_1);
  EXPECT_EQ(p.interfaces[0].size, sizeof(chr_log_store));
  EXPECT_TRUE(p.interfaces[0].known);
  ASSERT_TRUE(p.log_store().ok());
  ASSERT_EQ(p.options.size(), 5u);
  EXPECT_EQ(p.options[0].key, "greeting");
  EXPECT_EQ(p.options[0].default_value, "hello");
  EXPECT_TRUE(p.options[0].dynamic);
  EXPECT_FALSE(p.options[0].required);
  EXPECT_EQ(p.options[1].type, "bytes");
  EXPECT_EQ(p.options[1].range, "1..1GiB");
  EXPECT_FALSE(p.options[1].dynamic);
}

TEST_F(PluginLoaderTest, ADraftIsLoadedOnlyIfItIsAllowed) {
  static constexpr std::string_view kDrafts[] = {"chronik.log_store.seek/1", CHR_LOG_STORE_1};
  LoadRules rules{.directory = FixtureDirectory(), .drafts = kDrafts};
  const auto refused = LoadPlugin(rules, "fixture_store");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("fixture_store.so"), HasSubstr(CHR_LOG_STORE_1), HasSubstr("plugins.allow_draft")));
  rules.allow_draft = true;
  EXPECT_TRUE(LoadPlugin(rules, "fixture_store").ok());
  rules = {.directory = FixtureDirectory(), .drafts = std::span(kDrafts).first(1)};
  EXPECT_TRUE(LoadPlugin(rules, "fixture_store").ok()) << "another interface is the draft";
}

TEST_F(PluginLoaderTest, AnotherKindOfPluginSaysWhatItIs) {
  const auto plugin = LoadPlugin({FixtureDirectory()}, "fixture_store");
  ASSERT_TRUE(plugin.ok()) << plugin.error();
  const auto table = (*plugin)->metrics_exporter();
  ASSERT_FALSE(table.ok());
  EXPECT_THAT(table.error().message,
              AllOf(HasSubstr("chronik.fixture.store is no metrics exporter"), HasSubstr("it offers " CHR_LOG_STORE_1),
                    HasSubstr("name another in plugins.metrics_exporter.plugin")));
}

struct Fault {
  const char* fixture;
  std::vector<std::string> message;
};

class RefusedPluginTest : public PluginLoaderTest, public testing::WithParamInterface<Fault> {};

TEST_P(RefusedPluginTest, IsRefusedWithAReasonAndAWayOut) {
  const auto plugin = LoadPlugin({FixtureDirectory()}, GetParam().fixture);
  ASSERT_FALSE(plugin.ok());
  EXPECT_EQ(plugin.error().code, ErrorCode::kPlugin);
  const std::string& message = plugin.error().message;
  EXPECT_THAT(message, HasSubstr((FixtureDirectory() / (std::string(GetParam().fixture) + ".so")).string()));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  for (const std::string& part : GetParam().message) EXPECT_THAT(message, HasSubstr(part));
}

// Those with a constructor that aborts prove that nothing of the file ran.
INSTANTIATE_TEST_SUITE_P(
    Each, RefusedPluginTest,
    testing::Values(
        Fault{"fixture_no_symbol",
              {"does not export chronik_plugin_main_v1", "ABI epoch 1", "get the plugin's build for this"}},
        Fault{"fixture_two_symbols",
              {"exports 'fixture_leaked_symbol' (2 symbols in all)", "link it with sdk/cmake/plugin.map"}},
        Fault{"fixture_future_epoch", {"speaks ABI epoch 2, this broker epoch 1", "get a build"}},
        Fault{"fixture_unresolved", {"cannot be loaded", "fixture_function_of_nobody"}},
        Fault{"fixture_bad_epoch", {"speaks ABI epoch 7, this broker epoch 1", "get a build"}},
        Fault{"fixture_bad_no_descriptor", {"returned nothing", "report it"}},
        Fault{"fixture_bad_descriptor_size", {"its descriptor has 16 bytes, version 1.0 has ", "get a build"}},
        Fault{"fixture_bad_descriptor_slot", {"lacks the required function stop", "report it"}},
        Fault{"fixture_bad_no_id", {"names no version, or an id", "report it"}},
        Fault{"fixture_bad_major",
              {"chronik.fixture.bad 2.3.4 offers chronik.metrics_exporter/9, this broker speaks ",
               CHR_METRICS_EXPORTER_1, CHR_LOG_STORE_1, "get a build"}},
        Fault{"fixture_bad_table_size",
              {"its table of " CHR_METRICS_EXPORTER_1 " has 8 bytes, version 1.0 has 24", "get a build"}},
        Fault{"fixture_bad_table_slot",
              {"its table of " CHR_METRICS_EXPORTER_1 " lacks the required function bound_address"}},
        Fault{"fixture_bad_interface_twice",
              {"its interface 1 '" CHR_METRICS_EXPORTER_1 "'", "there twice", "report it"}},
        Fault{"fixture_bad_option_key", {"option 1 'Big-Key' is malformed", "[a-z][a-z0-9_]*", "report it"}},
        Fault{"fixture_bad_option_type", {"option 1 'number' is malformed", "'integer' is none of string, int,"}},
        Fault{"fixture_bad_option_default",
              {"option 1 'shade' is malformed", "'blue' is none of the choices of 'enum:dark,light'"}},
        Fault{"fixture_bad_option_range", {"option 1 'number' is malformed", "'1-5' is not of the form low..high"}},
        Fault{"fixture_bad_option_twice", {"option 1 'colour' is malformed", "declared twice"}}),
    [](const auto& one) { return std::string(one.param.fixture); });

std::string ReadFile(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(PluginLoaderTest, RefusesWhatIsNoSharedObject) {
  const ScratchDirectory dir;
  dir.AddFile("empty.so", "");
  dir.AddFile("text.so", "INPUT(libc.so.6)\n");
  for (const char* name : {"empty", "text"}) {
    EXPECT_THAT(Refusal(dir.path(), name),
                AllOf(HasSubstr("not a shared object"), HasSubstr("install the plugin's file again")));
  }
  std::string elf = ReadFile(FixtureDirectory() / "fixture_store.so");
  Elf64_Ehdr header;
  std::memcpy(&header, elf.data(), sizeof header);
  const auto add = [&](const char* name) {
    std::memcpy(elf.data(), &header, sizeof header);
    dir.AddFile(name, elf);
  };
  header.e_type = ET_EXEC;
  add("program.so");
  EXPECT_THAT(Refusal(dir.path(), "program"),
              AllOf(HasSubstr("another kind of ELF file"), HasSubstr("link it with -shared")));
  header.e_type = ET_DYN;
  header.e_machine = EM_RISCV;
  add("foreign.so");
  EXPECT_THAT(Refusal(dir.path(), "foreign"), AllOf(HasSubstr("built for another machine"), HasSubstr("get a build")));
}

// Wherever a copy was cut short or its section table was hit, the loader says so: it neither crashes nor loads it, nor
// does it allocate what a wrong size asks for.
TEST_F(PluginLoaderTest, RefusesADamagedFile) {
  const ScratchDirectory dir;
  const std::string whole = ReadFile(FixtureDirectory() / "fixture_store.so");
  for (size_t size = 1; size < whole.size(); size += whole.size() / 50) {
    dir.AddFile("cut.so", whole.substr(0, size));
    EXPECT_THAT(Refusal(dir.path(), "cut"), HasSubstr("install the plugin's file again")) << size;
  }
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  for (uint16_t i = 1; i < header.e_shnum; ++i) {
    std::string damaged = whole;
    Elf64_Shdr section;
    char* const at = damaged.data() + header.e_shoff + i * sizeof section;
    std::memcpy(&section, at, sizeof section);
    if (section.sh_type == SHT_NOBITS) continue;
    section.sh_size = uint64_t{1} << 40;
    std::memcpy(at, &section, sizeof section);
    dir.AddFile("damaged.so", damaged);
    EXPECT_THAT(Refusal(dir.path(), "damaged"), HasSubstr("damaged or cut short")) << i;
  }
}

TEST_F(PluginLoaderTest, RefusesAnEnvironmentThatChangesWhatIsLoaded) {
  for (const char* variable : {"LD_PRELOAD", "LD_LIBRARY_PATH"}) {
    ::setenv(variable, "/tmp", 1);
    EXPECT_THAT(Refusal(FixtureDirectory(), "fixture_store"),
                AllOf(HasSubstr(variable), HasSubstr("unset it, or set")));
    EXPECT_FALSE(ListPlugins({FixtureDirectory()}).ok());
    EXPECT_TRUE(LoadPlugin({FixtureDirectory(), true}, "fixture_store").ok());
    ::unsetenv(variable);
  }
}

TEST_F(PluginLoaderTest, APinnedFileIsLoadedAndNoOther) {
  const ScratchDirectory dir;
  const fs::path file = dir.AddFixture("fixture_store", "pinned.so");
  const std::string sha256 = Sha256(ReadFile(file));
  const LoadRules rules{dir.path(), true};
  const auto refusal = [&](const LoadRules& by, const std::string& pin) {
    const auto plugin = LoadPlugin(by, "pinned", pin);
    return plugin.ok() ? "accepted" : plugin.error().message;
  };
  EXPECT_EQ(refusal(rules, sha256), "accepted");
  std::string upper = sha256;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(refusal(rules, upper), "accepted");
  EXPECT_EQ(refusal(rules, ""), "accepted");
  EXPECT_THAT(refusal(rules, std::string(64, 'a')),
              AllOf(HasSubstr(file.string()), HasSubstr("its SHA-256 is " + sha256), HasSubstr("pinned")));
  for (const std::string& bad : {sha256.substr(1), sha256 + "0", std::string(64, 'g')})
    EXPECT_THAT(refusal(rules, bad), HasSubstr("not 64 hexadecimal digits"));

  LoadRules strict = rules;
  strict.require_pin = true;
  EXPECT_EQ(refusal(strict, sha256), "accepted");
  EXPECT_THAT(refusal(strict, ""), AllOf(HasSubstr("plugins.require_pin"), HasSubstr("\"" + sha256 + "\"")));
  EXPECT_EQ(ListPlugins(strict)->at(0).sha256, sha256);
  EXPECT_TRUE(ListPlugins(strict)->at(0).plugin.ok());

  // One byte more at the end: still a good ELF file, not the pinned one.
  std::ofstream(file, std::ios::binary | std::ios::app) << '\0';
  EXPECT_THAT(refusal(rules, sha256), HasSubstr("that is pinned"));
}

// What is refused was not even looked into: this fixture's constructor aborts.
TEST_F(PluginLoaderTest, AFileThatIsNotThePinnedOneDoesNotRun) {
  EXPECT_THAT(LoadPlugin({FixtureDirectory(), true}, "fixture_two_symbols", std::string(64, '0')).error().message,
              HasSubstr("pinned"));
}

TEST_F(PluginLoaderTest, ListsEveryFileWithItsPluginOrTheReason) {
  const ScratchDirectory dir;
  dir.AddFixture("fixture_store", "good.so");
  dir.AddFixture("fixture_bad_major", "newer.so");
  dir.AddFile("notes.txt", "no plugin");
  dir.AddFile("text.so", "text");
  const auto list = ListPlugins({dir.path()});
  ASSERT_TRUE(list.ok()) << list.error();
  ASSERT_EQ(list->size(), 3u);
  EXPECT_EQ((*list)[0].name, "good");
  ASSERT_TRUE((*list)[0].plugin.ok());
  EXPECT_EQ((*(*list)[0].plugin)->id, "chronik.fixture.store");
  EXPECT_EQ((*list)[1].path, dir.path() / "newer.so");
  EXPECT_THAT((*list)[1].plugin.error().message, HasSubstr("chronik.metrics_exporter/9"));
  EXPECT_THAT((*list)[2].plugin.error().message, HasSubstr("not a shared object"));
}

}  // namespace
}  // namespace chronik::host
