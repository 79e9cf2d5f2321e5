// SPDX-License-Identifier: Apache-2.0
// Goal: the endpoint bounds what it reads and how long it waits, survives its handler, and refuses web pages.
// Method: the server alone on real sockets, with handlers and limits that a test can reach.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>

#include "kernel/admin/endpoint.h"
#include "kernel/admin/test_client.h"

namespace chronik::admin {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class EndpointTest : public testing::Test {
 protected:
  EndpointTest() {
    char name[] = "/tmp/chronik-admin-XXXXXX";
    directory_ = ::mkdtemp(name);
    path_ = directory_ / "admin.sock";
  }
  ~EndpointTest() override {
    endpoint_.reset();
    thread_.Stop();
    std::filesystem::remove_all(directory_);
  }
  void Start(Handler handler, Limits limits = {}) {
    auto socket = ListenOnPath(path_.string());
    ASSERT_TRUE(socket.ok()) << socket.error();
    endpoint_ = std::make_unique<Endpoint>(thread_, limits, std::move(handler));
    endpoint_->Start(*socket);
  }
  static void Echo(const Request& request, Respond respond) {
    std::string text = request.method + " " + request.path;
    for (const auto& [key, value] : request.query) text.append(" ").append(key).append("=").append(value);
    respond({200, text + " " + request.body});
  }

  std::filesystem::path directory_;
  std::filesystem::path path_;
  server::Shard thread_{"admin-test"};
  std::unique_ptr<Endpoint> endpoint_;
};

TEST_F(EndpointTest, ARequestReachesTheHandlerDecodedAndItsAnswerTheClient) {
  Start(&Echo);
  TestClient client(path_);
  client.Send("POST /v1/a%20b?x=1%262&y HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody");
  const Reply reply = client.Receive();
  EXPECT_EQ(reply.status, 200u);
  EXPECT_EQ(reply.body, "POST /v1/a b x=1&2 y= body");
  EXPECT_THAT(reply.head, HasSubstr("application/json"));
  EXPECT_EQ(client.Get("/again").body, "GET /again ") << "the connection stays";
}

TEST_F(EndpointTest, OnlyTheOwnerMayOpenTheSocketAndItIsGoneAfterStop) {
  Start(&Echo);
  struct stat there{};
  ASSERT_EQ(::stat(path_.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 0777, 0600u);
  endpoint_->Stop();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(EndpointTest, AHandlerThatNeverAnswersHoldsNobodyUp) {
  std::promise<Respond> stuck;
  Start(
      [&](const Request& request, Respond respond) {
        if (request.path == "/stuck") return stuck.set_value(std::move(respond));
        Echo(request, std::move(respond));
      },
      {.answer_timeout = milliseconds(200)});
  TestClient waits(path_);
  waits.Send("GET /stuck HTTP/1.1\r\n\r\n");
  TestClient other(path_);
  EXPECT_EQ(other.Get("/x").status, 200u);
  const Reply reply = waits.Receive();
  EXPECT_EQ(reply.status, 504u);
  EXPECT_THAT(reply.body, HasSubstr("timed_out"));
  // What comes late answers no later question.
  Respond late = stuck.get_future().get();
  late({200, "late"});
  EXPECT_EQ(waits.Get("/next").body, "GET /next ");
}

TEST_F(EndpointTest, WhatTheHandlerThrowsIsAnAnswer) {
  Start([](const Request&, Respond) { throw std::runtime_error("out of luck"); });
  const Reply reply = TestClient(path_).Get("/");
  EXPECT_EQ(reply.status, 500u);
  EXPECT_THAT(reply.body, HasSubstr("out of luck"));
}

TEST_F(EndpointTest, WhatIsTooLargeOrNoHttpIsRefused) {
  Start(&Echo, {.header_bytes = 1024, .body_bytes = 100});
  EXPECT_EQ(TestClient(path_).Get("/" + std::string(5000, 'x')).status, 431u);
  EXPECT_EQ(TestClient(path_).Ask("POST", "/", "Content-Length: 101\r\n").status, 413u);
  EXPECT_EQ(TestClient(path_).Get("/%zz").status, 400u);
  EXPECT_EQ(TestClient(path_).Get("/a%2Fb").status, 400u);
  EXPECT_EQ(TestClient(path_).Get("nothing").status, 400u);
  TestClient garbage(path_);
  garbage.Send(std::string("\x16\x03\x01 hello\r\n\r\n", 14));
  EXPECT_EQ(garbage.Receive().status, 400u);
}

TEST_F(EndpointTest, SilentConnectionsAreClosedAndHoardedOnesMakeRoom) {
  Start(&Echo, {.connections = 2, .idle_timeout = milliseconds(700)});
  TestClient first(path_);
  EXPECT_EQ(first.Get("/").status, 200u);
  TestClient second(path_);
  EXPECT_EQ(second.Get("/").status, 200u);
  TestClient third(path_);
  EXPECT_EQ(third.Get("/").status, 200u);
  EXPECT_TRUE(first.IsClosed());
  TestClient half(path_);
  half.Send("GET / HT");
  EXPECT_TRUE(half.IsClosed()) << "after idle_timeout";
}

TEST_F(EndpointTest, AConnectionThatWaitsForItsAnswerEndsWithTheEndpoint) {
  std::promise<Respond> held;
  Start([&](const Request&, Respond respond) { held.set_value(std::move(respond)); });
  TestClient client(path_);
  client.Send("GET / HTTP/1.1\r\n\r\n");
  Respond late = held.get_future().get();
  endpoint_->Stop();
  endpoint_.reset();
  EXPECT_TRUE(client.IsClosed());
  late({200, "to nobody"});
}

TEST_F(EndpointTest, WebPagesAreRefusedOnLoopback) {
  const auto socket = ListenOnLoopback({"127.0.0.1", 0});
  ASSERT_TRUE(socket.ok()) << socket.error();
  endpoint_ = std::make_unique<Endpoint>(thread_, Limits{}, &Echo);
  endpoint_->Start(*socket);
  EXPECT_EQ(TestClient(socket->address).Ask("GET", "/", "Host: 127.0.0.1:80\r\n").status, 200u);
  EXPECT_EQ(TestClient(socket->address).Ask("GET", "/", "Host: [::1]:80\r\n").status, 200u);
  EXPECT_EQ(TestClient(socket->address).Ask("GET", "/", "Host: localhost\r\n").status, 200u);
  EXPECT_EQ(TestClient(socket->address).Ask("GET", "/", "Host: rebound.example.org\r\n").status, 403u);
  EXPECT_EQ(TestClient(socket->address).Ask("GET", "/", "").status, 403u);
  EXPECT_EQ(TestClient(socket->address).Ask("POST", "/", "Host: localhost\r\nOrigin: http://example.org\r\n").status,
            403u);
}

}  // namespace
}  // namespace chronik::admin
