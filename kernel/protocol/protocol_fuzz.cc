// SPDX-License-Identifier: Apache-2.0
// Fuzzes the decoders of requests. Input: api key (one byte), version (one byte), body; key 0xff: a frame that begins
// with its request header. What is accepted must survive encoding and decoding unchanged.
#include <cstddef>
#include <cstdint>

#include "kernel/protocol/generated/all_messages.h"
#include "kernel/protocol/header.h"

namespace chronik::protocol {
namespace {

template <class Request>
void TryRequest(Reader& reader, int16_t version) {
  Request request;
  if (!request.Decode(reader, version).ok()) return;
  Writer writer;
  request.Encode(writer, version);
  Reader again(std::move(writer).Finish().Flatten());
  Request repeated;
  const Status status = repeated.Decode(again, version);
  CHRONIK_CHECK(status.ok()) << Request::kName << ": " << status.error().message;
  CHRONIK_CHECK(again.remaining() == 0 && repeated == request) << Request::kName << " version " << version;
}

void TryAny(Reader& reader, int16_t api_key, int16_t version) {
  ForEachRequest([&]<class Request>(std::type_identity<Request>) {
    if (Request::kApiKey == api_key) TryRequest<Request>(reader, version);
  });
}

void TryInput(const uint8_t* data, size_t size) {
  if (size < 2) return;
  constexpr uint8_t kWithHeader = 0xff;
  if (data[0] != kWithHeader) {
    Reader reader(Bytes::Copy(ByteView(data + 2, size - 2)));
    return TryAny(reader, data[0], data[1]);
  }
  Reader reader(Bytes::Copy(ByteView(data + 1, size - 1)));
  RequestHeader header;
  if (header.Decode(reader).ok()) TryAny(reader, header.api_key, header.api_version);
}

}  // namespace
}  // namespace chronik::protocol

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chronik::protocol::TryInput(data, size);
  return 0;
}
