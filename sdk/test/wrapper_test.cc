// SPDX-License-Identifier: Apache-2.0
// Goal: the generated tables call the class, leave out what it has not, and grow safely. Method: a tiny exporter,
// driven through its C table only; the log store's table is exercised by the conformance suite.
#include <chronik/sdk/metrics_exporter.h>

#include <gtest/gtest.h>

#include <chronik/sdk/log_store.h>
#include <chronik/sdk/testing/fake_host.h>

namespace chronik::sdk {
namespace {

class Exporter {
 public:
  explicit Exporter(Host& host) : host_(host) {
    if (host.GetBool("fail_create")) throw Error(CHR_E_CONFIG, "told to fail");
  }
  static void Validate(Host& host) {
    if (host.GetBool("fail_validate")) throw Error(CHR_E_CONFIG, "told to be invalid");
  }
  void Start(MetricsSource source) { source_ = source; }
  void Stop(uint64_t) {}
  std::string BoundAddress() {
    source_.Visit(*this);
    return seen_;
  }
  void Family(int32_t, std::string_view name, std::string_view, std::string_view) { seen_ += name; }
  void Sample(const chr_sample& sample) {
    if (sample.value < 0) throw Error(CHR_E_RANGE, "negative");
    seen_ += "=" + std::to_string(static_cast<int>(sample.value));
  }

 private:
  Host& host_;
  MetricsSource source_;
  std::string seen_;
};

constexpr chr_option kOptions[] = {{"fail_create", "bool", "false", nullptr, "", 0},
                                   {"fail_validate", "bool", "false", nullptr, "", 0}};
constexpr PluginInfo kInfo{.id = "test.exporter", .version = "1", .options = kOptions};
constexpr chr_plugin kPlugin = DescribeMetricsExporter<Exporter>(kInfo);

chr_metrics_source SourceWith(double& value) {
  chr_metrics_source source{};
  source.struct_size = sizeof(source);
  source.ctx = &value;
  source.visit = [](void* ctx, const chr_metrics_visitor* visitor) noexcept -> chr_status {
    visitor->family(visitor->ctx, CHR_METRIC_GAUGE, ToStr("up"), ToStr(""), ToStr(""));
    chr_sample sample{};
    sample.value = *static_cast<double*>(ctx);
    visitor->sample(visitor->ctx, &sample);
    return CHR_OK;
  };
  return source;
}

TEST(Wrapper, LeavesOutWhatTheClassHasNot) {
  EXPECT_NE(kPlugin.validate, nullptr);
  EXPECT_EQ(kPlugin.reconfigure, nullptr);
  EXPECT_EQ(kPlugin.get_extension, nullptr);
  const auto* table = static_cast<const chr_metrics_exporter*>(kPlugin.ifaces[0].table);
  EXPECT_EQ(table->flush, nullptr);
  EXPECT_NE(table->bound_address, nullptr);
}

TEST(Wrapper, DrivesAnInstanceThroughItsLife) {
  testing::FakeHost fake({.option_table = kOptions});
  void* self = nullptr;
  ASSERT_EQ(kPlugin.create(fake.raw(), CHR_METRICS_EXPORTER_1, &self, nullptr), CHR_OK);
  double value = 4;
  const chr_metrics_source source = SourceWith(value);
  ASSERT_EQ(kPlugin.start(self, &source, chr_done{}, nullptr), CHR_OK);
  const auto* table = static_cast<const chr_metrics_exporter*>(kPlugin.ifaces[0].table);
  char address[8] = {};
  EXPECT_EQ(table->bound_address(self, address, sizeof(address)), CHR_OK);
  EXPECT_STREQ(address, "up=4");
  value = -1;
  EXPECT_EQ(table->bound_address(self, address, sizeof(address)), CHR_E_RANGE) << "thrown through the host's visit";
  EXPECT_EQ(kPlugin.stop(self, 0, chr_done{}), CHR_OK);
  kPlugin.destroy(self);
}

TEST(Wrapper, ReportsAFailedCreateAndAnUnknownInterface) {
  testing::FakeHost fake({.option_table = kOptions, .options = {{"fail_create", "true"}, {"fail_validate", "true"}}});
  void* self = nullptr;
  chr_error err{};
  err.struct_size = sizeof(err);
  EXPECT_EQ(kPlugin.create(fake.raw(), CHR_METRICS_EXPORTER_1, &self, &err), CHR_E_CONFIG);
  EXPECT_STREQ(err.message, "told to fail");
  EXPECT_EQ(kPlugin.create(fake.raw(), CHR_LOG_STORE_1, &self, &err), CHR_E_INVALID);
  EXPECT_EQ(kPlugin.validate(fake.raw(), &err), CHR_E_CONFIG);
}

TEST(Wrapper, AnOlderTableReadsAsOneWithEmptySlots) {
  chr_host_task older{};
  older.struct_size = offsetof(chr_host_task, timer);
  older.timer = [](const chr_host*, uint64_t, uint64_t, void (*)(void*) noexcept, void*,
                   uint64_t*) noexcept -> chr_status { return CHR_OK; };
  EXPECT_EQ(CopyIn(older).timer, nullptr);
}

}  // namespace
}  // namespace chronik::sdk
