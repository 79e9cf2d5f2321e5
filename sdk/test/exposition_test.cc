// SPDX-License-Identifier: Apache-2.0
// Goal: the strict reader takes what the format allows and names what it does not.
#include <chronik/sdk/testing/exposition.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chronik::sdk::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kGood =
    "# HELP a_total What\\nit \\\\ is\n"
    "# TYPE a_total counter\n"
    "a_total{x=\"q\\\"b\\\\n\\n\",y=\"\"} 3\n"
    "a_total{} 0 1700000000\n"
    "# a comment\n"
    "# TYPE h_seconds histogram\n"
    "h_seconds_bucket{t=\"1\",le=\"0.5\"} 1\n"
    "h_seconds_bucket{t=\"1\",le=\"+Inf\"} 4\n"
    "h_seconds_sum{t=\"1\"} -1e+06\n"
    "h_seconds_count{t=\"1\"} 4\n"
    "h_seconds_bucket{t=\"2\",le=\"+Inf\"} 0\n"
    "h_seconds_sum{t=\"2\"} 0\n"
    "h_seconds_count{t=\"2\"} 0\n"
    "without_a_type NaN\n"
    "# TYPE g gauge\n"
    "g -Inf\n";

TEST(Exposition, TakesWhatTheFormatAllows) {
  const Exposition seen(kGood);
  EXPECT_THAT(seen.problems(), IsEmpty());
  EXPECT_EQ(seen.Find("a_total", {{"x", "q\"b\\n\n"}, {"y", ""}}), 3);
  EXPECT_EQ(seen.Find("a_total"), 0);
  EXPECT_EQ(seen.Find("h_seconds_sum", {{"t", "1"}}), -1e6);
  EXPECT_EQ(seen.Find("g"), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(seen.Find("without_a_type").value()));
  EXPECT_EQ(seen.Find("a"), std::nullopt);
  EXPECT_EQ(seen.help().at("a_total"), "What\nit \\ is");
  EXPECT_EQ(seen.types().at("h_seconds"), "histogram");
  EXPECT_THAT(Exposition("").problems(), IsEmpty());
}

TEST(Exposition, NamesWhatTheFormatDoesNotAllow) {
  const std::string histogram = "# TYPE h histogram\n";
  const std::pair<std::string, const char*> cases[] = {
      {"a 1", "no end"},
      {"# HELP a x\\t\n", "an unknown escape in a help text"},
      {"# HELP a x\n# HELP a y\n", "HELP twice"},
      {"# TYPE a meter\n", "an unknown type"},
      {"# TYPE a gauge\n# TYPE a gauge\n", "TYPE twice"},
      {"a 1\nb 1\na{x=\"1\"} 1\n", "a sample outside its family"},
      {"# TYPE a gauge\na 1\n# TYPE b gauge\na{x=\"1\"} 1\n", "a sample outside its family"},
      {"a 1\n# TYPE a gauge\n", "TYPE twice"},
      {"1a 1\n", "no metric name"},
      {"a{x=\"1\"} 1\na{x=\"1\"} 2\n", "a series twice"},
      {"a{x=\"1\",x=\"2\"} 2\n", "a label twice"},
      {"a{x=1} 2\n", "a label without a quoted value"},
      {"a{x:y=\"1\"} 2\n", "no label name"},
      {"a{x=\"\\t\"} 2\n", "an unknown escape in a label value"},
      {"a{x=\"1} 2\n", "a label value without an end"},
      {"a{x=\"1\" 2\n", "a label without"},
      {"a{x=\"line\nfeed\"} 2\n", "a label value without an end"},
      {"a x\n", "no number"},
      {"a\n", "no value"},
      {"a 1 soon\n", "no number"},
      {"# TYPE a counter\na -1\n", "a counter below 0"},
      {histogram + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 0\n",
       "the counts of a histogram fall"},
      {histogram + "h_bucket{le=\"1\"} 1\nh_count 1\nh_sum 0\n", "without le=\"+Inf\""},
      {histogram + "h_bucket{le=\"+Inf\"} 1\nh_count 2\nh_sum 0\n", "_count of a histogram"},
      {histogram + "h_bucket{le=\"+Inf\"} 1\nh_count 1\n", "without _sum"},
      {histogram + "h_bucket 1\n", "a bucket without le"},
      {histogram + "h 1\n", "a sample outside its family"},
  };
  for (const auto& [text, problem] : cases) {
    const Exposition seen(text);
    ASSERT_FALSE(seen.problems().empty()) << text;
    EXPECT_THAT(seen.problems()[0], HasSubstr(problem)) << text;
  }
}

}  // namespace
}  // namespace chronik::sdk::testing
