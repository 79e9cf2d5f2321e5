// SPDX-License-Identifier: Apache-2.0
// A chr_transport for tests of what stands above it: any number of nodes on one TestThreads thread, which is the
// network. Holding that thread holds every frame; connections are made and cut to order.
#pragma once

#include <chronik/transport.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "kernel/base/test_executor.h"

namespace chronik::cluster {

class TestTransport {
 public:
  explicit TestTransport(TestThreads::Thread& network) : network_(network) {}
  TestTransport(const TestTransport&) = delete;
  TestTransport& operator=(const TestTransport&) = delete;

  static const chr_transport& table();
  // The `self` of a node's instance.
  void* Instance(NodeId node) {
    auto& instance = instances_[node];
    if (!instance) instance = std::make_unique<Node>(Node{this, node});
    return instance.get();
  }
  // The instance runs from here on until Stop; it connects to all that run and are not cut off.
  void Start(NodeId node, const chr_transport_sink* sink);
  void Stop(NodeId node);

  void Cut(NodeId a, NodeId b);
  void Heal(NodeId a, NodeId b);
  void FillQueues(bool full) { full_ = full; }  // every send finds the queue full

  std::vector<std::pair<NodeId, uint32_t>> resumed;
  std::vector<uint32_t> lanes;  // of every frame that was sent, in order
  std::string last_refusal;

 private:
  struct Node {
    TestTransport* network;
    NodeId id;
    const chr_transport_sink* sink = nullptr;  // null: stopped
    std::set<NodeId> connected = {};
  };
  static Node& Of(void* self) { return *static_cast<Node*>(self); }
  Node* Running(NodeId id);
  void Connect(NodeId a, NodeId b);
  bool Accepts(Node& who, Node& other);
  void Disconnect(Node& who, NodeId other, chr_status status, const char* why);
  chr_status Send(Node& from, NodeId to, uint32_t lane, const chr_buf* bufs, size_t count);

  TestThreads::Thread& network_;
  std::map<NodeId, std::unique_ptr<Node>> instances_;
  std::set<std::pair<NodeId, NodeId>> cut_;  // the smaller id first
  bool full_ = false;
};

}  // namespace chronik::cluster
