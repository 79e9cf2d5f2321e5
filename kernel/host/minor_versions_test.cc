// SPDX-License-Identifier: Apache-2.0
// Goal: host and plugin may differ by a minor version, in either direction. Method: this file is compiled twice: into
// host_test, whose host is of this version, and into host_next_minor_test, where the whole loader is compiled against
// headers that are one minor ahead (tests/fixtures/plugins). Both load a plugin of each version, and the files that
// were kept when a version was released (tests/fixtures/frozen), unchanged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "kernel/host/plugin_loader.h"
#include "kernel/host/plugin_test_support.h"
#include "kernel/host/sha256.h"

namespace chronik::host {
namespace {

namespace fs = std::filesystem;

class MinorVersions : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("LD_PRELOAD");
    ::unsetenv("LD_LIBRARY_PATH");
  }
  static LoadedPluginPtr Load(const fs::path& directory, const std::string& name) {
    const auto plugin = LoadPlugin({.directory = directory}, name);
    EXPECT_TRUE(plugin.ok()) << plugin.error();
    return plugin.ok() ? *plugin : nullptr;
  }
};

TEST_F(MinorVersions, ATableOf1_0IsTakenAsItIs) {
  const LoadedPluginPtr plugin = Load(FixtureDirectory(), "fixture_store");
  ASSERT_NE(plugin, nullptr);
  const chr_log_store& table = *plugin->log_store_table;
  EXPECT_EQ(table.struct_size, CHR_LOG_STORE_1_0_SIZE);
  EXPECT_TRUE(CHR_HAS(chr_log_store, &table, stats));
#ifdef CHRONIK_NEXT_MINOR
  EXPECT_GT(sizeof(chr_log_store), table.struct_size);
  EXPECT_FALSE(CHR_HAS(chr_log_store, &table, since_1_1));
  EXPECT_EQ(table.since_1_1, nullptr) << "whoever only tests for NULL sees the same";
  EXPECT_EQ(plugin->descriptor.since_1_1, nullptr);
#endif
}

TEST_F(MinorVersions, ATableOfTheNextMinorIsSeenAsFarAsItIsKnown) {
  const LoadedPluginPtr plugin = Load(FixtureDirectory(), "fixture_next_minor");
  ASSERT_NE(plugin, nullptr);
  EXPECT_EQ(plugin->interfaces[0].size, CHR_LOG_STORE_1_0_SIZE + sizeof(void (*)(void)));
  const chr_log_store& table = *plugin->log_store_table;
  EXPECT_EQ(table.struct_size, sizeof(chr_log_store));
  EXPECT_EQ(plugin->descriptor.struct_size, sizeof(chr_plugin));
  EXPECT_TRUE(CHR_HAS(chr_log_store, &table, stats));
#ifdef CHRONIK_NEXT_MINOR
  EXPECT_TRUE(CHR_HAS(chr_log_store, &table, since_1_1));
#endif
}

TEST_F(MinorVersions, ATableSmallerThan1_0IsRefused) {
  const auto plugin = LoadPlugin({.directory = FixtureDirectory()}, "fixture_bad_table_size");
  ASSERT_FALSE(plugin.ok());
  EXPECT_THAT(plugin.error().message, testing::HasSubstr("version 1.0 has 24"));
}

// Each line of SHA256SUMS: the sum, two spaces, the file.
TEST_F(MinorVersions, WhatWasBuiltForAReleaseLoadsForEver) {
#ifndef __x86_64__
  GTEST_SKIP() << "the kept files are for x86_64: that they load is NOT tested";
#endif
  const char* source = std::getenv("CHRONIK_SOURCE");
  ASSERT_NE(source, nullptr) << "ctest sets it to the source tree";
  const fs::path kept = fs::path(source) / "tests/fixtures/frozen/1_0";
  std::ifstream sums(kept / "SHA256SUMS");
  size_t loaded = 0;
  for (std::string sum, file; sums >> sum >> file; ++loaded) {
    const ScratchDirectory scratch;
    std::ostringstream bytes;
    bytes << std::ifstream(kept / file, std::ios::binary).rdbuf();
    ASSERT_EQ(Sha256(bytes.str()), sum) << file << " is not the file that was kept";
    scratch.AddFile(file, bytes.str());
    const LoadedPluginPtr plugin = Load(scratch.path(), file);
    ASSERT_NE(plugin, nullptr);
    EXPECT_TRUE(plugin->log_store().ok());
    if (file == "fixture_five.so") {
      EXPECT_TRUE(plugin->transport().ok());
      EXPECT_TRUE(plugin->discovery().ok());
      EXPECT_TRUE(plugin->snapshot_sink().ok());
      EXPECT_TRUE(plugin->metrics_exporter().ok());
    }
  }
  EXPECT_EQ(loaded, 2u);
}

}  // namespace
}  // namespace chronik::host
