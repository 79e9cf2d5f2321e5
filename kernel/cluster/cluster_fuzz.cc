// SPDX-License-Identifier: Apache-2.0
// Goal: no frame or hello of another node crashes this one or makes it allocate more than it sent, and what is accepted
// is consistent. Method: decode the input as both; encode what came out again, decode that, and compare.
#include <cstdint>
#include <vector>

#include "kernel/cluster/hello.h"
#include "kernel/cluster/message_wire.h"

namespace chronik::cluster {
namespace {

constexpr NodeId kFrom(2);
constexpr NodeId kTo(3);

Bytes Encode(const std::vector<GroupMessage>& messages) {
  MessageFrame frame;
  for (const GroupMessage& message : messages) frame.Add(message.group, message.message);
  return frame.Take().Flatten();
}

// Varints have one encoding, and flags that are not known are dropped: from the second encoding on nothing changes.
void TryMessages(ByteView input) {
  const auto decoded = DecodeMessages(Bytes::Copy(input), kFrom, kTo);
  if (!decoded.ok()) return;
  const Bytes again = Encode(*decoded);
  const auto second = DecodeMessages(again, kFrom, kTo);
  CHRONIK_CHECK(second.ok() && second->size() == decoded->size()) << "messages that do not survive their encoding";
  CHRONIK_CHECK(Encode(*second) == again) << "one frame, two encodings";
}

void TryHello(ByteView input) {
  const auto hello = DecodeHello(input);
  if (!hello.ok()) return;
  const auto again = DecodeHello(EncodeHello(*hello));
  CHRONIK_CHECK(again.ok() && *again == *hello) << "a hello that does not survive its encoding";
}

}  // namespace
}  // namespace chronik::cluster

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chronik::cluster::TryMessages({data, size});
  chronik::cluster::TryHello({data, size});
  return 0;
}
