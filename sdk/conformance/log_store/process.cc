// SPDX-License-Identifier: Apache-2.0
// Starting, reading and ending the suite's own children.
#include "sdk/conformance/log_store/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "sdk/conformance/log_store/options.h"

namespace chronik_conformance {
namespace {

constexpr int kReportFd = 3;

std::vector<std::string> Arguments(const std::string& part, const std::string& data_dir,
                                   const std::vector<uint64_t>& resume) {
  const SuiteOptions& options = Options();
  std::vector<std::string> args{"/proc/self/exe",
                                "--plugin",
                                options.plugin,
                                "--seed",
                                std::to_string(options.seed),
                                "--child",
                                part,
                                "--data-dir",
                                data_dir,
                                "--full-disk-mib",
                                std::to_string(options.full_disk_mib)};
  for (const auto& [key, value] : options.plugin_options) {
    args.push_back("--option");
    args.push_back(key + "=" + value);
  }
  std::string positions;
  for (const uint64_t position : resume) positions += (positions.empty() ? "" : ",") + std::to_string(position);
  if (!positions.empty()) {
    args.push_back("--resume");
    args.push_back(positions);
  }
  return args;
}

}  // namespace

void Send(Report::Kind kind, uint32_t group, uint64_t position) {
  const Report report{kind, group, position};
  if (::write(kReportFd, &report, sizeof(report)) != sizeof(report)) {
    ::_exit(4);  // the parent is gone
  }
}

Child::Child(const std::string& part, const std::string& data_dir, const std::vector<uint64_t>& resume,
             std::vector<std::string> wrapper) {
  std::vector<std::string> args = Arguments(part, data_dir, resume);
  if (!wrapper.empty()) {
    char self[4096] = {};
    if (::readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) throw std::runtime_error("readlink /proc/self/exe");
    args[0] = self;
    args.insert(args.begin(), wrapper.begin(), wrapper.end());
  }
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    if (ends[1] == kReportFd) {
      ::fcntl(kReportFd, F_SETFD, 0);
    } else {
      ::dup2(ends[1], kReportFd);
    }
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  pipe_ = ends[0];
}

Child::~Child() {
  if (pid_ > 0) {
    Kill();
    Wait();
  }
  ::close(pipe_);
}

bool Child::Next(Report* report, std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd wait{pipe_, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0 && ::read(pipe_, report, sizeof(*report)) == sizeof(*report);
  }
}

void Child::Kill() { ::kill(pid_, SIGKILL); }

int Child::Wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

}  // namespace chronik_conformance
