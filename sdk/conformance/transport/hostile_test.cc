// SPDX-License-Identifier: Apache-2.0
// Goal: whoever is not a peer can neither crash the listener, nor keep peers out, nor make it grow. Method: bare
// sockets that say nothing, say nonsense, or come in crowds.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <random>

#include "sdk/conformance/transport/node.h"
#include "sdk/conformance/transport/options.h"

namespace chronik_conformance {
namespace {

class Stranger {
 public:
  explicit Stranger(const std::string& address) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0;
  }
  Stranger(Stranger&& other) noexcept : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  ~Stranger() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool connected() const { return connected_; }
  bool Say(const std::string& bytes) { return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0; }
  // Until the other end closes; false: not within the limit.
  bool AwaitClosed(std::chrono::milliseconds limit) {
    const timeval wait{limit.count() / 1000, (limit.count() % 1000) * 1000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    char ignored[4096];
    ssize_t got = 1;
    while (got > 0) got = ::recv(fd_, ignored, sizeof(ignored), 0);
    return got == 0 || errno == ECONNRESET;
  }

 private:
  int fd_;
  bool connected_ = false;
};

TEST(Hostile, NonsenseIsCutOffAndPeersAreServedMeanwhile) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  std::mt19937_64 random(Options().seed);
  const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  for (int i = 0; i < 300; ++i) {
    Stranger stranger(b.address());
    ASSERT_TRUE(stranger.connected());
    std::string bytes = i % 3 == 0 ? get : Payload(random(), 1 + random() % 6000);
    if (i % 3 == 1) bytes = std::string(1 + random() % 200, static_cast<char>(random()));
    stranger.Say(bytes);
    if (i % 10 == 0) {
      stranger.Say(Payload(1, 1 << 16));
      EXPECT_TRUE(stranger.AwaitClosed(Options().notice_limit)) << "a stranger is cut off";
    }
    if (i % 50 == 0) {
      a.SendAll(2, CHR_LANE_CONTROL, "x");
      EXPECT_EQ(b.NextFrame(1, CHR_LANE_CONTROL), "x") << "strangers disturb no peer";
    }
  }
  EXPECT_LT(b.host().logs().size(), 60u) << "strangers do not flood the log";
}

TEST(Hostile, ACrowdThatSaysNothingKeepsNobodyOut) {
  Node b({.id = 2});
  const uint64_t before = ResidentBytes();
  std::vector<Stranger> crowd;
  for (int i = 0; i < 300; ++i) crowd.emplace_back(b.address());
  Node a({.id = 1});
  a.SetPeer(2, b.address());
  a.Await("connections without a greeting keep no peer out", [&] { return a.IsUp(2); }, std::chrono::seconds(10));
  EXPECT_LT(ResidentBytes() - std::min(before, ResidentBytes()), 64u << 20)
      << "connections without a greeting are cheap";
  for (Stranger& stranger : crowd) {
    ASSERT_TRUE(stranger.AwaitClosed(Options().notice_limit)) << "a connection without a greeting is closed in time";
  }
}

TEST(Hostile, AnEndlessGreetingIsCutOff) {
  Node b({.id = 2});
  Stranger stranger(b.address());
  const uint64_t before = ResidentBytes();
  const std::string zeros(1 << 16, '\0');
  bool open = true;
  for (int i = 0; i < 1000 && open; ++i) open = stranger.Say(zeros);
  EXPECT_FALSE(open) << "a greeting has a limit";
  EXPECT_LT(ResidentBytes() - std::min(before, ResidentBytes()), 32u << 20) << "a greeting has a limit";
}

}  // namespace
}  // namespace chronik_conformance
