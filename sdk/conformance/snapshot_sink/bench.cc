// SPDX-License-Identifier: Apache-2.0
// chronik-snapshot-sink-bench --plugin SINK [--option KEY=VALUE]...: seconds that any snapshot sink takes to put an
// object of 64 and of 256 MiB, and to get all of it as a range. Prints "put|get MiB seconds" lines: the best of three.
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <vector>

#include <chronik/sdk/guard.h>
#include <chronik/sdk/testing/fake_host.h>
#include <chronik/snapshot_sink.h>

#include "sdk/conformance/common/kit.h"
#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

constexpr size_t kPieceBytes = 1 << 20;
constexpr uint64_t kWindowBytes = 8 << 20;  // of a get: credit that is out at a time

[[noreturn]] void Die(const char* what, chr_status status) {
  std::fprintf(stderr, "chronik-snapshot-sink-bench: %s: %d\n", what, status);
  std::exit(1);
}

void Put(Sink& sink, const std::string& key, const std::string& piece, size_t pieces, uint32_t crc32c) {
  chr_put* put = nullptr;
  chr_error err = BlankError();
  const uint64_t size = pieces * piece.size();
  const chr_status begun = sink.table().put_begin(sink.self(), {key.data(), key.size()}, size, &put, &err);
  if (begun < 0) Die("put_begin", begun);
  const chr_buf buf{piece.data(), piece.size(), nullptr};
  for (size_t i = 0; i < pieces; ++i) {
    DoneWaiter done;
    const chr_status status = done.Resolve(sink.table().put_write(sink.self(), put, &buf, 1, done.Raw()));
    if (status < 0) Die("put_write", status);
  }
  DoneWaiter done;
  const chr_status status = done.Resolve(sink.table().put_commit(sink.self(), put, size, crc32c, done.Raw()));
  if (status < 0) Die("put_commit", status);
}

// Reads and forgets.
struct Reader {
  Sink& sink;
  std::mutex mutex = {};
  std::condition_variable changed = {};
  chr_get* raw = nullptr;
  uint64_t bytes = 0;
  std::optional<chr_status> end = std::nullopt;

  void OnData(const chr_buf* bufs, size_t count) {
    uint64_t got = 0;
    for (size_t i = 0; i < count; ++i) got += bufs[i].size;
    const std::scoped_lock lock(mutex);
    bytes += got;
    changed.notify_all();
  }
  void Run(const std::string& key, uint64_t size) {
    chr_get_events events{};
    events.struct_size = sizeof(events);
    events.ctx = this;
    events.on_data = [](void* ctx, const chr_buf* bufs, size_t count) noexcept {
      static_cast<Reader*>(ctx)->OnData(bufs, count);
    };
    events.on_end = [](void* ctx, chr_status status, chr_str) noexcept {
      auto* me = static_cast<Reader*>(ctx);
      const std::scoped_lock lock(me->mutex);
      me->end = status;
      me->changed.notify_all();
    };
    const chr_status opened = sink.table().get(sink.self(), {key.data(), key.size()}, 0, size, &events, &raw);
    if (opened < 0) Die("get", opened);
    uint64_t granted = 0;
    std::unique_lock lock(mutex);
    while (!end) {
      if (const uint64_t more = bytes + kWindowBytes - granted; more >= kWindowBytes / 2) {
        granted += more;
        lock.unlock();
        sink.table().get_credit(sink.self(), raw, more);
        lock.lock();
        continue;
      }
      changed.wait(lock);
    }
    if (*end < 0 || bytes != size) Die("get ended", *end);
  }
};

template <class Work>
double Best(Work work) {
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

int Main() {
  Sink sink;
  const std::string piece = RandomBytes(1, kPieceBytes);
  std::string all;
  for (const size_t mib : {size_t{64}, size_t{256}}) {
    while (all.size() < mib * kPieceBytes) all += piece;
    const uint32_t crc32c = Crc32c(all);
    const std::string key = "bench/" + std::to_string(mib);
    std::printf("put %zu %.4f\n", mib, Best([&] { Put(sink, key, piece, mib, crc32c); }));
    std::printf("get %zu %.4f\n", mib, Best([&] { Reader{.sink = sink}.Run(key, mib * kPieceBytes); }));
    sink.Remove(key);
  }
  return 0;
}

}  // namespace
}  // namespace chronik_conformance

int main(int argc, char** argv) {
  chronik_conformance::ParseKitOptions(argc, argv);
  return chronik_conformance::Main();
}
