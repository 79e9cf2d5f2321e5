// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/brokers/transport.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernel/base/invariant.h"

namespace chronik::sim::brokers {
namespace {

using std::chrono::milliseconds;

constexpr Duration kSilence = milliseconds(1500);  // until a connection is given up
constexpr uint64_t kFrameBytesMax = 8 << 20;
constexpr uint32_t kHelloBytesMax = 4096;

chr_str Str(const std::string& text) { return {text.data(), text.size()}; }

}  // namespace

// --- connections

void LinkNetwork::Attach(size_t slot, Endpoint* endpoint) {
  endpoints_[slot] = endpoint;
  for (const auto& [peer, to] : endpoint->peers_) DialLater(slot, to);
}

void LinkNetwork::Detach(size_t slot, uint64_t seen_percent) {
  endpoints_[slot] = nullptr;
  for (size_t other = 0; other < kSlotsMax; ++other) {
    const bool seen = scheduler_.random().Percent(seen_percent);
    link(slot, other).up = false;
    if (!link(other, slot).up) continue;
    if (seen) {
      End(other, slot, CHR_E_CLOSED, "connection closed by the peer");
      continue;
    }
    scheduler_.After(kSilence, [this, slot, other, number = link(other, slot).number] {
      if (link(other, slot).up && link(other, slot).number == number) End(other, slot, CHR_E_TIMEOUT, "silent");
    });
  }
}

void LinkNetwork::DialLater(size_t from, size_t to) {
  scheduler_.After(scheduler_.random().Between(milliseconds(5), milliseconds(150)),
                   [this, from, to, e = endpoints_[from]] {
                     if (e != nullptr && endpoints_[from] == e) Dial(from, to);
                   });
}

bool LinkNetwork::Reachable(size_t from, size_t to) {
  return endpoints_[from] != nullptr && endpoints_[to] != nullptr && !endpoints_[from]->process_.paused() &&
         !endpoints_[to]->process_.paused() && !link(from, to).cut && !link(to, from).cut;
}

// Both ends look at each other's hello, as a transport does.
void LinkNetwork::Dial(size_t from, size_t to) {
  Link& l = link(from, to);
  Endpoint& caller = *endpoints_[from];
  const auto peer = caller.PeerAt(to);
  if (l.up || !peer) return;
  if (!Reachable(from, to)) {
    if (!caller.process_.paused()) caller.Tell(to, false, CHR_E_IO, "cannot be reached");
    return DialLater(from, to);
  }
  Endpoint& callee = *endpoints_[to];
  std::string refusal = callee.Greet(caller.id_, caller.Hello());
  if (refusal.empty()) refusal = caller.Greet(*peer, callee.Hello());
  if (!refusal.empty()) {
    ++counts_.refused;
    caller.Tell(to, false, CHR_E_DENIED, refusal);
    return DialLater(from, to);
  }
  l.up = true;
  l.number = ++connections_;
  l.lane_free = {};
  ++counts_.connected;
  scheduler_.Note("link.up", {from, to});
  caller.Tell(to, true, CHR_OK, "");
}

// The callee hears of it too, if it dials the caller itself.
void LinkNetwork::End(size_t from, size_t to, chr_status status, const char* why) {
  Link& l = link(from, to);
  if (!std::exchange(l.up, false)) return;
  ++counts_.broken;
  scheduler_.Note("link.down", {from, to});
  if (endpoints_[from] != nullptr) {
    endpoints_[from]->Tell(to, false, status, why);
    DialLater(from, to);
  }
  if (Endpoint* callee = endpoints_[to]; callee != nullptr && callee->PeerAt(from)) {
    callee->Tell(from, false, status, why);
    if (link(to, from).up) callee->Tell(from, true, CHR_OK, "");
  }
}

void LinkNetwork::Break(size_t a, size_t b) {
  End(a, b, CHR_E_CLOSED, "connection reset");
  End(b, a, CHR_E_CLOSED, "connection reset");
}

void LinkNetwork::Cut(size_t from, size_t to, bool cut) {
  Link& l = link(from, to);
  if (cut && !l.cut) l.cut_since = scheduler_.Now();
  l.cut = cut;
}

void LinkNetwork::Watch() {
  for (size_t from = 0; from < kSlotsMax; ++from) {
    for (size_t to = 0; to < kSlotsMax; ++to) {
      const auto silent = [this](const Link& l) { return l.cut && scheduler_.Now() - l.cut_since > kSilence; };
      if (link(from, to).up && (silent(link(from, to)) || silent(link(to, from))))
        End(from, to, CHR_E_TIMEOUT, "silent");
    }
  }
}

void LinkNetwork::Heal() {
  settings_ = {};
  full_ = false;
  for (auto& row : links_) {
    for (Link& l : row) {
      l.cut = false;
      l.clogged_until = {};
      l.more = Duration(0);
    }
  }
}

// --- frames

chr_status LinkNetwork::Send(size_t from, size_t to, uint32_t lane, Bytes frame) {
  Link& l = link(from, to);
  if (!l.up) return CHR_E_CLOSED;
  if (full_) return CHR_E_BUSY;
  ++counts_.frames;
  Random& random = scheduler_.random();
  if (random.Below(1000) < settings_.lost_per_mille) {
    ++counts_.lost;
    return CHR_OK;
  }
  const Instant soonest = std::max(scheduler_.Now(), l.clogged_until) + random.LogNormal(settings_.delay) + l.more;
  const Instant due = std::max(soonest, l.lane_free[lane]);
  l.lane_free[lane] = due;
  scheduler_.Note("frame", {from, to, lane, frame.size()});
  scheduler_.At(due, [this, from, to, number = l.number, lane, frame = std::move(frame)] {
    Arrive(from, to, number, lane, frame);
  });
  return CHR_OK;
}

void LinkNetwork::Arrive(size_t from, size_t to, uint64_t number, uint32_t lane, const Bytes& frame) {
  Endpoint* receiver = endpoints_[to];
  const Link& l = link(from, to);
  if (receiver == nullptr || endpoints_[from] == nullptr || !l.up || l.number != number || l.cut) {
    ++counts_.lost;
    return;
  }
  if (receiver->process_.Hold([this, from, to, number, lane, frame] { Arrive(from, to, number, lane, frame); })) return;
  const chr_transport_sink& sink = *receiver->sink_;
  const chr_status taken = sink.on_frame(sink.ctx, endpoints_[from]->id_.value, lane, &frame.abi(), 1);
  CHRONIK_CHECK(taken == CHR_OK) << "a frame is not taken, status " << taken << ", and nothing is queued here";
}

// --- one process's end

Endpoint::Endpoint(LinkNetwork& network, Process& process, size_t slot, NodeId id)
    : network_(network), process_(process), slot_(slot), id_(id) {}

Endpoint::~Endpoint() { CHRONIK_CHECK(sink_ == nullptr) << "an endpoint ends that was not stopped"; }

const chr_transport& Endpoint::table() {
  static constexpr chr_transport kTable{
      .struct_size = sizeof(chr_transport),
      .reserved = 0,
      .caps = [](void*, chr_transport_caps* out) noexcept -> chr_status {
        *out = {sizeof *out, 0, kFrameBytesMax, kFrameBytesMax, kHelloBytesMax};
        return CHR_OK;
      },
      .bound_address = [](void* self, char* out, size_t cap) noexcept -> chr_status {
        std::strncpy(out, LinkNetwork::AddressOf(Of(self).slot_).c_str(), cap);
        return CHR_OK;
      },
      .set_peer = [](void* self, uint64_t peer, chr_str address, chr_error*) noexcept -> chr_status {
        return Of(self).SetPeer(peer, {address.data, address.size});
      },
      .remove_peer = [](void*, uint64_t) noexcept -> chr_status { return CHR_OK; },
      .send = [](void* self, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) noexcept -> chr_status {
        return Of(self).Send(peer, lane, bufs, count);
      },
      .resume = [](void*, uint64_t, uint32_t) noexcept {},
      .stream_open = nullptr,
      .stream_write = nullptr,
      .stream_credit = nullptr,
      .stream_close = nullptr};
  return kTable;
}

void Endpoint::Start(const chr_transport_sink* sink) {
  sink_ = sink;
  network_.Attach(slot_, this);
}

void Endpoint::Stop(uint64_t seen_percent) {
  if (std::exchange(sink_, nullptr) != nullptr) network_.Detach(slot_, seen_percent);
}

chr_status Endpoint::SetPeer(uint64_t peer, std::string_view address) {
  const size_t slot = static_cast<size_t>(std::stoul(std::string(address.substr(address.find(':') + 1))));
  if (peer == id_.value || slot >= LinkNetwork::kSlotsMax) return CHR_E_INVALID;
  peers_[NodeId(peer)] = slot;
  if (sink_ != nullptr) network_.DialLater(slot_, slot);
  return CHR_OK;
}

std::optional<NodeId> Endpoint::PeerAt(size_t slot) const {
  for (const auto& [peer, at] : peers_) {
    if (at == slot) return peer;
  }
  return std::nullopt;
}

chr_status Endpoint::Send(uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) {
  const auto to = peers_.find(NodeId(peer));
  if (to == peers_.end()) return CHR_E_NOT_FOUND;
  if (sink_ == nullptr) return CHR_E_CLOSED;
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) size += bufs[i].size;
  uint8_t* out = nullptr;
  Bytes frame = Bytes::Allocate(size, &out);
  for (size_t i = 0; i < count; ++i) {
    if (bufs[i].size == 0) continue;
    std::memcpy(out, bufs[i].data, bufs[i].size);
    out += bufs[i].size;
  }
  return network_.Send(slot_, to->second, lane, std::move(frame));
}

std::string Endpoint::Hello() const {
  std::string hello(kHelloBytesMax, '\0');
  hello.resize(sink_->hello(sink_->ctx, hello.data(), hello.size()));
  return hello;
}

std::string Endpoint::Greet(NodeId peer, const std::string& hello) {
  chr_error error{};
  error.struct_size = sizeof error;
  if (sink_->on_hello(sink_->ctx, peer.value, Str(""), Str(hello), &error) >= 0) return {};
  return error.message[0] != '\0' ? error.message : "refused";
}

// A refusal or a failure to connect is said once until it is another one.
void Endpoint::Tell(size_t slot, bool up, chr_status status, const std::string& why) {
  const auto peer = PeerAt(slot);
  if (sink_ == nullptr || !peer) return;
  if (!up && (status == CHR_E_DENIED || status == CHR_E_IO) && std::exchange(said_[slot], why) == why) return;
  if (up) said_.erase(slot);
  auto tell = [this, network = &network_, peer = *peer, up, status, why, from = slot_] {
    if (network->endpoints_[from] == this) sink_->on_peer(sink_->ctx, peer.value, up ? 1 : 0, status, Str(why));
  };
  if (!process_.Hold(tell)) tell();
}

}  // namespace chronik::sim::brokers
