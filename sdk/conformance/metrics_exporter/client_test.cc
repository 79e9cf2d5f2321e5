// SPDX-License-Identifier: Apache-2.0
// Goal: supervisors get the host's own word on its health, and no client, however slow or broken, keeps another from
// being answered or takes memory without bound. Method: clients that read nothing, say nothing, or send nonsense, and a
// probe beside them.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "sdk/conformance/metrics_exporter/exporter.h"

namespace chronik_conformance {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kProbeLimit{5};

// A probe of a supervisor, on a connection of its own.
void ExpectProbeIsAnswered(const std::string& address, const char* while_what) {
  const auto began = steady_clock::now();
  EXPECT_EQ(HttpClient(address).Get("/livez").status(), 200u) << "ME-11: a probe is answered " << while_what;
  EXPECT_LT(steady_clock::now() - began, kProbeLimit) << "ME-11: a probe is answered at once " << while_what;
}

// About 2 MB of text.
Family ALargeFamily() {
  Family family{CHR_METRIC_GAUGE, "kit_large", "", "", {}};
  for (int i = 0; i < 2000; ++i)
    family.series.push_back({{{"n", std::to_string(i)}, {"pad", std::string(1000, 'p')}}, 1});
  return family;
}

TEST(Health, FollowsTheHost) {
  Feed feed;
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address());
  const std::string sick = R"({"status":"starting","why":"a \"quoted\" reason"})";
  for (const bool live : {true, false, true}) {
    for (const bool ready : {false, true}) {
      feed.SetHealth(CHR_HEALTH_LIVE, live, live ? R"({"status":"ok"})" : sick);
      feed.SetHealth(CHR_HEALTH_READY, ready, ready ? R"({"status":"ok"})" : sick);
      const HttpAnswer livez = client.Get("/livez");
      const HttpAnswer readyz = client.Get("/readyz");
      EXPECT_EQ(livez.status(), live ? 200u : 503u) << "ME-9: /livez is the host's health at that moment";
      EXPECT_EQ(readyz.status(), ready ? 200u : 503u) << "ME-9: /readyz is the host's health at that moment";
      EXPECT_EQ(readyz.body.find(sick) != std::string::npos, !ready) << "ME-9: the body is the host's line";
      EXPECT_EQ(livez.body.find(sick) != std::string::npos, !live) << "ME-9: the body is the host's line";
    }
  }
}

TEST(Health, IsAnsweredWhereAVisitIsRefused) {
  Feed feed;
  feed.RefuseVisits(CHR_E_NO_MEMORY);
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  EXPECT_EQ(HttpClient(exporter.address()).Get("/livez").status(), 200u) << "ME-9: health needs no figures";
}

TEST(Clients, UnknownPathsAreRefused) {
  Feed feed;
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address());
  for (const char* path : {"/", "/metric", "/../../etc/passwd", "/livez/x"}) {
    EXPECT_EQ(client.Get(path).status(), 404u) << "ME-9: " << path << " is not there";
  }
}

TEST(Clients, ThatReadNothingDelayNobodyAndTakeBoundedMemory) {
  constexpr int kClients = 16;
  constexpr size_t kGrowthKibMax = 512 << 10;  // the answers to all requests would be 6 GB
  Feed feed;
  feed.Set(ALargeFamily());
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  const std::string address = exporter.address();
  {
    HttpClient first(address);
    Scrape(first);
  }
  const size_t before = ResidentKib();
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
  std::vector<std::unique_ptr<HttpClient>> readers_of_nothing;
  for (int i = 0; i < kClients; ++i) {
    readers_of_nothing.push_back(std::make_unique<HttpClient>(address, seconds(20), 4096));
    readers_of_nothing.back()->Send(requests);
    ExpectProbeIsAnswered(address, "while others do not read");
  }
  for (int i = 0; i < 20; ++i) {
    HttpClient client(address);
    EXPECT_EQ(Scrape(client).samples().size(), 2000u) << "ME-11: a scrape is answered while others do not read";
  }
  EXPECT_LT(ResidentKib(), before + kGrowthKibMax) << "ME-11: what a client does not read is not piled up";
}

TEST(Clients, ThatSayNothingKeepNobodyOut) {
  Feed feed;
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  std::vector<std::unique_ptr<HttpClient>> hoard;
  for (int i = 0; i < 300; ++i) {
    hoard.push_back(std::make_unique<HttpClient>(exporter.address()));
    if (i % 3 == 0) hoard.back()->Send("GET /metrics HTT");
  }
  ExpectProbeIsAnswered(exporter.address(), "while many connections say nothing");
}

TEST(Clients, ThatSendNonsenseEndTheirOwnConnectionOnly) {
  Feed feed;
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  const std::string address = exporter.address();
  HttpClient beside(address);
  ASSERT_EQ(beside.Get("/livez").status(), 200u);
  const std::string nonsense[] = {
      "nonsense\r\n\r\n",
      std::string(100, '\0'),
      "GET\r\n\r\n",
      "GET /metrics HTTP/9.9\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n",
      "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a hello of TLS\r\n\r\n",
  };
  for (const std::string& text : nonsense) {
    HttpClient client(address);
    client.Send(text);
    const HttpAnswer answer = client.Receive(false);
    EXPECT_TRUE(answer.closed || answer.status() >= 400) << "ME-11: nonsense is refused, not answered: " << answer.head;
  }
  for (int i = 0; i < 50; ++i) {
    HttpClient leaves(address);
    leaves.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  EXPECT_EQ(beside.Get("/livez").status(), 200u) << "ME-11: a connection beside goes on";
  ExpectProbeIsAnswered(address, "after nonsense");
}

TEST(Clients, AHeaderWithoutEndIsCutOff) {
  constexpr size_t kFarTooMuch = 32 << 20;
  Feed feed;
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address(), seconds(2));
  client.Send("GET /metrics HTTP/1.1\r\n");
  size_t sent = 0;
  const std::string line = "X-Filler: " + std::string(65'536, 'f') + "\r\n";
  while (sent < kFarTooMuch) {
    const size_t taken = client.Send(line);
    sent += taken;
    if (taken < line.size()) break;
  }
  EXPECT_LT(sent, kFarTooMuch) << "ME-11: a request takes bounded memory";
  ExpectProbeIsAnswered(exporter.address(), "while a header does not end");
}

}  // namespace
}  // namespace chronik_conformance
