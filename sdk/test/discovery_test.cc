// SPDX-License-Identifier: Apache-2.0
// Goal: the option "nodes" is read as the header says, sets come in their order, and the generated table reaches the
// class. Method: lists good and bad; a discovery that reports what it is told.
#include <chronik/sdk/discovery.h>
#include <chronik/sdk/testing/fake_host.h>
#include <gtest/gtest.h>

namespace chronik::sdk {
namespace {

TEST(Nodes, AreReadAndSorted) {
  const std::vector<Endpoint> nodes = ParseNodes("10@c.example:3,2@[::1]:2,1@127.0.0.1:65535");
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[0].node_id, 1u);
  EXPECT_EQ(nodes[0].address, "127.0.0.1:65535");
  EXPECT_EQ(nodes[1].address, "[::1]:2");
  EXPECT_EQ(nodes[2].node_id, 10u);
  EXPECT_TRUE(ParseNodes("").empty());
}

TEST(Nodes, AreRefusedWithTheWrongPartNamed) {
  for (const char* bad : {"1",
                          "a:1",
                          "0@a:1",
                          "-1@a:1",
                          "x@a:1",
                          "1@:1",
                          "1@a:",
                          "1@a:0",
                          "1@a:65536",
                          "1@a:1x",
                          "1@::1:5",
                          "1@[]:5",
                          "1@[::1:5",
                          "1@a b:5",
                          "1@a:1,",
                          ",1@a:1",
                          "1@a:1,,2@b:1",
                          "1@a:1, 2@b:1",
                          "99999999999999999999@a:1",
                          "1@a:1,1@b:1",
                          "1@a:1,1@a:1",
                          ":@"}) {
    chr_error err{};
    err.struct_size = sizeof(err);
    EXPECT_EQ(Guard(&err, [&] { ParseNodes(bad); }), CHR_E_CONFIG) << bad;
    EXPECT_NE(std::string_view(err.message).find("nodes: "), std::string_view::npos) << err.message;
  }
}

TEST(Nodes, AreReportedInOrderOnce) {
  const std::vector<Endpoint> ordered = InOrder({{.node_id = 2, .address = "b:1"},
                                                 {.node_id = 0, .address = "z:1"},
                                                 {.node_id = 1, .address = "a:2", .priority = 7},
                                                 {.node_id = 1, .address = "a:2", .priority = 5},
                                                 {.node_id = 1, .address = "a:1"}});
  ASSERT_EQ(ordered.size(), 4u);
  EXPECT_EQ(ordered[0].address, "z:1");
  EXPECT_EQ(ordered[1].address, "a:1");
  EXPECT_EQ(ordered[2].priority, 5u);
  EXPECT_EQ(ordered[3].address, "b:1");
}

class Telling {
 public:
  explicit Telling(Host&) {}
  void Start(DiscoverySink sink) { sink_ = sink; }
  void Stop(uint64_t) {}
  chr_status Refresh() {
    sink_.Endpoints(std::vector<Endpoint>{{.node_id = 3, .address = "a:1", .attributes = "zone=x", .ttl_s = 9}},
                    CHR_DISCOVERY_CACHED, "because");
    throw Error(CHR_E_TIMEOUT, "and then that");
  }

 private:
  DiscoverySink sink_;
};
constexpr PluginInfo kInfo{.id = "test.discovery", .version = "1"};
constexpr chr_plugin kPlugin = DescribeDiscovery<Telling>(kInfo);

TEST(DiscoveryWrapper, PassesOnEveryField) {
  testing::FakeHost host;
  void* self = nullptr;
  ASSERT_EQ(kPlugin.create(host.raw(), CHR_DISCOVERY_1, &self, nullptr), CHR_OK);
  std::string seen;
  chr_discovery_sink sink{};
  sink.struct_size = sizeof(sink);
  sink.ctx = &seen;
  sink.on_endpoints = [](void* ctx, const chr_endpoint* e, size_t count, uint32_t origin, chr_str message) noexcept {
    std::string& text = *static_cast<std::string*>(ctx);
    text = std::to_string(count) + " " + std::to_string(e->node_id) + " " + std::string(ToView(e->address)) + " " +
           std::string(ToView(e->attributes)) + " " + std::to_string(e->ttl_s) + " " + std::to_string(origin) + " " +
           std::string(ToView(message));
  };
  ASSERT_EQ(kPlugin.start(self, &sink, chr_done{}, nullptr), CHR_OK);
  const auto* table = static_cast<const chr_discovery*>(kPlugin.ifaces[0].table);
  EXPECT_EQ(table->refresh(self), CHR_E_TIMEOUT) << "what is thrown arrives as a status";
  EXPECT_EQ(seen, "1 3 a:1 zone=x 9 1 because");
  EXPECT_EQ(table->announce, nullptr) << "the class announces nothing";
  kPlugin.destroy(self);
}

}  // namespace
}  // namespace chronik::sdk
