// SPDX-License-Identifier: Apache-2.0
// What the plugin calls: the node's sink and the events of its streams, with the checks that hold for every call.
#include <cstring>

#include "sdk/conformance/transport/node.h"

namespace chronik_conformance {
namespace {

std::string Joined(const chr_buf* bufs, size_t count) {
  std::string bytes;
  for (const chr_buf& buf : std::span(bufs, count)) bytes.append(static_cast<const char*>(buf.data), buf.size);
  return bytes;
}
uint64_t BytesOf(const chr_buf* bufs, size_t count) {
  uint64_t bytes = 0;
  for (const chr_buf& buf : std::span(bufs, count)) bytes += buf.size;
  return bytes;
}
std::string Copied(chr_str text) { return std::string(sdk::ToView(text)); }

}  // namespace

chr_transport_sink Node::MakeSink(Node* node) {
  chr_transport_sink sink{};
  sink.struct_size = sizeof(sink);
  sink.ctx = node;
  sink.node_id = node->setup_.id;
  sink.hello = [](void* ctx, void* out, size_t cap) noexcept -> size_t {
    const std::string& hello = static_cast<Node*>(ctx)->setup_.hello;
    if (cap < 4096) Breach("hello: cap is 4096");
    std::memcpy(out, hello.data(), hello.size());
    return hello.size();
  };
  sink.on_hello = [](void* ctx, uint64_t peer, chr_str identity, chr_str hello, chr_error* err) noexcept -> chr_status {
    return static_cast<Node*>(ctx)->OnHello(peer, identity, hello, err);
  };
  sink.on_peer = [](void* ctx, uint64_t peer, int32_t up, chr_status status, chr_str why) noexcept {
    static_cast<Node*>(ctx)->OnPeer(peer, up, status, why);
  };
  sink.on_frame = [](void* ctx, uint64_t peer, uint32_t lane, const chr_buf* bufs,
                     size_t count) noexcept -> chr_status {
    return static_cast<Node*>(ctx)->OnFrame(peer, lane, bufs, count);
  };
  sink.on_writable = [](void* ctx, uint64_t peer, uint32_t lane) noexcept {
    auto* me = static_cast<Node*>(ctx);
    me->CheckCallback("on_writable");
    const auto guard = me->lock();
    ++me->writable[{peer, lane}];
    me->changed_.notify_all();
  };
  sink.on_stream = [](void* ctx, uint64_t peer, chr_str header, chr_stream* stream,
                      const chr_stream_events** events) noexcept -> chr_status {
    return static_cast<Node*>(ctx)->OnStream(peer, header, stream, events);
  };
  return sink;
}

void Node::CheckCallback(const char* name) {
  if (in_call > 0) Breach("TR-3: " + std::string(name) + ": no callback from inside a call of the host");
  if (stopped_) Breach("PLG-8: " + std::string(name) + ": nothing is delivered after stop");
}

chr_status Node::OnHello(uint64_t peer, chr_str identity, chr_str hello, chr_error* err) {
  CheckCallback("on_hello");
  {
    const auto guard = lock();
    hellos.push_back(Copied(hello));
    identities.push_back(Copied(identity));
    changed_.notify_all();
  }
  std::string why;
  const chr_status status =
      setup_.on_hello ? setup_.on_hello(peer, sdk::ToView(identity), sdk::ToView(hello), why) : CHR_OK;
  return status < 0 ? sdk::Fail(err, status, why) : status;
}

void Node::OnPeer(uint64_t peer, int32_t up, chr_status status, chr_str why) {
  CheckCallback("on_peer");
  {
    const auto guard = lock();
    if (!in_peer_.insert(peer).second) Breach("TR-15: on_peer: calls of one peer never overlap");
  }
  std::this_thread::yield();
  const auto guard = lock();
  in_peer_.erase(peer);
  events[peer].push_back({up != 0, status, Copied(why)});
  if (up == 0 && status >= 0) Breach("TR-15: on_peer: a peer that is down has a status that says why");
  changed_.notify_all();
}

chr_status Node::OnFrame(uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) {
  CheckCallback("on_frame");
  const std::pair<uint64_t, uint32_t> from{peer, lane};
  bool keep = true;
  {
    const auto guard = lock();
    if (lane >= CHR_LANE_COUNT) Breach("on_frame: there is no lane " + std::to_string(lane));
    if (!in_frame_.insert(from).second) Breach("on_frame: calls of one (peer, lane) never overlap");
    if (busy_[lane]) {
      in_frame_.erase(from);
      ++refused_frames;
      changed_.notify_all();
      return CHR_E_BUSY;
    }
    keep = keep_frames_;
  }
  std::string frame = keep ? Joined(bufs, count) : std::string();
  const auto guard = lock();
  in_frame_.erase(from);
  frame_bytes[from] += BytesOf(bufs, count);
  if (keep) frames[from].push_back(std::move(frame));
  changed_.notify_all();
  return CHR_OK;
}

chr_status Node::OnStream(uint64_t, chr_str header, chr_stream* stream, const chr_stream_events** out) {
  CheckCallback("on_stream");
  const auto guard = lock();
  if (refuse_streams_ < 0) return refuse_streams_;
  const auto end = std::make_shared<StreamEnd>(*this);
  end->raw = stream;
  end->header = Copied(header);
  *out = end->events();
  streams_.push_back(end);
  incoming.push_back(end);
  changed_.notify_all();
  return CHR_OK;
}

const chr_stream_events* StreamEnd::events() {
  events_.struct_size = sizeof(events_);
  events_.ctx = this;
  events_.on_data = [](void* ctx, const chr_buf* bufs, size_t count) noexcept {
    auto* me = static_cast<StreamEnd*>(ctx);
    me->node_.CheckCallback("on_data");
    if (me->in_event_.exchange(true)) Breach("TR-18: stream events: calls of one stream never overlap");
    {
      const auto guard = me->node_.lock();
      if (me->ended) Breach("TR-21: on_data: on_end is the last call");
      if (me->keep) me->received += Joined(bufs, count);
      me->received_bytes += BytesOf(bufs, count);
      // One write is admitted while any credit is left.
      if (me->received_bytes >= me->granted + (1 << 20))
        Breach("TR-19: on_data: no more than the credit and one write");
      me->node_.changed_.notify_all();
    }
    me->in_event_ = false;
  };
  events_.on_writable = [](void* ctx) noexcept {
    auto* me = static_cast<StreamEnd*>(ctx);
    me->node_.CheckCallback("on_writable of a stream");
    if (me->in_event_.exchange(true)) Breach("TR-18: stream events: calls of one stream never overlap");
    {
      const auto guard = me->node_.lock();
      if (me->ended) Breach("TR-21: on_writable: on_end is the last call");
      ++me->writable;
      me->node_.changed_.notify_all();
    }
    me->in_event_ = false;
  };
  events_.on_end = [](void* ctx, chr_status status, chr_str message) noexcept {
    auto* me = static_cast<StreamEnd*>(ctx);
    me->node_.CheckCallback("on_end");
    if (me->in_event_.exchange(true)) Breach("TR-18: stream events: calls of one stream never overlap");
    {
      const auto guard = me->node_.lock();
      if (me->ended) Breach("TR-21: on_end: exactly once for every stream");
      me->ended = true;
      me->end_status = status;
      me->end_message = Copied(message);
      me->node_.changed_.notify_all();
    }
    me->in_event_ = false;
  };
  return &events_;
}

chr_status StreamEnd::Write(std::string_view bytes) {
  const chr_buf buf{bytes.data(), bytes.size(), nullptr};
  return Calling([&] { return node_.table_.stream_write(node_.self_, raw, &buf, 1); });
}

void StreamEnd::WriteAll(std::string_view bytes, size_t piece) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece);
    uint64_t before = 0;
    {
      const auto guard = node_.lock();
      before = writable;
    }
    const chr_status status = Write(part);
    if (status >= 0) {
      bytes.remove_prefix(part.size());
      continue;
    }
    if (status != CHR_E_BUSY) {
      Breach("TR-18: stream_write: taken or CHR_E_BUSY while the stream lasts, not " + std::to_string(status));
      throw std::runtime_error("stream_write failed");
    }
    node_.Await("stream_write: on_writable follows CHR_E_BUSY once there is credit",
                [&] { return writable > before || ended; });
  }
}

void StreamEnd::Credit(uint64_t bytes) {
  {
    const auto guard = node_.lock();
    granted += bytes;
  }
  Calling([&] { node_.table_.stream_credit(node_.self_, raw, bytes); });
}

void StreamEnd::Close(chr_status status) {
  {
    const auto guard = node_.lock();
    closed = true;
  }
  Calling([&] { node_.table_.stream_close(node_.self_, raw, status); });
}

}  // namespace chronik_conformance
