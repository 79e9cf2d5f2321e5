// SPDX-License-Identifier: Apache-2.0
// Goal: each rule that the checks look at is named when a transport breaks it, with the call, and nothing is named when
// it does not. Method: a table whose functions do what the test says.
#include "kernel/host/contract_transport.h"

#include <functional>

#include "kernel/host/contract_test_support.h"

namespace chronik::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kPeer = 2;

class ContractTransportTest : public ContractTest {
 protected:
  ContractTransportTest() {
    chr_transport real{};
    real.struct_size = sizeof real;
    real.caps = [](void* self, chr_transport_caps* out) noexcept -> chr_status {
      out->max_frame_bytes = Me(self)->max_frame_bytes;
      out->max_header_bytes = 4096;
      return CHR_OK;
    };
    real.bound_address = [](void*, char* out, size_t) noexcept -> chr_status {
      std::strcpy(out, "127.0.0.1:1");
      return CHR_OK;
    };
    real.set_peer = [](void*, uint64_t, chr_str, chr_error*) noexcept -> chr_status { return CHR_OK; };
    real.remove_peer = [](void*, uint64_t) noexcept -> chr_status { return CHR_OK; };
    real.send = [](void* self, uint64_t, uint32_t, const chr_buf* bufs, size_t) noexcept {
      if (Me(self)->keep_bytes) bufs[0].owner->retain(bufs[0].owner);
      if (Me(self)->in_send) Me(self)->in_send();
      return Me(self)->send_status;
    };
    real.resume = [](void*, uint64_t, uint32_t) noexcept {};
    real.stream_open = [](void* self, uint64_t, chr_str, const chr_stream_events* e, chr_stream** out) noexcept {
      Me(self)->events = e;
      *out = Me(self)->stream;
      return Me(self)->open_status;
    };
    real.stream_write = [](void*, chr_stream*, const chr_buf*, size_t) noexcept -> chr_status { return CHR_OK; };
    real.stream_credit = [](void*, chr_stream*, uint64_t) noexcept {};
    real.stream_close = [](void*, chr_stream*, chr_status) noexcept {};
    checked_ = std::make_unique<ContractTransport>(real, this, &monitor_);

    kernel_.struct_size = sizeof kernel_;
    kernel_.ctx = this;
    kernel_.node_id = 1;
    kernel_.hello = [](void*, void*, size_t) noexcept -> size_t { return 3; };
    kernel_.on_hello = [](void* ctx, uint64_t, chr_str, chr_str, chr_error*) noexcept -> chr_status {
      ++Me(ctx)->hellos_;
      return CHR_OK;
    };
    kernel_.on_peer = [](void* ctx, uint64_t, int32_t up, chr_status, chr_str) noexcept {
      Me(ctx)->ups_.push_back(up);
      if (Me(ctx)->in_callback) std::exchange(Me(ctx)->in_callback, nullptr)();
    };
    kernel_.on_frame = [](void* ctx, uint64_t, uint32_t, const chr_buf* bufs, size_t) noexcept -> chr_status {
      Me(ctx)->frames_.emplace_back(static_cast<const char*>(bufs[0].data), bufs[0].size);
      if (Me(ctx)->in_callback) std::exchange(Me(ctx)->in_callback, nullptr)();
      return Me(ctx)->frame_answer_;
    };
    kernel_.on_writable = [](void* ctx, uint64_t, uint32_t) noexcept { ++Me(ctx)->writable_; };
    kernel_.on_stream = [](void* ctx, uint64_t, chr_str, chr_stream*, const chr_stream_events** out) noexcept {
      *out = &Me(ctx)->kernel_events_;
      return Me(ctx)->stream_answer_;
    };
    kernel_events_.struct_size = sizeof kernel_events_;
    kernel_events_.ctx = this;
    kernel_events_.on_data = [](void* ctx, const chr_buf* bufs, size_t) noexcept {
      Me(ctx)->got_ += bufs[0].size;
      if (Me(ctx)->in_callback) std::exchange(Me(ctx)->in_callback, nullptr)();
    };
    kernel_events_.on_writable = [](void* ctx) noexcept { ++Me(ctx)->writable_; };
    kernel_events_.on_end = [](void* ctx, chr_status status, chr_str) noexcept { Me(ctx)->ends_.push_back(status); };
    sink_ = checked_->WrapSink(&kernel_);
    chr_transport_caps caps{};
    caps.struct_size = sizeof caps;
    table_.caps(checked_.get(), &caps);
    table_.set_peer(checked_.get(), kPeer, Text("a:1"), nullptr);
  }
  static ContractTransportTest* Me(void* self) { return static_cast<ContractTransportTest*>(self); }

  chr_status Send(const char* text = "x", uint32_t lane = 0) {
    const chr_buf buf{text, std::strlen(text), &bytes_};
    return table_.send(checked_.get(), kPeer, lane, &buf, 1);
  }
  chr_status Frame(const char* text, uint32_t lane = 0) {
    const chr_buf buf{text, std::strlen(text), nullptr};
    return sink_->on_frame(sink_->ctx, kPeer, lane, &buf, 1);
  }
  void Peer(int32_t up, chr_status status = CHR_OK, uint64_t peer = kPeer) {
    sink_->on_peer(sink_->ctx, peer, up, status, Text("why"));
  }
  chr_stream* Open(chr_status expected = CHR_OK) {
    chr_stream* out = nullptr;
    EXPECT_EQ(table_.stream_open(checked_.get(), kPeer, Text("header"), &kernel_events_, &out), expected);
    return out;
  }
  void Data(size_t size) {
    const std::string bytes(size, 'x');
    const chr_buf buf{bytes.data(), bytes.size(), nullptr};
    events->on_data(events->ctx, &buf, 1);
  }
  void EndOfStream() { events->on_end(events->ctx, CHR_OK, {}); }

  const chr_transport& table_ = ContractTransport::Table();
  // The plugin's side.
  int a_stream_ = 0;
  chr_stream* stream = reinterpret_cast<chr_stream*>(&a_stream_);
  uint64_t max_frame_bytes = 4 << 20;
  bool keep_bytes = false;
  chr_status send_status = CHR_OK;
  chr_status open_status = CHR_OK;
  std::function<void()> in_send;
  const chr_stream_events* events = nullptr;
  // The kernel's side.
  chr_transport_sink kernel_{};
  chr_stream_events kernel_events_{};
  const chr_transport_sink* sink_ = nullptr;
  std::function<void()> in_callback;
  chr_status frame_answer_ = CHR_OK;
  chr_status stream_answer_ = CHR_OK;
  std::vector<std::string> frames_;
  std::vector<int32_t> ups_;
  std::vector<chr_status> ends_;
  size_t got_ = 0;
  int hellos_ = 0;
  int writable_ = 0;
  CountedBytes bytes_;
  std::unique_ptr<ContractTransport> checked_;
};

TEST_F(ContractTransportTest, NothingIsSaidOfOneThatKeepsTheRules) {
  char hello[4096];
  EXPECT_EQ(sink_->node_id, 1u);
  EXPECT_EQ(sink_->hello(sink_->ctx, hello, sizeof hello), 3u);
  EXPECT_EQ(sink_->on_hello(sink_->ctx, kPeer, {}, Text("abc"), nullptr), CHR_OK);
  Peer(1);
  EXPECT_EQ(Send(), CHR_OK);
  send_status = CHR_E_BUSY;
  EXPECT_EQ(Send(), CHR_E_BUSY);
  sink_->on_writable(sink_->ctx, kPeer, 0);
  frame_answer_ = CHR_E_BUSY;
  Frame("a");
  frame_answer_ = CHR_OK;
  Frame("other lane", 1);
  table_.resume(checked_.get(), kPeer, 0);
  Frame("a");
  Frame("b");
  table_.stream_credit(checked_.get(), Open(), 10);
  Data(4);
  Data(6);
  EndOfStream();
  Peer(0, CHR_E_CLOSED);
  checked_->Stopped();
  checked_->Destroyed();
  EXPECT_THAT(frames_, ElementsAre("a", "other lane", "a", "b"));
  EXPECT_THAT(ups_, ElementsAre(1, 0));
  EXPECT_EQ(got_, 10u);
  EXPECT_EQ(bytes_.held, 0);
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(ContractTransportTest, AFrameInPlaceOfTheRefusedOneIsNamed) {
  frame_answer_ = CHR_E_BUSY;
  Frame("first");
  frame_answer_ = CHR_OK;
  Frame("first");
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-16", "on_frame") + "a frame came after CHR_E_BUSY, before resume"));
  frame_answer_ = CHR_E_BUSY;
  Frame("second");
  table_.resume(checked_.get(), kPeer, 0);
  frame_answer_ = CHR_OK;
  Frame("third");
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-16", "on_frame") + "another frame came in place"));
}

TEST_F(ContractTransportTest, ARefusedFrameMayBeLostWithItsConnection) {
  frame_answer_ = CHR_E_BUSY;
  Frame("first");
  Peer(0, CHR_E_CLOSED);
  frame_answer_ = CHR_OK;
  Frame("second");
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(ContractTransportTest, AResumeThatCrossesTheRefusalCounts) {
  in_callback = [this] { table_.resume(checked_.get(), kPeer, 0); };
  frame_answer_ = CHR_E_BUSY;
  Frame("first");
  frame_answer_ = CHR_OK;
  Frame("first");
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(ContractTransportTest, CallbacksThatOverlapAreNamed) {
  in_callback = [this] { OnAnotherThread([this] { Frame("b"); }); };
  Frame("a");
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-2", "on_frame") + "it overlaps"));
  in_callback = [this] { OnAnotherThread([this] { Peer(1); }); };
  Peer(1);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-15", "on_peer") + "it overlaps"));
  table_.stream_credit(checked_.get(), Open(), 10);
  in_callback = [this] { OnAnotherThread([this] { Data(1); }); };
  Data(1);
  EXPECT_THAT(Log(), HasSubstr(Broke("TR-22", "on_data") + "it overlaps"));
}

TEST_F(ContractTransportTest, ACallbackFromInsideACallIsNamed) {
  in_send = [this] { Frame("a"); };
  Send();
  EXPECT_THAT(Log(), HasSubstr(Broke("TR-3", "on_frame") + "it came from inside"));
}

TEST_F(ContractTransportTest, FramesAndHellosThatCannotBeAreNamedAndKeptFromTheKernel) {
  Frame("");
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-1", "on_frame") + "0 bytes"));
  Frame("x", CHR_LANE_COUNT);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-1", "on_frame") + "1 bytes on lane 3"));
  EXPECT_THAT(frames_, IsEmpty());
  EXPECT_EQ(sink_->on_hello(sink_->ctx, 0, {}, {}, nullptr), CHR_E_INVALID);
  EXPECT_EQ(hellos_, 0);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-13", "on_hello")));
  char small[16];
  sink_->hello(sink_->ctx, small, sizeof small);
  EXPECT_THAT(Log(), HasSubstr(Broke("TR-12", "hello")));
}

TEST_F(ContractTransportTest, NewsOfAPeerThatIsNotSetIsNamedAndKeptFromTheKernel) {
  Peer(1, CHR_OK, 77);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-15", "on_peer") + "peer 77 is not set"));
  table_.remove_peer(checked_.get(), kPeer);
  Peer(0, CHR_E_CLOSED);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-15", "on_peer") + "peer 2 is not set"));
  EXPECT_THAT(ups_, IsEmpty());
  table_.set_peer(checked_.get(), kPeer, Text("a:1"), nullptr);
  Peer(0, CHR_OK);
  EXPECT_THAT(Log(), HasSubstr(Broke("TR-15", "on_peer") + "up is 0, and the status 0"));
}

TEST_F(ContractTransportTest, AnswersOfSendThatCannotBeAreNamed) {
  send_status = CHR_E_NOT_FOUND;
  Send();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-10", "send") + "it knows no peer 2"));
  send_status = CHR_E_INVALID;
  Send();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-10", "send") + "it refuses a sound frame of 1 bytes"));
  Send("", 0);
  Send("x", 9);
  EXPECT_THAT(Log(), IsEmpty()) << "these are invalid";
  send_status = CHR_PENDING;
  EXPECT_EQ(Send(), CHR_E_INTERNAL);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("GEN-11", "send")));
  send_status = -50;
  EXPECT_EQ(Send(), CHR_E_INTERNAL);
  EXPECT_THAT(Log(), HasSubstr(Broke("GEN-12", "send") + "the status -50"));
}

TEST_F(ContractTransportTest, ASendThatBlocksIsNamed) {
  in_send = [this] { clock_.now_ns += 11'000'000; };
  Send();
  EXPECT_THAT(Log(), HasSubstr("PLUGIN_SLOW: plugin test.liar, rule GEN-8, send took 11 ms"));
}

TEST_F(ContractTransportTest, CapabilitiesThatAreTooSmallAreNamed) {
  max_frame_bytes = 1 << 20;
  chr_transport_caps caps{};
  caps.struct_size = sizeof caps;
  table_.caps(checked_.get(), &caps);
  EXPECT_THAT(Log(), HasSubstr(Broke("TR-6", "caps")));
}

TEST_F(ContractTransportTest, BytesOfAStreamBeyondTheCreditAreNamedAndKeptFromTheKernel) {
  chr_stream* s = Open();
  Data(1);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-19", "on_data") + "more comes than the credit of 0"));
  EXPECT_EQ(got_, 0u);
  table_.stream_credit(checked_.get(), s, 10);
  Data(1 << 20);
  EXPECT_THAT(Log(), IsEmpty()) << "the last write may be of 1 MiB";
  Data(1 << 20);
  EXPECT_THAT(Log(), HasSubstr(Broke("TR-19", "on_data")));
}

TEST_F(ContractTransportTest, EventsAfterCloseAndAfterTheEndAreNamedAndKeptFromTheKernel) {
  chr_stream* s = Open();
  table_.stream_credit(checked_.get(), s, 10);
  table_.stream_close(checked_.get(), s, CHR_OK);
  Data(1);
  EXPECT_THAT(Log(), IsEmpty()) << "one may be on its way";
  events->on_writable(events->ctx);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-20", "on_writable")));
  EXPECT_EQ(got_, 0u);
  EndOfStream();
  EndOfStream();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-21", "on_end") + "it came after on_end"));
  EXPECT_THAT(ends_, ElementsAre(CHR_OK));
  table_.stream_close(checked_.get(), s, CHR_OK);
  EXPECT_THAT(Log(), HasSubstr(HostBroke("TR-20", "stream_close") + "the stream is gone"));
}

TEST_F(ContractTransportTest, AStreamThatIsNoneIsNamed) {
  stream = nullptr;
  Open(CHR_E_INTERNAL);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-17", "stream_open")));
  open_status = CHR_E_CLOSED;
  Open(CHR_E_CLOSED);
  EXPECT_THAT(Log(), IsEmpty());
  EndOfStream();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-21", "on_end"))) << "a stream that was refused has no events";
  const chr_stream_events* theirs = nullptr;
  EXPECT_EQ(sink_->on_stream(sink_->ctx, kPeer, Text("h"), nullptr, &theirs), CHR_E_INVALID);
  EXPECT_THAT(Log(), HasSubstr(Broke("TR-17", "on_stream")));
}

TEST_F(ContractTransportTest, AStreamOfThePeersIsHeldToTheRulesToo) {
  stream_answer_ = CHR_OK;
  EXPECT_EQ(sink_->on_stream(sink_->ctx, kPeer, Text("h"), stream, &events), CHR_OK);
  table_.stream_credit(checked_.get(), stream, 5);
  Data(5);
  EXPECT_EQ(got_, 5u);
  EndOfStream();
  EXPECT_THAT(Log(), IsEmpty());
  Data(1);
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("TR-21", "on_data")));
  stream_answer_ = CHR_E_DENIED;
  EXPECT_EQ(sink_->on_stream(sink_->ctx, kPeer, Text("h"), stream, &events), CHR_E_DENIED);
  EndOfStream();
  EXPECT_THAT(Log(), HasSubstr(Broke("TR-21", "on_end"))) << "no event follows a refusal";
}

TEST_F(ContractTransportTest, WhatIsLeftAtStopAndWhatComesLaterIsNamed) {
  Open();
  keep_bytes = true;
  Send();
  checked_->Stopped();
  EXPECT_THAT(TakeLog(), HasSubstr(Broke("PLG-8", "stop") + "1 streams had no on_end"));
  EndOfStream();
  Frame("late");
  Peer(0, CHR_E_CLOSED);
  EXPECT_THAT(frames_, IsEmpty());
  EXPECT_THAT(ups_, IsEmpty());
  EXPECT_THAT(ends_, IsEmpty());
  const std::string log = TakeLog();
  for (const char* call : {"on_end", "on_frame", "on_peer"}) EXPECT_THAT(log, HasSubstr(Broke("PLG-8", call)));
  Send();
  EXPECT_THAT(TakeLog(), HasSubstr(HostBroke("PLG-8", "send")));
  checked_->Destroyed();
  EXPECT_THAT(Log(), HasSubstr(Broke("GEN-17", "destroy") + "2 references"));
}

}  // namespace
}  // namespace chronik::host
