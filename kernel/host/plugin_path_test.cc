// SPDX-License-Identifier: Apache-2.0
// Goal: only a file that nobody but root and this user could have put there is loaded, and a refusal says what to do.
// Method: a directory of our own, spoilt in one way at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "kernel/host/plugin_path.h"
#include "kernel/host/plugin_test_support.h"

namespace chronik::host {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string DirectoryRefusal(const fs::path& directory) {
  const Status status = CheckPluginDirectory(directory);
  return status.ok() ? "accepted" : status.error().message;
}

std::string Refusal(const fs::path& directory, const std::string& name) {
  const auto file = FindPlugin(directory, name);
  return file.ok() ? "accepted" : file.error().message;
}

TEST(PluginPath, FindsAFileWithAndWithoutItsEnding) {
  const ScratchDirectory dir;
  dir.AddFile("log_wal.so", "");
  EXPECT_EQ(FindPlugin(dir.path(), "log_wal").value(), dir.path() / "log_wal.so");
  EXPECT_EQ(FindPlugin(dir.path(), "log_wal.so").value(), dir.path() / "log_wal.so");
  EXPECT_EQ(FindPlugin(dir.path() / "", "log_wal").value(), dir.path() / "log_wal.so");
}

TEST(PluginPath, AMissingPluginNamesTheDirectoryAndTheNearestOnes) {
  const ScratchDirectory dir;
  EXPECT_THAT(Refusal(dir.path(), "log_wall"), AllOf(HasSubstr(dir.path().string()), HasSubstr("holds no plugins")));
  for (const char* name : {"log_wal.so", "a.so", "b.so", "c.so", "d.so", "log_memory.so", "notes.txt"})
    dir.AddFile(name, "");
  EXPECT_THAT(Refusal(dir.path(), "log_wall"),
              AllOf(HasSubstr("'log_wall' is not in " + dir.path().string()), HasSubstr("No such file"),
                    HasSubstr("available: log_wal, "), HasSubstr("and 1 more")));
}

TEST(PluginPath, AcceptsNamesOnly) {
  const ScratchDirectory dir;
  dir.AddFile("x.so", "");
  for (const std::string name : {"", "/x", "./x", "../x", "a/../x", ".", "..", ".x"}) {
    EXPECT_THAT(Refusal(dir.path(), name),
                HasSubstr("give the name of a file in " + dir.path().string() + ", not a path"))
        << name;
  }
  EXPECT_THAT(Refusal(dir.path(), std::string("x\0y", 3)), HasSubstr("not a path"));
}

TEST(PluginPath, TheDirectoryIsAbsoluteAndThere) {
  const ScratchDirectory dir;
  dir.AddFile("file", "");
  EXPECT_THAT(DirectoryRefusal("plugins"),
              AllOf(HasSubstr("must be an absolute path"), HasSubstr("set broker.plugin_dir")));
  EXPECT_THAT(DirectoryRefusal(""), HasSubstr("must be an absolute path"));
  EXPECT_THAT(DirectoryRefusal(dir.path() / "none"),
              AllOf(HasSubstr("No such file"), HasSubstr("set broker.plugin_dir")));
  EXPECT_THAT(DirectoryRefusal(dir.path() / "file"), HasSubstr("is not a directory"));
}

TEST(PluginPath, RefusesWhatOthersCanWriteTo) {
  for (const unsigned mode : {0757u, 0775u, 01777u}) {  // the sticky bit does not help: others could add files
    const ScratchDirectory dir;
    ScratchDirectory::SetMode(dir.path(), mode);
    if (mode == 0775u && ::geteuid() != 0) continue;  // a private group is nobody else
    EXPECT_THAT(DirectoryRefusal(dir.path()), HasSubstr("run: chmod go-w " + dir.path().string())) << mode;
  }
  const ScratchDirectory dir;
  ScratchDirectory::SetMode(dir.AddFile("x.so", ""), 0646);
  EXPECT_THAT(Refusal(dir.path(), "x"), HasSubstr("run: chmod go-w " + (dir.path() / "x.so").string()));
}

TEST(PluginPath, OnTheWayAStickyDirectoryIsSafeAndAnotherIsNot) {
  const ScratchDirectory dir;
  const fs::path inner = dir.path() / "plugins";
  fs::create_directory(inner);
  ScratchDirectory::SetMode(inner, 0755);
  ScratchDirectory::SetMode(dir.path(), 01777);
  EXPECT_EQ(DirectoryRefusal(inner), "accepted");
  ScratchDirectory::SetMode(dir.path(), 0777);
  EXPECT_THAT(DirectoryRefusal(inner), HasSubstr("chmod go-w " + dir.path().string()));
}

TEST(PluginPath, RefusesWhatBelongsToSomebodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const ScratchDirectory dir;
  const fs::path file = dir.AddFile("x.so", "");
  ASSERT_EQ(::chown(file.c_str(), 12345, 0), 0);
  EXPECT_THAT(Refusal(dir.path(), "x"), AllOf(HasSubstr("belongs to user 12345"), HasSubstr("chown it to root")));
  ASSERT_EQ(::chown(dir.path().c_str(), 12345, 0), 0);
  EXPECT_THAT(DirectoryRefusal(dir.path()), HasSubstr("belongs to user 12345"));
}

TEST(PluginPath, FollowsLinksThatStayInTheDirectoryOnly) {
  const ScratchDirectory dir;
  const ScratchDirectory elsewhere;
  dir.AddFile("real.so", "");
  fs::create_symlink("real.so", dir.path() / "version.so");
  EXPECT_EQ(FindPlugin(dir.path(), "version").value(), dir.path() / "real.so");
  fs::create_symlink(elsewhere.AddFile("x.so", ""), dir.path() / "out.so");
  EXPECT_THAT(Refusal(dir.path(), "out"),
              AllOf(HasSubstr("leads out of the plugin directory, to " + elsewhere.path().string()),
                    HasSubstr("copy the file there")));
  fs::create_symlink("none.so", dir.path() / "dangling.so");
  EXPECT_THAT(Refusal(dir.path(), "dangling"), HasSubstr("No such file"));
}

TEST(PluginPath, ALinkToTheDirectoryIsCheckedWithWhatIsAroundIt) {
  const ScratchDirectory dir;
  const ScratchDirectory links;
  fs::create_symlink(dir.path(), links.path() / "plugins");
  EXPECT_EQ(DirectoryRefusal(links.path() / "plugins"), "accepted");
  ScratchDirectory::SetMode(links.path(), 0777);  // others could turn the link
  EXPECT_THAT(DirectoryRefusal(links.path() / "plugins"), HasSubstr("chmod go-w " + links.path().string()));
}

TEST(PluginPath, RefusesWhatIsNoFile) {
  const ScratchDirectory dir;
  fs::create_directory(dir.path() / "x.so");
  EXPECT_THAT(Refusal(dir.path(), "x"), HasSubstr("is not a regular file"));
}

TEST(PluginPath, AReplacedFileHasAnotherIdentity) {
  const ScratchDirectory dir;
  const fs::path file = dir.AddFile("x.so", "one");
  const auto before = IdentifyFile(file);
  EXPECT_EQ(*before, *IdentifyFile(file));
  const fs::path other = dir.AddFile("y.so", "one");
  fs::rename(other, file);
  EXPECT_NE(*before, *IdentifyFile(file));
}

}  // namespace
}  // namespace chronik::host
