// SPDX-License-Identifier: Apache-2.0
// Bytes that came out of a call, which the host may keep.
#pragma once

#include <string>
#include <utility>

#include <chronik/sdk/buffer.h>

namespace chronik_transport_thrift {

class LentBytes : public chronik::sdk::RefCounted<LentBytes> {
 public:
  static chronik::sdk::Buffer Make(std::string bytes) {
    auto* lent = new LentBytes(std::move(bytes));
    return chronik::sdk::Buffer::Adopt({lent->bytes_.data(), lent->bytes_.size(), lent});
  }

 private:
  friend class chronik::sdk::RefCounted<LentBytes>;
  explicit LentBytes(std::string bytes) : bytes_(std::move(bytes)) {}
  ~LentBytes() = default;
  const std::string bytes_;
};

}  // namespace chronik_transport_thrift
