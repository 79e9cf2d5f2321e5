// SPDX-License-Identifier: Apache-2.0
// Goal: each rule that the checks look at is named when a discovery breaks it, with the call, and nothing is named when
// it does not. Method: a table whose functions do what the test says.
#include "kernel/host/contract_discovery.h"

#include <functional>

#include "kernel/host/contract_test_support.h"

namespace chronik::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ContractDiscoveryTest : public ContractTest {
 protected:
  ContractDiscoveryTest() {
    chr_discovery real{};
    real.struct_size = sizeof real;
    real.refresh = [](void* self) noexcept { return static_cast<ContractDiscoveryTest*>(self)->refresh(); };
    real.announce = [](void*, const chr_endpoint*, chr_done done) noexcept -> chr_status {
      OnAnotherThread([done] { done.fn(done.ctx, done.tag, CHR_OK, {}); });
      return CHR_PENDING;
    };
    checked_ = std::make_unique<ContractDiscovery>(real, this, &monitor_, &clock_);
    kernel_.struct_size = sizeof kernel_;
    kernel_.ctx = this;
    kernel_.on_endpoints = [](void* ctx, const chr_endpoint* endpoints, size_t count, uint32_t origin,
                              chr_str) noexcept {
      auto* me = static_cast<ContractDiscoveryTest*>(ctx);
      me->nodes_.clear();
      for (size_t i = 0; i < count; ++i) me->nodes_.push_back(endpoints[i].node_id);
      me->origin_ = origin;
      if (me->in_report) me->in_report();
    };
    kernel_.on_failure = [](void* ctx, chr_status status, chr_str) noexcept {
      static_cast<ContractDiscoveryTest*>(ctx)->failure_ = status;
    };
    sink_ = checked_->WrapSink(&kernel_);
    checked_->Started();
  }

  void Report(const std::vector<uint64_t>& nodes, uint32_t origin = CHR_DISCOVERY_FRESH, const char* why = "") {
    std::vector<chr_endpoint> endpoints;
    for (const uint64_t node : nodes) {
      chr_endpoint& endpoint = endpoints.emplace_back();
      endpoint.node_id = node;
      endpoint.address = Text("a:1");
    }
    sink_->on_endpoints(sink_->ctx, endpoints.data(), endpoints.size(), origin, Text(why));
  }

  std::function<chr_status()> refresh = [] { return CHR_OK; };
  std::function<void()> in_report;
  std::unique_ptr<ContractDiscovery> checked_;
  chr_discovery_sink kernel_{};
  const chr_discovery_sink* sink_ = nullptr;
  std::vector<uint64_t> nodes_;
  uint32_t origin_ = 99;
  chr_status failure_ = CHR_OK;
};

TEST_F(ContractDiscoveryTest, NothingIsSaidOfOneThatKeepsTheRules) {
  Report({1, 2, 3});
  Report({1}, CHR_DISCOVERY_CACHED, "no answer");
  sink_->on_failure(sink_->ctx, CHR_E_TIMEOUT, Text("no answer"));
  EXPECT_EQ(checked_->table().refresh(checked_.get()), CHR_OK);
  ToldStatuses told;
  const chr_endpoint here{};
  EXPECT_EQ(checked_->table().announce(checked_.get(), &here, told.Raw()), CHR_PENDING);
  clock_.now_ns += 20'000'000'000;
  checked_->CheckDeadline();
  checked_->Stopped();
  EXPECT_THAT(nodes_, ElementsAre(1));
  EXPECT_EQ(failure_, CHR_E_TIMEOUT);
  EXPECT_THAT(told.statuses, ElementsAre(CHR_OK));
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(ContractDiscoveryTest, ASetThatIsNotInOrderIsNamedAndPutRight) {
  Report({3, 1, 2});
  EXPECT_THAT(nodes_, ElementsAre(1, 2, 3));
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("DI-3", "on_endpoints")));
  Report({1, 1, 2});
  EXPECT_THAT(nodes_, ElementsAre(1, 2));
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("DI-3", "on_endpoints")));
  Report({});
  EXPECT_THAT(nodes_, ElementsAre(1, 2)) << "an empty set does not reach the kernel";
  EXPECT_THAT(Log(), HasSubstr(Broke("DI-3", "on_endpoints") + "the set is empty"));
}

TEST_F(ContractDiscoveryTest, AnOriginThatIsNotHonestIsNamed) {
  Report({1}, 7);
  EXPECT_EQ(origin_, CHR_DISCOVERY_CACHED);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("DI-5", "on_endpoints") + "there is no origin 7"));
  Report({1}, CHR_DISCOVERY_FALLBACK);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("DI-5", "on_endpoints") + "the set is not fresh"));
  sink_->on_failure(sink_->ctx, CHR_OK, {});
  EXPECT_EQ(failure_, CHR_E_INTERNAL);
  EXPECT_THAT(Log(), HasSubstr(Broke("DI-6", "on_failure")));
}

TEST_F(ContractDiscoveryTest, ReportsThatOverlapOrComeFromInsideACallAreNamed) {
  refresh = [this] {
    Report({1});
    return CHR_OK;
  };
  checked_->table().refresh(checked_.get());
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("GEN-11", "on_endpoints")));
  in_report = [this] { OnAnotherThread([this] { sink_->on_failure(sink_->ctx, CHR_E_IO, Text("why")); }); };
  Report({1});
  EXPECT_THAT(Log(), HasSubstr(Broke("DI-4", "on_failure") + "it overlaps"));
}

TEST_F(ContractDiscoveryTest, AReportAfterStopIsNamedAndKeptFromTheKernel) {
  checked_->Stopped();
  Report({1});
  EXPECT_THAT(nodes_, IsEmpty());
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("PLG-8", "on_endpoints")));
  checked_->table().refresh(checked_.get());
  EXPECT_THAT(Log(), HasSubstr(HostBroke("PLG-8", "refresh")));
}

TEST_F(ContractDiscoveryTest, AFirstReportThatDoesNotComeIsNamedOnce) {
  clock_.now_ns += 10'000'000'000;
  checked_->CheckDeadline();
  EXPECT_THAT(Log(), IsEmpty());
  clock_.now_ns += 1;
  checked_->CheckDeadline();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("DI-4", "start") + "there was no report within 10 s"));
  checked_->CheckDeadline();
  EXPECT_THAT(Log(), IsEmpty());
}

}  // namespace
}  // namespace chronik::host
