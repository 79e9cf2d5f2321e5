// SPDX-License-Identifier: Apache-2.0
// Goal: a connection answers in the order of its requests, takes no more than it may, and ends when its peer
// misbehaves; whatever one peer does, the others are served. Method: raw sockets against a real server; requests are
// held by the test, so that it decides what finishes first.
#include <gmock/gmock.h>
#include <malloc.h>
#include <poll.h>

#include <thread>

#include "kernel/server/test_server.h"

namespace chronik::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;
using testing::SizeIs;

using ConnectionTest = ServerTest;

TEST_F(ConnectionTest, ResponsesLeaveInTheOrderOfTheRequestsWhateverFinishesFirst) {
  Start();
  const Client client(port_);
  std::string all;
  for (int i = 0; i < 5; ++i) all += Framed("request-" + std::to_string(i));
  ASSERT_TRUE(client.Send(all));
  ASSERT_TRUE(requests_.Came(5));
  for (const size_t i : {4u, 2u, 1u, 0u, 3u}) Answer(i, "answer to " + requests_.payload(i));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.Read(), "answer to request-" + std::to_string(i));
}

TEST_F(ConnectionTest, ARequestWithoutAnAnswerTakesItsTurnAsWell) {
  Start();
  const Client client(port_);
  ASSERT_TRUE(client.Send(Framed("request-0") + Framed("request-1") + Framed("request-2")));
  ASSERT_TRUE(requests_.Came(3));
  Answer(2, "two");
  OnShard(1, [&] { requests_.Take(1).NoReply(); });
  Answer(0, "zero");
  EXPECT_EQ(client.Read(), "zero");
  EXPECT_EQ(client.Read(), "two");
}

TEST_F(ConnectionTest, ARequestMayArriveInAnyPieces) {
  Start();
  requests_.echo = [](const std::string& text) { return text; };
  const Client client(port_);
  const std::string big(300000, 'x');
  const std::string bytes = Framed("12345678") + Framed(big) + Framed("87654321");
  for (size_t at = 0, step = 1; at < bytes.size(); at += step, step = step * 2 + 1) {
    ASSERT_TRUE(client.Send(bytes.substr(at, step)));
  }
  EXPECT_EQ(client.Read(), "12345678");
  EXPECT_EQ(client.Read(), big);
  EXPECT_EQ(client.Read(), "87654321");
}

// A log keeps record batches in memory for long. (A sanitizer has an allocator of its own: then this sees nothing.)
TEST_F(ConnectionTest, ASmallRequestThatIsKeptCostsItsOwnBytesAndNotAWholeBlock) {
  constexpr size_t kRequests = 1000;
  Limits limits;
  limits.requests_in_flight_max = kRequests;
  Start(limits);
  const Client client(port_);
  const std::string text(200, 'x');
  const size_t before = ::mallinfo2().uordblks;
  for (size_t i = 1; i <= kRequests; ++i) {
    ASSERT_TRUE(client.Ask(text));
    ASSERT_TRUE(requests_.Came(i));  // so that each is read by itself
  }
  EXPECT_LT(::mallinfo2().uordblks - before, kRequests * 2048);
  for (size_t i = 0; i < kRequests; ++i) Answer(i, "-");
}

TEST_F(ConnectionTest, NoMoreRequestsAreInFlightThanTheLimit) {
  Limits limits;
  limits.requests_in_flight_max = 2;
  Start(limits);
  const Client client(port_);
  std::string all;
  for (int i = 0; i < 6; ++i) all += Framed("request-" + std::to_string(i));
  ASSERT_TRUE(client.Send(all));
  for (size_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(requests_.Came(std::min<size_t>(i + 2, 6)));
    Answer(i, requests_.payload(i));
    EXPECT_EQ(client.Read(), "request-" + std::to_string(i));
  }
  EXPECT_EQ(requests_.in_flight_max, 2u);
}

TEST_F(ConnectionTest, TheBytesInFlightAreLimitedToo) {
  Limits limits;
  limits.connection_bytes_max = 1000;
  Start(limits);
  const Client client(port_);
  std::string all;
  for (int i = 0; i < 6; ++i) all += Framed(std::string(600, static_cast<char>('a' + i)));
  ASSERT_TRUE(client.Send(all));
  for (size_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(requests_.Came(std::min<size_t>(i + 2, 6)));
    Answer(i, "done");
    EXPECT_EQ(client.Read(), "done");
  }
  EXPECT_EQ(requests_.in_flight_max, 2u);
}

TEST_F(ConnectionTest, ASlowReaderIsHeldBackAndOthersAreServed) {
  constexpr int kRequests = 2000;
  constexpr size_t kResponse = 64 << 10;
  Limits limits;
  limits.connection_bytes_max = 1 << 20;
  Start(limits);
  double memory_max = 0;
  requests_.on_dispatch = [&](size_t) { memory_max = std::max(memory_max, *Metric("chronik_request_memory_bytes")); };
  requests_.echo = [](const std::string& text) { return text + std::string(kResponse, 'r'); };
  const Client slow(port_, 4096);
  std::string all;
  for (int i = 0; i < kRequests; ++i) all += Framed("request-" + std::to_string(10000 + i));
  ASSERT_TRUE(slow.Send(all));
  const Client other(port_);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(other.Ask("other one"));
    ASSERT_THAT(other.Read(), testing::StartsWith("other one"));
  }
  EXPECT_LT(requests_.count(), size_t{kRequests});
  for (int i = 0; i < kRequests; ++i) {
    const std::string answer = slow.Read();
    ASSERT_THAT(answer, SizeIs(kResponse + 13)) << i;
    ASSERT_EQ(answer.substr(0, 13), "request-" + std::to_string(10000 + i));
  }
  // The limit, one response that broke it on each connection, and their requests.
  EXPECT_LE(memory_max, static_cast<double>(limits.connection_bytes_max + 3 * kResponse));
}

// A Fetch of a few bytes may be answered with 50 MiB: 64 of them at a time would be 3 GiB.
TEST_F(ConnectionTest, OneRequestWithALargeAnswerIsInFlightAtATime) {
  Start();
  const Client client(port_);
  ASSERT_TRUE(client.Send(Framed("small-one") + Framed("large-one") + Framed("small-two") + Framed("large-two") +
                          Framed("small-three") + Framed("large-three")));
  ASSERT_TRUE(requests_.Came(3));
  Answer(0, "0");
  EXPECT_EQ(client.Read(), "0");
  Answer(2, "2");
  EXPECT_EQ(requests_.count(), 3u);
  Answer(1, "1");
  EXPECT_EQ(client.Read(), "1");
  EXPECT_EQ(client.Read(), "2");
  ASSERT_TRUE(requests_.Came(5));
  Answer(4, "4");
  EXPECT_EQ(requests_.count(), 5u);
  Answer(3, "3");
  EXPECT_EQ(client.Read(), "3");
  EXPECT_EQ(client.Read(), "4");
  ASSERT_TRUE(requests_.Came(6));
  Answer(5, "5");
  EXPECT_EQ(client.Read(), "5");
}

TEST_F(ConnectionTest, AReaderThatTakesNothingIsClosedAfterTheIdleTime) {
  const CapturedLog log;
  Limits limits;
  limits.idle_timeout = std::chrono::milliseconds(100);
  limits.partial_timeout = std::chrono::milliseconds(30);
  Start(limits);
  requests_.echo = [](const std::string&) { return std::string(16 << 20, 'r'); };
  const Client client(port_, 4096);
  ASSERT_TRUE(client.Ask("a request"));
  ASSERT_TRUE(requests_.Came(1));
  EXPECT_TRUE(Becomes("chronik_connections", 0));
  EXPECT_THAT(CapturedLog::lines(), ElementsAre(HasSubstr("does not read its responses")));
  EXPECT_TRUE(Becomes("chronik_request_memory_bytes", 0));
}

// All connections together: the others go on when memory is free again, not before; one at a time always may.
TEST_F(ConnectionTest, TheMemoryOfAllConnectionsIsLimited) {
  Limits limits;
  limits.total_bytes_max = 1000;
  Start(limits);
  const Client greedy(port_);
  ASSERT_TRUE(greedy.Ask(std::string(2000, 'g')));
  ASSERT_TRUE(requests_.Came(1));
  const Client waiting(port_);
  ASSERT_TRUE(waiting.Ask("nothing in flight: may go on"));
  ASSERT_TRUE(requests_.Came(2));
  bool answered = false;  // the shard's
  bool early = false;
  OnShard(0, [&] {
    requests_.on_dispatch = [&](size_t i) {
      if (i == 2) early = !answered;
    };
  });
  ASSERT_TRUE(waiting.Ask("has one in flight: must wait"));
  std::promise<void> later;  // room to break the rule in
  shards_[0]->Post([&] { shards_[0]->Schedule(std::chrono::milliseconds(50), [&] { later.set_value(); }); });
  later.get_future().wait();
  OnShard(0, [&] {
    answered = true;
    ByteChain chain;
    chain.Append(Bytes::Copy(Framed("free")));
    requests_.Take(0).Reply(std::move(chain));
  });
  EXPECT_EQ(greedy.Read(), "free");
  ASSERT_TRUE(requests_.Came(3));
  EXPECT_FALSE(early);
}

// Half-arrived requests are memory as well. Beyond the total one of them at a time is read to its end.
TEST_F(ConnectionTest, HalfRequestsCountAndOneAtATimeMayGoBeyondTheTotal) {
  constexpr size_t kRequest = 4 << 20;
  constexpr int kClients = 8;
  Limits limits;
  limits.total_bytes_max = 1 << 20;
  Start(limits);
  requests_.echo = [](const std::string&) { return "thanks"; };
  double memory_max = 0;
  requests_.on_dispatch = [&](size_t) { memory_max = std::max(memory_max, *Metric("chronik_request_memory_bytes")); };
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> senders;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(port_));
    senders.emplace_back([&client = *clients.back()] { client.Ask(std::string(kRequest, 'h')); });
  }
  for (const auto& client : clients) EXPECT_EQ(client->Read(), "thanks");
  for (std::thread& sender : senders) sender.join();
  // The total, one whole request, and what each had before the total was reached: twice what arrived, at most.
  EXPECT_GE(memory_max, static_cast<double>(kRequest));
  EXPECT_LE(memory_max, static_cast<double>(2 * limits.total_bytes_max + 2 * kRequest));
}

TEST_F(ConnectionTest, ImpossibleLengthsEndTheConnectionWithOneLineASecond) {
  const CapturedLog log;
  Limits limits;
  limits.request_bytes_max = 1000;
  Start(limits);
  const auto begin = std::chrono::steady_clock::now();
  constexpr int kEach = 20;
  for (int i = 0; i < kEach; ++i) {
    for (const int32_t length : {0, 7, -1, 1001, INT32_MAX, INT32_MIN}) {
      std::string bytes(20, '\0');
      StoreBig(reinterpret_cast<uint8_t*>(bytes.data()), length);
      const Client client(port_);
      client.Send(bytes);
      EXPECT_TRUE(client.Closed()) << length;
    }
  }
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - begin).count();
  const auto lines = CapturedLog::lines();
  EXPECT_THAT(lines, SizeIs(AllOf(Ge(1u), Le(static_cast<size_t>(seconds) + 1))));
  EXPECT_THAT(lines[0], AllOf(HasSubstr("connection from 127.0.0.1:"), HasSubstr("a request of 0 bytes"),
                              HasSubstr("broker.socket_request_max_bytes")));
  EXPECT_EQ(Metric("chronik_connections_refused_total"), 6 * kEach);
  EXPECT_EQ(requests_.count(), 0u);
  EXPECT_TRUE(Becomes("chronik_request_memory_bytes", 0));
}

TEST_F(ConnectionTest, ARequestOfTheLargestSizeIsTaken) {
  Limits limits;
  limits.request_bytes_max = 1000;
  Start(limits);
  const Client client(port_);
  ASSERT_TRUE(client.Ask(std::string(1000, 'm')));
  ASSERT_TRUE(requests_.Came(1));
  EXPECT_EQ(requests_.payload(0), std::string(1000, 'm'));
}

class ForeignProtocolTest : public ConnectionTest,
                            public testing::WithParamInterface<std::pair<std::string, std::string>> {};

TEST_P(ForeignProtocolTest, IsRecognised) {
  const CapturedLog log;
  Start();
  const Client client(port_);
  client.Send(GetParam().first);
  EXPECT_TRUE(client.Closed());
  EXPECT_THAT(CapturedLog::lines(), ElementsAre(HasSubstr(GetParam().second)));
}

INSTANTIATE_TEST_SUITE_P(Each, ForeignProtocolTest,
                         testing::Values(std::pair("GET / HTTP/1.1\r\n\r\n", "looks like HTTP"),
                                         std::pair("POST /x HTTP/1.1\r\n\r\n", "looks like HTTP"),
                                         std::pair(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
                                                   "looks like TLS"),
                                         std::pair("SSH-2.0-OpenSSH_9.2\r\n", "not the Kafka protocol")));

TEST_F(ConnectionTest, HalfARequestEndsTheConnectionAfterAWhile) {
  const CapturedLog log;
  Limits limits;
  limits.partial_timeout = std::chrono::milliseconds(30);
  Start(limits);
  for (const std::string& half : {std::string("\0\0", 2), Framed("a whole request").substr(0, 10)}) {
    const Client client(port_);
    ASSERT_TRUE(client.Send(half));
    EXPECT_TRUE(client.Closed());
  }
  EXPECT_THAT(CapturedLog::lines()[0], HasSubstr("half a request"));
  EXPECT_EQ(Metric("chronik_connections_refused_total"), 2);
}

// A byte now and then keeps a request from being quiet, not from being slow.
TEST_F(ConnectionTest, ASenderThatDripsIsClosedAsWell) {
  const CapturedLog log;
  Limits limits;
  limits.partial_timeout = std::chrono::milliseconds(100);
  Start(limits);
  const Client client(port_);
  ASSERT_TRUE(client.Send(Framed(std::string(10000, 'd')).substr(0, 100)));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  bool closed = false;
  while (!closed && std::chrono::steady_clock::now() < until) {
    closed = !client.Send("d") || client.ClosedWithin(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(closed);
  EXPECT_THAT(CapturedLog::lines(), ElementsAre(HasSubstr("half a request")));
}

TEST_F(ConnectionTest, ALargeRequestThatKeepsComingIsNotSlow) {
  Limits limits;
  limits.partial_timeout = std::chrono::milliseconds(100);
  Start(limits);
  requests_.echo = [](const std::string& text) { return std::to_string(text.size()); };
  const Client client(port_);
  const std::string bytes = Framed(std::string(400000, 'l'));
  for (size_t at = 0; at < bytes.size(); at += 10000) {
    ASSERT_TRUE(client.Send(bytes.substr(at, 10000)));
    ASSERT_FALSE(client.ClosedWithin(std::chrono::milliseconds(at < bytes.size() - 10000 ? 10 : 1)));
  }
  EXPECT_EQ(Metric("chronik_connections_refused_total"), 0);
}

TEST_F(ConnectionTest, AnIdleConnectionIsClosedWithoutAWord) {
  const CapturedLog log;
  Limits limits;
  limits.idle_timeout = std::chrono::milliseconds(30);
  limits.partial_timeout = std::chrono::milliseconds(30);
  Start(limits);
  EXPECT_TRUE(Client(port_).Closed());
  EXPECT_THAT(CapturedLog::lines(), ElementsAre());
  EXPECT_EQ(Metric("chronik_connections_refused_total"), 0);
}

// A waiting Fetch is not idleness.
TEST_F(ConnectionTest, ARequestInFlightKeepsTheConnection) {
  Limits limits;
  limits.idle_timeout = std::chrono::milliseconds(10);
  limits.partial_timeout = std::chrono::milliseconds(10);
  Start(limits);
  const Client client(port_);
  ASSERT_TRUE(client.Ask("waits long"));
  ASSERT_TRUE(requests_.Came(1));
  EXPECT_FALSE(client.ClosedWithin(std::chrono::milliseconds(100)));
  Answer(0, "at last");
}

TEST_F(ConnectionTest, WhatCannotBeAnsweredEndsTheConnectionAndTheLogSaysWhy) {
  const CapturedLog log;
  Start();
  const Client client(port_);
  ASSERT_TRUE(client.Ask("impossible"));
  ASSERT_TRUE(requests_.Came(1));
  OnShard(0, [&] { requests_.Take(0).Close("version 99 of Produce"); });
  EXPECT_TRUE(client.Closed());
  EXPECT_THAT(CapturedLog::lines(), ElementsAre(HasSubstr("version 99 of Produce")));
}

TEST_F(ConnectionTest, ADroppedRequestEndsTheConnection) {
  const CapturedLog log;
  Start();
  const Client client(port_);
  ASSERT_TRUE(client.Ask("forgotten"));
  ASSERT_TRUE(requests_.Came(1));
  OnShard(0, [&] { const Responder dropped = requests_.Take(0); });
  EXPECT_TRUE(client.Closed());
  EXPECT_THAT(CapturedLog::lines(), ElementsAre(HasSubstr("a request was dropped")));
}

// Many requests in one block, each answered from inside Dispatch: no recursion by request.
TEST_F(ConnectionTest, RequestsThatAreOverAtOnceDoNotPileUpOnTheStack) {
  Start();
  requests_.echo = [](const std::string&) { return ""; };
  const Client client(port_);
  std::string all;
  for (int i = 0; i < 100000; ++i) all += Framed("12345678");
  std::thread sender([&] { EXPECT_TRUE(client.Send(all)); });
  for (int i = 0; i < 100000; ++i) ASSERT_EQ(client.Read(), "");
  sender.join();
}

}  // namespace
}  // namespace chronik::server
