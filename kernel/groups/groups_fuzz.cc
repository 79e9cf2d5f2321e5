// SPDX-License-Identifier: Apache-2.0
// Goal: no bytes of a log crash the decoder of records, and what it accepts is what the encoder writes. Method: the
// input is one byte of key length, the key, and the value (a tombstone if nothing is left); decode, encode, decode.
#include <algorithm>
#include <cstdint>

#include "kernel/base/invariant.h"
#include "kernel/groups/record.h"

namespace chronik::groups {
namespace {

void TryRecord(ByteView input) {
  if (input.empty()) return;
  const size_t key_bytes = std::min<size_t>(input[0], input.size() - 1);
  const ByteView key = input.subspan(1, key_bytes);
  const ByteView rest = input.subspan(1 + key_bytes);
  const auto decoded = DecodeRecord(key, rest.empty() ? std::nullopt : std::optional<ByteView>(rest));
  if (!decoded || !*decoded) return;
  const EncodedRecord encoded = EncodeRecord(**decoded);
  const auto again = DecodeRecord(AsBytes(encoded.key),
                                  encoded.value ? std::optional<ByteView>(AsBytes(*encoded.value)) : std::nullopt);
  CHRONIK_CHECK(again.ok() && again->has_value() && **again == **decoded) << "a record that does not round-trip";
}

}  // namespace
}  // namespace chronik::groups

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chronik::groups::TryRecord({data, size});
  return 0;
}
