// SPDX-License-Identifier: Apache-2.0
// What the machine itself does, taken in the same run, so that figures can be read as ratios.
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "tools/bench/client.h"

namespace chronik::bench {

Json::Value ProbeDisk(const std::string& directory, int writes, double rate_per_second) {
  const std::string path = directory + "/chronik-bench-probe";
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) Fail("cannot write in " + directory);
  const std::vector<char> block(4096, 'x');
  const std::vector<char> zeros(4096, 0);
  for (int i = 0; i < writes; ++i) {
    if (::pwrite(fd, zeros.data(), zeros.size(), static_cast<off_t>(i) * 4096) != 4096) Fail("probe: write failed");
  }
  if (::fsync(fd) != 0) Fail("probe: fsync failed");
  std::vector<double> samples;
  const auto interval = std::chrono::duration<double>(rate_per_second > 0 ? 1.0 / rate_per_second : 0);
  const auto begin = SteadyClock::now();
  for (int i = 0; i < writes; ++i) {
    std::this_thread::sleep_until(begin + std::chrono::duration_cast<SteadyClock::duration>(interval * i));
    const auto start = SteadyClock::now();
    if (::pwrite(fd, block.data(), block.size(), static_cast<off_t>(i) * 4096) != 4096 || ::fdatasync(fd) != 0) {
      Fail("probe: write + fdatasync failed");
    }
    samples.push_back(SecondsSince(start) * 1e3);
  }
  ::close(fd);
  ::unlink(path.c_str());
  return Percentiles(samples);
}

ProcessUse UseOf(int pid) {
  ProcessUse use;
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return use;
  // Fields after the command, which is in parentheses and may hold spaces: 14 and 15 are user and system ticks, 24 RSS
  // pages.
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::vector<std::string> values;
  for (std::string value; fields >> value;) values.push_back(value);
  if (values.size() < 22) return use;
  use.cpu_seconds = (std::stod(values[11]) + std::stod(values[12])) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  use.rss_mib = std::stod(values[21]) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
  return use;
}

}  // namespace chronik::bench
