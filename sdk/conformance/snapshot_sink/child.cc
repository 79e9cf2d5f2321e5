// SPDX-License-Identifier: Apache-2.0
#include "sdk/conformance/snapshot_sink/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

constexpr int kReportFd = 3;

void Send(Report::Kind kind, uint64_t object, uint32_t version) {
  const Report report{kind, version, object};
  if (::write(kReportFd, &report, sizeof(report)) != sizeof(report)) ::_exit(4);  // the parent is gone
}

std::vector<std::string> Arguments(const std::string& data_dir, const std::string& key_prefix, uint64_t seed) {
  std::vector<std::string> args{"/proc/self/exe", "--plugin", Kit().plugin, "--seed", std::to_string(seed),
                                "--child",        "writer",   "--data-dir", data_dir, "--key-prefix",
                                key_prefix};
  for (const auto& [key, value] : Kit().plugin_options) {
    args.push_back("--option");
    args.push_back(key + "=" + value);
  }
  return args;
}

}  // namespace

std::string ChildKey(const std::string& prefix, uint64_t object) {
  return prefix + "folder-" + std::to_string(object % 2) + "/" + std::to_string(object);
}

std::string ChildContents(uint64_t object, uint32_t version) {
  std::mt19937_64 random(object * 1'000'003 + version);
  return RandomBytes(random(), Draw(random, 0, 3 << 20));
}

int RunWriter() {
  std::mt19937_64 random(Kit().seed);
  Sink sink(Kit().data_dir);
  for (uint32_t version = static_cast<uint32_t>(Kit().seed) * 10'000;; ++version) {
    const uint64_t object = Draw(random, 0, kChildObjects - 1);
    const std::string bytes = ChildContents(object, version);
    chr_put* put = sink.Begin(ChildKey(Kit().key_prefix, object));
    Send(Report::kBegun, object, version);
    for (size_t at = 0; at < bytes.size(); at += 1 << 20) {
      if (sink.Write(put, std::string_view(bytes).substr(at, 1 << 20)) < 0) throw std::runtime_error("a write failed");
    }
    Send(Report::kCommitAsked, object, version);
    if (sink.Commit(put, bytes) < 0) throw std::runtime_error("a commit failed");
    Send(Report::kCommitted, object, version);
  }
}

Child::Child(const std::string& data_dir, const std::string& key_prefix, uint64_t seed) {
  std::vector<std::string> args = Arguments(data_dir, key_prefix, seed);
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
    ::execv(argv[0], argv.data());
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
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
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
