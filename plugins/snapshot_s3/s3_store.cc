// SPDX-License-Identifier: Apache-2.0
#include "plugins/snapshot_s3/s3_store.h"

#include <chronik/sdk/object_trailer.h>

namespace chronik_snapshot_s3 {
namespace {

using chronik::sdk::Buffer;
using chronik::sdk::Error;
using chronik::sdk::Host;
using chronik::sdk::IsSnapshotKey;
using chronik::sdk::ObjectDigest;
using chronik::sdk::ObjectReader;
using chronik::sdk::ObjectTrailer;
using chronik::sdk::ObjectWriter;

constexpr size_t kPartsMax = 10'000;  // S3's limit

class S3Writer final : public ObjectWriter {
 public:
  S3Writer(S3Client& client, std::string key, size_t part_bytes, std::stop_token stop)
      : client_(client), key_(std::move(key)), part_bytes_(part_bytes), stop_(std::move(stop)) {}
  ~S3Writer() override {
    if (!upload_.empty()) client_.AbortUpload(key_, upload_);
  }

  void Write(std::span<const std::byte> bytes) override {
    digest_.Add(bytes);
    while (!bytes.empty()) {
      if (part_.size() == part_bytes_) SendPart();
      const size_t fits = std::min(bytes.size(), part_bytes_ - part_.size());
      part_.insert(part_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(fits));
      bytes = bytes.subspan(fits);
    }
  }

  void Commit(uint64_t size, uint32_t crc32c) override {
    if (size != digest_.size() || crc32c != digest_.crc32c()) {
      throw Error(CHR_E_CORRUPT, key_ + ": " + std::to_string(digest_.size()) +
                                     " bytes arrived, and they are not the " + std::to_string(size) +
                                     " with the checksum of the commit");
    }
    const ObjectTrailer::Bytes trailer = ObjectTrailer::Encode(digest_);
    part_.insert(part_.end(), trailer.begin(), trailer.end());
    if (upload_.empty()) return client_.Put(key_, part_, stop_);
    SendPart();
    if (!client_.CompleteUpload(key_, upload_, etags_, stop_) && !IsThere(trailer)) {
      throw Error(CHR_E_IO, key_ + ": the server has lost the upload");
    }
    upload_.clear();
  }

 private:
  void SendPart() {
    if (etags_.size() == kPartsMax) {
      throw Error(CHR_E_RANGE, key_ + " is too large: raise part_bytes, of which there may be 10000");
    }
    if (upload_.empty()) upload_ = client_.BeginUpload(key_, stop_);
    etags_.push_back(client_.PutPart(key_, upload_, etags_.size() + 1, part_, stop_));
    part_.clear();
  }
  // Does the object end as ours does? Its trailer has the size and checksum of all of it.
  bool IsThere(const ObjectTrailer::Bytes& trailer) {
    ObjectTrailer::Bytes stored{};
    const auto range = client_.Get(key_, digest_.size(), stored, "", stop_);
    return stored == trailer && range.object_bytes == digest_.size() + trailer.size();
  }

  S3Client& client_;
  const std::string key_;
  const size_t part_bytes_;
  const std::stop_token stop_;
  ObjectDigest digest_;
  std::vector<std::byte> part_;
  std::string upload_;  // empty: none has begun, or it is complete
  std::vector<std::string> etags_;
};

class S3Reader final : public ObjectReader {
 public:
  S3Reader(const Host& host, S3Client& client, std::string key, uint64_t offset, uint64_t size, size_t read_bytes,
           std::stop_token stop)
      : host_(host),
        client_(client),
        key_(std::move(key)),
        read_bytes_(read_bytes),
        stop_(std::move(stop)),
        at_(offset) {
    Fetch(size == 0 ? read_bytes_ : std::min<uint64_t>(size, read_bytes_));
    if (object_bytes_ < ObjectTrailer::kSize) throw Error(CHR_E_CORRUPT, key_ + " is too short for an object");
    const uint64_t data_bytes = object_bytes_ - ObjectTrailer::kSize;
    if (offset > data_bytes) throw Error(CHR_E_RANGE, key_ + " has " + std::to_string(data_bytes) + " bytes");
    end_ = size == 0 || size > data_bytes - offset ? data_bytes : offset + size;
    whole_ = offset == 0 && end_ == data_bytes;
    if (whole_ && end_ == 0) Verify();
  }

  bool AtEnd() const override { return at_ == end_; }

  Buffer Read(uint64_t max_bytes) override {
    if (at_ == window_begin_ + window_.size()) Fetch(std::min<uint64_t>(read_bytes_, end_ - at_));
    const size_t skip = static_cast<size_t>(at_ - window_begin_);
    const uint64_t count = std::min({max_bytes, end_ - at_, window_.size() - skip});
    const chr_buf view = window_.View();
    Buffer part = Buffer::Retain({window_.data() + skip, static_cast<size_t>(count), view.owner});
    at_ += count;
    if (whole_) {
      digest_.Add(part.bytes());
      if (AtEnd()) Verify();
    }
    return part;
  }

 private:
  // The next bytes from at_ on become the window.
  void Fetch(uint64_t count) {
    window_ = Buffer();
    auto memory = host_.Allocate(static_cast<size_t>(count));
    const auto range = client_.Get(key_, at_, {memory.data(), memory.size()}, etag_, stop_);
    if (range.bytes == 0) throw Error(CHR_E_IO, key_ + ": an empty range");
    etag_ = range.etag;
    object_bytes_ = range.object_bytes;
    window_begin_ = at_;
    const Buffer all = std::move(memory).Freeze();
    window_ = Buffer::Retain({all.data(), range.bytes, all.View().owner});
  }
  void Verify() {
    ObjectTrailer::Bytes bytes{};
    client_.Get(key_, end_, bytes, etag_, stop_);
    if (ObjectTrailer::Decode(bytes) != digest_) throw Error(CHR_E_CORRUPT, key_ + " fails its checksum");
  }

  const Host& host_;
  S3Client& client_;
  const std::string key_;
  const size_t read_bytes_;
  const std::stop_token stop_;
  uint64_t at_;
  uint64_t end_ = 0;
  bool whole_ = false;
  std::string etag_;  // every range is of the version that the first was of
  uint64_t object_bytes_ = 0;
  uint64_t window_begin_ = 0;
  Buffer window_;
  ObjectDigest digest_;
};

}  // namespace

S3Store::S3Store(Host& host)
    : host_(host),
      part_bytes_(static_cast<size_t>(host.GetInt("part_bytes"))),
      read_bytes_(static_cast<size_t>(host.GetInt("read_bytes"))),
      client_(host) {}

S3Store::Limits S3Store::GetLimits() const {
  return {.threads = static_cast<size_t>(host_.GetInt("threads")),
          .open_puts = static_cast<size_t>(host_.GetInt("open_puts")),
          .object_bytes = part_bytes_ * kPartsMax - ObjectTrailer::kSize,
          .read_bytes = read_bytes_};
}

void S3Store::CleanUp(std::stop_token stop) {
  const std::chrono::nanoseconds age(host_.GetInt("abandoned_after"));
  const size_t aborted = client_.AbortAbandoned(std::chrono::duration_cast<std::chrono::seconds>(age), stop);
  if (aborted > 0) host_.Info("ended " + std::to_string(aborted) + " abandoned uploads");
}

std::unique_ptr<ObjectWriter> S3Store::Put(const std::string& key, uint64_t, std::stop_token stop) {
  return std::make_unique<S3Writer>(client_, key, part_bytes_, std::move(stop));
}

std::unique_ptr<ObjectReader> S3Store::Get(const std::string& key, uint64_t offset, uint64_t size,
                                           std::stop_token stop) {
  return std::make_unique<S3Reader>(host_, client_, key, offset, size, read_bytes_, std::move(stop));
}

void S3Store::List(const std::string& prefix, const Each& each, std::stop_token stop) {
  for (const S3Client::Object& object : client_.List(prefix, stop)) {
    // Whatever else lies there is not ours.
    if (object.bytes < ObjectTrailer::kSize || !IsSnapshotKey(object.key)) continue;
    each(object.key, object.bytes - ObjectTrailer::kSize, object.modified_ns);
  }
}

void S3Store::Remove(const std::string& key, std::stop_token stop) { client_.Remove(key, stop); }

}  // namespace chronik_snapshot_s3
