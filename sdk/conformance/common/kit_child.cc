// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/common/kit_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace chronik_conformance {
namespace {

constexpr int kReportFd = 3;

}  // namespace

void SendToParent(const void* report, size_t size) {
  if (::write(kReportFd, report, size) != static_cast<ssize_t>(size)) ::_exit(4);
}

KitChild::KitChild(std::vector<std::string> flags, std::vector<std::string> wrapper) {
  std::vector<std::string> args = std::move(wrapper);
  args.push_back(std::filesystem::read_symlink("/proc/self/exe"));  // a wrapper would run itself there
  args.insert(args.end(), flags.begin(), flags.end());
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

KitChild::~KitChild() {
  if (pid_ > 0) {
    Kill();
    Wait();
  }
  ::close(pipe_);
}

bool KitChild::Receive(void* report, size_t size, std::chrono::steady_clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd wait{pipe_, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0 && ::read(pipe_, report, size) == static_cast<ssize_t>(size);
  }
}

void KitChild::Kill() { ::kill(pid_, SIGKILL); }

int KitChild::Wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

}  // namespace chronik_conformance
