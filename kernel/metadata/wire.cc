// SPDX-License-Identifier: Apache-2.0
#include "kernel/metadata/wire.h"

#include <algorithm>

namespace chronik::metadata {

ByteView WireReader::TakeBytes(size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    return {};
  }
  const ByteView taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
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

}  // namespace chronik::metadata
