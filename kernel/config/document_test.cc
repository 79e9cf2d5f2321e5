// SPDX-License-Identifier: Apache-2.0
// Goal: TOML and JSON give the same tree with the right lines, and hostile texts give an error. Method: one document in
// both forms; then texts that are broken, nested too deep, or hold what no option has.
#include <gtest/gtest.h>

#include "kernel/config/document.h"

namespace chronik::config {
namespace {

const Node* Child(const Node& node, std::string_view name) {
  for (const Node& child : node.children) {
    if (child.name == name) return &child;
  }
  return nullptr;
}

void ExpectBrokerAndPeers(const Result<Node>& root, int shards_line, int second_peer_line) {
  ASSERT_TRUE(root.ok()) << root.error();
  const Node* broker = Child(*root, "broker");
  ASSERT_NE(broker, nullptr);
  const Node* shards = Child(*broker, "shards");
  ASSERT_NE(shards, nullptr);
  EXPECT_EQ(std::get<int64_t>(shards->value), 4);
  EXPECT_EQ(shards->line, shards_line);
  const Node* cluster = Child(*root, "cluster");
  ASSERT_NE(cluster, nullptr);
  const Node* nodes = Child(*Child(*cluster, "peers"), "nodes");
  ASSERT_NE(nodes, nullptr);
  ASSERT_EQ(nodes->children.size(), 2u);
  EXPECT_EQ(nodes->children[1].line, second_peer_line);
  EXPECT_EQ(std::get<std::string>(Child(nodes->children[1], "addr")->value), "b:9092");
}

TEST(Documents, TomlAndJsonGiveTheSameTreeWithLines) {
  ExpectBrokerAndPeers(
      ParseToml("[broker]\n\n  shards = 4\n[cluster.peers]\nnodes = [\n  { id = 1, addr = \"a:9092\" },\n"
                "  { id = 2, addr = \"b:9092\" },\n]\n"),
      3, 7);
  ExpectBrokerAndPeers(
      ParseJson("{\n \"broker\": {\n  \"shards\": 4 },\n \"cluster\": { \"peers\": { \"nodes\": [\n"
                "  { \"id\": 1, \"addr\": \"a:9092\" },\n  { \"id\": 2, \"addr\": \"b:9092\" } ] } }\n}"),
      3, 6);
}

std::string ErrorOf(const Result<Node>& root) { return root.ok() ? "no error" : root.error().message; }

TEST(Documents, SyntaxErrorsNameTheLine) {
  EXPECT_TRUE(ErrorOf(ParseToml("[broker]\nshards = \n")).starts_with("2: "))
      << ErrorOf(ParseToml("[broker]\nshards = \n"));
  EXPECT_TRUE(ErrorOf(ParseToml("[a]\nx=1\nx=2\n")).starts_with("3: ")) << "a key twice";
  EXPECT_TRUE(ErrorOf(ParseToml("[a]\n\n[.b]\n")).starts_with("3: ")) << ErrorOf(ParseToml("[a]\n\n[.b]\n"));
  EXPECT_TRUE(ErrorOf(ParseJson("{\n\"broker\": {\n\"shards\": }\n}")).starts_with("3: "))
      << ErrorOf(ParseJson("{\n\"broker\": {\n\"shards\": }\n}"));
  EXPECT_NE(ErrorOf(ParseJson("{\"a\":1,\n\"a\":2}")).find("uplicate"), std::string::npos);
  EXPECT_EQ(ErrorOf(ParseJson("[1]")), "1: the file must hold one JSON object");
  EXPECT_NE(ErrorOf(ParseJson("{} x")), "no error");
  EXPECT_NE(ErrorOf(ParseJson("")), "no error");
  EXPECT_EQ(ErrorOf(ParseToml("")), "no error") << "an empty TOML file is an empty table";
}

TEST(Documents, NestingIsBounded) {
  const std::string deep(100'000, '[');
  EXPECT_NE(ErrorOf(ParseJson("{\"a\":" + deep)), "no error");
  EXPECT_NE(ErrorOf(ParseToml("a = " + deep)), "no error");
}

TEST(Documents, WhatNoOptionHasKeepsAName) {
  const Result<Node> toml = ParseToml("when = 1979-05-27\nbig = 1.5\n");
  ASSERT_TRUE(toml.ok()) << toml.error();
  EXPECT_EQ(Child(*toml, "when")->TypeName(), "a date or a time");
  EXPECT_EQ(Child(*toml, "big")->TypeName(), "a fraction");
  const Result<Node> json = ParseJson("{\"a\": null, \"b\": 18446744073709551615, \"c\": [true]}");
  ASSERT_TRUE(json.ok()) << json.error();
  EXPECT_EQ(Child(*json, "a")->TypeName(), "null");
  EXPECT_EQ(Child(*json, "b")->TypeName(), "an integer of more than 64 bits");
  EXPECT_EQ(Child(*json, "c")->children.front().TypeName(), "a boolean");
}

// toml++ took it for a promise that this never happens.
TEST(Document, ALetterThatIsNoAsciiInABareKeyIsAnErrorWithItsLine) {
  for (const char* letter : {"\u00e4", "\u048f", "\u0430", "\u4e2d"}) {
    const auto parsed = ParseToml("[broker]\n[" + std::string(letter) + "]\n");
    ASSERT_FALSE(parsed.ok()) << letter;
    EXPECT_EQ(parsed.error().message.rfind("2: ", 0), 0u) << parsed.error();
  }
}

}  // namespace
}  // namespace chronik::config
