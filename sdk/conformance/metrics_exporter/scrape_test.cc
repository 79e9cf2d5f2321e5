// SPDX-License-Identifier: Apache-2.0
// Goal: a scrape says what the host's registry holds, in well-formed text, whatever names, labels and values there are
// and however they move. Method: every answer goes through a strict reader of the format.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "sdk/conformance/metrics_exporter/exporter.h"

namespace chronik_conformance {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

const std::string kHostile[] = {
    "",
    "\"",
    "\\",
    "\n",
    "\\n",
    "\\\"",
    "a\"b\\c\nd",
    "} 1\nforged_total 99\nx{y=\"",
    "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",  // UTF-8 of two, three and four bytes
    "\t\r\x01\x7f",
    std::string(20'000, 'x'),
    " # HELP x",
    "{},=",
};

// Two buckets, cumulative; the sum is arbitrary.
Series OneHistogram(uint64_t low, uint64_t middle, uint64_t above, double sum) {
  return {{{"t", "x"}}, sum, {0.25, 1e6}, {low, low + middle, low + middle + above}};
}

TEST(Scrape, ShowsEveryFamilyWithItsValues) {
  Feed feed;
  feed.Set({CHR_METRIC_COUNTER, "kit_requests_total", "", "Requests", {{{{"api", "fetch"}, {"v", "1"}}, 12}, {{}, 0}}});
  feed.Set({CHR_METRIC_GAUGE, "kit_lag_bytes", "bytes", "Lag", {{{}, -2.5}}});
  feed.Set({CHR_METRIC_HISTOGRAM, "kit_wait_seconds", "seconds", "Waits", {OneHistogram(3, 4, 5, 17.5)}});
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address());
  const Exposition seen = Scrape(client);
  EXPECT_EQ(seen.Find("kit_requests_total", {{"api", "fetch"}, {"v", "1"}}), 12) << "ME-9";
  EXPECT_EQ(seen.Find("kit_requests_total"), 0) << "ME-9: also without labels";
  EXPECT_EQ(seen.Find("kit_lag_bytes"), -2.5) << "ME-9";
  const auto bucket = [&](const char* le) { return seen.Find("kit_wait_seconds_bucket", {{"t", "x"}, {"le", le}}); };
  EXPECT_EQ(bucket("0.25"), 3) << "ME-3: the counts are cumulative already";
  EXPECT_EQ(bucket("+Inf"), 12) << "ME-3: counts[bucket_count] is +Inf";
  EXPECT_EQ(seen.Find("kit_wait_seconds_count", {{"t", "x"}}), 12) << "ME-3";
  EXPECT_EQ(seen.Find("kit_wait_seconds_sum", {{"t", "x"}}), 17.5) << "ME-3: value is the sum";
  const std::pair<const char*, const char*> types[] = {
      {"kit_requests_total", "counter"}, {"kit_lag_bytes", "gauge"}, {"kit_wait_seconds", "histogram"}};
  for (const auto& [name, type] : types) {
    const auto found = seen.types().find(name);
    EXPECT_EQ(found == seen.types().end() ? "none" : found->second, type) << "ME-9: # TYPE of " << name;
    EXPECT_TRUE(seen.help().contains(name)) << "ME-9: # HELP of " << name;
  }
}

TEST(Scrape, EscapesHostileLabelsAndHelp) {
  Feed feed;
  Family family{CHR_METRIC_GAUGE, "kit_hostile", "", "Help\nwith \\ and \"quotes\"\n# TYPE forged gauge", {}};
  for (size_t i = 0; i < std::size(kHostile); ++i) {
    family.series.push_back({{{"n", std::to_string(i)}, {"text", kHostile[i]}}, static_cast<double>(i)});
  }
  feed.Set(family);
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address());
  const Exposition seen = Scrape(client);
  for (size_t i = 0; i < std::size(kHostile); ++i) {
    // The format knows no difference between an empty label and none.
    Exposition::Labels labels{{"n", std::to_string(i)}, {"text", kHostile[i]}};
    auto value = seen.Find("kit_hostile", labels);
    labels.erase("text");
    if (!value && kHostile[i].empty()) value = seen.Find("kit_hostile", labels);
    EXPECT_EQ(value, static_cast<double>(i)) << "ME-9: a label's value arrives as it is: " << kHostile[i].substr(0, 80);
  }
  EXPECT_FALSE(seen.types().contains("forged")) << "ME-9: no text of the host becomes a line of its own";
  EXPECT_FALSE(seen.Find("forged_total").has_value()) << "ME-9: no text of the host becomes a line of its own";
  const auto help = seen.help().find("kit_hostile");
  EXPECT_TRUE(help != seen.help().end() && help->second == family.help) << "ME-9: the help text arrives as it is";
}

TEST(Scrape, ShowsEveryNumber) {
  const double values[] = {0, -1, 1e300, 5e-324, 0.1, 1234567890123456.0, -kInfinity, 1e-7, kInfinity, std::nan("")};
  Feed feed;
  Family family{CHR_METRIC_GAUGE, "kit_number", "", "", {}};
  for (size_t i = 0; i < std::size(values); ++i) family.series.push_back({{{"n", std::to_string(i)}}, values[i]});
  feed.Set(family);
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address());
  const Exposition seen = Scrape(client);
  for (size_t i = 0; i < std::size(values); ++i) {
    const double value = seen.Find("kit_number", {{"n", std::to_string(i)}}).value_or(42);
    const bool same = std::isnan(values[i]) ? std::isnan(value) : value == values[i];
    EXPECT_TRUE(same) << "ME-9: " << values[i] << " arrives as " << value;
  }
}

TEST(Scrape, OfAnEmptyRegistryIsAnAnswer) {
  Feed feed;
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address());
  Scrape(client);
}

TEST(Scrape, OfManySeriesIsComplete) {
  constexpr int kSeries = 20'000;
  Feed feed;
  Family family{CHR_METRIC_COUNTER, "kit_many_total", "", "Many", {}};
  for (int i = 0; i < kSeries; ++i) family.series.push_back({{{"partition", std::to_string(i)}}, 1.0 * i});
  feed.Set(std::move(family));
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address());
  const Exposition seen = Scrape(client);
  for (int i = 0; i < kSeries; ++i) {
    ASSERT_EQ(seen.Find("kit_many_total", {{"partition", std::to_string(i)}}), i) << "ME-9: a series is missing";
  }
}

TEST(Scrape, ThatTheHostRefusesIsAnError) {
  Feed feed;
  feed.Set({CHR_METRIC_GAUGE, "kit_gauge", "", "", {{{}, 1}}});
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient client(exporter.address());
  feed.RefuseVisits(CHR_E_NO_MEMORY);
  const HttpAnswer refused = HttpClient(exporter.address()).Get("/metrics");
  EXPECT_GE(refused.status(), 500u) << "ME-10: a visit that failed is an error, not a part of the figures";
  feed.RefuseVisits(CHR_OK);
  EXPECT_EQ(Scrape(client).Find("kit_gauge"), 1) << "ME-10: and the next one is answered again";
}

// Each writer moves a counter and a histogram whose sum is ten times its count; so a torn family is seen.
TEST(Scrape, IsConsistentWhileValuesMove) {
  Feed feed;
  const auto publish = [&feed](uint64_t n) {
    const auto count = static_cast<double>(n);
    feed.Set(
        {CHR_METRIC_COUNTER, "kit_moves_total", "", "Moves", {{{{"half", "a"}}, count}, {{{"half", "b"}}, count}}});
    feed.Set({CHR_METRIC_HISTOGRAM, "kit_moves_seconds", "seconds", "", {OneHistogram(n, n, n, 30 * count)}});
  };
  publish(0);
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  const std::string address = exporter.address();
  std::atomic<bool> end = false;
  std::thread writer([&] {
    for (uint64_t n = 1; !end; ++n) publish(n);
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      HttpClient client(address);
      double last = 0;
      for (int i = 0; i < 50; ++i) {
        const Exposition seen = Scrape(client);
        const double now = seen.Find("kit_moves_total", {{"half", "a"}}).value_or(-1);
        EXPECT_GE(now, last) << "ME-9: a counter never falls";
        EXPECT_EQ(seen.Find("kit_moves_total", {{"half", "b"}}), now) << "ME-2: a family is consistent in itself";
        last = now;
        const auto count = seen.Find("kit_moves_seconds_count", {{"t", "x"}});
        const auto sum = seen.Find("kit_moves_seconds_sum", {{"t", "x"}});
        ASSERT_TRUE(count && sum) << "ME-9";
        EXPECT_EQ(*sum, 10 * *count) << "ME-2: a family is consistent in itself";
      }
    });
  }
  for (std::thread& client : clients) client.join();
  end = true;
  writer.join();
}

}  // namespace
}  // namespace chronik_conformance
