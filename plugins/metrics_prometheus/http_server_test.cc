// SPDX-License-Identifier: Apache-2.0
// Goal: the server survives its handler, drops connections that say nothing, and parses addresses.
// Method: the server alone, with limits that a test can reach.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chronik/sdk/guard.h>
#include <chronik/sdk/testing/http_client.h>

#include "plugins/metrics_prometheus/http_server.h"

namespace chronik_metrics_prometheus {
namespace {

using testing::HasSubstr;
using Client = chronik::sdk::testing::HttpClient;
using Response = chronik::sdk::testing::HttpAnswer;

HttpResponse Hello(std::string_view path) { return {200, "text/plain", "hello " + std::string(path)}; }

TEST(HttpServer, AConnectionThatSaysNothingIsClosed) {
  HttpServer server({.idle_timeout = std::chrono::seconds(1)}, &Hello, [](const std::string&) {});
  server.Start({"127.0.0.1", 0});
  const auto start = std::chrono::steady_clock::now();
  Client silent(FormatAddress(server.bound()));
  Client half(FormatAddress(server.bound()));
  half.Send("GET /x HT");
  Client between(FormatAddress(server.bound()));
  EXPECT_EQ(between.Get("/x?y").body, "hello /x");
  EXPECT_TRUE(silent.IsClosed());
  EXPECT_TRUE(half.IsClosed());
  EXPECT_TRUE(between.IsClosed());
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(HttpServer, WhatTheHandlerThrowsIsAnAnswer) {
  HttpServer server(
      {}, [](std::string_view path) { return path == "/bad" ? throw std::runtime_error("out of luck") : Hello(path); },
      [](const std::string&) {});
  server.Start({"127.0.0.1", 0});
  Client client(FormatAddress(server.bound()));
  const Response failed = client.Get("/bad");
  EXPECT_EQ(failed.status(), 500u);
  EXPECT_THAT(failed.body, HasSubstr("out of luck"));
  EXPECT_EQ(client.Get("/good").body, "hello /good");
}

TEST(HttpServer, ALargeResponseReachesAClientThatReadsLate) {
  const std::string large(32 << 20, 'x');  // beyond what sockets buffer
  HttpServer server(
      {}, [&](std::string_view) { return HttpResponse{200, "text/plain", large}; }, [](const std::string&) {});
  server.Start({"127.0.0.1", 0});
  Client late(FormatAddress(server.bound()));
  late.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  Client other(FormatAddress(server.bound()));
  EXPECT_EQ(other.Get("/").body.size(), large.size());  // is not held up by the first
  EXPECT_EQ(late.Receive().body, large);
}

TEST(HttpServer, StopsInTheMiddleOfAResponse) {
  const std::string large(32 << 20, 'x');
  HttpServer server(
      {}, [&](std::string_view) { return HttpResponse{200, "text/plain", large}; }, [](const std::string&) {});
  server.Start({"127.0.0.1", 0});
  Client late(FormatAddress(server.bound()));
  late.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  (void)late.Receive(false);
  server.Stop();
  server.Stop();
  EXPECT_TRUE(late.Receive(false).closed);
}

}  // namespace
}  // namespace chronik_metrics_prometheus
