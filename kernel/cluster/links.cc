// SPDX-License-Identifier: Apache-2.0
#include "kernel/cluster/links.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "kernel/base/log.h"

namespace chronik::cluster {
namespace {

std::string Text(chr_str text) { return text.size == 0 ? std::string() : std::string(text.data, text.size); }

constexpr uint64_t kFrameOverheadBytes = 64 << 10;  // of a message around its record batch, amply

Error FromAbi(chr_status status, const std::string& what) {
  switch (status) {
    case CHR_E_BUSY: return {ErrorCode::kOverloaded, what + ": its queue is full"};
    case CHR_E_CLOSED: return {ErrorCode::kNotFound, what + ": not connected"};
    case CHR_E_NOT_FOUND: return {ErrorCode::kNotFound, what + ": no such peer"};
    default: return {ErrorCode::kPlugin, what + ": the transport says " + std::to_string(status)};
  }
}

Bytes OnePiece(const chr_buf* bufs, size_t count) {
  if (count == 1 && bufs[0].owner != nullptr) return Bytes::Share(bufs[0]);
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) size += bufs[i].size;
  uint8_t* out = nullptr;
  Bytes frame = Bytes::Allocate(size, &out);
  for (size_t i = 0; i < count; ++i) {
    if (bufs[i].size == 0) continue;
    std::memcpy(out, bufs[i].data, bufs[i].size);
    out += bufs[i].size;
  }
  return frame;
}

// Votes, heartbeats and answers must not wait behind entries and snapshots.
Lane LaneOf(const replica::PeerMessage& message) {
  if (std::holds_alternative<replica::SnapshotChunk>(message.body)) return Lane::kReplication;
  const auto* raft = std::get_if<replica::RaftMessage>(&message.body);
  return raft != nullptr && std::holds_alternative<raft::AppendRequest>(raft->message.body) ? Lane::kReplication
                                                                                            : Lane::kControl;
}

}  // namespace

// What one shard sends. Gathered until the running task has ended.
class Links::Outbox final : public replica::Peers {
 public:
  Outbox(Links& links, Executor& executor) : links_(links), executor_(executor) {}

  void Send(GroupId group, replica::PeerMessage message) override {
    const Key key{message.from, message.to, LaneOf(message)};
    MessageFrame& frame = frames_[key];
    frame.Add(group, message);
    if (frame.bytes() >= links_.options_.frame_bytes) return Flush(key, frame);
    if (!std::exchange(flush_posted_, true)) executor_.Post([this] { FlushAll(); });
  }

 private:
  // A frame names its sender and its receiver once, and both may be other lives in other groups.
  struct Key {
    ReplicaId from;
    ReplicaId to;
    Lane lane;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  void FlushAll() {
    flush_posted_ = false;
    for (auto& [key, frame] : frames_) {
      if (!frame.empty()) Flush(key, frame);
    }
  }
  void Flush(const Key& key, MessageFrame& frame) {
    const size_t messages = frame.messages();
    if (links_.Send(key.to.node(), key.lane, frame.Take()).ok())
      links_.counters_.messages_sent.fetch_add(messages, std::memory_order_relaxed);
  }

  Links& links_;
  Executor& executor_;
  std::map<Key, MessageFrame> frames_;
  bool flush_posted_ = false;
};

Links::Links(Options options, LinkEvents& events) : options_(std::move(options)), events_(events) {
  CHRONIK_CHECK(!options_.shards.empty()) << "links need a shard";
  hello_ = options_.hello;
  for (Executor* shard : options_.shards) outboxes_.push_back(std::make_unique<Outbox>(*this, *shard));
  sink_.struct_size = sizeof sink_;
  sink_.ctx = this;
  sink_.node_id = options_.self.value;
  sink_.hello = [](void* ctx, void* out, size_t cap) noexcept {
    return static_cast<Links*>(ctx)->OnHelloAsked(out, cap);
  };
  sink_.on_hello = [](void* ctx, uint64_t peer, chr_str identity, chr_str hello,
                      chr_error* err) noexcept -> chr_status {
    const Status status = static_cast<Links*>(ctx)->OnHello(NodeId(peer), identity, hello);
    if (status.ok()) return CHR_OK;
    if (err != nullptr) {
      const size_t size = std::min(status.error().message.size(), sizeof err->message - 1);
      std::memcpy(err->message, status.error().message.data(), size);
      err->message[size] = '\0';
      err->code = CHR_E_DENIED;
    }
    return CHR_E_DENIED;
  };
  sink_.on_peer = [](void* ctx, uint64_t peer, int32_t up, chr_status status, chr_str why) noexcept {
    auto* links = static_cast<Links*>(ctx);
    links->NoteConnected(NodeId(peer), up != 0);
    links->options_.shards.front()->Post([links, peer = NodeId(peer), up = up != 0, gone = status == CHR_E_CLOSED,
                                          text = Text(why)] { links->events_.OnPeer(peer, up, gone, text); });
  };
  sink_.on_frame = [](void* ctx, uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count) noexcept {
    return static_cast<Links*>(ctx)->OnFrame(NodeId(peer), lane, bufs, count);
  };
  sink_.on_writable = [](void*, uint64_t, uint32_t) noexcept {};  // what was dropped is sent again by its sender
  sink_.on_stream = [](void*, uint64_t, chr_str, chr_stream*, const chr_stream_events**) noexcept -> chr_status {
    return CHR_E_UNSUPPORTED;  // snapshots are pulled in chunks, as messages
  };
}

Links::~Links() = default;

Status Links::Attach(const chr_transport& table, void* self, uint64_t message_bytes_max) {
  table_ = table;
  self_ = self;
  chr_transport_caps caps{};
  caps.struct_size = sizeof caps;
  if (const chr_status status = table_.caps(self_, &caps); status < 0)
    return Error{ErrorCode::kPlugin, "the transport does not tell its capabilities: status " + std::to_string(status)};
  if (caps.max_frame_bytes < message_bytes_max + kFrameOverheadBytes) {
    return Error{ErrorCode::kConfig, "the transport carries frames of " + std::to_string(caps.max_frame_bytes) +
                                         " bytes, but broker.message_max_bytes is " +
                                         std::to_string(message_bytes_max) + ": raise the former or lower the latter"};
  }
  return {};
}

Result<std::string> Links::bound_address() const {
  char address[256] = "";
  if (const chr_status status = table_.bound_address(self_, address, sizeof address); status < 0)
    return Error{ErrorCode::kPlugin, "the transport does not tell its address: status " + std::to_string(status)};
  return std::string(address);
}

Status Links::SetPeer(NodeId peer, const std::string& address) {
  chr_error error{};
  error.struct_size = sizeof error;
  if (table_.set_peer(self_, peer.value, {address.data(), address.size()}, &error) < 0) {
    return Error{ErrorCode::kConfig,
                 "node " + std::to_string(peer.value) + " at '" + address + "': " + std::string(error.message)};
  }
  return {};
}

void Links::RemovePeer(NodeId peer) { static_cast<void>(table_.remove_peer(self_, peer.value)); }

void Links::SetClusterId(const std::string& cluster_id) {
  const std::lock_guard lock(mutex_);
  hello_.cluster_id = cluster_id;
}

replica::Peers& Links::peers(ShardId shard) { return *outboxes_[shard.value]; }

Status Links::Send(NodeId to, Lane lane, const ByteChain& frame) {
  std::vector<chr_buf> bufs;
  bufs.reserve(frame.parts().size());
  for (const Bytes& part : frame.parts()) bufs.push_back(part.abi());
  const chr_status status = table_.send(self_, to.value, static_cast<uint32_t>(lane), bufs.data(), bufs.size());
  if (status >= 0) {
    counters_.frames_sent.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  counters_.frames_dropped.fetch_add(1, std::memory_order_relaxed);
  Error error = FromAbi(status, "node " + std::to_string(to.value));
  if (options_.on_dropped) options_.on_dropped(lane, error.code);
  return error;
}

size_t Links::OnHelloAsked(void* out, size_t cap) {
  std::vector<uint8_t> bytes;
  {
    const std::lock_guard lock(mutex_);
    bytes = EncodeHello(hello_);
  }
  CHRONIK_CHECK(bytes.size() <= cap) << "a hello of " << bytes.size() << " bytes";
  std::memcpy(out, bytes.data(), bytes.size());
  return bytes.size();
}

void Links::SetGeneration(uint32_t generation) {
  const std::lock_guard lock(mutex_);
  hello_.generation = generation;
}

void Links::SetRpcAddress(const std::string& address) {
  const std::lock_guard lock(mutex_);
  hello_.rpc_address = address;
}

void Links::SetPresentLife(NodeId peer, uint64_t incarnation, uint32_t generation) {
  const std::lock_guard lock(mutex_);
  known_[peer].present_incarnation = incarnation;
  known_[peer].present_generation = generation;
}

void Links::NoteConnected(NodeId peer, bool connected) {
  const std::lock_guard lock(mutex_);
  known_[peer].connected = connected;
}

// One data directory at a time may be a node, and never again one that was replaced.
Status Links::CheckLife(const Peer& peer, const Hello& theirs) const {
  if (peer.connected && peer.incarnation != theirs.incarnation) {
    return Error{ErrorCode::kReplacedBroker,
                 "its node id is in use by a process with another data directory; give each node an id of its own"};
  }
  const bool earlier = theirs.generation && peer.present_generation && *theirs.generation <= *peer.present_generation &&
                       theirs.incarnation != peer.present_incarnation;
  if (!earlier) return {};
  if (peer.present_incarnation == 0)
    return Error{ErrorCode::kReplacedBroker, "it was decommissioned; empty its data directory to join as a new broker"};
  return Error{
      ErrorCode::kReplacedBroker,
      "another data directory has taken the place of its own in the cluster; empty that to join as a new broker, "
      "under another node id unless the other one is gone"};
}

Status Links::OnHello(NodeId id, chr_str, chr_str hello) {
  const auto theirs = DecodeHello({reinterpret_cast<const uint8_t*>(hello.data), hello.size});
  const std::lock_guard lock(mutex_);
  Peer& peer = known_[id];
  Status status = theirs.ok() ? CheckHello(hello_, *theirs) : Status(theirs.error());
  if (status.ok()) status = CheckLife(peer, *theirs);
  const std::string why = status.ok() ? std::string() : status.error().message;
  if (std::exchange(peer.refusal, why) != why && !why.empty())
    CHRONIK_LOG(kWarn) << "node " << id << " is refused: " << why;
  if (!status.ok()) return status;
  peer.incarnation = theirs->incarnation;
  options_.shards.front()->Post([this, id, theirs = *theirs] { events_.OnHello(id, theirs); });
  return {};
}

chr_status Links::OnFrame(NodeId from, uint32_t lane, const chr_buf* bufs, size_t count) {
  if (backlog_bytes_.load() >= options_.backlog_bytes_max) {
    const std::lock_guard lock(mutex_);
    // Again under the lock: Handled takes it to look for those who wait.
    if (backlog_bytes_.load() >= options_.backlog_bytes_max) {
      waiting_.emplace_back(from, lane);
      return CHR_E_BUSY;
    }
  }
  counters_.frames_received.fetch_add(1, std::memory_order_relaxed);
  Deliver(from, OnePiece(bufs, count));
  return CHR_OK;
}

// One task a shard, which holds the frame's bytes as long as it waits.
void Links::Deliver(NodeId from, Bytes frame) {
  const auto kind = KindOf(frame);
  const size_t bytes = frame.size();
  if (kind && *kind != FrameKind::kMessages) {
    backlog_bytes_ += bytes;
    options_.shards.front()->Post([this, from, kind = *kind, bytes, frame = std::move(frame)]() mutable {
      Handled(bytes);
      events_.OnFrame(from, kind, std::move(frame));
    });
    return;
  }
  auto messages = DecodeMessages(frame, from, options_.self);
  if (!messages.ok()) return Refused(from, messages.error());
  std::vector<std::vector<GroupMessage>> by_shard(options_.shards.size());
  for (GroupMessage& message : *messages)
    by_shard[options_.shard_of(message.group).value].push_back(std::move(message));
  for (uint32_t shard = 0; shard < by_shard.size(); ++shard) {
    if (by_shard[shard].empty()) continue;
    backlog_bytes_ += bytes;
    options_.shards[shard]->Post([this, shard, bytes, batch = std::move(by_shard[shard])]() mutable {
      Handled(bytes);
      events_.OnMessages(ShardId(shard), std::move(batch));
    });
  }
}

void Links::Refused(NodeId from, const Error& error) {
  counters_.frames_refused.fetch_add(1, std::memory_order_relaxed);
  uint64_t nth = 0;
  {
    const std::lock_guard lock(mutex_);
    nth = ++refused_frames_[from];
  }
  if (std::has_single_bit(nth))
    CHRONIK_LOG(kError) << "frame " << nth << " from node " << from << " refused: " << error;
}

void Links::Handled(size_t bytes) {
  const uint64_t before = backlog_bytes_.fetch_sub(bytes);
  if (before < options_.backlog_bytes_max || before - bytes >= options_.backlog_bytes_max) return;
  std::vector<std::pair<NodeId, uint32_t>> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = std::exchange(waiting_, {});
  }
  for (const auto& [peer, lane] : waiting) table_.resume(self_, peer.value, lane);
}

}  // namespace chronik::cluster
