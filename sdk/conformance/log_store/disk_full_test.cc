// SPDX-License-Identifier: Apache-2.0
// Goal: on a full disk appends fail with CHR_E_NO_SPACE, reads go on, and appends succeed again once there is space.
// Method: a child mounts a small tmpfs in a mount namespace of its own (it vanishes with the child), leaves part of it
// to a filler file, fills the rest, and then removes the filler.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "sdk/conformance/common/kit_child.h"
#include "sdk/conformance/log_store/instance.h"
#include "sdk/conformance/log_store/options.h"
#include "sdk/conformance/log_store/process.h"

namespace chronik_conformance {
namespace {

constexpr size_t kEntryBytes = 64 << 10;

bool WriteText(const char* path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  return static_cast<bool>(file);
}

// A mount namespace: as root, or through a user namespace where the kernel permits that.
bool EnterMountNamespace() {
  const std::string uid = std::to_string(::getuid());
  const std::string gid = std::to_string(::getgid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    WriteText("/proc/self/setgroups", "deny");
    if (!WriteText("/proc/self/uid_map", "0 " + uid + " 1") || !WriteText("/proc/self/gid_map", "0 " + gid + " 1")) {
      return false;
    }
  }
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

bool MountSmallDisk(const std::string& dir) {
  const std::string size = "size=" + std::to_string(Options().full_disk_mib) + "M";
  return EnterMountNamespace() &&
         ::mount("chronik-small", dir.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, size.c_str()) == 0;
}

void Check(bool condition, const std::string& rule) {
  if (!condition) Breach(rule);
}

// Appends until one fails. Returns its status; `log` holds what completed.
chr_status AppendUntilFailure(Instance& store, const Group& group, ModelLog& log, uint64_t max_entries) {
  for (uint64_t i = 0; i < max_entries; ++i) {
    const Op op = AppendOp(log, 1, kEntryBytes);
    if (const chr_status status = store.Run(group, op).status; status != CHR_OK) return status;
    log.Apply(op);
  }
  return CHR_OK;
}

void CheckIntact(Instance& store, const Group& group, const ModelLog& log, const std::string& when) {
  const std::string difference = Difference(store.ReadContents(group), log, true);
  Check(difference.empty(), when + ": " + difference);
}

}  // namespace

int RunFullDisk() {
  const std::string& dir = Options().data_dir;
  if (!MountSmallDisk(dir)) {
    Send(Report::kVerdict, 0, static_cast<uint64_t>(Verdict::kNotPermitted));
    return 0;
  }
  const std::string filler = dir + "/filler";
  {
    const int fd = ::open(filler.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const auto size = static_cast<off_t>(Options().full_disk_mib << 20) / 3;
    Check(fd >= 0 && ::posix_fallocate(fd, 0, size) == 0, "the filler could not be written");
    ::close(fd);
  }
  ModelLog log;
  {
    Instance store(dir + "/store");
    const Group group = store.Open(1);
    const uint64_t more_than_fits = (Options().full_disk_mib << 20) / kEntryBytes * 2;
    const chr_status full = AppendUntilFailure(store, group, log, more_than_fits);
    Check(full == CHR_E_NO_SPACE, "a full disk answered with status " + std::to_string(full) + ", not CHR_E_NO_SPACE");
    Check(log.last_index() > 10, "the disk was full after " + std::to_string(log.last_index()) + " entries");
    CheckIntact(store, group, log, "reads on a full disk");
    const chr_status still = AppendUntilFailure(store, group, log, more_than_fits);
    Check(still == CHR_E_NO_SPACE, "the second append on a full disk: status " + std::to_string(still));
    CheckIntact(store, group, log, "reads after a second failure");

    Check(::unlink(filler.c_str()) == 0, "the filler could not be removed");
    chr_status again = CHR_E_NO_SPACE;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (again == CHR_E_NO_SPACE && std::chrono::steady_clock::now() < deadline) {
      again = AppendUntilFailure(store, group, log, 1);
      if (again != CHR_OK)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));  // nothing tells when there is space
    }
    Check(again == CHR_OK, "appends did not succeed again after space was freed: status " + std::to_string(again));
    Check(AppendUntilFailure(store, group, log, 20) == CHR_OK, "20 appends after space was freed");
    CheckIntact(store, group, log, "after space was freed");
  }
  Instance store(dir + "/store");
  CheckIntact(store, store.Open(1), log, "after a restart");
  Send(Report::kVerdict, 0, static_cast<uint64_t>(Verdict::kPassed));
  return 0;
}

namespace {

TEST(FullDisk, AppendsFailReadsGoOnAndSpaceHelps) {
  if (!Instance().durable()) GTEST_SKIP() << "the store is volatile";
  const sdk::testing::TempDir dir;
  KitChild child(ChildFlags("full-disk", dir.path(), {}));
  Report report{};
  const bool answered = child.Next(&report, std::chrono::steady_clock::now() + std::chrono::seconds(90));
  if (!answered) child.Kill();
  const int status = child.Wait();
  ASSERT_TRUE(answered) << "the child's message is above; wait status " << status;
  if (static_cast<Verdict>(report.position) == Verdict::kNotPermitted) {
    GTEST_SKIP() << "mounting a tmpfs is not permitted: a full disk is NOT covered";
  }
  EXPECT_EQ(static_cast<Verdict>(report.position), Verdict::kPassed);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
}

}  // namespace
}  // namespace chronik_conformance
