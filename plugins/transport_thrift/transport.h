// SPDX-License-Identifier: Apache-2.0
// The transport: its threads, its peers, and the calls of the host.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <chronik/sdk/transport.h>

#include "plugins/transport_thrift/settings.h"

namespace chronik_transport_thrift {

class Stream;

class ThriftTransport {
 public:
  using Stream = chronik_transport_thrift::Stream;

  explicit ThriftTransport(chronik::sdk::Host& host);
  ~ThriftTransport();
  static void Validate(chronik::sdk::Host& host);
  void Start(chronik::sdk::TransportSink sink);
  void Stop(uint64_t timeout_ns);

  chr_transport_caps Caps() const;
  std::string BoundAddress() const;
  void SetPeer(uint64_t peer, std::string_view address);
  void RemovePeer(uint64_t peer);
  chr_status Send(uint64_t peer, uint32_t lane, std::span<const chr_buf> bufs);
  void Resume(uint64_t peer, uint32_t lane);
  chr_status OpenStream(uint64_t peer, std::string_view header, const chronik::sdk::StreamEvents& events, Stream*& out);
  chr_status WriteStream(Stream& stream, std::span<const chr_buf> bufs);
  void GrantCredit(Stream& stream, uint64_t bytes);
  void CloseStream(Stream& stream, chr_status status);

 private:
  struct Running;

  chronik::sdk::Host& host_;
  const Settings settings_;
  std::unique_ptr<Running> running_;  // from start to destroy
};

}  // namespace chronik_transport_thrift
