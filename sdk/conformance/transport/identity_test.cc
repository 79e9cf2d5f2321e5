// SPDX-License-Identifier: Apache-2.0
// Goal: under TLS nobody is let in whose certificate proves nothing, in either direction, and the log or on_peer says
// so in words. Method: nodes with the certificates that --refused names; and `openssl s_client`, which has none.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "sdk/conformance/transport/node.h"
#include "sdk/conformance/transport/options.h"

namespace chronik_conformance {
namespace {

// What a node has said of `peer`, to its host and in its log. Under its lock.
std::string Said(Node& node, uint64_t peer) {
  std::string text;
  for (const auto& line : node.host().logs()) text += line.text + "\n";
  for (const PeerEvent& event : node.events[peer]) text += event.why + "\n";
  return text;
}

bool NamesTls(const std::string& text) {
  return text.find("TLS") != std::string::npos || text.find("certificate") != std::string::npos;
}

TEST(Identity, OfANodeThatProvesNothingIsRefusedInBothDirections) {
  if (Options().refused.empty()) GTEST_SKIP() << "no --refused";
  for (const RefusedNode& refused : Options().refused) {
    SCOPED_TRACE(refused.name);
    for (const bool dials : {false, true}) {
      Node good({.id = 1});
      Node bad({.id = 2, .options = refused.options});
      Node& from = dials ? bad : good;
      Node& to = dials ? good : bad;
      from.SetPeer(to.id(), to.address());
      const PeerEvent down = from.AwaitDown(to.id(), 0, "TR-15: on_peer: a refused certificate is reported");
      EXPECT_NE(down.why, "") << "TR-15: on_peer: says why";
      good.Await(
          "the node that refuses says so in words", [&] { return NamesTls(Said(good, 2)); }, Options().notice_limit);
      EXPECT_FALSE(from.Becomes([&] { return from.IsUp(to.id()); }, std::chrono::milliseconds(300)))
          << "TR-13: a node that proves nothing is never connected";
      EXPECT_EQ(from.Send(to.id(), CHR_LANE_CONTROL, "x"), CHR_E_CLOSED) << "TR-10: send: not connected";
      const auto guard = good.lock();
      EXPECT_TRUE(good.hellos.empty()) << "TR-13: on_hello: is not asked about a node that proved nothing";
      std::printf("%s %s: %s\n", refused.name.c_str(), dials ? "dials, and hears" : "is dialled, and the other hears",
                  down.why.c_str());
    }
  }
}

TEST(Identity, WithoutACertificateIsRefused) {
  Node good({.id = 1});
  if ((good.caps().flags & CHR_TRANSPORT_CAP_ENCRYPTED) == 0) GTEST_SKIP() << "not under TLS";
  if (std::system("command -v openssl >/dev/null") != 0) GTEST_SKIP() << "no openssl";
  const std::string command = "openssl s_client -connect " + good.address() + " </dev/null 2>&1";
  std::string output;
  std::FILE* client = ::popen(command.c_str(), "r");
  ASSERT_NE(client, nullptr);
  std::array<char, 4096> some{};
  while (std::fgets(some.data(), some.size(), client) != nullptr) output += some.data();
  ::pclose(client);
  EXPECT_NE(output.find("BEGIN CERTIFICATE"), std::string::npos) << "it speaks TLS: " << output;
  good.Await("the node that refuses says so in words", [&] { return NamesTls(Said(good, 2)); });
  const auto guard = good.lock();
  EXPECT_TRUE(good.hellos.empty()) << "TR-13: on_hello: is not asked about a node that proved nothing";
}

}  // namespace
}  // namespace chronik_conformance
