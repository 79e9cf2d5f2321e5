// SPDX-License-Identifier: Apache-2.0
// Goal: descriptor and struct sizes are honoured; stop delivers every completion, in time, whatever is in flight.
// Method: the raw table; stops with puts and gets in all states.
#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {
namespace {

using std::chrono::steady_clock;

TEST(Contract, TheDescriptorIsComplete) {
  const chr_plugin& plugin = ThePlugin();
  EXPECT_EQ(plugin.abi_epoch, CHR_ABI_EPOCH);
  for (const char* text : {plugin.id, plugin.version, plugin.vendor, plugin.license, plugin.url, plugin.built_with}) {
    ASSERT_NE(text, nullptr) << "every text of the descriptor is there";
  }
  EXPECT_NE(plugin.create, nullptr);
  EXPECT_NE(plugin.start, nullptr);
  EXPECT_NE(plugin.stop, nullptr);
  EXPECT_NE(plugin.destroy, nullptr);
  const auto& table = *static_cast<const chr_snapshot_sink*>(TheTable(CHR_SNAPSHOT_SINK_1));
  EXPECT_GE(table.struct_size, CHR_SNAPSHOT_SINK_1_0_SIZE) << "the table is that of version 1.0 at least";
}

TEST(Contract, CapsAreWrittenWithinTheCallersSize) {
  Sink sink;
  EXPECT_GT(sink.Caps().max_object_bytes, 0u) << "a sink takes objects";
  struct {
    chr_snapshot_caps caps;
    char guard[16];
  } small{};
  std::memset(&small, 0x5A, sizeof(small));
  small.caps.struct_size = offsetof(chr_snapshot_caps, max_object_bytes);
  ASSERT_EQ(sink.table().caps(sink.self(), &small.caps), CHR_OK);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&small);
  for (size_t i = small.caps.struct_size; i < sizeof(small); ++i) {
    ASSERT_EQ(bytes[i], 0x5A) << "caps wrote byte " << i << ", beyond the caller's struct_size";
  }
}

TEST(Contract, AnInstanceThatNeverStartedIsDestroyed) {
  const chr_plugin& plugin = ThePlugin();
  sdk::testing::FakeHost host({.option_table = {plugin.options, plugin.option_count}, .options = Kit().plugin_options});
  void* self = nullptr;
  chr_error err = BlankError();
  ASSERT_EQ(plugin.create(host.raw(), CHR_SNAPSHOT_SINK_1, &self, &err), CHR_OK) << err.message;
  plugin.destroy(self);
}

TEST(Contract, AnUnknownInterfaceIsRefused) {
  const chr_plugin& plugin = ThePlugin();
  sdk::testing::FakeHost host({.option_table = {plugin.options, plugin.option_count}, .options = Kit().plugin_options});
  void* self = nullptr;
  chr_error err = BlankError();
  EXPECT_LT(plugin.create(host.raw(), "org.example.unknown/1", &self, &err), 0)
      << "create refuses an interface that the plugin does not offer";
}

class Stop : public SinkTest {
 protected:
  // Puts and gets in every state, then stop.
  void StopInFlight(std::chrono::nanoseconds timeout) {
    const std::string bytes = RandomBytes(1, 8 << 20);
    sink_->Put(Key("object"), bytes);
    chr_put* idle = sink_->Begin(Key("idle"));
    ASSERT_EQ(sink_->Write(idle, "written"), CHR_OK);
    static_cast<void>(sink_->Begin(Key("begun")));
    std::vector<std::unique_ptr<Operation>> operations;
    for (const char* name : {"a", "b", "c"}) {
      operations.push_back(sink_->StartWrite(sink_->Begin(Key(name)), bytes, 2));
    }
    chr_put* committing = sink_->Begin(Key("committing"));
    ASSERT_EQ(sink_->Write(committing, bytes), CHR_OK);
    operations.push_back(sink_->StartCommit(committing, bytes.size(), Crc32c(bytes)));
    {
      Reading without_credit(*sink_, Key("object"), 0, 0);
      Reading flowing(*sink_, Key("object"), 0, 0);
      flowing.Credit(UINT64_MAX);
      const auto began = steady_clock::now();
      sink_->Stop(timeout);
      EXPECT_LT(steady_clock::now() - began, timeout + std::chrono::seconds(5)) << "stop keeps to its timeout";
      EXPECT_TRUE(without_credit.ended()) << "stop ends a get that waits for credit";
      EXPECT_TRUE(flowing.ended()) << "stop ends a get in the middle";
    }
    for (const auto& operation : operations) {
      EXPECT_TRUE(operation->IsComplete()) << "stop delivers every completion before its own";
    }
    const chr_status committed = operations.back()->Wait();
    sink_ = nullptr;
    sink_ = std::make_unique<Sink>(dir_.path());
    for (const char* name : {"idle", "begun", "a", "b", "c"}) {
      const GetAnswer none = sink_->Get(Key(name));
      EXPECT_EQ(none.status, CHR_E_NOT_FOUND) << "a put that was not committed leaves nothing: " << none.message;
    }
    const GetAnswer got = sink_->Get(Key("committing"));
    EXPECT_TRUE(got.status == CHR_E_NOT_FOUND || got.bytes == bytes) << "an object is whole or not there";
    EXPECT_TRUE(committed != CHR_OK || got.status == CHR_OK) << "a commit that succeeded holds";
    EXPECT_TRUE(timeout < std::chrono::seconds(1) || committed == CHR_OK) << "stop finishes what it has time for";
  }
};

TEST_F(Stop, AtOnceCancelsWhatIsInFlight) { StopInFlight(std::chrono::nanoseconds(0)); }
TEST_F(Stop, WithTimeFinishesWhatIsInFlight) { StopInFlight(std::chrono::seconds(30)); }

TEST_F(Stop, RefusesWhatComesLater) {
  chr_put* put = sink_->Begin(Key("object"));
  sink_->Stop();
  chr_put* late = nullptr;
  EXPECT_LT(sink_->TryBegin(Key("late"), &late), 0) << "nothing begins after stop";
  EXPECT_LT(sink_->Write(put, "late"), 0) << "nothing is written after stop";
  EXPECT_LT(sink_->Remove(Key("late")), 0) << "nothing is removed after stop";
  EXPECT_LT(sink_->Get(Key("late")).status, 0);
}

}  // namespace
}  // namespace chronik_conformance
