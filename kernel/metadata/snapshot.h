// SPDX-License-Identifier: Apache-2.0
// The whole image as bytes: the snapshot of the `__meta` group.
#pragma once

#include "kernel/base/bytes.h"
#include "kernel/base/result.h"
#include "kernel/metadata/image.h"

namespace chronik::metadata {

// Versioned, with a CRC; equal images give equal bytes. Any thread: an image never changes.
Bytes EncodeImage(const MetadataImage& image);

// kCorrupt if damaged, cut short or inconsistent in itself; kUnsupportedVersion if written by a newer format.
Result<ImagePtr> DecodeImage(ByteView bytes);

}  // namespace chronik::metadata
