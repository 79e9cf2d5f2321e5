// SPDX-License-Identifier: Apache-2.0
// Random field values for the tests of the codecs. The same seed gives the same message, always.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "kernel/protocol/writer.h"

namespace chronik::protocol {

class RandomValues {
 public:
  explicit RandomValues(uint64_t seed) : engine_(seed) {}

  bool Null() { return Below(4) == 0; }
  void Fill(bool& out) { out = Below(2) == 1; }
  template <std::integral T>
  void Fill(T& out) {
    // The ends of the range are as likely as all that lies between.
    static constexpr std::array<T, 4> kEdges{T{0}, T(-1), std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
    const uint64_t choice = Below(8);
    out = choice < kEdges.size() ? kEdges[choice] : static_cast<T>(engine_());
  }
  void Fill(double& out) { out = static_cast<double>(Below(1000)) / 8; }
  void Fill(std::string& out) {
    out.resize(Below(24));
    for (char& c : out) c = static_cast<char>(Below(256));
  }
  void Fill(TopicId& out) {
    for (uint8_t& byte : out.bytes) byte = static_cast<uint8_t>(Below(256));
  }
  void Fill(Bytes& out) {
    std::string text;
    Fill(text);
    // Some are long enough to be spliced into the frame instead of copied.
    if (Below(8) == 0) text.resize(Writer::kSpliceBytesMin + Below(64), 'r');
    out = Bytes::Copy(text);
  }
  void Fill(ByteChain& out) {
    for (uint64_t parts = Below(4); parts > 0; --parts) {
      Bytes part;
      Fill(part);
      out.Append(std::move(part));
    }
  }
  template <class T, class FillElement>
  void FillArray(std::vector<T>& out, FillElement fill) {
    out.clear();
    for (uint64_t count = Below(4); count > 0; --count) fill(out.emplace_back());
  }

 private:
  uint64_t Below(uint64_t bound) { return engine_() % bound; }

  std::mt19937_64 engine_;
};

}  // namespace chronik::protocol
