// SPDX-License-Identifier: Apache-2.0
// Goal: what a discovery plugin reports reaches the broker by node id, once, in order; what cannot be used is marked.
#include "kernel/cluster/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "kernel/base/test_executor.h"

namespace chronik::cluster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Origin = Discovered::Origin;

struct Named {
  uint64_t node;
  std::string address;
  uint32_t priority = 0;
};

class DiscoveryTest : public testing::Test {
 protected:
  void Report(const std::vector<Named>& named, uint32_t origin = CHR_DISCOVERY_FRESH, const std::string& why = "") {
    std::vector<chr_endpoint> endpoints;
    for (const Named& n : named) {
      chr_endpoint& e = endpoints.emplace_back();
      e.node_id = n.node;
      e.address = {n.address.data(), n.address.size()};
      e.priority = n.priority;
    }
    const chr_discovery_sink* sink = discovery_.sink();
    sink->on_endpoints(sink->ctx, endpoints.data(), endpoints.size(), origin, {why.data(), why.size()});
  }
  void Listen() {
    discovery_.Listen(executor_, [this](const Discovered& said) { said_.push_back(said); });
  }

  TestThreads threads_;
  TestThreads::Thread& executor_ = threads_.Add();
  Discovery discovery_;
  std::vector<Discovered> said_;
};

TEST_F(DiscoveryTest, AListenerIsToldWhatIsKnownAndEveryChange) {
  Report({{1, "a:1"}, {2, "b:1"}});
  Listen();
  Report({{1, "a:1"}, {2, "b:1"}});
  Report({{1, "a:1"}, {2, "b:2"}});
  EXPECT_THAT(said_, IsEmpty()) << "it runs on its own thread";
  threads_.Run();
  ASSERT_EQ(said_.size(), 2u);
  EXPECT_THAT(said_[0].nodes, ElementsAre(Pair(NodeId(1), "a:1"), Pair(NodeId(2), "b:1")));
  EXPECT_THAT(said_[1].nodes, ElementsAre(Pair(NodeId(1), "a:1"), Pair(NodeId(2), "b:2")));
  EXPECT_EQ(said_[1].origin, Origin::kFresh);
}

TEST_F(DiscoveryTest, ALossIsToldOnceWhateverReasonsFollow) {
  Listen();
  Report({{1, "a:1"}});
  Report({{1, "a:1"}}, CHR_DISCOVERY_CACHED, "no answer");
  Report({{1, "a:1"}}, CHR_DISCOVERY_CACHED, "refused");
  threads_.Run();
  ASSERT_EQ(said_.size(), 2u);
  EXPECT_EQ(said_[1].origin, Origin::kCached);
  EXPECT_EQ(said_[1].why, "no answer");
}

TEST_F(DiscoveryTest, AFailureIsAReportWithoutNodes) {
  Listen();
  const std::string why = "NXDOMAIN";
  discovery_.sink()->on_failure(discovery_.sink()->ctx, CHR_E_NOT_FOUND, {why.data(), why.size()});
  threads_.Run();
  ASSERT_EQ(said_.size(), 1u);
  EXPECT_EQ(said_[0], (Discovered{Origin::kNothing, {}, false, "NXDOMAIN"}));
}

TEST_F(DiscoveryTest, WhatHasNoIdOrTwoAddressesIsMarked) {
  Report({{0, "x:1"}, {1, "a:1"}});
  EXPECT_EQ(discovery_.AwaitFirst({}), (Discovered{Origin::kFresh, {{NodeId(1), "a:1"}}, true, ""}));
  Report({{1, "a:1"}, {1, "a:2"}});
  EXPECT_EQ(discovery_.AwaitFirst({}), (Discovered{Origin::kFresh, {{NodeId(1), "a:1"}}, true, ""}));
}

TEST_F(DiscoveryTest, TheAddressOfTheLowestPriorityIsUsed) {
  Report({{1, "a:1", 20}, {1, "b:1", 10}});
  EXPECT_EQ(discovery_.AwaitFirst({}), (Discovered{Origin::kFresh, {{NodeId(1), "b:1"}}, false, ""}));
}

TEST_F(DiscoveryTest, WhoWaitsForTheFirstReportGetsItOrHearsThatThereIsNone) {
  EXPECT_EQ(discovery_.AwaitFirst({}).origin, Origin::kNothing);
  std::thread plugin([this] { Report({{3, "c:1"}}); });
  const Discovered first = discovery_.AwaitFirst(std::chrono::seconds(30));
  plugin.join();
  EXPECT_THAT(first.nodes, ElementsAre(Pair(NodeId(3), "c:1")));
}

}  // namespace
}  // namespace chronik::cluster
