// SPDX-License-Identifier: Apache-2.0
// A C++ class as a chr_discovery: the concept it must fulfil, and the table behind the exception firewall; and the list
// of nodes that every discovery has as an option. The contract of every call stands in chronik/discovery.h.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <chronik/discovery.h>
#include <chronik/sdk/plugin.h>

CHRONIK_SDK_BEGIN

// A chr_endpoint that owns its texts.
struct Endpoint {
  uint64_t node_id = 0;
  std::string address = {};
  std::string attributes = {};
  uint32_t priority = 0;
  uint32_t weight = 0;
  uint32_t ttl_s = 0;
};

// Is it the same but for the time it has left?
inline bool SameButTtl(const Endpoint& a, const Endpoint& b) {
  return a.node_id == b.node_id && a.address == b.address && a.attributes == b.attributes && a.priority == b.priority &&
         a.weight == b.weight;
}
inline bool SameButTtl(std::span<const Endpoint> a, std::span<const Endpoint> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Endpoint& x, const Endpoint& y) { return SameButTtl(x, y); });
}

// In the order in which a set is reported; of those with the same id and address, the most preferred stays.
inline std::vector<Endpoint> InOrder(std::vector<Endpoint> endpoints) {
  std::sort(endpoints.begin(), endpoints.end(), [](const Endpoint& a, const Endpoint& b) {
    return std::tie(a.node_id, a.address, a.priority, b.weight) < std::tie(b.node_id, b.address, b.priority, a.weight);
  });
  const auto same = [](const Endpoint& a, const Endpoint& b) {
    return a.node_id == b.node_id && a.address == b.address;
  };
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end(), same), endpoints.end());
  return endpoints;
}

// One part of the option "nodes": "1@host:port". Throws Error(CHR_E_CONFIG).
inline Endpoint ParseNode(std::string_view node) {
  const auto refuse = [&](const char* why) {
    return Error(CHR_E_CONFIG, "nodes: '" + std::string(node.substr(0, 64)) + "' " + why + "; write 1@host:port");
  };
  // 0: not a number from 1 to `max`.
  const auto number = [](std::string_view text, uint64_t max) {
    uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc() && end == text.data() + text.size() && value <= max ? value : 0;
  };
  const size_t at = node.find('@');
  const size_t colon = node.rfind(':');
  if (at == node.npos || colon == node.npos || colon < at) throw refuse("is not an id and an address");
  const std::string_view host = node.substr(at + 1, colon - at - 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const std::string_view name = bracketed ? host.substr(1, host.size() - 2) : host;
  if (name.empty() || name.find_first_of(bracketed ? "@[] \t/" : "@[]: \t/") != name.npos) {
    throw refuse("has no host, or a malformed one");
  }
  if (number(node.substr(colon + 1), 65535) == 0) throw refuse("has no port from 1 to 65535");
  Endpoint endpoint;
  endpoint.node_id = number(node.substr(0, at), UINT64_MAX);
  if (endpoint.node_id == 0) throw refuse("has no id from 1 on");
  endpoint.address = node.substr(at + 1);
  return endpoint;
}

// The whole option, in the order of a report; empty if the text is. Throws Error(CHR_E_CONFIG).
inline std::vector<Endpoint> ParseNodes(std::string_view text) {
  std::vector<Endpoint> nodes;
  for (size_t begin = 0; !text.empty() && begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    nodes.push_back(ParseNode(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  std::sort(nodes.begin(), nodes.end(), [](const Endpoint& a, const Endpoint& b) { return a.node_id < b.node_id; });
  for (size_t i = 1; i < nodes.size(); ++i) {
    if (nodes[i].node_id == nodes[i - 1].node_id) {
      throw Error(CHR_E_CONFIG, "nodes: the id " + std::to_string(nodes[i].node_id) + " is there twice");
    }
  }
  return nodes;
}

// The host's side. [any], never blocks. Never call it from inside a call of the host, nor with a lock held.
class DiscoverySink {
 public:
  DiscoverySink() = default;
  explicit DiscoverySink(const chr_discovery_sink& sink) : sink_(sink) {}

  void Endpoints(std::span<const Endpoint> endpoints, uint32_t origin, std::string_view why = {}) const {
    std::vector<chr_endpoint> raw;
    raw.reserve(endpoints.size());
    for (const Endpoint& e : endpoints) {
      raw.push_back({e.node_id, ToStr(e.address), ToStr(e.attributes), e.priority, e.weight, e.ttl_s, 0});
    }
    sink_.on_endpoints(sink_.ctx, raw.data(), raw.size(), origin, ToStr(why));
  }
  void Failure(chr_status status, std::string_view why) const noexcept {
    sink_.on_failure(sink_.ctx, status, ToStr(why));
  }

 private:
  chr_discovery_sink sink_{};
};

// Any member may throw; Error carries the status.
template <class D>
concept DiscoveryClass = PluginClass<D, DiscoverySink> && requires(D& discovery) {
  { discovery.Refresh() } -> std::same_as<chr_status>;
};
// A discovery that also tells its source where this node is.
template <class D>
concept AnnouncingClass = requires(D& discovery, const chr_endpoint& me, Done& done) {
  { discovery.Announce(me, done) } -> std::same_as<chr_status>;
};

template <class D>
class DiscoveryInterface {
 public:
  using Sink = DiscoverySink;
  using RawSink = chr_discovery_sink;
  static constexpr const char* kId = CHR_DISCOVERY_1;

  static chr_status Refresh(void* self) noexcept {
    return Guard(nullptr, [&]() -> chr_status { return Self(self).Refresh(); });
  }
  static chr_status Announce(void* self, const chr_endpoint* me, chr_done raw) noexcept
    requires AnnouncingClass<D>
  {
    return GuardDone(raw, nullptr, [&](Done& done) -> chr_status { return Self(self).Announce(*me, done); });
  }

  static constexpr chr_discovery MakeTable() {
    chr_discovery table{};
    table.struct_size = sizeof(table);
    table.refresh = &Refresh;
    if constexpr (AnnouncingClass<D>) {
      table.announce = &Announce;
    }
    return table;
  }
  static constexpr chr_discovery kTable = MakeTable();

 private:
  static D& Self(void* self) noexcept { return PluginAdapter<D, DiscoveryInterface>::Self(self); }
};

template <class D>
constexpr chr_plugin DescribeDiscovery(const PluginInfo& info) {
  static_assert(DiscoveryClass<D>, "a member of DiscoveryClass is missing or has another signature");
  return PluginAdapter<D, DiscoveryInterface<D>>::Describe(info);
}

CHRONIK_SDK_END

// Makes the translation unit's library a discovery plugin. `info` is a constexpr PluginInfo.
#define CHRONIK_DISCOVERY_PLUGIN(Class, info) CHRONIK_PLUGIN_MAIN(::chronik::sdk::DescribeDiscovery<Class>(info))
