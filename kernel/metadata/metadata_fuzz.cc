// SPDX-License-Identifier: Apache-2.0
// Goal: no bytes crash the decoders of commands and snapshots, and what they accept is consistent. Method: decode the
// input as both, the snapshot with its CRC repaired; apply the command; encode again and compare.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernel/base/crc32c.h"
#include "kernel/base/endian.h"
#include "kernel/metadata/apply.h"
#include "kernel/metadata/snapshot.h"

namespace chronik::metadata {
namespace {

ImagePtr TwoBrokers() {
  ImagePtr image = MetadataImage::Empty();
  for (const uint64_t node : {1, 2})
    image = Apply(*image, RegisterBroker{NodeId(node), node, 0, "h", 1, "", ""})->image;
  return image;
}

void TryCommand(ByteView input) {
  const Result<Command> command = DecodeCommand(input);
  if (!command) return;
  CHRONIK_CHECK(std::ranges::equal(EncodeCommand(*command).view(), input)) << "one command, two encodings";
  static const ImagePtr kBase = TwoBrokers();
  const Result<Applied> applied = Apply(*kBase, *command);
  if (!applied) return;
  const Result<ImagePtr> again = DecodeImage(EncodeImage(*applied->image));
  CHRONIK_CHECK(again.ok() && **again == *applied->image) << "an image that its snapshot does not hold";
}

void TrySnapshot(ByteView input) {
  std::vector<uint8_t> bytes(input.begin(), input.end());
  if (bytes.size() >= sizeof(uint32_t)) {
    const ByteView body = ByteView(bytes).first(bytes.size() - sizeof(uint32_t));
    StoreLittle(bytes.data() + body.size(), Crc32c(body));
  }
  const Result<ImagePtr> image = DecodeImage(bytes);
  if (!image) return;
  const Result<ImagePtr> again = DecodeImage(EncodeImage(**image));
  CHRONIK_CHECK(again.ok() && **again == **image) << "a snapshot that does not round-trip";
}

}  // namespace
}  // namespace chronik::metadata

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  chronik::metadata::TryCommand({data, size});
  chronik::metadata::TrySnapshot({data, size});
  return 0;
}
