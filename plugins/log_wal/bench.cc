// SPDX-License-Identifier: Apache-2.0
// log-wal-bench <empty directory> [seconds]: the store against a bare pwrite + fdatasync loop on zeroed space, and how
// long a start takes. One group appends 4 KiB entries: one at a time, then 64 in flight.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "plugins/log_wal/store_rig.h"

namespace chronik_log_wal {
namespace {

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void Report(const char* what, size_t count, double seconds) {
  std::printf("%-44s %9.0f /s %9.1f us each\n", what, static_cast<double>(count) / seconds,
              seconds * 1e6 / static_cast<double>(count));
}

long ResidentKib() {
  std::ifstream in("/proc/self/statm");
  long total = 0;
  long resident = 0;
  in >> total >> resident;
  return resident * 4;
}

bool BareLoop(const std::string& path, double seconds) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const std::vector<char> zeros(1 << 20);
  constexpr off_t kBytes = 64 << 20;
  for (off_t at = 0; at < kBytes; at += 1 << 20) {
    if (::pwrite(fd, zeros.data(), zeros.size(), at) < 0) return false;
  }
  bool ok = ::fdatasync(fd) == 0;
  size_t count = 0;
  const auto start = Clock::now();
  for (; ok && Since(start) < seconds; ++count) {
    ok = ::pwrite(fd, zeros.data(), 8192, static_cast<off_t>(count) * 8192 % kBytes) == 8192 && ::fdatasync(fd) == 0;
  }
  Report("bare pwrite(8 KiB) + fdatasync", count, Since(start));
  ::close(fd);
  ::unlink(path.c_str());
  return ok;
}

bool Run(const std::string& directory, double seconds) {
  if (!BareLoop(directory + "/bare", seconds)) return false;
  Options options;
  options.directory = directory + "/store";
  LogImage log;
  {
    StoreRig rig(MakePosixFileSystem(), options);
    auto start = Clock::now();
    if (!rig.Start().ok()) return false;
    std::printf("start of an empty store: %.1f ms, %ld KiB resident\n", Since(start) * 1e3, ResidentKib());
    if (!rig.Open(1).ok()) return false;
    size_t count = 0;
    int64_t offset = 0;
    const std::string payload = PayloadOf(1, 4096);
    const auto append = [&] { return rig.Append(1, {{++count, 1, offset++, 1, 1, 1, payload}}); };
    start = Clock::now();
    while (Since(start) < seconds) (void)rig.Wait(append());
    Report("store, 1 in flight", count, Since(start));
    start = Clock::now();
    const size_t before = count;
    std::vector<uint64_t> tags(64);
    while (Since(start) < seconds || count * 4096 < (1ull << 30)) {  // in any case 1 GiB, for the restart
      uint64_t& tag = tags[count % tags.size()];
      if (tag != 0) (void)rig.Wait(tag);
      tag = append();
    }
    rig.WaitAll();
    Report("store, 64 in flight", count - before, Since(start));
  }
  StoreRig rig(MakePosixFileSystem(), options);
  const auto start = Clock::now();
  const Failure started = rig.Start();
  std::printf("start with 1 GiB: %.2f s, %ld KiB resident %s\n", Since(start), ResidentKib(), started.message.c_str());
  return started.ok();
}

}  // namespace
}  // namespace chronik_log_wal

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: log-wal-bench <empty directory> [seconds]\n");
    return 2;
  }
  return chronik_log_wal::Run(argv[1], argc > 2 ? std::atof(argv[2]) : 3) ? 0 : 1;
}
