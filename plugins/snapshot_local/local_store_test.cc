// SPDX-License-Identifier: Apache-2.0
// Goal: what only this sink promises: the bytes of FORMAT.md, no way out of the directory, crashes and damage on the
// disk. Method: the store itself, with files made, broken and linked by hand. The conformance suite has the rest.
#include "plugins/snapshot_local/local_store.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include <chronik/sdk/object_trailer.h>
#include <chronik/sdk/testing/fake_host.h>

namespace chronik_snapshot_local {
namespace {

namespace fs = std::filesystem;
using chronik::sdk::Crc32c;
using chronik::sdk::Host;
using chronik::sdk::testing::FakeHost;
using chronik::sdk::testing::FakeHostSetup;
using chronik::sdk::testing::TempDir;

constexpr chr_option kOptions[] = {{"directory", "path", "", nullptr, "", 0},
                                   {"threads", "int", "4", nullptr, "", 0},
                                   {"open_puts", "int", "64", nullptr, "", 0}};

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

chr_status StatusOf(const std::function<void()>& call) {
  return chronik::sdk::Guard(nullptr, [&] { call(); });
}

class LocalStoreTest : public testing::Test {
 protected:
  explicit LocalStoreTest(const std::string& directory = "")
      : directory_(directory.empty() ? temp_.path() + "/sink" : directory),
        fake_(FakeHostSetup{.option_table = kOptions, .options = {{"directory", directory_}}}) {
    store_.Open();
  }

  void Put(const std::string& key, std::string_view text) {
    const auto writer = store_.Put(key, 0, {});
    writer->Write(Bytes(text));
    writer->Commit(text.size(), Crc32c(Bytes(text)));
  }
  std::string Get(const std::string& key, uint64_t offset = 0, uint64_t size = 0) {
    const auto reader = store_.Get(key, offset, size, {});
    std::string text;
    while (!reader->AtEnd()) {
      const auto part = reader->Read(1000);
      text.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    return text;
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    store_.List("", [&](std::string_view key, uint64_t, uint64_t) { keys.emplace_back(key); }, {});
    return keys;
  }
  std::string PathOf(const std::string& key) const { return directory_ + "/objects/" + key; }
  size_t Unfinished() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(directory_ + "/unfinished"), {}));
  }
  // Replaces one byte of a file.
  void Damage(const std::string& key, int64_t at) {
    std::fstream file(PathOf(key), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char byte = static_cast<char>(file.get());
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
  }

  const TempDir temp_;
  const std::string directory_;
  FakeHost fake_;
  Host host_{fake_.raw()};
  LocalStore store_{host_};
};

TEST_F(LocalStoreTest, WritesTheBytesOfTheFormat) {
  Put("a/b", "123456789");
  std::ifstream file(PathOf("a/b"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const std::string head =
      std::string("123456789") + std::string("\x09\0\0\0\0\0\0\0", 8) + "\x83\x92\x06\xE3" + "chrsnap1";
  ASSERT_EQ(bytes.size(), 9u + 24u);
  EXPECT_EQ(bytes.substr(0, 29), head);
  const uint32_t own = Crc32c(Bytes(head).subspan(9));
  EXPECT_EQ(std::memcmp(bytes.data() + 29, &own, 4), 0);
}

TEST_F(LocalStoreTest, FindsDamageWhenTheWholeObjectIsRead) {
  const std::string text(5000, 'x');
  Put("data", text);
  Damage("data", 4999);
  EXPECT_EQ(StatusOf([&] { Get("data"); }), CHR_E_CORRUPT);
  EXPECT_EQ(Get("data", 0, 4000), text.substr(0, 4000));
  for (const int64_t at : {0, 8, 12, 20, 23}) {
    Put("trailer", text);
    Damage("trailer", 5000 + at);
    EXPECT_EQ(StatusOf([&] { Get("trailer"); }), CHR_E_CORRUPT) << "byte " << at << " of the trailer";
  }
}

TEST_F(LocalStoreTest, AShortenedOrForeignFileIsNoObject) {
  Put("cut", std::string(5000, 'x'));
  fs::resize_file(PathOf("cut"), 4000);
  EXPECT_EQ(StatusOf([&] { Get("cut"); }), CHR_E_CORRUPT);
  EXPECT_EQ(StatusOf([&] { Get("cut", 10, 10); }), CHR_E_CORRUPT);
  std::ofstream(PathOf("tiny")) << "x";
  EXPECT_EQ(StatusOf([&] { Get("tiny"); }), CHR_E_CORRUPT);
  std::ofstream(PathOf("not a key")) << std::string(100, 'x');
  EXPECT_EQ(Keys(), std::vector<std::string>{"cut"});
}

TEST_F(LocalStoreTest, NoSymbolicLinkLeadsOut) {
  const std::string outside = temp_.path() + "/outside";
  fs::create_directory(outside);
  Put("inside", "secret");
  fs::copy_file(PathOf("inside"), outside + "/object");
  fs::create_directory_symlink(outside, PathOf("folder"));
  fs::create_symlink(outside + "/object", PathOf("file"));
  EXPECT_EQ(StatusOf([&] { Get("folder/object"); }), CHR_E_DENIED);
  EXPECT_EQ(StatusOf([&] { Get("file"); }), CHR_E_DENIED);
  EXPECT_EQ(StatusOf([&] { Put("folder/new", "x"); }), CHR_E_DENIED);
  EXPECT_EQ(StatusOf([&] { store_.Remove("folder/object", {}); }), CHR_E_DENIED);
  EXPECT_TRUE(fs::exists(outside + "/object"));
  EXPECT_FALSE(fs::exists(outside + "/new"));
  EXPECT_EQ(Keys(), std::vector<std::string>{"inside"});
  // A put over a link replaces the link, not what it points to.
  Put("file", "mine");
  EXPECT_EQ(Get("file"), "mine");
  EXPECT_EQ(fs::file_size(outside + "/object"), 6u + 24u);
}

TEST_F(LocalStoreTest, AKeyIsNotTheFolderOfAnother) {
  Put("a", "object");
  EXPECT_EQ(StatusOf([&] { Put("a/b", "x"); }), CHR_E_INVALID);
  EXPECT_EQ(StatusOf([&] { Get("a/b"); }), CHR_E_NOT_FOUND);
  Put("c/d", "object");
  EXPECT_EQ(StatusOf([&] { Put("c", "x"); }), CHR_E_INVALID);
  EXPECT_EQ(StatusOf([&] { Get("c"); }), CHR_E_NOT_FOUND);
  store_.Remove("c", {});
  EXPECT_EQ(Get("c/d"), "object");
  EXPECT_EQ(Unfinished(), 0u);
}

TEST_F(LocalStoreTest, StartClearsWhatACrashLeftAndNothingThatLives) {
  const auto living = store_.Put("living", 0, {});
  living->Write(Bytes("123"));
  std::ofstream(directory_ + "/unfinished/1-1") << "of a process that is no more";
  ASSERT_EQ(Unfinished(), 2u);
  LocalStore other(host_);
  other.Open();
  EXPECT_EQ(Unfinished(), 1u);
  living->Commit(3, Crc32c(Bytes("123")));
  EXPECT_EQ(Get("living"), "123");
  EXPECT_EQ(Unfinished(), 0u);
}

TEST_F(LocalStoreTest, EmptiedFoldersGo) {
  Put("a/b/c/1", "x");
  Put("a/2", "x");
  store_.Remove("a/b/c/1", {});
  EXPECT_FALSE(fs::exists(PathOf("a/b")));
  EXPECT_EQ(Keys(), std::vector<std::string>{"a/2"});
}

TEST_F(LocalStoreTest, AReaderKeepsTheObjectThatItBeganWith) {
  Put("a", std::string(3000, 'x'));
  const auto reader = store_.Get("a", 0, 0, {});
  reader->Read(1000);
  Put("a", "new");
  store_.Remove("a", {});
  reader->Read(1000);
  reader->Read(1000);
  EXPECT_TRUE(reader->AtEnd());
}

// On a file system of 1 MiB.
class SmallDisk : public LocalStoreTest {
 protected:
  SmallDisk() : LocalStoreTest(Mount()) {}
  ~SmallDisk() override {
    if (mounted_) ::umount2(directory_.c_str(), MNT_DETACH);
  }
  static std::string Mount() {
    static const TempDir place;
    mounted_ = ::mount("none", place.path().c_str(), "tmpfs", 0, "size=1m") == 0;
    return place.path();
  }
  static bool mounted_;
};
bool SmallDisk::mounted_ = false;

TEST_F(SmallDisk, AFullDiskFailsThePutAndNothingElse) {
  if (!mounted_) GTEST_SKIP() << "mounting a tmpfs needs privileges";
  Put("before", std::string(1000, 'x'));
  EXPECT_EQ(StatusOf([&] { Put("large", std::string(2 << 20, 'x')); }), CHR_E_NO_SPACE);
  EXPECT_EQ(Unfinished(), 0u);
  EXPECT_EQ(Keys(), std::vector<std::string>{"before"});
  Put("after", std::string(1000, 'y'));
  EXPECT_EQ(Get("before").size() + Get("after").size(), 2000u);
}

}  // namespace
}  // namespace chronik_snapshot_local
