// SPDX-License-Identifier: Apache-2.0
// A transport between the kernel and the plugin's: the same table, and every call, frame and event of a stream is held
// to the rules of interfaces/ABI.md. It looks at one node, so it cannot see frames that change places on their way; the
// conformance kit does.
#pragma once

#include <chronik/transport.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "kernel/host/contract_monitor.h"
#include "kernel/host/contract_parts.h"

namespace chronik::host {

// Outlives the plugin's instance. Any thread, as the interface says.
class ContractTransport {
 public:
  // `self`: the plugin's instance, which `real` takes.
  ContractTransport(const chr_transport& real, void* self, ContractMonitor* monitor);
  ~ContractTransport();
  ContractTransport(const ContractTransport&) = delete;
  ContractTransport& operator=(const ContractTransport&) = delete;

  // What the kernel calls, with this object as `self`.
  static const chr_transport& Table();
  // What the plugin's start is given in place of the kernel's sink, which outlives this.
  const chr_transport_sink* WrapSink(const chr_transport_sink* kernel);

  // After stop completed, and after destroy returned.
  void Stopped();
  void Destroyed() { lent_.Destroyed(monitor_); }

 private:
  struct Slots;   // the functions of the table
  struct Sink;    // the functions of the sink
  struct Stream;  // one end of a stream and the events that the plugin was given; kept, since it may call them again
  using PeerLane = std::pair<uint64_t, uint32_t>;
  struct Inbound {
    bool delivering = false;
    uint64_t resumes = 0;               // calls of resume
    std::optional<uint64_t> waits_for;  // a frame was refused when there had been so many
    uint32_t refused_crc = 0;
    bool must_match = false;  // no connection was lost since
  };

  void CheckUse(const char* call);
  bool MayDeliver(const char* call);
  // Before and after the kernel gets a frame.
  void FrameBegins(PeerLane from, uint32_t crc);
  void FrameEnds(PeerLane from, uint32_t crc, uint64_t resumes, chr_status answer);
  void ConnectionsChanged(uint64_t peer);
  void CheckSend(uint64_t peer, uint32_t lane, uint64_t size, bool known, chr_status status);
  Stream* AddStream(const chr_stream_events* kernel);
  Stream* FindStream(chr_stream* handle);

  const chr_transport real_;
  void* const self_;
  ContractMonitor* const monitor_;
  const chr_transport_sink* kernel_ = nullptr;
  chr_transport_sink sink_{};

  std::mutex mutex_;  // not held while the plugin or the kernel is called
  bool stopped_ = false;
  chr_transport_caps caps_{};           // as the plugin told, if the kernel asked
  std::set<uint64_t> peers_;            // set and not removed
  std::map<uint64_t, int> peer_calls_;  // on_peer in progress
  std::map<PeerLane, Inbound> inbound_;
  std::map<chr_stream*, Stream*> open_streams_;
  std::vector<std::unique_ptr<Stream>> streams_;
  LentBuffers lent_;
};

}  // namespace chronik::host
