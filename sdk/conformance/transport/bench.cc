// SPDX-License-Identifier: Apache-2.0
// chronik-transport-bench PLUGIN... [--seconds N]: two instances of each transport plugin over loopback beside bare
// blocking sockets in the same run: bytes per second in one direction, and the time of a round trip. Prints a table of
// Markdown; no verdict.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <chronik/sdk/buffer.h>
#include <chronik/sdk/testing/fake_host.h>
#include <chronik/transport.h>

#include "sdk/conformance/common/calling.h"
#include "sdk/conformance/common/plugin_file.h"

namespace chronik_conformance {
namespace {

namespace sdk = chronik::sdk;
using Clock = std::chrono::steady_clock;

double Since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// An instance whose host counts what arrives, or sends it back.
class Node {
 public:
  Node(const chr_plugin& plugin, uint64_t id, bool echo)
      : plugin_(plugin),
        table_(*static_cast<const chr_transport*>(RequireInterface(plugin, CHR_TRANSPORT_1))),
        echo_(echo),
        host_({.option_table = {plugin.options, plugin.option_count}}) {
    sink_.struct_size = sizeof(sink_);
    sink_.ctx = this;
    sink_.node_id = id;
    SetCallbacks(sink_);
    DoneWaiter done;
    if (plugin_.create(host_.raw(), CHR_TRANSPORT_1, &self_, nullptr) < 0 ||
        done.Resolve(plugin_.start(self_, &sink_, done.Raw(), nullptr)) < 0) {
      Breach("the plugin does not start with its defaults");
    }
  }
  ~Node() {
    DoneWaiter done;
    done.Resolve(plugin_.stop(self_, 0, done.Raw()));
    plugin_.destroy(self_);
    host_.CloseTasks();
  }

  void Connect(uint64_t peer, Node& to) {
    char address[256] = {};
    to.table_.bound_address(to.self_, address, sizeof(address));
    table_.set_peer(self_, peer, sdk::ToStr(address), nullptr);
    up_.wait(false);
  }
  void Send(uint64_t peer, uint32_t lane, const chr_buf& frame) {
    for (;;) {
      const uint64_t before = writable_;
      if (table_.send(self_, peer, lane, &frame, 1) == CHR_OK) return;
      writable_.wait(before);
    }
  }
  void AwaitBytes(uint64_t bytes) {
    for (uint64_t seen = bytes_; seen < bytes; seen = bytes_) bytes_.wait(seen);
  }

 private:
  static void SetCallbacks(chr_transport_sink& sink) {
    sink.hello = [](void*, void*, size_t) noexcept -> size_t { return 0; };
    sink.on_hello = [](void*, uint64_t, chr_str, chr_str, chr_error*) noexcept -> chr_status { return CHR_OK; };
    sink.on_peer = [](void* ctx, uint64_t, int32_t up, chr_status, chr_str) noexcept {
      auto* me = static_cast<Node*>(ctx);
      me->up_ = up != 0;
      me->up_.notify_all();
    };
    sink.on_frame = [](void* ctx, uint64_t peer, uint32_t lane, const chr_buf* bufs,
                       size_t count) noexcept -> chr_status {
      auto* me = static_cast<Node*>(ctx);
      if (me->echo_) me->table_.send(me->self_, peer, lane, bufs, count);
      for (const chr_buf& buf : std::span(bufs, count)) me->bytes_ += buf.size;
      me->bytes_.notify_all();
      return CHR_OK;
    };
    sink.on_writable = [](void* ctx, uint64_t, uint32_t) noexcept {
      auto* me = static_cast<Node*>(ctx);
      ++me->writable_;
      me->writable_.notify_all();
    };
  }

  const chr_plugin& plugin_;
  const chr_transport& table_;
  const bool echo_;
  sdk::testing::FakeHost host_;
  chr_transport_sink sink_{};
  void* self_ = nullptr;
  std::atomic<bool> up_{false};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> writable_{0};
};

// A connected pair of blocking sockets.
struct Bare {
  int near = -1;
  int far = -1;

  Bare() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    near = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        ::connect(near, reinterpret_cast<sockaddr*>(&address), size) != 0) {
      std::perror("loopback");
      std::exit(1);
    }
    far = ::accept(listener, nullptr, nullptr);
    ::close(listener);
    const int one = 1;
    for (const int fd : {near, far}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }
  ~Bare() {
    ::close(near);
    ::close(far);
  }
};

double BareThroughput(size_t frame, double seconds) {
  Bare pair;
  std::thread reader([&] {
    std::vector<char> into(256 << 10);
    while (::recv(pair.far, into.data(), into.size(), 0) > 0) {
    }
  });
  const std::vector<char> bytes(frame, 'x');
  const auto start = Clock::now();
  double sent = 0;
  while (Since(start) < seconds) sent += static_cast<double>(::send(pair.near, bytes.data(), bytes.size(), 0));
  ::shutdown(pair.near, SHUT_WR);
  reader.join();
  return sent / Since(start);
}

double Throughput(const chr_plugin& plugin, size_t frame, double seconds) {
  Node b(plugin, 2, false);
  Node a(plugin, 1, false);
  a.Connect(2, b);
  struct Owner : sdk::RefCounted<Owner> {
    std::vector<char> bytes;
  };
  auto* owner = new Owner;
  owner->bytes.assign(frame, 'x');
  const sdk::Buffer kept = sdk::Buffer::Adopt({owner->bytes.data(), frame, owner});
  const auto start = Clock::now();
  uint64_t sent = 0;
  for (; Since(start) < seconds; sent += frame) a.Send(2, CHR_LANE_REPLICATION, kept.View());
  b.AwaitBytes(sent);
  return static_cast<double>(sent) / Since(start);
}

struct Times {
  double p50 = 0;
  double p99 = 0;
};
Times Percentiles(std::vector<double>& times) {
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

Times BareRoundTrip(double seconds) {
  Bare pair;
  std::thread echo([&] {
    char byte[64];
    ssize_t got = 0;
    while ((got = ::recv(pair.far, byte, sizeof(byte), 0)) > 0) ::send(pair.far, byte, static_cast<size_t>(got), 0);
  });
  std::vector<double> times;
  char frame[64] = {};
  for (const auto start = Clock::now(); Since(start) < seconds;) {
    const auto begin = Clock::now();
    ::send(pair.near, frame, sizeof(frame), 0);
    ::recv(pair.near, frame, sizeof(frame), MSG_WAITALL);
    times.push_back(Since(begin));
  }
  ::shutdown(pair.near, SHUT_WR);
  echo.join();
  return Percentiles(times);
}

Times RoundTrip(const chr_plugin& plugin, double seconds) {
  Node b(plugin, 2, true);
  Node a(plugin, 1, false);
  a.Connect(2, b);
  b.Connect(1, a);
  std::vector<double> times;
  const char frame[64] = {};
  uint64_t bytes = 0;
  for (const auto start = Clock::now(); Since(start) < seconds;) {
    const auto begin = Clock::now();
    a.Send(2, CHR_LANE_CONTROL, {frame, sizeof(frame), nullptr});
    a.AwaitBytes(bytes += sizeof(frame));
    times.push_back(Since(begin));
  }
  return Percentiles(times);
}

void PrintRow(const std::string& name, double bare, const std::vector<double>& figures, const char* unit) {
  std::printf("| %s | %.*f %s |", name.c_str(), bare < 100 ? 1 : 0, bare, unit);
  for (const double figure : figures) std::printf(" %.*f %s (%.2f) |", bare < 100 ? 1 : 0, figure, unit, figure / bare);
  std::printf("\n");
  std::fflush(stdout);
}

void PrintRoundTrips(const std::vector<chr_plugin>& plugins, double seconds) {
  const Times bare = BareRoundTrip(seconds);
  std::vector<double> p50;
  std::vector<double> p99;
  for (const chr_plugin& plugin : plugins) {
    const Times times = RoundTrip(plugin, seconds);
    p50.push_back(times.p50 * 1e6);
    p99.push_back(times.p99 * 1e6);
  }
  PrintRow("round trip of 64 B, p50", bare.p50 * 1e6, p50, "us");
  PrintRow("round trip of 64 B, p99", bare.p99 * 1e6, p99, "us");
}

// In brackets: the ratio to bare sockets.
int Main(const std::vector<chr_plugin>& plugins, double seconds) {
  std::printf("| loopback | bare sockets |");
  for (const chr_plugin& plugin : plugins) std::printf(" %s |", plugin.id);
  std::printf("\n|---|---|");
  for (size_t i = 0; i < plugins.size(); ++i) std::printf("---|");
  std::printf("\n");
  for (const size_t kib : {size_t{4}, size_t{64}, size_t{1024}}) {
    const double bare = BareThroughput(kib << 10, seconds) / (1 << 20);
    std::vector<double> figures;
    for (const chr_plugin& plugin : plugins) figures.push_back(Throughput(plugin, kib << 10, seconds) / (1 << 20));
    PrintRow("frames of " + std::to_string(kib) + " KiB", bare, figures, "MiB/s");
  }
  PrintRoundTrips(plugins, seconds);
  return 0;
}

}  // namespace
}  // namespace chronik_conformance

void chronik_conformance::Breach(const std::string& rule) {
  std::fprintf(stderr, "%s\n", rule.c_str());
  std::exit(1);
}

int main(int argc, char** argv) {
  std::vector<chr_plugin> plugins;
  double seconds = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--seconds" && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else {
      plugins.push_back(chronik_conformance::LoadPlugin(word));
    }
  }
  if (plugins.empty() || seconds <= 0) {
    std::fprintf(stderr, "usage: chronik-transport-bench PLUGIN... [--seconds N]\n");
    return 2;
  }
  return chronik_conformance::Main(plugins, seconds);
}
