// SPDX-License-Identifier: Apache-2.0
#include "kernel/cluster/discovery.h"

#include <utility>

#include "kernel/base/log.h"

namespace chronik::cluster {
namespace {

using Origin = Discovered::Origin;

std::string Text(chr_str text) { return text.size == 0 ? std::string() : std::string(text.data, text.size); }

Origin OriginOf(uint32_t origin) {
  if (origin == CHR_DISCOVERY_FRESH) return Origin::kFresh;
  return origin == CHR_DISCOVERY_CACHED ? Origin::kCached : Origin::kFallback;
}

// Of several addresses of a node the one of the lowest priority; among equals the first in the order of the report, so
// that every node chooses alike.
Discovered Read(const chr_endpoint* endpoints, size_t count, uint32_t origin, chr_str why) {
  Discovered out;
  out.origin = OriginOf(origin);
  out.why = Text(why);
  std::map<NodeId, uint32_t> priorities;
  for (size_t i = 0; i < count; ++i) {
    const chr_endpoint& e = endpoints[i];
    if (e.node_id == 0) {
      out.ambiguous = true;
      continue;
    }
    const NodeId node(e.node_id);
    const auto [known, first] = priorities.emplace(node, e.priority);
    if (!first && e.priority == known->second) out.ambiguous = true;
    if (!first && e.priority >= known->second) continue;
    known->second = e.priority;
    out.nodes[node] = Text(e.address);
  }
  return out;
}

std::string Names(const Discovered& report) {
  std::string out;
  for (const auto& [node, address] : report.nodes)
    out += (out.empty() ? "" : ", ") + std::to_string(node.value) + " at " + address;
  return out.empty() ? "none" : out;
}

// Once a change: a source that stays away is not complained of again.
void Say(const Discovered& report) {
  switch (report.origin) {
    case Origin::kFresh: CHRONIK_LOG(kInfo) << "discovery: nodes " << Names(report); break;
    case Origin::kCached: CHRONIK_LOG(kWarn) << "discovery: the last answer is kept; " << report.why; break;
    case Origin::kFallback:
      CHRONIK_LOG(kWarn) << "discovery: falls back to the nodes of the configuration; " << report.why;
      break;
    case Origin::kNothing: CHRONIK_LOG(kWarn) << "discovery: names no nodes; " << report.why; break;
  }
  if (report.ambiguous)
    CHRONIK_LOG(kWarn) << "discovery: an answer without node id, or with two addresses of one node, is not used";
}

}  // namespace

Discovery::Discovery() {
  sink_.struct_size = sizeof sink_;
  sink_.ctx = this;
  sink_.on_endpoints = [](void* ctx, const chr_endpoint* endpoints, size_t count, uint32_t origin,
                          chr_str why) noexcept {
    static_cast<Discovery*>(ctx)->Take(Read(endpoints, count, origin, why));
  };
  sink_.on_failure = [](void* ctx, chr_status, chr_str why) noexcept {
    static_cast<Discovery*>(ctx)->Take({Origin::kNothing, {}, false, Text(why)});
  };
}

void Discovery::Attach(const chr_discovery& table, void* self) {
  table_ = table;
  self_ = self;
}

// Reports never overlap, so those to the listener are in order.
void Discovery::Take(Discovered report) {
  const std::lock_guard lock(mutex_);
  const auto same = [&](const Discovered& other) {  // whatever reason it gives this time
    return other.origin == report.origin && other.nodes == report.nodes && other.ambiguous == report.ambiguous;
  };
  if (newest_ && same(*newest_)) return;
  Say(report);
  newest_ = std::move(report);
  reported_.notify_all();
  if (executor_ != nullptr) executor_->Post([this, said = *newest_] { listener_(said); });
}

Discovered Discovery::AwaitFirst(Duration timeout) {
  std::unique_lock lock(mutex_);
  reported_.wait_for(lock, timeout, [this] { return newest_.has_value(); });
  return newest_ ? *newest_ : Discovered{Origin::kNothing, {}, false, "it said nothing in time"};
}

void Discovery::Listen(Executor& executor, std::function<void(const Discovered&)> listener) {
  const std::lock_guard lock(mutex_);
  CHRONIK_CHECK(executor_ == nullptr) << "a discovery has one listener";
  executor_ = &executor;
  listener_ = std::move(listener);
  if (newest_) executor_->Post([this, said = *newest_] { listener_(said); });
}

void Discovery::Refresh() { static_cast<void>(table_.refresh(self_)); }

}  // namespace chronik::cluster
