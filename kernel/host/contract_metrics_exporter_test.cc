// SPDX-License-Identifier: Apache-2.0
// Goal: each rule that the checks look at is named when a metrics exporter breaks it, with the call, and nothing is
// named when it does not. Method: a table whose functions do what the test says.
#include "kernel/host/contract_metrics_exporter.h"

#include <functional>

#include "kernel/host/contract_test_support.h"

namespace chronik::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ContractMetricsExporterTest : public ContractTest {
 protected:
  ContractMetricsExporterTest() {
    chr_metrics_exporter real{};
    real.struct_size = sizeof real;
    real.bound_address = [](void* self, char* out, size_t cap) noexcept {
      return static_cast<ContractMetricsExporterTest*>(self)->bound_address(out, cap);
    };
    real.flush = [](void* self, chr_done done) noexcept {
      return static_cast<ContractMetricsExporterTest*>(self)->flush(done);
    };
    checked_ = std::make_unique<ContractMetricsExporter>(real, this, &monitor_);
    source_ = checked_->WrapSink(metrics_.source());
    metrics_.Gauge("some_gauge", "").Set(1);
  }

  chr_status Visit() {
    chr_metrics_visitor visitor{};
    visitor.struct_size = sizeof visitor;
    visitor.ctx = this;
    visitor.family = [](void*, int32_t, chr_str, chr_str, chr_str) noexcept {};
    visitor.sample = [](void* ctx, const chr_sample*) noexcept {
      ++static_cast<ContractMetricsExporterTest*>(ctx)->samples_;
    };
    return source_->visit(source_->ctx, &visitor);
  }
  chr_status Ask() { return checked_->table().bound_address(checked_.get(), where_, sizeof where_); }

  std::function<chr_status(char*, size_t)> bound_address = [](char* out, size_t) {
    std::strcpy(out, "127.0.0.1:1");
    return CHR_OK;
  };
  std::function<chr_status(chr_done)> flush = [](chr_done) { return CHR_OK; };
  std::unique_ptr<ContractMetricsExporter> checked_;
  const chr_metrics_source* source_ = nullptr;
  char where_[64] = "";
  int samples_ = 0;
};

TEST_F(ContractMetricsExporterTest, NothingIsSaidOfOneThatKeepsTheRules) {
  ToldStatuses told;
  flush = [&](chr_done done) {
    Visit();  // may be from inside
    OnAnotherThread([done] { done.fn(done.ctx, done.tag, CHR_OK, {}); });
    return CHR_PENDING;
  };
  EXPECT_EQ(Ask(), CHR_OK);
  EXPECT_STREQ(where_, "127.0.0.1:1");
  char json[64];
  OnAnotherThread([&] {
    EXPECT_EQ(Visit(), CHR_OK);
    EXPECT_EQ(source_->health(source_->ctx, CHR_HEALTH_READY, json, sizeof json), 1);
  });
  EXPECT_EQ(checked_->table().flush(checked_.get(), told.Raw()), CHR_PENDING);
  checked_->Stopped();
  EXPECT_THAT(told.statuses, ElementsAre(CHR_OK));
  EXPECT_GE(samples_, 2);
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(ContractMetricsExporterTest, AVisitFromInsideACallIsNamed) {
  bound_address = [this](char* out, size_t) {
    Visit();
    out[0] = '\0';
    return CHR_OK;
  };
  Ask();
  EXPECT_THAT(Log(), HasSubstr(Broke("ME-7", "visit") + "it came from inside"));
}

TEST_F(ContractMetricsExporterTest, WhatIsAskedAfterStopIsNamedAndRefused) {
  checked_->Stopped();
  EXPECT_EQ(Visit(), CHR_E_CLOSED);
  EXPECT_EQ(samples_, 0);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("ME-7", "visit") + "it came after stop"));
  char json[64];
  EXPECT_EQ(source_->health(source_->ctx, CHR_HEALTH_LIVE, json, sizeof json), 0);
  EXPECT_THAT(Log(), HasSubstr(Broke("ME-7", "health") + "it came after stop"));
}

TEST_F(ContractMetricsExporterTest, QuestionsThatCannotBeAreNamed) {
  char json[64];
  EXPECT_EQ(source_->health(source_->ctx, 7, json, sizeof json), 0);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("ME-4", "health")));
  chr_metrics_visitor half{};
  half.struct_size = sizeof half;
  EXPECT_EQ(source_->visit(source_->ctx, &half), CHR_E_INVALID);
  EXPECT_THAT(Log(), HasSubstr(Broke("GEN-6", "visit")));
}

TEST_F(ContractMetricsExporterTest, AnAddressThatOverflowsOrDoesNotEndIsNamed) {
  bound_address = [](char* out, size_t cap) {
    std::memset(out, 'x', cap);
    return CHR_OK;
  };
  EXPECT_EQ(Ask(), CHR_E_INTERNAL);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("ME-5", "bound_address")));
  bound_address = [](char* out, size_t cap) {
    std::memset(out, 0, cap + 8);
    return CHR_OK;
  };
  Ask();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("GEN-5", "bound_address")));
  bound_address = [](char*, size_t) { return chr_status{-99}; };
  EXPECT_EQ(Ask(), CHR_E_INTERNAL);
  EXPECT_THAT(Log(), HasSubstr(Broke("GEN-12", "bound_address") + "the status -99"));
}

TEST_F(ContractMetricsExporterTest, ACompletionThatIsEarlyTwiceUnaskedOrMissingIsNamed) {
  ToldStatuses told;
  const auto tell = [](chr_done done) { done.fn(done.ctx, done.tag, CHR_OK, {}); };
  const auto ask = [&] { return checked_->table().flush(checked_.get(), told.Raw()); };
  flush = [&](chr_done done) {
    tell(done);
    return CHR_PENDING;
  };
  ask();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("GEN-11", "flush")));
  chr_done kept{};
  flush = [&](chr_done done) {
    kept = done;
    return CHR_PENDING;
  };
  ask();
  tell(kept);
  tell(kept);
  EXPECT_EQ(told.statuses.size(), 2u) << "the second does not reach the kernel";
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("GEN-18", "flush") + "its completion came twice"));
  flush = [&](chr_done done) {
    kept = done;
    return CHR_OK;
  };
  EXPECT_EQ(ask(), CHR_OK);
  tell(kept);
  EXPECT_EQ(told.statuses.size(), 2u);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("GEN-18", "flush") + "its completion came, and it had not returned"));
  flush = [&](chr_done done) {
    kept = done;
    return CHR_PENDING;
  };
  ask();
  checked_->Stopped();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("PLG-8", "flush") + "stop completed before"));
  tell(kept);
  EXPECT_EQ(told.statuses.size(), 2u);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("PLG-8", "flush") + "its completion came after stop"));
  ask();
  EXPECT_THAT(Log(), HasSubstr(HostBroke("PLG-8", "flush")));
}

TEST_F(ContractMetricsExporterTest, ACallThatBlocksIsNamed) {
  bound_address = [this](char* out, size_t) {
    clock_.now_ns += 61'000'000'000;
    out[0] = '\0';
    return CHR_OK;
  };
  Ask();
  EXPECT_THAT(Log(), HasSubstr("PLUGIN_SLOW: plugin test.liar, rule GEN-7, bound_address took 61000 ms"));
}

}  // namespace
}  // namespace chronik::host
