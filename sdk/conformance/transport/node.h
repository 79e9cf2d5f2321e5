// SPDX-License-Identifier: Apache-2.0
// One instance of the transport under test, behind a host that checks the contract of every callback: never inline,
// never after stop, calls of one peer, one (peer, lane) and one stream never overlapping, every lent byte given back.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <chronik/sdk/testing/fake_host.h>
#include <chronik/transport.h>

#include "sdk/conformance/common/calling.h"

namespace chronik_conformance {

namespace sdk = chronik::sdk;

const chr_plugin& ThePlugin();

struct PeerEvent {
  bool up;
  chr_status status;
  std::string why;
};

class Node;

// Whoever holds one end of a stream in a test.
class StreamEnd {
 public:
  explicit StreamEnd(Node& node) : node_(node) {}
  const chr_stream_events* events();

  chr_status Write(std::string_view bytes);
  void WriteAll(std::string_view bytes, size_t piece);  // waits for on_writable after CHR_E_BUSY
  void Credit(uint64_t bytes);
  void Close(chr_status status);

  // Under the node's lock.
  std::string received;
  uint64_t received_bytes = 0;
  bool keep = true;  // what is received; otherwise it is only counted
  uint64_t writable = 0;
  uint64_t granted = 0;
  bool ended = false;
  chr_status end_status = CHR_PENDING;
  std::string end_message;
  bool closed = false;  // by us: nothing but on_end may follow

  chr_stream* raw = nullptr;
  std::string header;  // of a stream that the other end opened

 private:
  Node& node_;
  std::atomic<bool> in_event_{false};
  chr_stream_events events_{};
};

struct NodeSetup {
  uint64_t id = 1;
  std::map<std::string, std::string> options = {};  // besides those of the command line
  std::string hello = "the hello of a node";
  // Empty: everybody is welcome. Any thread of the plugin.
  std::function<chr_status(uint64_t peer, std::string_view identity, std::string_view hello, std::string& why)>
      on_hello = {};
  bool lenient_start = false;  // a refused start is an answer: see start_status
};

class Node {
 public:
  explicit Node(NodeSetup setup);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  uint64_t id() const { return setup_.id; }
  const std::string& address() const { return address_; }
  const chr_transport_caps& caps() const { return caps_; }
  sdk::testing::FakeHost& host() { return *host_; }
  chr_status start_status() const { return start_status_; }

  // --- calls
  chr_status SetPeer(uint64_t peer, const std::string& address, std::string* message = nullptr);
  chr_status RemovePeer(uint64_t peer);
  // `owned`: the plugin may keep the bytes, and must give them back.
  chr_status Send(uint64_t peer, uint32_t lane, std::string_view frame, bool owned = true);
  void SendAll(uint64_t peer, uint32_t lane, std::string_view frame);  // waits for on_writable after CHR_E_BUSY
  void Resume(uint64_t peer, uint32_t lane);
  std::shared_ptr<StreamEnd> OpenStream(uint64_t peer, std::string_view header, chr_status* status = nullptr);
  void Stop(std::chrono::nanoseconds timeout = std::chrono::seconds(10));

  // --- what the host does
  void SetBusy(uint32_t lane, bool busy);  // on_frame answers CHR_E_BUSY
  void KeepFrames(bool keep);              // otherwise only counted
  void RefuseStreams(chr_status status);   // CHR_OK: takes them

  // --- what was seen; each waits, and breaches with `rule` if it does not come to pass
  using Clock = std::chrono::steady_clock;
  void Await(const std::string& rule, const std::function<bool()>& holds, std::chrono::milliseconds limit = kPatience);
  // The same without a breach.
  bool Becomes(const std::function<bool()>& holds, std::chrono::milliseconds limit);
  void AwaitUp(uint64_t peer);
  PeerEvent AwaitDown(uint64_t peer, size_t after_event, const std::string& rule,
                      std::chrono::milliseconds limit = kPatience);
  std::string NextFrame(uint64_t peer, uint32_t lane);
  std::shared_ptr<StreamEnd> AwaitStream();

  // Under lock(), or from a predicate of Await.
  std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
  std::map<uint64_t, std::vector<PeerEvent>> events;
  std::map<std::pair<uint64_t, uint32_t>, std::deque<std::string>> frames;
  std::map<std::pair<uint64_t, uint32_t>, uint64_t> frame_bytes;
  std::map<std::pair<uint64_t, uint32_t>, uint64_t> writable;
  uint64_t refused_frames = 0;  // with CHR_E_BUSY
  std::vector<std::string> hellos;
  std::vector<std::string> identities;
  std::vector<std::shared_ptr<StreamEnd>> incoming;
  size_t EventCount(uint64_t peer);
  bool IsUp(uint64_t peer);
  int64_t lent_blocks() const { return lent_blocks_.load(); }

 private:
  friend class StreamEnd;
  static chr_transport_sink MakeSink(Node* node);
  void CheckCallback(const char* name);
  void OnPeer(uint64_t peer, int32_t up, chr_status status, chr_str why);
  chr_status OnFrame(uint64_t peer, uint32_t lane, const chr_buf* bufs, size_t count);
  chr_status OnStream(uint64_t peer, chr_str header, chr_stream* stream, const chr_stream_events** events);
  chr_status OnHello(uint64_t peer, chr_str identity, chr_str hello, chr_error* err);

  const NodeSetup setup_;
  std::unique_ptr<sdk::testing::FakeHost> host_;
  chr_transport table_{};
  void* self_ = nullptr;
  chr_transport_sink sink_{};
  chr_transport_caps caps_{};
  std::string address_;
  chr_status start_status_ = CHR_OK;
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> lent_blocks_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<uint64_t> in_peer_;
  std::set<std::pair<uint64_t, uint32_t>> in_frame_;
  std::array<bool, CHR_LANE_COUNT> busy_{};
  bool keep_frames_ = true;
  chr_status refuse_streams_ = CHR_OK;
  std::vector<std::shared_ptr<StreamEnd>> streams_;  // of both kinds; alive until the node is gone
};

// Sets each as the other's peer, and waits until frames flow both ways.
void Connect(Node& a, Node& b);

// Sends frames of Payload(0, size) and on until the queue is full and stays so. Returns how many were taken.
uint64_t FillUp(Node& from, uint64_t peer, uint32_t lane, size_t size);

// `size` bytes that are a function of `number`, so that any mix-up shows.
std::string Payload(uint64_t number, size_t size);

// Scratch counters of this process.
size_t OpenFiles();
size_t Threads();
uint64_t ResidentBytes();

}  // namespace chronik_conformance
