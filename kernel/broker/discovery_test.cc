// SPDX-License-Identifier: Apache-2.0
// Goal: nodes without a list of founders found one cluster or none, whatever discovery tells each of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/broker/test_cluster.h"

namespace chronik::broker {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using Origin = cluster::Discovered::Origin;

class FoundingTest : public ClusterTest {
 protected:
  FoundingTest() { founders_to_discover_ = 3; }

  void Discover(uint64_t at, const std::vector<uint64_t>& named, Origin origin = Origin::kFresh,
                bool ambiguous = false) {
    cluster::Discovered found{origin, {}, ambiguous, ""};
    for (const uint64_t id : named) found.nodes[NodeId(id)] = "test:" + std::to_string(id);
    nodes_.at(at)->shards[0]->Post([this, at, found] { At(at).OnDiscovered(found); });
    threads_.Run();
  }
  void StartThree() {
    for (uint64_t id = 1; id <= 3; ++id) Start(id);
  }
  bool NobodyFounds() {
    threads_.Advance(seconds(10));
    return !nodes_.at(1)->life.generation && !nodes_.at(2)->life.generation && !nodes_.at(3)->life.generation;
  }
};

TEST_F(FoundingTest, TheFirstAnswerWithAsManyNodesAsExpectedNamesTheFounders) {
  StartThree();
  for (uint64_t id = 1; id <= 3; ++id) Discover(id, {1, 2});
  ASSERT_TRUE(NobodyFounds()) << "one is missing";
  for (uint64_t id = 1; id <= 3; ++id) Discover(id, {1, 2, 3, 4});
  ASSERT_TRUE(NobodyFounds()) << "one is too many";
  for (uint64_t id = 1; id <= 3; ++id) Discover(id, {1, 2, 3}, Origin::kFallback);
  ASSERT_TRUE(NobodyFounds()) << "it is not what the source says";
  for (uint64_t id = 1; id <= 3; ++id) Discover(id, {1, 2, 3}, Origin::kFresh, true);
  ASSERT_TRUE(NobodyFounds()) << "somebody may be one of several";
  for (uint64_t id = 1; id <= 3; ++id) Discover(id, {1, 2, 3});
  Until([this] { return Started(1) && Started(2) && Started(3); });
  EXPECT_EQ(nodes_.at(1)->life.founders, (std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(3)}));
  EXPECT_EQ(At(1).image(ShardId(0))->cluster_id(), At(3).image(ShardId(0))->cluster_id());
}

TEST_F(FoundingTest, NodesThatWereNamedDifferentFoundersFoundNothing) {
  StartThree();
  Discover(1, {1, 2, 3});
  Discover(2, {1, 2, 4});
  Discover(3, {1, 3, 4});
  EXPECT_TRUE(NobodyFounds());
  for (uint64_t id = 1; id <= 3; ++id) Discover(id, {1, 2, 3});
  EXPECT_TRUE(NobodyFounds()) << "a list that others were told stands as long as the process";
}

TEST_F(FoundingTest, AMajorityThatAgreesFoundsAndWhoDoesNotKnowYetJoins) {
  Start(1);
  Start(2);
  Discover(1, {1, 2, 3});
  Discover(2, {1, 2, 3});
  Until([this] { return Started(1) && Started(2); });
  Start(3);
  Until([this] { return Started(3); });
  EXPECT_EQ(nodes_.at(3)->life.generation, 1u) << "discovery told it nothing: it asked";
  EXPECT_EQ(At(1).image(ShardId(0))->cluster_id(), At(3).image(ShardId(0))->cluster_id());
}

TEST_F(FoundingTest, ANodeThatIsNotToFoundSaysWhyItWaits) {
  founders_to_discover_ = 0;
  Start(1);
  Discover(1, {1, 2, 3});
  threads_.Advance(seconds(61));
  ASSERT_TRUE(nodes_.at(1)->started && !nodes_.at(1)->started->ok());
  EXPECT_THAT(nodes_.at(1)->started->error().message, HasSubstr("cluster.discovery.founders = 0"));
}

TEST_F(FoundingTest, ANewAddressOfItsOwnIsRegistered) {
  StartThree();
  for (uint64_t id = 1; id <= 3; ++id) Discover(id, {1, 2, 3});
  Until([this] { return Started(1) && Started(2) && Started(3); });
  nodes_.at(2)->shards[0]->Post([this] {
    At(2).OnDiscovered(
        {Origin::kFresh, {{NodeId(1), "test:1"}, {NodeId(2), "moved:2"}, {NodeId(3), "test:3"}}, false, ""});
  });
  Until([this] { return At(1).image(ShardId(0))->FindBroker(NodeId(2))->rpc_address == "moved:2"; });
}

}  // namespace
}  // namespace chronik::broker
