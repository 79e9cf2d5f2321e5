// SPDX-License-Identifier: Apache-2.0
// chronik-abi-bench PLUGIN: what the plugin ABI adds to one operation of a log store from submit to completion. The
// same store is called directly, as C++ in this program, and through its shared object: table, firewall, sink. Then
// through kernel/log as the broker does, whose queue and turn of the event loop are the kernel's own and need no ABI.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <chronik/sdk/testing/fake_host.h>

#include "kernel/log/log_store.h"
#include "tests/bench/instant_store.h"

namespace chronik_bench {
namespace {

namespace sdk = chronik::sdk;

constexpr uint64_t kOps = 2'000'000;
constexpr int kRounds = 7;

// Tasks run when the benchmark says so, on its own thread: no wake-up is measured.
class Loop final : public chronik::Executor {
 public:
  void Post(chronik::Task task) override { tasks_.push_back(std::move(task)); }
  TimerId Schedule(chronik::Duration, chronik::Task) override { return 0; }
  void Cancel(TimerId) override {}
  bool InThread() const override { return true; }
  chronik::Instant Now() const override { return {}; }
  chronik::WallTime WallNow() const override { return {}; }
  void Run() {
    while (!tasks_.empty()) {
      std::vector<chronik::Task> now;
      now.swap(tasks_);
      for (chronik::Task& task : now) task();
    }
  }

 private:
  std::vector<chronik::Task> tasks_;
};

struct DirectSink {
  uint64_t* done = nullptr;
  // As a callback does that was not inlined.
  [[gnu::noinline]] void Complete(uint32_t, std::span<const chr_log_cqe> cqes) const noexcept { *done += cqes[0].tag; }
};

// Nanoseconds for each of kOps operations; the best round, for the machine is shared.
template <class Round>
double Best(Round round) {
  double best = 1e9;
  for (int i = 0; i < kRounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    round();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / static_cast<double>(kOps));
  }
  return best;
}

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "chronik-abi-bench: %s\n", why.c_str());
  std::exit(1);
}

// A started instance of the plugin.
class Loaded {
 public:
  Loaded(const char* path, const chr_log_sink& sink) {
    void* file = ::dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (file == nullptr) Die(::dlerror());
    const auto main = reinterpret_cast<decltype(&chronik_plugin_main_v1)>(::dlsym(file, CHR_PLUGIN_MAIN_SYMBOL));
    if (main == nullptr) Die("no plugin");
    plugin_ = main();
    table_ = *static_cast<const chr_log_store*>(plugin_->ifaces[0].table);
    if (plugin_->create(host_.raw(), CHR_LOG_STORE_1, &self_, nullptr) < 0 ||
        plugin_->start(self_, &sink, {}, nullptr) != CHR_OK) {
      Die("the plugin does not start");
    }
  }
  ~Loaded() {
    plugin_->stop(self_, 0, {});
    plugin_->destroy(self_);
  }
  const chr_log_store& table() const { return table_; }
  void* self() const { return self_; }

 private:
  sdk::testing::FakeHost host_{{}};
  const chr_plugin* plugin_ = nullptr;
  chr_log_store table_{};
  void* self_ = nullptr;
};

chr_log_op OneOp() {
  chr_log_op op{};
  op.opcode = CHR_LOG_BARRIER;
  op.tag = 1;
  return op;
}

double Direct() {
  InstantStore<DirectSink> store;
  uint64_t done = 0;
  store.Start({&done});
  chr_log_op op = OneOp();
  const double ns = Best([&] {
    for (uint64_t i = 0; i < kOps; ++i) {
      size_t accepted = 0;
      if (store.Submit(0, std::span(&op, 1), accepted) < 0) Die("submit");
    }
  });
  if (done != kOps * kRounds) Die("operations were lost");
  return ns;
}

double ThroughTheAbi(const char* path) {
  uint64_t done = 0;
  chr_log_sink sink{};
  sink.struct_size = sizeof(sink);
  sink.ctx = &done;
  sink.on_complete = [](void* ctx, uint32_t, const chr_log_cqe* cqes, size_t, chr_str) noexcept {
    *static_cast<uint64_t*>(ctx) += cqes[0].tag;
  };
  const Loaded store(path, sink);
  chr_log_op op = OneOp();
  const double ns = Best([&] {
    for (uint64_t i = 0; i < kOps; ++i) {
      size_t accepted = 0;
      if (store.table().submit(store.self(), 0, &op, 1, &accepted) < 0) Die("submit");
    }
  });
  if (done != kOps * kRounds) Die("operations were lost");
  return ns;
}

// `batch` operations in each turn of the loop.
double ThroughTheKernel(const char* path, uint64_t batch) {
  Loop loop;
  chronik::log::LogStore kernel({&loop});
  const Loaded store(path, *kernel.sink());
  if (!kernel.Attach(store.table(), store.self()).ok()) Die("attach");
  auto opened = kernel.OpenGroup(chronik::GroupId(1), chronik::ShardId(0), true);
  if (!opened.ok()) Die("open_group");
  uint64_t done = 0;
  const double ns = Best([&] {
    for (uint64_t i = 0; i < kOps; i += batch) {
      for (uint64_t k = 0; k < batch; ++k) {
        kernel.Submit(chronik::ShardId(0), opened->handle, {}, [&done](chronik::Status) { ++done; });
      }
      loop.Run();
    }
  });
  if (done < kOps * kRounds) Die("operations were lost");
  return ns;
}

int Main(const char* path) {
  const double direct = Direct();
  const double abi = ThroughTheAbi(path);
  std::printf("one operation of a log store, submit to completion, best of %d x %llu\n", kRounds,
              static_cast<unsigned long long>(kOps));
  std::printf("| way | ns |\n|---|---|\n");
  std::printf("| called directly, in this program | %.1f |\n", direct);
  std::printf("| through the ABI of the loaded plugin | %.1f |\n", abi);
  std::printf("| **overhead of the ABI** (target: at most 50) | **%.1f** |\n", abi - direct);
  for (const uint64_t batch : {uint64_t{1}, uint64_t{64}}) {
    std::printf("| through kernel/log and the plugin, %llu in a turn of the loop | %.1f |\n",
                static_cast<unsigned long long>(batch), ThroughTheKernel(path, batch));
  }
  return abi - direct <= 50 ? 0 : 1;
}

}  // namespace
}  // namespace chronik_bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: chronik-abi-bench instant_store.so\n");
    return 2;
  }
  return chronik_bench::Main(argv[1]);
}
