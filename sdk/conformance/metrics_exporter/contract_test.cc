// SPDX-License-Identifier: Apache-2.0
// Goal: descriptor, life and address of a metrics exporter: it starts and stops promptly and as often as it is asked,
// leaves nothing behind, and refuses an address that cannot be, in words that help.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "sdk/conformance/metrics_exporter/exporter.h"

namespace chronik_conformance {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kPrompt{5};

Family OneGauge(double value) { return {CHR_METRIC_GAUGE, "kit_gauge", "", "A gauge", {{{}, value}}}; }

TEST(Descriptor, IsComplete) {
  const chr_plugin& plugin = ThePlugin();
  EXPECT_EQ(plugin.abi_epoch, CHR_ABI_EPOCH) << "PLG-2";
  for (const char* text : {plugin.id, plugin.version, plugin.vendor, plugin.license, plugin.url, plugin.built_with}) {
    ASSERT_NE(text, nullptr) << "PLG-1: every text of the descriptor is there";
  }
  const auto& table = *static_cast<const chr_metrics_exporter*>(TheTable(CHR_METRICS_EXPORTER_1));
  EXPECT_GE(table.struct_size, CHR_METRICS_EXPORTER_1_0_SIZE) << "GEN-6: the table is that of version 1.0 at least";
  EXPECT_NE(table.bound_address, nullptr) << "GEN-6: a required slot";
}

TEST(Descriptor, APullExporterDeclaresListenAndAPushExporterFlush) {
  Feed feed;
  Exporter exporter(&feed);
  ASSERT_GE(exporter.status(), 0) << exporter.error().message;
  if (exporter.pulls()) {
    EXPECT_TRUE(DeclaresListen()) << "ME-8: the host fills in where it listens";
  } else {
    EXPECT_NE(exporter.table().flush, nullptr) << "ME-6: an exporter that does not listen pushes";
  }
}

TEST(Create, RefusesAnotherInterface) {
  const chr_plugin& plugin = ThePlugin();
  const sdk::testing::FakeHost host(
      {.option_table = {plugin.options, plugin.option_count}, .options = Kit().plugin_options});
  chr_error error = BlankError();
  void* self = nullptr;
  EXPECT_LT(Calling([&] { return plugin.create(host.raw(), "chronik.no_such_thing/1", &self, &error); }), 0)
      << "PLG-6: an unknown interface is refused";
}

TEST(Create, WithoutStartHasNoThread) {
  const chr_plugin& plugin = ThePlugin();
  sdk::testing::FakeHost host({.option_table = {plugin.options, plugin.option_count}, .options = Kit().plugin_options});
  const size_t files = OpenFiles();
  for (int round = 0; round < 20; ++round) {
    chr_error error = BlankError();
    void* self = nullptr;
    ASSERT_GE(Calling([&] { return plugin.create(host.raw(), CHR_METRICS_EXPORTER_1, &self, &error); }), 0)
        << error.message;
    Calling([&] { plugin.destroy(self); });
  }
  EXPECT_EQ(OpenFiles(), files) << "PLG-9: create and destroy leave nothing open";
}

TEST(Lifecycle, StartsAndStopsAgainAndAgainOnOnePort) {
  std::string address = "127.0.0.1:0";
  size_t files = 0;
  for (int round = 0; round < 10; ++round) {
    const auto began = steady_clock::now();
    {
      Feed feed;
      feed.Set(OneGauge(round));
      Exporter exporter(&feed, address);
      CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
      address = exporter.address();
      HttpClient client(address);
      EXPECT_EQ(Scrape(client).Find("kit_gauge"), round) << "ME-1: the figures of this instance's own source";
      exporter.Stop();
      EXPECT_EQ(exporter.ThreadsLeft(), 0u) << "PLG-8: stop ends the instance's own threads";
      EXPECT_TRUE(client.IsClosed()) << "ME-12: stop ends the connections that are open";
    }
    EXPECT_LT(steady_clock::now() - began, 2 * kPrompt) << "PLG-8: start and stop are prompt";
    if (round == 0) files = OpenFiles();
  }
  EXPECT_LE(OpenFiles(), files) << "PLG-9: nothing is left open, round for round";
}

TEST(Lifecycle, StopIsPromptWhateverClientsDo) {
  Feed feed;
  Family large = OneGauge(0);
  for (int i = 0; i < 50'000; ++i) large.series.push_back({{{"series", std::to_string(i)}}, 1});
  feed.Set(std::move(large));
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  HttpClient silent(exporter.address());
  HttpClient half(exporter.address());
  half.Send("GET /livez HT");
  HttpClient slow(exporter.address(), seconds(20), 4096);
  slow.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(HttpClient(exporter.address()).Get("/livez").status(), 200u);
  const auto began = steady_clock::now();
  exporter.Stop();
  EXPECT_LT(steady_clock::now() - began, kPrompt) << "ME-12: stop waits for no client";
  EXPECT_TRUE(silent.IsClosed());
  EXPECT_TRUE(half.IsClosed());
  slow.DrainToTheEnd();  // throws if there is none
}

TEST(Lifecycle, NothingIsAskedAfterStop) {
  Feed feed;  // it reports a breach
  feed.Set(OneGauge(1));
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  const std::string address = exporter.address();
  std::atomic<bool> end = false;
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  for (const char* path : {"/metrics", "/livez", "/readyz"}) {
    clients.emplace_back([&, path] {
      while (!end) {
        try {
          HttpClient client(address);
          if (client.Get(path).status() == 200) ++answered;
        } catch (const sdk::Error&) {  // refused, once it is stopped
        }
      }
    });
  }
  const auto deadline = steady_clock::now() + kPatience;
  while (answered < 30 && steady_clock::now() < deadline) std::this_thread::yield();
  exporter.Stop();
  const int at_stop = answered;
  EXPECT_THROW(HttpClient{address}, sdk::Error) << "ME-12: nobody listens after stop";
  end = true;
  for (std::thread& client : clients) client.join();
  EXPECT_GE(at_stop, 30) << "ME-9: requests are answered before stop";
}

TEST(Instances, AreIndependent) {
  Feed feed_one;
  Feed feed_two;
  feed_one.Set(OneGauge(1));
  feed_two.Set(OneGauge(2));
  Exporter one(&feed_one);
  Exporter two(&feed_two);
  CHRONIK_SKIP_UNLESS_IT_PULLS(one);
  ASSERT_GE(two.status(), 0) << "PLG-6: several instances in one process: " << two.error().message;
  HttpClient of_two(two.address());
  EXPECT_EQ(Scrape(of_two).Find("kit_gauge"), 2) << "PLG-6: instances share nothing";
  one.Stop();
  EXPECT_EQ(Scrape(of_two).Find("kit_gauge"), 2) << "PLG-6: an instance outlives another";
}

TEST(Address, IsReportedAndFitsOrIsRefused) {
  Feed feed;
  Exporter exporter(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(exporter);
  const sdk::Address address = sdk::ParseAddress("bound_address", exporter.address());
  EXPECT_EQ(address.host, "127.0.0.1") << "ME-5";
  EXPECT_NE(address.port, 0) << "ME-5: the port that it took, not the 0 that it was told";
  std::array<char, 64> small;
  small.fill('#');
  EXPECT_LT(Calling([&] { return exporter.table().bound_address(exporter.self(), small.data(), 4); }), 0)
      << "ME-5: a buffer that is too small is refused";
  EXPECT_EQ(std::string(small.data() + 4, 60), std::string(60, '#')) << "GEN-5: nothing is written beyond the capacity";
}

TEST(Address, IsRefusedWhenMalformed) {
  if (!DeclaresListen()) GTEST_SKIP() << "it has no option listen";
  for (const char* listen : {"", "nonsense", ":9644", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"}) {
    Feed feed;
    Exporter exporter(&feed, listen);
    EXPECT_EQ(exporter.status(), CHR_E_CONFIG) << "ME-8: listen = \"" << listen << "\" is refused with CHR_E_CONFIG";
    EXPECT_TRUE(IsIn(exporter.error(), "listen"))
        << "GEN-15: the refusal names the option: " << exporter.error().message;
  }
}

TEST(Address, InUseIsRefusedAndHurtsNobody) {
  Feed feed;
  feed.Set(OneGauge(1));
  Exporter first(&feed);
  CHRONIK_SKIP_UNLESS_IT_PULLS(first);
  const size_t files = OpenFiles();
  for (int round = 0; round < 5; ++round) {
    Feed none;
    Exporter second(&none, first.address());
    EXPECT_EQ(second.status(), CHR_E_IO) << "ME-8: an address that another has";
    EXPECT_TRUE(IsIn(second.error(), first.address())) << "ME-8: the refusal names it: " << second.error().message;
    EXPECT_FALSE(IsIn(second.error(), "\n")) << "GEN-15: one line";
    EXPECT_EQ(second.ThreadsLeft(), 0u) << "ME-8: a start that failed leaves no thread behind";
  }
  EXPECT_EQ(OpenFiles(), files) << "ME-8: a start that failed leaves nothing open";
  HttpClient client(first.address());
  EXPECT_EQ(Scrape(client).Find("kit_gauge"), 1);
}

TEST(Address, OfNobodyIsRefused) {
  if (!DeclaresListen()) GTEST_SKIP() << "it has no option listen";
  Feed feed;
  Exporter exporter(&feed, "192.0.2.1:0");  // RFC 5737: belongs to nobody
  EXPECT_EQ(exporter.status(), CHR_E_IO) << "ME-8";
  EXPECT_TRUE(IsIn(exporter.error(), "192.0.2.1")) << "ME-8: the refusal names it: " << exporter.error().message;
}

TEST(Flush, VisitsAndCompletes) {
  Feed feed;
  feed.Set(OneGauge(1));
  Exporter exporter(&feed);
  ASSERT_GE(exporter.status(), 0) << exporter.error().message;
  if (exporter.table().flush == nullptr) GTEST_SKIP() << "it does not push";
  const uint64_t before = feed.visits();
  feed.SetFlushing(true);
  DoneWaiter done;
  const chr_status returned = Calling([&] { return exporter.table().flush(exporter.self(), done.Raw()); });
  feed.SetFlushing(false);
  done.Resolve(returned);  // nobody may be there to take them
  EXPECT_GT(feed.visits(), before) << "ME-6: flush sends what is pending";
}

}  // namespace
}  // namespace chronik_conformance
