// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/campaign.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

#include "kernel/base/invariant.h"
#include "kernel/base/log.h"

namespace chronik::sim {
namespace {

constexpr int kFailed = 3;             // exit code of a process that found something
constexpr unsigned kSecondsMax = 300;  // of real time for one run, which takes one or two

// What parent and children share.
struct Shared {
  std::atomic<uint64_t> next_seed{0};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> seeds{0};
  std::atomic<uint64_t> hash{0};
  std::atomic<int64_t> simulated{0};
  std::atomic<uint64_t> events{0};
  std::atomic<uint64_t> acked{0};
  std::atomic<uint64_t> read{0};
  std::array<std::atomic<uint64_t>, kFaults> faults{};
  std::atomic<bool> failed{false};
  uint64_t failed_seed = 0;
  char violation[1024] = {};
};

class SharedMemory {
 public:
  SharedMemory() {
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHRONIK_CHECK(memory != MAP_FAILED) << "mmap: " << std::strerror(errno);
    shared_ = new (memory) Shared();
  }
  ~SharedMemory() { munmap(shared_, sizeof(Shared)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  Shared* operator->() const { return shared_; }
  Shared* get() const { return shared_; }

 private:
  Shared* shared_;
};

// Of a child.
Shared* g_shared = nullptr;
uint64_t g_seed = 0;

[[noreturn]] void ExitFailed(const char* why) {
  if (!g_shared->failed.exchange(true)) {
    g_shared->failed_seed = g_seed;
    std::strncpy(g_shared->violation, why, sizeof g_shared->violation - 1);
  }
  g_shared->stop = true;
  _exit(kFailed);
}

// Of a run that a signal ends. Only what a signal handler may do.
void OnSignal(int signal) {
  ExitFailed(signal == SIGALRM ? "the run does not end: it keeps itself busy at one moment"
                               : "the run ended with a signal: a fault of memory, or of the stack");
}

void RunSeed(RunOptions options, uint64_t seed) {
  g_seed = seed;
  alarm(kSecondsMax);
  options.seed = seed;
  const RunResult result = Run(options);
  if (!result.violation.empty()) ExitFailed(result.violation.c_str());
  Shared& s = *g_shared;
  ++s.seeds;
  s.hash += Mix(result.hash, seed);
  s.simulated += result.simulated.count();
  s.events += result.events;
  s.acked += result.acked;
  s.read += result.read;
  for (size_t i = 0; i < kFaults; ++i) s.faults[i] += result.faults[i];
}

// Runs `body` in a child.
template <class Body>
pid_t Spawn(Shared* shared, Body body) {
  const pid_t child = fork();
  CHRONIK_CHECK(child >= 0) << "fork: " << std::strerror(errno);
  if (child != 0) return child;
  g_shared = shared;
  for (const int signal : {SIGALRM, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, &OnSignal);
  internal::SetCheckFailureHook([](const char* text) { ExitFailed(text); });
  // Simulated disks fail all the time; what the kernel says to that would be the same line for ever.
  SetLogSink([](LogLevel, const char*, int, std::string_view) {});
  body();
  _exit(0);
}

void Await(Shared* shared, pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  const bool clean = WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == kFailed);
  if (clean || shared->failed.exchange(true)) return;
  shared->stop = true;
  std::snprintf(shared->violation, sizeof shared->violation, "the process ended with status %d", status);
}

}  // namespace

CampaignResult RunCampaign(const RunOptions& options, uint64_t first, uint64_t last, unsigned jobs,
                           std::chrono::seconds wall_time) {
  const SharedMemory shared;
  shared->next_seed = first;
  const auto end = std::chrono::steady_clock::now() + wall_time;
  std::vector<pid_t> children;
  for (unsigned i = 0; i < jobs; ++i) {
    children.push_back(Spawn(shared.get(), [&] {
      while (!g_shared->stop && std::chrono::steady_clock::now() < end) {
        const uint64_t seed = g_shared->next_seed++;
        if (seed > last) return;
        RunSeed(options, seed);
      }
    }));
  }
  for (const pid_t child : children) Await(shared.get(), child);
  CampaignResult result;
  result.seeds = shared->seeds;
  result.hash = shared->hash;
  result.simulated = Duration(shared->simulated.load());
  result.events = shared->events;
  result.acked = shared->acked;
  result.read = shared->read;
  for (size_t i = 0; i < kFaults; ++i) result.faults[i] = shared->faults[i];
  result.failed = shared->failed;
  result.failed_seed = shared->failed_seed;
  result.violation = shared->violation;
  return result;
}

std::string RunApart(const RunOptions& options) {
  const SharedMemory shared;
  Await(shared.get(), Spawn(shared.get(), [&] { RunSeed(options, options.seed); }));
  return shared->violation;
}

// First without one kind of fault after the other, as long as something still fails; then with less and less time.
// Another run than before may well fail in another way: any violation counts, as each is a bug.
RunOptions Minimise(RunOptions options) {
  for (size_t i = 0; i < kFaults; ++i) {
    RunOptions fewer = options;
    fewer.faults &= ~(uint64_t{1} << i);
    if (fewer.faults != options.faults && !RunApart(fewer).empty()) options = fewer;
  }
  for (;;) {
    RunOptions shorter = options;
    shorter.safety = options.safety * 3 / 4;
    if (shorter.safety < std::chrono::milliseconds(100) || RunApart(shorter).empty()) return options;
    options = shorter;
  }
}

}  // namespace chronik::sim
