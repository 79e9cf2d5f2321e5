// SPDX-License-Identifier: Apache-2.0
// The 24 bytes behind the data of a stored object, by which a reader of all of it knows that it is whole. The grammar
// stands in plugins/snapshot_local/FORMAT.md; a sink need not use it.
#pragma once

#include <array>
#include <cstring>
#include <optional>

#include <chronik/sdk/crc32c.h>

CHRONIK_SDK_BEGIN

// Size and checksum of bytes that pass by.
class ObjectDigest {
 public:
  void Add(std::span<const std::byte> bytes) noexcept {
    size_ += bytes.size();
    crc32c_ = Crc32c(bytes, crc32c_);
  }
  uint64_t size() const noexcept { return size_; }
  uint32_t crc32c() const noexcept { return crc32c_; }
  bool operator==(const ObjectDigest&) const = default;

 private:
  friend class ObjectTrailer;
  uint64_t size_ = 0;
  uint32_t crc32c_ = 0;
};

class ObjectTrailer {
 public:
  static constexpr size_t kSize = 24;
  using Bytes = std::array<std::byte, kSize>;

  static Bytes Encode(const ObjectDigest& digest) noexcept {
    Bytes bytes{};
    Copy(bytes.data(), digest.size_);
    Copy(bytes.data() + 8, digest.crc32c_);
    std::memcpy(bytes.data() + 12, kMagic, sizeof(kMagic));
    Copy(bytes.data() + 20, Crc32c(std::span(bytes).first(20)));
    return bytes;
  }

  // nullopt: these bytes are no trailer.
  static std::optional<ObjectDigest> Decode(std::span<const std::byte> bytes) noexcept {
    if (bytes.size() != kSize || std::memcmp(bytes.data() + 12, kMagic, sizeof(kMagic)) != 0) return std::nullopt;
    uint32_t own_crc = 0;
    std::memcpy(&own_crc, bytes.data() + 20, sizeof(own_crc));
    if (own_crc != Crc32c(bytes.first(20))) return std::nullopt;
    ObjectDigest digest;
    std::memcpy(&digest.size_, bytes.data(), sizeof(digest.size_));
    std::memcpy(&digest.crc32c_, bytes.data() + 8, sizeof(digest.crc32c_));
    return digest;
  }

 private:
  static constexpr char kMagic[8] = {'c', 'h', 'r', 's', 'n', 'a', 'p', '1'};
  // The ABI is for little-endian machines only (chronik/abi.h), and so are these bytes.
  template <class T>
  static void Copy(std::byte* to, T number) noexcept {
    std::memcpy(to, &number, sizeof(number));
  }
};

CHRONIK_SDK_END
