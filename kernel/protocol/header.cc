// SPDX-License-Identifier: Apache-2.0
#include "kernel/protocol/header.h"

#include <limits>

#include "kernel/protocol/generated/api_keys.h"

namespace chronik::protocol {
namespace {

bool IsFlexible(int16_t api_key, int16_t api_version) {
  for (const ApiCodec& codec : kApiCodecs) {
    if (static_cast<int16_t>(codec.key) == api_key) return api_version >= codec.first_flexible_version;
  }
  return false;
}

}  // namespace

Status CheckRequestFrameSize(int32_t size, int32_t size_max) {
  if (size >= kRequestFrameBytesMin && size <= size_max) return {};
  return Error{ErrorCode::kInvalidArgument, "frame of " + std::to_string(size) + " bytes; " +
                                                std::to_string(kRequestFrameBytesMin) + " to " +
                                                std::to_string(size_max) + " are allowed"};
}

int16_t RequestHeaderVersion(int16_t api_key, int16_t api_version) { return IsFlexible(api_key, api_version) ? 2 : 1; }

int16_t ResponseHeaderVersion(int16_t api_key, int16_t api_version) {
  if (api_key == static_cast<int16_t>(ApiKey::kApiVersions)) return 0;
  return IsFlexible(api_key, api_version) ? 1 : 0;
}

Status RequestHeader::Decode(Reader& reader) {
  api_key = reader.ReadInt<int16_t>();
  api_version = reader.ReadInt<int16_t>();
  correlation_id = reader.ReadInt<int32_t>();
  // Classic in header 2 as well: it can be read without knowing the API.
  client_id = reader.ReadNullableString(Encoding::kClassic);
  if (reader.ok() && RequestHeaderVersion(api_key, api_version) >= 2) reader.SkipTaggedFields();
  return reader.status();
}

void RequestHeader::Encode(Writer& writer) const {
  writer.WriteInt(api_key);
  writer.WriteInt(api_version);
  writer.WriteInt(correlation_id);
  writer.WriteNullableString(client_id, Encoding::kClassic);
  if (RequestHeaderVersion(api_key, api_version) >= 2) writer.WriteUnsignedVarint(0);
}

Status ResponseHeader::Decode(Reader& reader, int16_t header_version) {
  correlation_id = reader.ReadInt<int32_t>();
  if (header_version >= 1) reader.SkipTaggedFields();
  return reader.status();
}

void ResponseHeader::Encode(Writer& writer, int16_t header_version) const {
  writer.WriteInt(correlation_id);
  if (header_version >= 1) writer.WriteUnsignedVarint(0);
}

ByteChain FrameWriter::Finish() && {
  const size_t size = writer_.size() - kFrameSizeBytes;
  CHRONIK_CHECK(size <= static_cast<size_t>(std::numeric_limits<int32_t>::max())) << "frame of " << size << " bytes";
  StoreBig(size_, static_cast<int32_t>(size));
  return std::move(writer_).Finish();
}

}  // namespace chronik::protocol
