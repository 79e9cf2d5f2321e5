// SPDX-License-Identifier: Apache-2.0
#include "kernel/records/compression.h"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "kernel/records/snappy_framing.h"

namespace chronik::records {
namespace {

Error Malformed(Codec codec) {
  return Error{ErrorCode::kInvalidRecord, "malformed " + std::string(CodecName(codec)) + " data"};
}

Error CompressionFailed(Codec codec) {
  return Error{ErrorCode::kInternal, std::string(CodecName(codec)) + " compression failed"};
}

Error TooLarge(size_t max_bytes) {
  return Error{ErrorCode::kRecordTooLarge, "more than " + std::to_string(max_bytes) + " bytes once decompressed"};
}

// Output of a streaming decoder: grows by doubling, and up to one byte beyond the cap, so that a stream which ends
// exactly at the cap is told from one that goes on.
class CappedOutput {
 public:
  CappedOutput(size_t compressed_bytes, size_t max_bytes)
      : max_bytes_(max_bytes), limit_(max_bytes + (max_bytes < std::numeric_limits<size_t>::max() ? 1 : 0)) {
    out_.resize(std::min(limit_, std::max<size_t>(4096, compressed_bytes * 4)));
  }

  // Room for the decoder's next bytes; never empty unless over().
  MutableByteView Room() {
    if (used_ == out_.size()) out_.resize(std::min(limit_, out_.size() * 2));
    return MutableByteView(out_).subspan(used_);
  }
  void Use(size_t bytes) { used_ += bytes; }
  bool over() const { return used_ > max_bytes_; }
  std::vector<uint8_t> Take() && {
    out_.resize(used_);
    return std::move(out_);
  }

 private:
  size_t max_bytes_;
  size_t limit_;
  std::vector<uint8_t> out_;
  size_t used_ = 0;
};

constexpr int kGzipWindow = 15 + 16;  // largest window; +16: gzip wrapper

Result<std::vector<uint8_t>> GzipDecompress(ByteView in, size_t max_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) return Error{ErrorCode::kInternal, "zlib did not start"};
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, &inflateEnd);
  CappedOutput out(in.size(), max_bytes);
  stream.next_in = const_cast<Bytef*>(in.data());  // zlib reads only
  stream.avail_in = static_cast<uInt>(in.size());
  while (true) {
    const MutableByteView room = out.Room();
    const auto offered = static_cast<uInt>(std::min<size_t>(room.size(), std::numeric_limits<uInt>::max()));
    stream.next_out = room.data();
    stream.avail_out = offered;
    const int result = inflate(&stream, Z_NO_FLUSH);
    out.Use(offered - stream.avail_out);
    if (out.over()) return TooLarge(max_bytes);
    if (result == Z_STREAM_END) {
      if (stream.avail_in == 0) return std::move(out).Take();
      if (inflateReset(&stream) != Z_OK) return Malformed(Codec::kGzip);
      continue;
    }
    // Room was offered, so no progress (Z_BUF_ERROR) means that the input ended too early.
    if (result != Z_OK) return Malformed(Codec::kGzip);
  }
}

Result<std::vector<uint8_t>> Lz4Decompress(ByteView in, size_t max_bytes) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)) != 0) {
    return Error{ErrorCode::kInternal, "lz4 did not start"};
  }
  const std::unique_ptr<LZ4F_dctx, LZ4F_errorCode_t (*)(LZ4F_dctx*)> context(raw, &LZ4F_freeDecompressionContext);
  CappedOutput out(in.size(), max_bytes);
  size_t hint = 1;  // 0: a frame has just ended
  while (true) {
    const MutableByteView room = out.Room();
    size_t produced = room.size();
    size_t consumed = in.size();
    hint = LZ4F_decompress(context.get(), room.data(), &produced, in.data(), &consumed, nullptr);
    if (LZ4F_isError(hint) != 0) return Malformed(Codec::kLz4);
    out.Use(produced);
    in = in.subspan(consumed);
    if (out.over()) return TooLarge(max_bytes);
    if (in.empty() && hint == 0) return std::move(out).Take();
    if (produced == 0 && consumed == 0) return Malformed(Codec::kLz4);  // wants more input, and there is none
  }
}

// Frames that ask for a larger window are refused. zstd's own default, which every client's encoder stays within.
constexpr int kZstdMaxWindowLog = 27;

Result<std::vector<uint8_t>> ZstdDecompress(ByteView in, size_t max_bytes) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  if (!context || ZSTD_isError(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kZstdMaxWindowLog)) != 0) {
    return Error{ErrorCode::kInternal, "zstd did not start"};
  }
  CappedOutput out(in.size(), max_bytes);
  ZSTD_inBuffer input{in.data(), in.size(), 0};
  while (true) {
    const MutableByteView room = out.Room();
    ZSTD_outBuffer output{room.data(), room.size(), 0};
    const size_t consumed_before = input.pos;
    const size_t hint = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(hint) != 0) return Malformed(Codec::kZstd);
    out.Use(output.pos);
    if (out.over()) return TooLarge(max_bytes);
    if (hint == 0 && input.pos == input.size) return std::move(out).Take();
    if (output.pos == 0 && input.pos == consumed_before) return Malformed(Codec::kZstd);  // cut short
  }
}

Result<std::vector<uint8_t>> GzipCompress(ByteView plain) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return CompressionFailed(Codec::kGzip);
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> closer(&stream, &deflateEnd);
  std::vector<uint8_t> out(deflateBound(&stream, plain.size()));
  stream.next_in = const_cast<Bytef*>(plain.data());  // zlib reads only
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return CompressionFailed(Codec::kGzip);
  out.resize(stream.total_out);
  return out;
}

Result<std::vector<uint8_t>> Lz4Compress(ByteView plain) {
  std::vector<uint8_t> out(LZ4F_compressFrameBound(plain.size(), nullptr));
  const size_t size = LZ4F_compressFrame(out.data(), out.size(), plain.data(), plain.size(), nullptr);
  if (LZ4F_isError(size) != 0) return CompressionFailed(Codec::kLz4);
  out.resize(size);
  return out;
}

Result<std::vector<uint8_t>> ZstdCompress(ByteView plain) {
  std::vector<uint8_t> out(ZSTD_compressBound(plain.size()));
  const size_t size = ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size) != 0) return CompressionFailed(Codec::kZstd);
  out.resize(size);
  return out;
}

}  // namespace

Result<std::vector<uint8_t>> Decompress(Codec codec, ByteView compressed, size_t max_bytes) {
  // A batch length is an int32, and zlib counts in 32 bits.
  if (compressed.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) return Malformed(codec);
  switch (codec) {
    case Codec::kNone:
      if (compressed.size() > max_bytes) return TooLarge(max_bytes);
      return std::vector<uint8_t>(compressed.begin(), compressed.end());
    case Codec::kGzip: return GzipDecompress(compressed, max_bytes);
    case Codec::kSnappy: return SnappyDecompress(compressed, max_bytes);
    case Codec::kLz4: return Lz4Decompress(compressed, max_bytes);
    case Codec::kZstd: return ZstdDecompress(compressed, max_bytes);
  }
  return Error{ErrorCode::kUnsupportedCompression, "unknown compression codec"};
}

Result<std::vector<uint8_t>> Compress(Codec codec, ByteView plain, SnappyFraming snappy) {
  if (plain.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) return CompressionFailed(codec);
  switch (codec) {
    case Codec::kNone: return std::vector<uint8_t>(plain.begin(), plain.end());
    case Codec::kGzip: return GzipCompress(plain);
    case Codec::kSnappy: return snappy == SnappyFraming::kRaw ? SnappyCompressRaw(plain) : SnappyCompressXerial(plain);
    case Codec::kLz4: return Lz4Compress(plain);
    case Codec::kZstd: return ZstdCompress(plain);
  }
  return Error{ErrorCode::kUnsupportedCompression, "unknown compression codec"};
}

}  // namespace chronik::records
