// SPDX-License-Identifier: Apache-2.0
// Goal: streams carry bytes in order within their credit in both directions, end once and say how, and delay no lane.
// Method: both ends of streams between two nodes; what an end may not do is tried.
#include <gtest/gtest.h>

#include <thread>

#include "sdk/conformance/transport/node.h"
#include "sdk/conformance/transport/proxy.h"

namespace chronik_conformance {
namespace {

using std::chrono::milliseconds;

struct Pair {
  Node a{{.id = 1}};
  Node b{{.id = 2}};
  Proxy to_b{b.address()};

  Pair() {
    a.SetPeer(2, to_b.address());
    a.AwaitUp(2);
  }
  // From a to b.
  std::pair<std::shared_ptr<StreamEnd>, std::shared_ptr<StreamEnd>> Open(const std::string& header = "h") {
    auto near = a.OpenStream(2, header);
    auto far = b.AwaitStream();
    return {near, far};
  }
};

void AwaitEnd(Node& node, StreamEnd& end, chr_status status, const std::string& rule) {
  node.Await(rule, [&] { return end.ended; });
  EXPECT_EQ(end.end_status, status) << rule;
}

TEST(Streams, CarryTheirHeaderAndBytesInOrderBothWays) {
  Pair pair;
  const std::string header = Payload(5, 4096);
  auto [near, far] = pair.Open(header);
  EXPECT_TRUE(far->header == header) << "on_stream: the header arrives unchanged";
  const std::string there = Payload(1, 3 << 20);
  const std::string back = Payload(2, 2 << 20);
  far->Credit(there.size() + (1 << 20));
  near->Credit(back.size() + (1 << 20));
  std::thread answering([&, far = far] { far->WriteAll(back, 70'000); });
  near->WriteAll(there, 99'999);
  answering.join();
  pair.b.Await("on_data: everything within the credit arrives",
               [&, far = far] { return far->received.size() == there.size(); });
  pair.a.Await("on_data: also at the end that opened",
               [&, near = near] { return near->received.size() == back.size(); });
  EXPECT_TRUE(far->received == there) << "on_data: bytes come in order and unchanged";
  EXPECT_TRUE(near->received == back) << "on_data: bytes come in order and unchanged";
  near->Close(CHR_OK);
  AwaitEnd(pair.a, *near, CHR_OK, "on_end: the status that was passed to stream_close");
  AwaitEnd(pair.b, *far, CHR_OK, "on_end: CHR_OK, the other end closed cleanly");
}

TEST(Streams, RespectTheCredit) {
  Pair pair;
  auto [near, far] = pair.Open();
  EXPECT_EQ(near->Write("x"), CHR_E_BUSY) << "stream_open: both ends begin without credit";
  EXPECT_EQ(far->Write("x"), CHR_E_BUSY) << "on_stream: the sender has no credit yet";
  far->Credit(10);
  pair.a.Await("on_writable: credit came after CHR_E_BUSY", [near = near] { return near->writable == 1; });
  EXPECT_EQ(near->Write("1234567"), CHR_OK);
  EXPECT_EQ(near->Write("89abcdef"), CHR_OK) << "stream_credit: a write is admitted while credit is left";
  EXPECT_EQ(near->Write("x"), CHR_E_BUSY) << "stream_write: CHR_E_BUSY without credit, nothing was taken";
  EXPECT_EQ(near->Write(std::string((1 << 20) + 1, 'x')), CHR_E_INVALID) << "stream_write: at most 1 MiB at once";
  pair.b.Await("on_data: what was admitted arrives", [far = far] { return far->received == "123456789abcdef"; });
  far->Credit(6);  // what is owed comes off it
  pair.a.Await("on_writable: credit came after CHR_E_BUSY", [near = near] { return near->writable == 2; });
  EXPECT_EQ(near->Write("g"), CHR_OK);
  EXPECT_EQ(near->Write("x"), CHR_E_BUSY) << "stream_credit: more than was granted is owed";
  near->Close(CHR_OK);
  AwaitEnd(pair.b, *far, CHR_OK, "on_end: a clean end");
  EXPECT_EQ(far->received, "123456789abcdefg") << "on_end: CHR_OK comes after everything that was written";
}

TEST(Streams, EndCleanlyAfterEverythingThatWasWritten) {
  Pair pair;
  for (int round = 0; round < 10; ++round) {
    auto [near, far] = pair.Open();
    far->Credit(64 << 20);
    const std::string bytes = Payload(static_cast<uint64_t>(round), 1'500'000);
    near->WriteAll(bytes, 1 << 20);
    near->Close(CHR_OK);
    AwaitEnd(pair.b, *far, CHR_OK, "stream_close: CHR_OK is a clean end");
    EXPECT_TRUE(far->received == bytes) << "stream_close: CHR_OK ends after everything this end wrote";
    AwaitEnd(pair.a, *near, CHR_OK, "on_end: at the end that closed, its status");
  }
}

TEST(Streams, AreAbortedByEitherEnd) {
  Pair pair;
  auto [near, far] = pair.Open();
  near->Close(CHR_E_CANCELLED);
  AwaitEnd(pair.a, *near, CHR_E_CANCELLED, "on_end: at the end that closed, the status that was passed");
  AwaitEnd(pair.b, *far, CHR_E_CANCELLED, "on_end: an abort reaches the other end with its status");
  auto [near2, far2] = pair.Open();
  far2->Credit(1 << 20);
  near2->Write("on its way");
  far2->Close(CHR_E_IO);
  AwaitEnd(pair.b, *far2, CHR_E_IO, "on_end: at the end that closed, the status that was passed");
  AwaitEnd(pair.a, *near2, CHR_E_IO, "on_end: an abort reaches the end that opened");
}

TEST(Streams, ThatAreRefusedSayWith) {
  Pair pair;
  pair.b.RefuseStreams(CHR_E_UNSUPPORTED);
  const auto near = pair.a.OpenStream(2, "h");
  AwaitEnd(pair.a, *near, CHR_E_UNSUPPORTED, "stream_open: a refusal by on_stream ends the stream with its status");
  pair.b.RefuseStreams(CHR_OK);
  pair.Open();  // the next one is not affected
}

TEST(Streams, CannotBeOpenedToWhoIsNotThere) {
  Pair pair;
  chr_status status = CHR_OK;
  EXPECT_EQ(pair.a.OpenStream(7, "h", &status), nullptr);
  EXPECT_EQ(status, CHR_E_NOT_FOUND) << "stream_open: CHR_E_NOT_FOUND as send";
  pair.a.SetPeer(8, "127.0.0.1:1");
  EXPECT_EQ(pair.a.OpenStream(8, "h", &status), nullptr);
  EXPECT_EQ(status, CHR_E_CLOSED) << "stream_open: CHR_E_CLOSED as send";
  EXPECT_EQ(pair.a.OpenStream(2, std::string(pair.a.caps().max_header_bytes + 1, 'h'), &status), nullptr);
  EXPECT_EQ(status, CHR_E_INVALID) << "stream_open: the header is above max_header_bytes";
}

TEST(Streams, EndWhenThePeerIsLost) {
  Pair pair;
  auto [near, far] = pair.Open();
  far->Credit(1 << 20);
  near->Write("x");
  const size_t events = pair.a.EventCount(2);
  pair.to_b.Cut(true);
  pair.a.Await("on_end: the loss of the peer ends its streams", [near = near] { return near->ended; });
  pair.b.Await("on_end: the loss of the peer ends its streams", [far = far] { return far->ended; });
  EXPECT_LT(near->end_status, 0) << "on_end: bytes may be missing, so the status is an error";
  EXPECT_LT(far->end_status, 0) << "on_end: bytes may be missing, so the status is an error";
  pair.a.AwaitDown(2, events, "on_peer: the loss is reported");
  pair.a.AwaitUp(2);
  pair.Open();
}

TEST(Streams, WithoutCreditHoldUpNothing) {
  Pair pair;
  auto [stuck, unread] = pair.Open();
  auto [near, far] = pair.Open();
  far->Credit(8 << 20);
  far->keep = false;
  near->WriteAll(Payload(1, 4 << 20), 1 << 20);
  pair.b.Await("stream_credit: a stream without credit holds up no other",
               [far = far] { return far->received_bytes == 4 << 20; });
  pair.a.SendAll(2, CHR_LANE_FORWARD, "frame");
  EXPECT_EQ(pair.b.NextFrame(1, CHR_LANE_FORWARD), "frame") << "streams never delay frames";
}

TEST(Streams, InFullFlightDelayNoFrame) {
  Pair pair;
  auto [near, far] = pair.Open();
  far->keep = false;
  far->Credit(UINT64_C(1) << 40);
  std::atomic<bool> stop{false};
  std::thread bulk([&, near = near] {
    const std::string piece = Payload(1, 1 << 20);
    while (!stop) near->WriteAll(piece, piece.size());
  });
  pair.b.Await("stream_write: the stream flows", [far = far] { return far->received_bytes > (16 << 20); });
  std::vector<double> milliseconds_each;
  for (int i = 0; i < 50; ++i) {
    const auto start = std::chrono::steady_clock::now();
    pair.a.SendAll(2, CHR_LANE_CONTROL, "beat");
    pair.b.NextFrame(1, CHR_LANE_CONTROL);
    milliseconds_each.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  stop = true;
  bulk.join();
  std::sort(milliseconds_each.begin(), milliseconds_each.end());
  EXPECT_LT(milliseconds_each[25], 50) << "streams never delay a lane (median of 50, in ms, through the proxy)";
  near->Close(CHR_E_CANCELLED);
}

TEST(Streams, ManyAtOnceKeepApart) {
  Pair pair;
  constexpr size_t kStreams = 40;
  std::vector<std::pair<std::shared_ptr<StreamEnd>, std::shared_ptr<StreamEnd>>> streams;
  for (size_t i = 0; i < kStreams; ++i) {
    streams.push_back(pair.Open(std::to_string(i)));
    EXPECT_EQ(streams.back().second->header, std::to_string(i)) << "on_stream: streams are opened in order";
    streams.back().second->Credit(4 << 20);
  }
  std::vector<std::thread> writers;
  for (size_t t = 0; t < 4; ++t) {
    writers.emplace_back([&, t] {
      for (size_t i = t; i < kStreams; i += 4) {
        streams[i].first->WriteAll(Payload(i, 200'000), 10'007);
        streams[i].first->Close(CHR_OK);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (size_t i = 0; i < kStreams; ++i) {
    AwaitEnd(pair.b, *streams[i].second, CHR_OK, "on_end: each stream ends once");
    EXPECT_TRUE(streams[i].second->received == Payload(i, 200'000)) << "streams do not mix: " << i;
  }
}

}  // namespace
}  // namespace chronik_conformance
