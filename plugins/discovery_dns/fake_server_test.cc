// SPDX-License-Identifier: Apache-2.0
// Goal: no answer, however broken or late, makes the set wrong or the plugin stall; the TTL decides when to ask again.
// Method: a UDP server in the test, whose answers are made by hand.
#include "plugins/discovery_dns/test_rig.h"

namespace chronik_discovery_dns {
namespace {

using std::chrono::milliseconds;

constexpr unsigned kTypeSrv = 33;
constexpr unsigned kTypeCname = 5;
constexpr uint32_t kFresh = CHR_DISCOVERY_FRESH;
constexpr uint32_t kCached = CHR_DISCOVERY_CACHED;

std::string OneNode(const std::string& query, uint32_t ttl_s) {
  return AnswerTo(query, {Record(kTypeSrv, ttl_s, SrvRdata(0, 0, 1, "n1.test"))});
}

class FakeServerTest : public testing::Test {
 protected:
  std::map<std::string, std::string> Options(std::map<std::string, std::string> more = {}) const {
    more["servers"] = server_.address();
    more.insert({"ordinal_base", "0"});
    return more;
  }
  // Of the n-th query behind the first.
  milliseconds Between(size_t n) {
    server_.AwaitQueries(n + 1);
    const auto arrivals = server_.arrivals();
    return std::chrono::duration_cast<milliseconds>(arrivals[n] - arrivals[n - 1]);
  }

  FakeServer server_{[](const std::string& query) { return OneNode(query, 0); }};
};

TEST_F(FakeServerTest, TheTtlDecidesWhenToAskAgain) {
  server_.SetAnswer([](const std::string& query) { return OneNode(query, 1); });
  Instance instance(Options({{"refresh_min", "10ms"}, {"refresh_max", "20s"}}));
  EXPECT_GE(Between(1), milliseconds(990));
  EXPECT_LE(Between(1), milliseconds(3000));
}

TEST_F(FakeServerTest, TheSmallestTtlOfTheSetCounts) {
  server_.SetAnswer([](const std::string& query) {
    return AnswerTo(query, {Record(kTypeSrv, 3600, SrvRdata(0, 0, 1, "n1.test")),
                            Record(kTypeSrv, 1, SrvRdata(0, 0, 1, "n2.test"))});
  });
  Instance instance(Options({{"refresh_min", "10ms"}, {"refresh_max", "20s"}}));
  EXPECT_LE(Between(1), milliseconds(3000));
}

TEST_F(FakeServerTest, ALongTtlIsCutToRefreshMax) {
  server_.SetAnswer([](const std::string& query) { return OneNode(query, UINT32_MAX); });
  Instance instance(Options({{"refresh_min", "10ms"}, {"refresh_max", "200ms"}}));
  EXPECT_GE(Between(1), milliseconds(190));
  EXPECT_LE(Between(1), milliseconds(3000));
}

TEST_F(FakeServerTest, AShortTtlIsRaisedToRefreshMin) {
  Instance instance(Options({{"refresh_min", "300ms"}, {"refresh_max", "20s"}}));
  EXPECT_GE(Between(1), milliseconds(290));
}

TEST_F(FakeServerTest, AnUnchangedSetIsReportedOnce) {
  uint32_t ttl_s = 1000;
  server_.SetAnswer([&](const std::string& query) { return OneNode(query, --ttl_s); });
  Instance instance(Options());
  server_.AwaitQueries(5);
  EXPECT_EQ(instance.count(), 1u) << "that the TTL runs down is no change";
}

TEST_F(FakeServerTest, ARefreshAsksAtOnceAndIsAnswered) {
  server_.SetAnswer([](const std::string& query) { return OneNode(query, 3600); });
  Instance instance(Options({{"refresh_max", "1h"}}));
  instance.AwaitSet({"1@n1.test:1"}, kFresh);
  const size_t before = instance.count();
  instance.Refresh();
  instance.Await([](const Report& r) { return r.origin == kFresh; }, before);
  EXPECT_EQ(server_.arrivals().size(), 2u);
}

TEST_F(FakeServerTest, ManyRefreshesAreMerged) {
  server_.SetAnswer([](const std::string& query) { return OneNode(query, 3600); });
  Instance instance(Options({{"refresh_max", "1h"}}));
  instance.AwaitSet({"1@n1.test:1"}, kFresh);
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) instance.Refresh();
  server_.AwaitQueries(2);
  const auto elapsed = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  EXPECT_LE(server_.arrivals().size(), 2u + static_cast<size_t>(elapsed.count()) / 100);
}

TEST_F(FakeServerTest, FailuresOfTheServerLeaveTheSetAlone) {
  Instance instance(Options());
  instance.AwaitSet({"1@n1.test:1"}, kFresh);
  constexpr unsigned kServfail = 2, kNxdomain = 3, kRefused = 5;
  for (const unsigned rcode : {kServfail, kNxdomain, kRefused}) {
    size_t before = instance.count();
    server_.SetAnswer([=](const std::string& query) { return AnswerTo(query, {}, rcode); });
    const Report cached = instance.Await([](const Report& r) { return r.origin == kCached; }, before);
    EXPECT_EQ(cached.endpoints, std::vector<std::string>{"1@n1.test:1"}) << "RCODE " << rcode;
    before = instance.count();
    server_.SetAnswer([](const std::string& query) { return OneNode(query, 0); });
    instance.Await([](const Report& r) { return r.origin == kFresh; }, before);
  }
}

TEST_F(FakeServerTest, AServiceThatIsSwitchedOffNamesNobody) {
  Instance instance(Options());
  instance.AwaitSet({"1@n1.test:1"}, kFresh);
  server_.SetAnswer([](const std::string& query) {
    return AnswerTo(query, {Record(kTypeSrv, 0, SrvRdata(0, 0, 0, ""))});  // RFC 2782: the target "."
  });
  instance.AwaitSet({"1@n1.test:1"}, kCached);
}

TEST_F(FakeServerTest, ASilentServerIsReportedWithinTenSeconds) {
  server_.SetAnswer([](const std::string&) { return ""; });
  const auto began = std::chrono::steady_clock::now();
  Instance instance(Options({{"timeout", "60s"}, {"nodes", "1@a:1"}}));
  const Report first = instance.Await([](const Report&) { return true; });
  EXPECT_EQ(first.origin, CHR_DISCOVERY_FALLBACK);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST_F(FakeServerTest, AliasesAndOtherRecordsAreSteppedOver) {
  server_.SetAnswer([](const std::string& query) {
    return AnswerTo(
        query, {Record(kTypeCname, 9, Name("real.test")), Record(16, 9, std::string("\3abc")),
                Record(kTypeSrv, 9, SrvRdata(5, 6, 7, "N3.Test")), Record(kTypeSrv, 9, SrvRdata(1, 6, 7, "n3.test")),
                Record(kTypeSrv, 9, SrvRdata(0, 0, 7, "white space.test")),
                Record(kTypeSrv, 9, SrvRdata(0, 0, 0, "n4.test"))});
  });
  Instance instance(Options());
  const Report report = instance.Await([](const Report&) { return true; });
  EXPECT_EQ(report.endpoints, std::vector<std::string>{"3@n3.test:7"})
      << "one node, once; neither what is no host name nor what has no port";
}

// Each answer has the right id and question, so that c-ares takes it for an answer.
TEST_F(FakeServerTest, GarbageIsNoAnswer) {
  Instance instance(Options());
  instance.AwaitSet({"1@n1.test:1"}, kFresh);
  const std::string right = SrvRdata(0, 0, 1, "evil.test");
  const std::string loop = Number16(0) + Number16(0) + Number16(1) + "\xC0\x0C\xC0";
  const std::vector<FakeServer::Answer> garbage = {
      [](const std::string& query) { return query.substr(0, 5); },
      [](const std::string& query) { return AnswerTo(query, {std::string(40, '\xFF')}); },
      [=](const std::string& query) { return AnswerTo(query, {Record(kTypeSrv, 0, right.substr(0, 9))}); },
      [=](const std::string& query) { return AnswerTo(query, {Record(kTypeSrv, 0, right + "more")}); },
      [=](const std::string& query) { return AnswerTo(query, {Record(kTypeSrv, 0, loop)}); },
      [=](const std::string& query) { return AnswerTo(query, {Record(kTypeSrv, 0, right), "\xC0\x0C"}); },
      [](const std::string& query) { return AnswerTo(query, {Record(kTypeSrv, 0, "")}); },
  };
  for (size_t i = 0; i < garbage.size(); ++i) {
    SCOPED_TRACE("garbage " + std::to_string(i));
    size_t before = instance.count();
    server_.SetAnswer(garbage[i]);
    const Report cached = instance.Await([](const Report& r) { return r.origin == kCached; }, before);
    EXPECT_EQ(cached.endpoints, std::vector<std::string>{"1@n1.test:1"});
    before = instance.count();
    server_.SetAnswer([](const std::string& query) { return OneNode(query, 0); });
    instance.Await([](const Report& r) { return r.origin == kFresh; }, before);
  }
  for (const Report& report : instance.reports()) {
    EXPECT_EQ(report.endpoints, std::vector<std::string>{"1@n1.test:1"}) << "garbage never names a node";
  }
}

}  // namespace
}  // namespace chronik_discovery_dns
