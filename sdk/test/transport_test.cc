// SPDX-License-Identifier: Apache-2.0
// Goal: the transport's table calls the class, copies in and out by size, and lets no exception out. Method: a class
// that records its calls, driven through its C table only.
#include <chronik/sdk/transport.h>

#include <gtest/gtest.h>

#include <chronik/sdk/address.h>
#include <chronik/sdk/testing/fake_host.h>

namespace chronik::sdk {
namespace {

class Loopback {
 public:
  struct Stream {
    StreamEvents events;
    uint64_t credit = 0;
  };

  explicit Loopback(Host&) {}
  void Start(TransportSink sink) { sink_ = sink; }
  void Stop(uint64_t) {}
  chr_transport_caps Caps() { return {0, CHR_TRANSPORT_CAP_ENCRYPTED, 1, 2, 3}; }
  std::string BoundAddress() { return "here:1"; }
  void SetPeer(uint64_t peer, std::string_view address) {
    static_cast<void>(ParseAddress("peer " + std::to_string(peer), address, CHR_E_INVALID));
  }
  void RemovePeer(uint64_t) {}
  chr_status Send(uint64_t peer, uint32_t lane, std::span<const chr_buf> bufs) {
    if (lane >= CHR_LANE_COUNT) throw Error(CHR_E_INVALID, "no such lane");
    return sink_.Frame(peer, lane, bufs);
  }
  void Resume(uint64_t peer, uint32_t lane) { sink_.Writable(peer, lane); }
  chr_status OpenStream(uint64_t, std::string_view, const StreamEvents& events, Stream*& out) {
    stream_.events = events;
    out = &stream_;
    return CHR_OK;
  }
  chr_status WriteStream(Stream& stream, std::span<const chr_buf> bufs) {
    if (stream.credit == 0) return CHR_E_BUSY;
    stream.events.Data(bufs);
    return CHR_OK;
  }
  void GrantCredit(Stream& stream, uint64_t bytes) { stream.credit += bytes; }
  void CloseStream(Stream& stream, chr_status status) { stream.events.End(status, "closed"); }

 private:
  TransportSink sink_;
  Stream stream_;
};

constexpr PluginInfo kInfo{.id = "test.transport", .version = "1"};
constexpr chr_plugin kPlugin = DescribeTransport<Loopback>(kInfo);

// What the host was told.
struct Seen {
  std::string text;

  chr_transport_sink Sink() {
    chr_transport_sink sink{};
    sink.struct_size = sizeof(sink);
    sink.ctx = this;
    sink.node_id = 1;
    sink.hello = [](void*, void* out, size_t cap) noexcept -> size_t {
      std::memcpy(out, "hello", 5);
      return cap + 7;  // a host that breaks its promise is not believed
    };
    sink.on_hello = [](void*, uint64_t, chr_str identity, chr_str, chr_error* err) noexcept -> chr_status {
      return Fail(err, CHR_E_DENIED, "not " + std::string(ToView(identity)));
    };
    sink.on_frame = [](void* ctx, uint64_t, uint32_t, const chr_buf* bufs, size_t count) noexcept -> chr_status {
      static_cast<Seen*>(ctx)->Add(bufs, count);
      return CHR_OK;
    };
    sink.on_writable = [](void* ctx, uint64_t peer, uint32_t lane) noexcept {
      static_cast<Seen*>(ctx)->text += "writable " + std::to_string(peer) + "/" + std::to_string(lane);
    };
    sink.on_stream = [](void*, uint64_t, chr_str, chr_stream*, const chr_stream_events**) noexcept -> chr_status {
      return CHR_OK;  // and forgets to say who listens
    };
    return sink;
  }
  chr_stream_events Events() {
    chr_stream_events events{};
    events.struct_size = sizeof(events);
    events.ctx = this;
    events.on_data = [](void* ctx, const chr_buf* bufs, size_t count) noexcept {
      static_cast<Seen*>(ctx)->Add(bufs, count);
    };
    events.on_end = [](void* ctx, chr_status status, chr_str message) noexcept {
      static_cast<Seen*>(ctx)->text += std::to_string(status) + std::string(ToView(message));
    };
    return events;
  }
  void Add(const chr_buf* bufs, size_t count) {
    for (const chr_buf& buf : std::span(bufs, count)) text.append(static_cast<const char*>(buf.data), buf.size);
  }
};

class TransportTable : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(kPlugin.create(fake_.raw(), CHR_TRANSPORT_1, &self_, nullptr), CHR_OK);
    const chr_transport_sink sink = seen_.Sink();
    ASSERT_EQ(kPlugin.start(self_, &sink, chr_done{}, nullptr), CHR_OK);
  }
  void TearDown() override { kPlugin.destroy(self_); }

  ::chronik::sdk::testing::FakeHost fake_;
  const chr_transport& table_ = *static_cast<const chr_transport*>(kPlugin.ifaces[0].table);
  void* self_ = nullptr;
  Seen seen_;
  const chr_buf buf_{"abc", 3, nullptr};
};

TEST_F(TransportTable, FramesReachTheClassAndItsFailureIsAStatus) {
  EXPECT_EQ(table_.send(self_, 2, CHR_LANE_FORWARD, &buf_, 1), CHR_OK);
  EXPECT_EQ(table_.send(self_, 2, 9, &buf_, 1), CHR_E_INVALID) << "thrown by the class";
  table_.resume(self_, 2, 1);
  EXPECT_EQ(seen_.text, "abcwritable 2/1");
}

TEST_F(TransportTable, AMalformedAddressIsRefusedWithItsText) {
  chr_error err{};
  err.struct_size = sizeof(err);
  EXPECT_EQ(table_.set_peer(self_, 2, ToStr("[::1]:9"), &err), CHR_OK);
  EXPECT_EQ(table_.set_peer(self_, 2, ToStr("::1:9"), &err), CHR_E_INVALID);
  EXPECT_TRUE(std::string_view(err.message).starts_with("peer 2 = \"::1:9\" is not of the form")) << err.message;
}

TEST_F(TransportTable, CapsStayWithinTheCallersStruct) {
  chr_transport_caps caps{};
  caps.struct_size = offsetof(chr_transport_caps, max_queued_bytes);
  caps.max_queued_bytes = 77;
  EXPECT_EQ(table_.caps(self_, &caps), CHR_OK);
  EXPECT_EQ(caps.max_frame_bytes, 1u);
  EXPECT_EQ(caps.max_queued_bytes, 77u) << "beyond the caller's struct_size";
  char small[6];
  EXPECT_EQ(table_.bound_address(self_, small, sizeof(small)), CHR_E_RANGE);
  char enough[7];
  EXPECT_EQ(table_.bound_address(self_, enough, sizeof(enough)), CHR_OK);
  EXPECT_STREQ(enough, "here:1");
}

TEST_F(TransportTable, AStreamGoesThroughItsLife) {
  chr_stream_events events = seen_.Events();
  chr_stream* stream = nullptr;
  ASSERT_EQ(table_.stream_open(self_, 2, ToStr("h"), &events, &stream), CHR_OK);
  EXPECT_EQ(table_.stream_write(self_, stream, &buf_, 1), CHR_E_BUSY);
  table_.stream_credit(self_, stream, 1);
  EXPECT_EQ(table_.stream_write(self_, stream, &buf_, 1), CHR_OK);
  table_.stream_close(self_, stream, CHR_OK);
  EXPECT_EQ(seen_.text, "abc0closed");
}

TEST_F(TransportTable, TheSinkIsNotBelievedBlindly) {
  const TransportSink sink(seen_.Sink());
  EXPECT_EQ(sink.Hello().size(), TransportSink::kHelloBytesMax);
  const TransportSink::Verdict verdict = sink.OnHello(2, "node-2", "x");
  EXPECT_EQ(verdict.status, CHR_E_DENIED);
  EXPECT_EQ(verdict.text, "not node-2");
  Loopback::Stream stream;
  StreamEvents events;
  EXPECT_EQ(sink.OpenedStream(2, "h", stream, events), CHR_E_INVALID) << "accepted, but without events";
}

}  // namespace
}  // namespace chronik::sdk
