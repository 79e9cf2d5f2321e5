// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/check/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>

#include <chronik/sdk/testing/fake_host.h>

namespace chronik_check {
namespace {

using Clock = std::chrono::steady_clock;

// Pointers into `texts`, as execve takes them.
std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Ours, with another directory for temporary files.
std::vector<std::string> Environment(const std::string& temporary) {
  std::vector<std::string> out{"TMPDIR=" + temporary};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("TMPDIR=")) out.emplace_back(*variable);
  }
  return out;
}

[[noreturn]] void Exec(const std::vector<char*>& arguments, const std::vector<char*>& environment, int output) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execve(arguments[0], arguments.data(), environment.data());
  ::_exit(127);
}

// Until the other end is closed. False: `deadline` came first.
bool ReadAll(int fd, Clock::time_point deadline, std::string* out) {
  std::array<char, 4096> block;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t size = ::read(fd, block.data(), block.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    out->append(block.data(), static_cast<size_t>(size));
  }
}

}  // namespace

std::string Ended::Describe() const {
  if (timed_out) return "did not end in time";
  if (signal != 0) return "was ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
  return "exited with " + std::to_string(exit_code);
}

Ended RunChild(const std::vector<std::string>& command, std::chrono::seconds limit) {
  const chronik::sdk::testing::TempDir temporary;  // with what the child leaves there when a signal ends it
  std::vector<std::string> texts = command;
  std::vector<std::string> variables = Environment(temporary.path());
  const std::vector<char*> arguments = Pointers(texts);
  const std::vector<char*> environment = Pointers(variables);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) Exec(arguments, environment, ends[1]);
  ::setpgid(pid, pid);  // in both, so that it is done before either needs it
  ::close(ends[1]);
  Ended ended;
  ended.timed_out = !ReadAll(ends[0], Clock::now() + limit, &ended.output);
  ::close(ends[0]);
  if (ended.timed_out) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  ::kill(-pid, SIGKILL);  // what it left behind
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  return ended;
}

}  // namespace chronik_check
