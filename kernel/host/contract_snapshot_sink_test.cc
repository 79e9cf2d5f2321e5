// SPDX-License-Identifier: Apache-2.0
// Goal: each rule that the checks look at is named when a snapshot sink breaks it, with the call, and nothing is named
// when it does not. Method: a table whose functions do what the test says.
#include "kernel/host/contract_snapshot_sink.h"

#include <functional>

#include "kernel/host/contract_test_support.h"

namespace chronik::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ContractSnapshotSinkTest : public ContractTest {
 protected:
  ContractSnapshotSinkTest() {
    chr_snapshot_sink real{};
    real.struct_size = sizeof real;
    real.caps = [](void* self, chr_snapshot_caps* out) noexcept -> chr_status {
      if (Me(self)->write_beyond) std::memset(reinterpret_cast<char*>(out) + out->struct_size, 0, 8);
      return CHR_OK;
    };
    real.put_begin = [](void* self, chr_str, uint64_t, chr_put** out, chr_error*) noexcept -> chr_status {
      *out = Me(self)->put;
      return CHR_OK;
    };
    real.put_write = [](void* self, chr_put*, const chr_buf* bufs, size_t, chr_done d) noexcept {
      if (Me(self)->keep_bytes && bufs[0].owner != nullptr) bufs[0].owner->retain(bufs[0].owner);
      return Me(self)->Answer(d);
    };
    real.put_commit = [](void* self, chr_put*, uint64_t, uint32_t, chr_done d) noexcept { return Me(self)->Answer(d); };
    real.put_abort = [](void*, chr_put*) noexcept {};
    real.get = [](void* self, chr_str, uint64_t, uint64_t, const chr_get_events* e, chr_get** out) noexcept {
      Me(self)->events = e;
      *out = Me(self)->get;
      return Me(self)->get_status;
    };
    real.get_credit = [](void* self, chr_get*, uint64_t) noexcept {
      if (Me(self)->in_credit) Me(self)->in_credit();
    };
    real.get_close = [](void*, chr_get*) noexcept {};
    real.list = [](void* self, chr_str, void (*tell)(void*, const chr_object*) noexcept, void* ctx,
                   chr_done d) noexcept -> chr_status {
      Me(self)->each = [tell, ctx](const char* key) {
        const chr_object object{Text(key), 1, 1};
        tell(ctx, &object);
      };
      Me(self)->done = d;
      return CHR_PENDING;
    };
    real.remove = [](void* self, chr_str, chr_done d) noexcept { return Me(self)->Answer(d); };
    checked_ = std::make_unique<ContractSnapshotSink>(real, this, &monitor_);
    kernel_.struct_size = sizeof kernel_;
    kernel_.ctx = this;
    kernel_.on_data = [](void* ctx, const chr_buf* bufs, size_t) noexcept {
      Me(ctx)->got_ += bufs[0].size;
      if (Me(ctx)->in_data) std::exchange(Me(ctx)->in_data, nullptr)();
    };
    kernel_.on_end = [](void* ctx, chr_status status, chr_str) noexcept { Me(ctx)->ends_.push_back(status); };
  }
  static ContractSnapshotSinkTest* Me(void* self) { return static_cast<ContractSnapshotSinkTest*>(self); }
  chr_status Answer(chr_done d) {
    done = d;
    return answer;
  }
  void Tell(chr_status status = CHR_OK) { done.fn(done.ctx, done.tag, status, {}); }

  chr_put* Begin(chr_status expected = CHR_OK) {
    chr_put* out = nullptr;
    EXPECT_EQ(table_.put_begin(checked_.get(), Text("key"), 0, &out, nullptr), expected);
    return out;
  }
  chr_status Write(chr_put* p) {
    const chr_buf buf{"x", 1, &bytes_};
    return table_.put_write(checked_.get(), p, &buf, 1, told_.Raw());
  }
  chr_get* Open(chr_status expected = CHR_OK) {
    chr_get* out = nullptr;
    EXPECT_EQ(table_.get(checked_.get(), Text("key"), 0, 0, &kernel_, &out), expected);
    return out;
  }
  void Data(size_t size) {
    const std::string bytes(size, 'x');
    const chr_buf buf{bytes.data(), bytes.size(), nullptr};
    events->on_data(events->ctx, &buf, 1);
  }
  void EndOfGet() { events->on_end(events->ctx, CHR_OK, {}); }

  const chr_snapshot_sink& table_ = ContractSnapshotSink::Table();
  // The plugin's side.
  int a_put_ = 0;
  int a_get_ = 0;
  chr_put* put = reinterpret_cast<chr_put*>(&a_put_);
  chr_get* get = reinterpret_cast<chr_get*>(&a_get_);
  bool write_beyond = false;
  bool keep_bytes = false;
  chr_status answer = CHR_PENDING;
  chr_status get_status = CHR_OK;
  chr_done done{};
  const chr_get_events* events = nullptr;
  std::function<void(const char* key)> each;
  std::function<void()> in_credit;
  // The kernel's side.
  std::function<void()> in_data;
  chr_get_events kernel_{};
  CountedBytes bytes_;
  ToldStatuses told_;
  size_t got_ = 0;
  std::vector<chr_status> ends_;
  std::unique_ptr<ContractSnapshotSink> checked_;
};

TEST_F(ContractSnapshotSinkTest, NothingIsSaidOfOneThatKeepsTheRules) {
  chr_put* p = Begin();
  Write(p);
  Tell();
  table_.put_commit(checked_.get(), p, 1, 0, told_.Raw());
  Tell();
  chr_get* g = Open();
  table_.get_credit(checked_.get(), g, 10);
  Data(4);
  Data(6);
  EndOfGet();
  table_.list(checked_.get(), Text("a/"), [](void*, const chr_object*) noexcept {}, nullptr, told_.Raw());
  each("a/1");
  each("a/2");
  Tell();
  table_.remove(checked_.get(), Text("key"), told_.Raw());
  Tell();
  checked_->Stopped();
  checked_->Destroyed();
  EXPECT_THAT(told_.statuses, ElementsAre(CHR_OK, CHR_OK, CHR_OK, CHR_OK));
  EXPECT_EQ(got_, 10u);
  EXPECT_THAT(ends_, ElementsAre(CHR_OK));
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(ContractSnapshotSinkTest, BytesBeyondTheCreditAreNamedAndKeptFromTheKernel) {
  chr_get* g = Open();
  Data(1);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-11", "on_data") + "1 bytes came on a credit of 0"));
  table_.get_credit(checked_.get(), g, 5);
  Data(5);
  EXPECT_EQ(got_, 0u);
  EXPECT_THAT(Log(), HasSubstr(Broke("SS-11", "on_data") + "6 bytes came on a credit of 5"));
}

TEST_F(ContractSnapshotSinkTest, EventsThatOverlapComeTwiceOrAfterCloseAreNamed) {
  chr_get* g = Open();
  table_.get_credit(checked_.get(), g, 100);
  in_data = [this] { OnAnotherThread([this] { Data(1); }); };
  Data(1);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-16", "on_data") + "it overlaps"));
  table_.get_close(checked_.get(), g);
  Data(1);
  EXPECT_THAT(Log(), IsEmpty()) << "one may be on its way";
  Data(1);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-12", "on_data")));
  EXPECT_EQ(got_, 3u);
  EndOfGet();
  EndOfGet();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-13", "on_end")));
  EXPECT_EQ(ends_.size(), 1u);
  Data(1);
  EXPECT_THAT(Log(), HasSubstr(Broke("SS-13", "on_data")));
}

TEST_F(ContractSnapshotSinkTest, AnEventFromInsideACallIsNamed) {
  chr_get* g = Open();
  in_credit = [this] { Data(1); };
  table_.get_credit(checked_.get(), g, 5);
  EXPECT_THAT(Log(), HasSubstr(Broke("SS-3", "on_data")));
}

TEST_F(ContractSnapshotSinkTest, AGetOrAPutThatIsNoneIsNamed) {
  get = nullptr;
  Open(CHR_E_INTERNAL);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-10", "get")));
  get_status = CHR_E_NOT_FOUND;
  Open(CHR_E_NOT_FOUND);
  EXPECT_THAT(Log(), IsEmpty());
  EndOfGet();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-13", "on_end"))) << "a get that was refused has no events";
  Begin();
  Begin(CHR_E_INTERNAL);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-6", "put_begin"))) << "the handle of one that is open";
  put = nullptr;
  Begin(CHR_E_INTERNAL);
  EXPECT_THAT(Log(), HasSubstr(Broke("SS-6", "put_begin")));
}

TEST_F(ContractSnapshotSinkTest, CompletionsThatAreWrongAreNamed) {
  chr_put* p = Begin();
  Write(p);
  Tell();
  Tell();
  EXPECT_EQ(told_.statuses.size(), 1u);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("GEN-18", "put_write")));
  answer = CHR_OK;
  EXPECT_EQ(Write(p), CHR_E_INTERNAL) << "no completion will come";
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-7", "put_write") + "status 0 is neither"));
  answer = CHR_PENDING;
  table_.remove(checked_.get(), Text("key"), told_.Raw());
  checked_->Stopped();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("PLG-8", "remove") + "stop completed before"));
}

TEST_F(ContractSnapshotSinkTest, AListInDisorderIsNamed) {
  table_.list(checked_.get(), Text("a/"), [](void*, const chr_object*) noexcept {}, nullptr, told_.Raw());
  each("a/2");
  each("a/1");
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-14", "each of list") + "a/1 comes after a/2"));
  each("b/1");
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("SS-14", "each of list") + "b/1 does not start with a/"));
  Tell();
  each("a/3");
  EXPECT_THAT(Log(), HasSubstr(Broke("SS-14", "each of list") + "it came after done"));
}

TEST_F(ContractSnapshotSinkTest, BytesThatAreKeptAndStructsThatOverflowAreNamed) {
  keep_bytes = true;
  chr_put* p = Begin();
  Write(p);
  Tell();
  write_beyond = true;
  chr_snapshot_caps caps{};
  caps.struct_size = sizeof caps;
  EXPECT_EQ(table_.caps(checked_.get(), &caps), CHR_OK);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("GEN-5", "caps")));
  checked_->Destroyed();
  EXPECT_THAT(Log(), HasSubstr(Broke("GEN-17", "destroy") + "1 references"));
}

TEST_F(ContractSnapshotSinkTest, WhatIsLeftAtStopAndWhatComesLaterIsNamed) {
  Open();
  checked_->Stopped();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("PLG-8", "stop") + "1 gets had no on_end"));
  EndOfGet();
  EXPECT_THAT(ends_, IsEmpty());
  EXPECT_THAT(Log(), HasSubstr(Broke("PLG-8", "on_end") + "it came after stop"));
}

TEST_F(ContractSnapshotSinkTest, TheHostsOwnMistakesAreNamedAsItsOwn) {
  chr_put* p = Begin();
  Write(p);
  Write(p);
  EXPECT_THAT(TakeLog(), HasSubstr(HostBroke("SS-7", "put_write")));
  Tell();
  table_.put_commit(checked_.get(), p, 1, 0, told_.Raw());
  TakeLog();
  table_.put_abort(checked_.get(), p);
  EXPECT_THAT(TakeLog(), HasSubstr(HostBroke("SS-9", "put_abort")));
  Write(p);
  EXPECT_THAT(TakeLog(), HasSubstr(HostBroke("SS-7", "put_write") + "the put is gone"));
  checked_->Stopped();
  TakeLog();
  Begin();
  EXPECT_THAT(Log(), HasSubstr(HostBroke("PLG-8", "put_begin")));
}

}  // namespace
}  // namespace chronik::host
