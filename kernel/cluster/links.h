// SPDX-License-Identifier: Apache-2.0
// The kernel's typed view of a transport plugin: messages of replicas out of a shard and into the shard that has the
// group, frames of other kinds to the home shard, and who can be reached.
//
// What a shard sends within one task leaves together, as one frame a peer and lane: replicas' heartbeats of a tick are
// coalesced without knowing of each other. Nothing is promised: a frame that cannot be sent now is dropped and counted,
// as Raft sends again what matters.
#pragma once

#include <chronik/transport.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/function.h"
#include "kernel/base/result.h"
#include "kernel/cluster/hello.h"
#include "kernel/cluster/message_wire.h"
#include "kernel/replica/peers.h"

namespace chronik::cluster {

enum class Lane : uint32_t {
  kControl = CHR_LANE_CONTROL,
  kReplication = CHR_LANE_REPLICATION,
  kForward = CHR_LANE_FORWARD,
};

class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  // On the shard that has the groups.
  virtual void OnMessages(ShardId shard, std::vector<GroupMessage> messages) = 0;
  // The rest on the home shard. A frame of another kind than kMessages, whole.
  virtual void OnFrame(NodeId from, FrameKind kind, Bytes frame) = 0;
  // A connection begins: what the other end says of itself, and it is welcome. Before OnPeer.
  virtual void OnHello(NodeId peer, const Hello& hello) = 0;
  // kClosed in `why`: its process may be gone. Repeated with the same `up` when the reason changes.
  virtual void OnPeer(NodeId peer, bool up, bool process_gone, const std::string& why) = 0;
};

class Links {
 public:
  struct Options {
    NodeId self;
    std::vector<Executor*> shards;                    // [0] is home; they outlive the links
    std::function<ShardId(GroupId)> shard_of;         // any thread
    Hello hello;                                      // cluster_id may be set later
    uint64_t backlog_bytes_max = 64ull << 20;         // received and not yet taken by a shard; beyond it the peers wait
    size_t frame_bytes = 1 << 20;                     // a frame that grows beyond this leaves at once
    std::function<void(Lane, ErrorCode)> on_dropped;  // a frame could not be sent; any thread; may be empty
  };

  Links(Options options, LinkEvents& events);
  ~Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // The sink to start the plugin instance with; lives as long as this object.
  const chr_transport_sink* sink() const { return &sink_; }
  // The created (not yet started) instance. kConfig if it cannot carry a message of `message_bytes_max`.
  Status Attach(const chr_transport& table, void* self, uint64_t message_bytes_max);
  Result<std::string> bound_address() const;

  // Control thread.
  Status SetPeer(NodeId peer, const std::string& address);
  void RemovePeer(NodeId peer);

  // From now on presented and demanded. Any thread.
  void SetClusterId(const std::string& cluster_id);
  // This node takes part from now on. Any thread.
  void SetGeneration(uint32_t generation);
  // Where this node is found, if that has changed: said in hellos from now on. Any thread.
  void SetRpcAddress(const std::string& address);
  // Which life of a peer is the present one: earlier ones are refused from now on. Any thread.
  void SetPresentLife(NodeId peer, uint64_t incarnation, uint32_t generation);

  // How the replicas of a shard speak. Shard's thread.
  replica::Peers& peers(ShardId shard);

  // At most once, now or never. Any thread.
  Status Send(NodeId to, Lane lane, const ByteChain& frame);

  struct Counters {
    std::atomic<uint64_t> frames_sent{0};
    std::atomic<uint64_t> messages_sent{0};
    std::atomic<uint64_t> frames_dropped{0};  // queue full, or not connected
    std::atomic<uint64_t> frames_received{0};
    std::atomic<uint64_t> frames_refused{0};  // malformed, or of a version that is not known
  };
  const Counters& counters() const { return counters_; }

 private:
  class Outbox;

  // What is known of another node.
  struct Peer {
    bool connected = false;
    uint64_t incarnation = 0;  // of the process that it is, or was last, connected to
    uint64_t present_incarnation = 0;
    std::optional<uint32_t> present_generation;
    std::string refusal;  // what was said last of its hello
  };

  size_t OnHelloAsked(void* out, size_t cap);
  Status CheckLife(const Peer& peer, const Hello& theirs) const;
  void NoteConnected(NodeId peer, bool connected);
  Status OnHello(NodeId peer, chr_str identity, chr_str hello);
  chr_status OnFrame(NodeId from, uint32_t lane, const chr_buf* bufs, size_t count);
  void Deliver(NodeId from, Bytes frame);
  void Refused(NodeId from, const Error& error);
  void Handled(size_t bytes);

  const Options options_;
  LinkEvents& events_;
  chr_transport_sink sink_{};
  chr_transport table_{};
  void* self_ = nullptr;
  std::vector<std::unique_ptr<Outbox>> outboxes_;
  Counters counters_;

  std::mutex mutex_;
  Hello hello_;
  std::map<NodeId, Peer> known_;
  std::vector<std::pair<NodeId, uint32_t>> waiting_;  // (peer, lane) whose frame was not taken
  std::map<NodeId, uint64_t> refused_frames_;         // so that only the 1st, 2nd, 4th, 8th ... is logged
  std::atomic<uint64_t> backlog_bytes_{0};
};

}  // namespace chronik::cluster
