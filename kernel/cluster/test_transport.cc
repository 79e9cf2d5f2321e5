// SPDX-License-Identifier: Apache-2.0
#include "kernel/cluster/test_transport.h"

#include <algorithm>
#include <cstring>

namespace chronik::cluster {
namespace {

chr_str Str(std::string_view text) { return {text.data(), text.size()}; }
std::pair<NodeId, NodeId> Pair(NodeId a, NodeId b) { return {std::min(a, b), std::max(a, b)}; }

}  // namespace

const chr_transport& TestTransport::table() {
  static constexpr chr_transport kTable{
      .struct_size = sizeof(chr_transport),
      .reserved = 0,
      .caps = [](void*, chr_transport_caps* out) noexcept -> chr_status {
        *out = {sizeof *out, 0, 8 << 20, 8 << 20, 4096};
        return CHR_OK;
      },
      .bound_address = [](void*, char* out, size_t cap) noexcept -> chr_status {
        std::strncpy(out, "test:1", cap);
        return CHR_OK;
      },
      .set_peer = [](void*, uint64_t, chr_str, chr_error*) noexcept -> chr_status { return CHR_OK; },
      .remove_peer = [](void*, uint64_t) noexcept -> chr_status { return CHR_OK; },
      .send = [](void* self, uint64_t peer, uint32_t lane, const chr_buf* bufs,
                 size_t count) noexcept { return Of(self).network->Send(Of(self), NodeId(peer), lane, bufs, count); },
      .resume = [](void* self, uint64_t peer,
                   uint32_t lane) noexcept { Of(self).network->resumed.emplace_back(NodeId(peer), lane); },
      .stream_open = nullptr,
      .stream_write = nullptr,
      .stream_credit = nullptr,
      .stream_close = nullptr};
  return kTable;
}

TestTransport::Node* TestTransport::Running(NodeId id) {
  const auto found = instances_.find(id);
  return found == instances_.end() || found->second->sink == nullptr ? nullptr : found->second.get();
}

void TestTransport::Start(NodeId node, const chr_transport_sink* sink) {
  Instance(node);
  instances_.at(node)->sink = sink;
  for (const auto& [id, other] : instances_) {
    if (id != node && other->sink != nullptr) Connect(node, id);
  }
}

void TestTransport::Stop(NodeId node) {
  Node& stopped = *instances_.at(node);
  stopped.sink = nullptr;
  for (const NodeId id : std::exchange(stopped.connected, {})) {
    if (Node* other = Running(id)) Disconnect(*other, node, CHR_E_CLOSED, "connection closed by the peer");
  }
}

// Both ends ask each other, as a transport does.
void TestTransport::Connect(NodeId a, NodeId b) {
  network_.Post([this, a, b] {
    Node* one = Running(a);
    Node* two = Running(b);
    if (one == nullptr || two == nullptr || cut_.contains(Pair(a, b)) || one->connected.contains(b)) return;
    if (!Accepts(*one, *two) || !Accepts(*two, *one)) return;
    one->connected.insert(b);
    two->connected.insert(a);
    one->sink->on_peer(one->sink->ctx, b.value, 1, CHR_OK, Str(""));
    two->sink->on_peer(two->sink->ctx, a.value, 1, CHR_OK, Str(""));
  });
}

bool TestTransport::Accepts(Node& who, Node& other) {
  char hello[4096];
  const size_t size = other.sink->hello(other.sink->ctx, hello, sizeof hello);
  chr_error error{};
  error.struct_size = sizeof error;
  if (who.sink->on_hello(who.sink->ctx, other.id.value, Str(""), {hello, size}, &error) >= 0) return true;
  last_refusal = error.message;
  return false;
}

void TestTransport::Disconnect(Node& who, NodeId other, chr_status status, const char* why) {
  if (who.connected.erase(other) == 0) return;
  network_.Post([&who, other, status, why] {
    if (who.sink != nullptr) who.sink->on_peer(who.sink->ctx, other.value, 0, status, Str(why));
  });
}

void TestTransport::Cut(NodeId a, NodeId b) {
  cut_.insert(Pair(a, b));
  if (Node* one = Running(a)) Disconnect(*one, b, CHR_E_TIMEOUT, "silent");
  if (Node* two = Running(b)) Disconnect(*two, a, CHR_E_TIMEOUT, "silent");
}

void TestTransport::Heal(NodeId a, NodeId b) {
  cut_.erase(Pair(a, b));
  Connect(a, b);
}

chr_status TestTransport::Send(Node& from, NodeId to, uint32_t lane, const chr_buf* bufs, size_t count) {
  if (full_) return CHR_E_BUSY;
  if (from.sink == nullptr || !from.connected.contains(to)) return CHR_E_CLOSED;
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) size += bufs[i].size;
  uint8_t* out = nullptr;
  Bytes frame = Bytes::Allocate(size, &out);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(out, bufs[i].data, bufs[i].size);
    out += bufs[i].size;
  }
  lanes.push_back(lane);
  network_.Post([this, sender = from.id, to, lane, frame = std::move(frame)] {
    Node* receiver = Running(to);
    if (receiver == nullptr || !receiver->connected.contains(sender)) return;
    static_cast<void>(receiver->sink->on_frame(receiver->sink->ctx, sender.value, lane, &frame.abi(), 1));
  });
  return CHR_OK;
}

}  // namespace chronik::cluster
