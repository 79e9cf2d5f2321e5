// SPDX-License-Identifier: Apache-2.0
// What surrounds a message: the frame's size, the header of a request, the header of a response.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernel/base/bytes.h"
#include "kernel/base/result.h"
#include "kernel/protocol/reader.h"
#include "kernel/protocol/writer.h"

namespace chronik::protocol {

// frame := size:int32 header body, where size counts what follows it.
inline constexpr size_t kFrameSizeBytes = 4;
inline constexpr int32_t kRequestFrameBytesMin = 10;                        // a header with a null client id, no body
inline constexpr int32_t kRequestFrameBytesMaxDefault = 100 * 1024 * 1024;  // Kafka's socket.request.max.bytes

// Checks the size that a client announced, before memory is taken for it. kInvalidArgument: close the connection.
Status CheckRequestFrameSize(int32_t size, int32_t size_max);

// Version of the header that goes with a request: 2 in the flexible versions of the API, else 1. An API without a
// codec gets 1; only the fixed part and the client id of such a request can be relied on. A version above the known
// ones is taken to be as flexible as the last.
int16_t RequestHeaderVersion(int16_t api_key, int16_t api_version);
// 1 in the flexible versions, else 0. ApiVersions is answered with 0 always: the client cannot know yet what we speak.
int16_t ResponseHeaderVersion(int16_t api_key, int16_t api_version);

struct RequestHeader {
  int16_t api_key = 0;
  int16_t api_version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string> client_id;

  // Leaves the reader at the first byte of the body. If it fails after 8 bytes, key, version and correlation id are
  // set.
  Status Decode(Reader& reader);
  void Encode(Writer& writer) const;
  friend bool operator==(const RequestHeader&, const RequestHeader&) = default;
};

struct ResponseHeader {
  int32_t correlation_id = 0;

  Status Decode(Reader& reader, int16_t header_version);
  void Encode(Writer& writer, int16_t header_version) const;
};

// A frame under construction: room for the size, then what is written.
class FrameWriter {
 public:
  FrameWriter() : size_(writer_.ReserveInt32()) {}
  Writer& writer() { return writer_; }
  ByteChain Finish() &&;  // fills the size in

 private:
  Writer writer_;
  uint8_t* size_;
};

// The whole frame that answers `request`, its body in `body_version`: error 35 to ApiVersions is sent as version 0
// (KIP-511).
template <class Response>
ByteChain EncodeResponseFrame(const RequestHeader& request, const Response& response, int16_t body_version) {
  FrameWriter frame;
  ResponseHeader{request.correlation_id}.Encode(frame.writer(), ResponseHeaderVersion(request.api_key, body_version));
  response.Encode(frame.writer(), body_version);
  return std::move(frame).Finish();
}

// As above, in the version that the request asked for.
template <class Response>
ByteChain EncodeResponseFrame(const RequestHeader& request, const Response& response) {
  return EncodeResponseFrame(request, response, request.api_version);
}

// The whole frame of a request; the header's key and version say how the body is written.
template <class Request>
ByteChain EncodeRequestFrame(const RequestHeader& header, const Request& request) {
  FrameWriter frame;
  header.Encode(frame.writer());
  request.Encode(frame.writer(), header.api_version);
  return std::move(frame).Finish();
}

}  // namespace chronik::protocol
