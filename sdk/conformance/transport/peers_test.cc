// SPDX-License-Identifier: Apache-2.0
// Goal: peers come, move and go as the host says, and nobody is let in whom either host refuses.
// Method: nodes over loopback, with hosts that say no.
#include <gtest/gtest.h>

#include <memory>

#include "sdk/conformance/transport/node.h"
#include "sdk/conformance/transport/proxy.h"

namespace chronik_conformance {
namespace {

using std::chrono::milliseconds;

size_t Denials(Node& node, uint64_t peer) {
  const auto guard = node.lock();
  const auto& seen = node.events[peer];
  return static_cast<size_t>(
      std::count_if(seen.begin(), seen.end(), [](const PeerEvent& event) { return event.status == CHR_E_DENIED; }));
}

TEST(Peers, WithMalformedAddressesAreRefused) {
  Node a({.id = 1});
  for (const char* address : {"", "nowhere", "1.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "::1:5"}) {
    std::string message;
    EXPECT_EQ(a.SetPeer(2, address, &message), CHR_E_INVALID) << "set_peer: not host:port: '" << address << "'";
    EXPECT_NE(message, "") << "set_peer: an error has a message";
    EXPECT_EQ(a.Send(2, CHR_LANE_CONTROL, "x"), CHR_E_NOT_FOUND) << "set_peer: a refused peer is not set";
  }
  EXPECT_EQ(a.SetPeer(0, "127.0.0.1:1"), CHR_E_INVALID) << "set_peer: node ids are > 0";
  EXPECT_EQ(a.SetPeer(1, "127.0.0.1:1"), CHR_E_INVALID) << "set_peer: the id is this node's";
  EXPECT_EQ(a.RemovePeer(9), CHR_OK) << "remove_peer: unknown peers are fine";
}

TEST(Peers, PresentTheirHellosToEachOther) {
  Node a({.id = 1, .hello = std::string(4096, 'a')});
  Node b({.id = 2, .hello = std::string("b\0c", 3)});
  Connect(a, b);
  const auto guard_a = a.lock();
  ASSERT_FALSE(a.hellos.empty()) << "on_hello: called for each new connection";
  for (const std::string& hello : a.hellos)
    EXPECT_EQ(hello, std::string("b\0c", 3)) << "on_hello: what the peer presented";
  const auto guard_b = b.lock();
  for (const std::string& hello : b.hellos) EXPECT_EQ(hello, std::string(4096, 'a')) << "hello: up to 4096 bytes";
  for (const std::string& identity : b.identities) {
    EXPECT_EQ(identity.empty(), (b.caps().flags & CHR_TRANSPORT_CAP_ENCRYPTED) == 0)
        << "on_hello: the identity is what a certificate proves, empty without TLS";
  }
}

TEST(Peers, WhoseHelloIsRefusedHearWhyOnceAndDeliverNothing) {
  Node b({.id = 2, .on_hello = [](uint64_t, std::string_view, std::string_view, std::string& why) {
            why = "another cluster";
            return chr_status{CHR_E_DENIED};
          }});
  Node a({.id = 1});
  a.SetPeer(2, b.address());
  b.SetPeer(1, "127.0.0.1:1");  // known, but not to be reached
  const PeerEvent at_a = a.AwaitDown(2, 0, "on_peer: a refused hello is reported to the end that was refused");
  EXPECT_EQ(at_a.status, CHR_E_DENIED) << "on_peer: CHR_E_DENIED says that a hello was refused";
  EXPECT_NE(at_a.why.find("another cluster"), std::string::npos)
      << "on_hello: the message is sent to the other end: " << at_a.why;
  b.Await("on_peer: a refused hello is reported to the end that refused", [&] {
    for (const PeerEvent& event : b.events[1]) {
      if (event.status == CHR_E_DENIED) return true;
    }
    return false;
  });
  b.Await("a refused peer tries again", [&] { return b.hellos.size() >= 4; });
  EXPECT_EQ(Denials(a, 2), 1u) << "on_peer: a refusal is reported once until its text changes";
  EXPECT_EQ(Denials(b, 1), 1u) << "on_peer: a refusal is reported once until its text changes";
  EXPECT_EQ(a.Send(2, CHR_LANE_CONTROL, "x"), CHR_E_CLOSED) << "send: a refused peer is not connected";
}

TEST(Peers, AreRefusedByTheEndThatDialsToo) {
  Node a({.id = 1, .on_hello = [](uint64_t, std::string_view, std::string_view, std::string& why) {
            why = "wrong version";
            return chr_status{CHR_E_DENIED};
          }});
  Node b({.id = 2});
  b.SetPeer(1, "127.0.0.1:1");
  a.SetPeer(2, b.address());
  EXPECT_EQ(a.AwaitDown(2, 0, "on_peer: the dialler's own refusal is reported").status, CHR_E_DENIED)
      << "on_peer: CHR_E_DENIED, a hello was refused by either end";
  b.Await("on_peer: the end that was dialled hears of the refusal", [&] {
    for (const PeerEvent& event : b.events[1]) {
      if (event.status == CHR_E_DENIED && event.why.find("wrong version") != std::string::npos) return true;
    }
    return false;
  });
}

TEST(Peers, OfAnotherIdBehindAnAddressAreRefused) {
  Node a({.id = 1});
  Node c({.id = 3});
  c.SetPeer(1, a.address());
  a.SetPeer(2, c.address());  // there is 3
  EXPECT_EQ(a.AwaitDown(2, 0, "on_peer: another peer than the one that was dialled is refused").status, CHR_E_DENIED)
      << "on_peer: CHR_E_DENIED for the wrong peer";
  EXPECT_FALSE(a.Becomes([&] { return a.IsUp(2); }, milliseconds(300))) << "a wrong peer never comes up";
  EXPECT_EQ(a.Send(2, CHR_LANE_CONTROL, "x"), CHR_E_CLOSED) << "send: a wrong peer is not connected";
}

TEST(Peers, MoveToAnotherAddress) {
  Node a({.id = 1});
  auto old_b = std::make_unique<Node>(NodeSetup{.id = 2});
  Node new_b({.id = 2});
  Connect(a, *old_b);
  const size_t events = a.EventCount(2);
  ASSERT_EQ(a.SetPeer(2, new_b.address()), CHR_OK);
  a.Await("set_peer: a moved peer goes down and comes up", [&] { return a.events[2].size() > events && a.IsUp(2); });
  a.SendAll(2, CHR_LANE_CONTROL, "to the new one");
  EXPECT_EQ(new_b.NextFrame(1, CHR_LANE_CONTROL), "to the new one") << "set_peer: frames go to the new address";
  const auto guard = old_b->lock();
  EXPECT_TRUE((old_b->frames[{1, CHR_LANE_CONTROL}].empty())) << "set_peer: nothing more goes to the old address";
}

TEST(Peers, SetAgainAtTheSameAddressKeepTheirConnection) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  const size_t events = a.EventCount(2);
  ASSERT_EQ(a.SetPeer(2, b.address()), CHR_OK);
  a.SendAll(2, CHR_LANE_CONTROL, "x");
  EXPECT_EQ(b.NextFrame(1, CHR_LANE_CONTROL), "x");
  EXPECT_EQ(a.EventCount(2), events) << "set_peer: the same address changes nothing";
}

TEST(Peers, ThatAreRemovedAreSilentButHeard) {
  Node a({.id = 1});
  Node b({.id = 2});
  Connect(a, b);
  const size_t events = a.EventCount(2);
  const auto stream = a.OpenStream(2, "s");
  ASSERT_EQ(a.RemovePeer(2), CHR_OK);
  a.Await("remove_peer: streams end", [&] { return stream->ended; });
  EXPECT_EQ(stream->end_status, CHR_E_CLOSED) << "remove_peer: streams end with CHR_E_CLOSED";
  EXPECT_EQ(a.Send(2, CHR_LANE_CONTROL, "x"), CHR_E_NOT_FOUND) << "remove_peer: the peer is unknown afterwards";
  b.AwaitDown(1, 0, "on_peer: a connection from the peer ended");
  b.SendAll(1, CHR_LANE_CONTROL, "still heard");
  EXPECT_EQ(a.NextFrame(2, CHR_LANE_CONTROL), "still heard") << "remove_peer: frames that it sends to us are delivered";
  EXPECT_EQ(a.EventCount(2), events) << "remove_peer: no on_peer follows";
  b.AwaitUp(1);  // frames to it flow as before
}

TEST(Peers, StartInAnyOrder) {
  Proxy door("127.0.0.1:1");
  door.Refuse(true);
  Node a({.id = 1});
  a.SetPeer(2, door.address());
  const PeerEvent first = a.AwaitDown(2, 0, "on_peer: a failure to connect is reported");
  EXPECT_LT(first.status, 0);
  a.Await("a peer is dialled again without being asked", [&] { return door.accepted() > 3; });
  Node b({.id = 2});
  door.SetTarget(b.address());
  door.Refuse(false);
  a.AwaitUp(2);
  a.SendAll(2, CHR_LANE_CONTROL, "hello");
  EXPECT_EQ(b.NextFrame(1, CHR_LANE_CONTROL), "hello");
}

TEST(Peers, BehindANameAreFound) {
  Node a({.id = 1});
  Node b({.id = 2});
  const std::string port = b.address().substr(b.address().rfind(':'));
  ASSERT_EQ(a.SetPeer(2, "no-such-host.invalid" + port), CHR_OK) << "set_peer: resolving happens later";
  a.AwaitDown(2, 0, "on_peer: a name that means nothing is a failure to connect");
  ASSERT_EQ(a.SetPeer(2, "localhost" + port), CHR_OK);
  a.AwaitUp(2);
}

}  // namespace
}  // namespace chronik_conformance
