// SPDX-License-Identifier: Apache-2.0
#include "kernel/records/snappy_framing.h"

#include <snappy.h>

#include <algorithm>
#include <array>
#include <string>

#include "kernel/base/endian.h"

namespace chronik::records {
namespace {

constexpr std::array<uint8_t, 8> kXerialMagic{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
constexpr size_t kXerialHeaderBytes = kXerialMagic.size() + 2 * sizeof(int32_t);
constexpr int32_t kXerialVersion = 1;
constexpr size_t kXerialBlockBytes = 32u << 10;
// No element of the format gives more than 64 bytes for 3, so a larger claim is a lie and costs no memory.
constexpr size_t kMaxRatio = 22;

const char* Chars(ByteView bytes) { return reinterpret_cast<const char*>(bytes.data()); }

Error Malformed() { return Error{ErrorCode::kInvalidRecord, "malformed snappy data"}; }

Status AppendBlock(ByteView block, size_t max_bytes, std::vector<uint8_t>* out) {
  size_t length = 0;
  if (!snappy::GetUncompressedLength(Chars(block), block.size(), &length)) return Malformed();
  if (length > max_bytes - out->size()) {
    return Error{ErrorCode::kRecordTooLarge, "more than " + std::to_string(max_bytes) + " bytes once decompressed"};
  }
  if (length > block.size() * kMaxRatio) return Malformed();
  const size_t at = out->size();
  out->resize(at + length);
  if (!snappy::RawUncompress(Chars(block), block.size(), reinterpret_cast<char*>(out->data() + at))) return Malformed();
  return {};
}

bool HasXerialMagic(ByteView bytes) {
  return bytes.size() >= kXerialHeaderBytes && std::equal(kXerialMagic.begin(), kXerialMagic.end(), bytes.begin());
}

}  // namespace

Result<std::vector<uint8_t>> SnappyDecompress(ByteView compressed, size_t max_bytes) {
  std::vector<uint8_t> out;
  if (!HasXerialMagic(compressed)) {
    CHRONIK_RETURN_IF_ERROR(AppendBlock(compressed, max_bytes, &out));
    return out;
  }
  // Versions above 1 do not exist; snappy-java itself only looks at the oldest compatible one.
  if (LoadBig<int32_t>(compressed.data() + kXerialMagic.size() + sizeof(int32_t)) > kXerialVersion) return Malformed();
  ByteView rest = compressed.subspan(kXerialHeaderBytes);
  while (!rest.empty()) {
    if (rest.size() < sizeof(int32_t)) return Malformed();
    const auto length = LoadBig<uint32_t>(rest.data());
    rest = rest.subspan(sizeof(int32_t));
    if (length > rest.size()) return Malformed();
    CHRONIK_RETURN_IF_ERROR(AppendBlock(rest.first(length), max_bytes, &out));
    rest = rest.subspan(length);
  }
  return out;
}

std::vector<uint8_t> SnappyCompressRaw(ByteView plain) {
  std::vector<uint8_t> out(snappy::MaxCompressedLength(plain.size()));
  size_t length = 0;
  snappy::RawCompress(Chars(plain), plain.size(), reinterpret_cast<char*>(out.data()), &length);
  out.resize(length);
  return out;
}

std::vector<uint8_t> SnappyCompressXerial(ByteView plain) {
  std::vector<uint8_t> out(kXerialHeaderBytes);
  std::copy(kXerialMagic.begin(), kXerialMagic.end(), out.begin());
  StoreBig<int32_t>(out.data() + kXerialMagic.size(), kXerialVersion);
  StoreBig<int32_t>(out.data() + kXerialMagic.size() + sizeof(int32_t), kXerialVersion);
  for (size_t at = 0; at < plain.size(); at += kXerialBlockBytes) {
    const std::vector<uint8_t> block =
        SnappyCompressRaw(plain.subspan(at, std::min(kXerialBlockBytes, plain.size() - at)));
    const size_t length_at = out.size();
    out.resize(length_at + sizeof(int32_t));
    StoreBig<uint32_t>(out.data() + length_at, static_cast<uint32_t>(block.size()));
    out.insert(out.end(), block.begin(), block.end());
  }
  return out;
}

}  // namespace chronik::records
