// SPDX-License-Identifier: Apache-2.0
#include "kernel/base/wire.h"

#include <algorithm>

namespace chronik {

ByteView WireReader::TakeBytes(size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    return {};
  }
  const ByteView taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

// One number has one encoding: a superfluous zero byte at the end, or more than 64 bits, is malformed.
uint64_t WireReader::TakeVarint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const auto byte = Take<uint8_t>();
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && shift != 0) break;
    return value;
  }
  ok_ = false;
  return 0;
}

TopicId WireReader::TakeTopicId() {
  TopicId id;
  const ByteView bytes = TakeBytes(id.bytes.size());
  std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  return id;
}

std::string WireReader::TakeString(size_t max_bytes) { return std::string(AsText(TakeBytes(TakeCount(max_bytes, 1)))); }

size_t WireReader::TakeCount(size_t max_count, size_t min_element_bytes) {
  const auto count = Take<uint32_t>();
  if (count > max_count || count > rest_.size() / min_element_bytes) ok_ = false;
  return ok_ ? count : 0;
}

}  // namespace chronik
