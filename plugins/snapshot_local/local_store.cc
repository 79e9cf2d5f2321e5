// SPDX-License-Identifier: Apache-2.0
#include "plugins/snapshot_local/local_store.h"

#include <chronik/sdk/object_trailer.h>

namespace chronik_snapshot_local {
namespace {

using chronik::sdk::Buffer;
using chronik::sdk::Host;
using chronik::sdk::IsSnapshotKey;
using chronik::sdk::ObjectDigest;
using chronik::sdk::ObjectReader;
using chronik::sdk::ObjectTrailer;
using chronik::sdk::ObjectWriter;

class FileWriter final : public ObjectWriter {
 public:
  FileWriter(Tree& tree, std::string key) : tree_(tree), key_(std::move(key)), unfinished_(tree.Begin()) {}
  ~FileWriter() override {
    if (!published_) tree_.Discard(unfinished_.name);
  }

  void Write(std::span<const std::byte> bytes) override {
    unfinished_.file.Append(bytes, Name());
    digest_.Add(bytes);
  }

  void Commit(uint64_t size, uint32_t crc32c) override {
    if (size != digest_.size() || crc32c != digest_.crc32c()) {
      throw Error(CHR_E_CORRUPT, tree_.PathOf(key_) + ": " + std::to_string(digest_.size()) +
                                     " bytes arrived, and they are not the " + std::to_string(size) +
                                     " with the checksum of the commit");
    }
    unfinished_.file.Append(ObjectTrailer::Encode(digest_), Name());
    unfinished_.file.Sync(Name());
    tree_.Publish(unfinished_.name, key_);
    published_ = true;
  }

 private:
  std::string Name() const { return "the unfinished file of " + tree_.PathOf(key_); }

  Tree& tree_;
  const std::string key_;
  Tree::Unfinished unfinished_;
  ObjectDigest digest_;
  bool published_ = false;
};

class FileReader final : public ObjectReader {
 public:
  FileReader(const Host& host, const Tree& tree, const std::string& key, uint64_t offset, uint64_t size)
      : host_(host), path_(tree.PathOf(key)), file_(tree.Open(key)), trailer_(ReadTrailer()), at_(offset) {
    if (offset > trailer_.size()) {
      throw Error(CHR_E_RANGE,
                  path_ + " has " + std::to_string(trailer_.size()) + " bytes, none at " + std::to_string(offset));
    }
    const uint64_t left = trailer_.size() - offset;
    end_ = offset + (size == 0 ? left : std::min(size, left));
    whole_ = offset == 0 && end_ == trailer_.size();
    if (whole_ && end_ == 0) Verify();
  }

  bool AtEnd() const override { return at_ == end_; }

  Buffer Read(uint64_t max_bytes) override {
    auto buffer = host_.Allocate(std::min(max_bytes, end_ - at_));
    const std::span bytes(buffer.data(), buffer.size());
    file_.ReadAt(bytes, at_, path_);
    at_ += bytes.size();
    if (whole_) {
      digest_.Add(bytes);
      if (AtEnd()) Verify();
    }
    return std::move(buffer).Freeze();
  }

 private:
  ObjectDigest ReadTrailer() const {
    const auto file_bytes = static_cast<uint64_t>(file_.Stat(path_).st_size);
    ObjectTrailer::Bytes bytes{};
    if (file_bytes < bytes.size()) throw Error(CHR_E_CORRUPT, path_ + " is too short for an object");
    file_.ReadAt(bytes, file_bytes - bytes.size(), path_);
    const auto trailer = ObjectTrailer::Decode(bytes);
    if (!trailer || trailer->size() != file_bytes - bytes.size()) {
      throw Error(CHR_E_CORRUPT, path_ + " does not end as an object does");
    }
    return *trailer;
  }
  void Verify() const {
    if (digest_ != trailer_) throw Error(CHR_E_CORRUPT, path_ + " fails its checksum");
  }

  const Host& host_;
  const std::string path_;
  const File file_;
  const ObjectDigest trailer_;
  uint64_t at_;
  uint64_t end_ = 0;
  bool whole_ = false;
  ObjectDigest digest_;  // of what was read, if it is all
};

std::string DirectoryOf(const Host& host) {
  const std::string_view chosen = host.GetString("directory");
  return std::string(chosen.empty() ? host.DataDir() : chosen);
}

}  // namespace

LocalStore::LocalStore(Host& host) : host_(host), directory_(DirectoryOf(host)) {}

LocalStore::Limits LocalStore::GetLimits() const {
  return {.threads = static_cast<size_t>(host_.GetInt("threads")),
          .open_puts = static_cast<size_t>(host_.GetInt("open_puts")),
          .object_bytes = INT64_MAX - ObjectTrailer::kSize,
          .read_bytes = kReadBytes};
}

void LocalStore::Open() {
  tree_.emplace(directory_);
  if (const size_t removed = tree_->ClearLeftovers(); removed > 0) {
    host_.Info("removed " + std::to_string(removed) + " unfinished files from " + directory_);
  }
}

std::unique_ptr<ObjectWriter> LocalStore::Put(const std::string& key, uint64_t, std::stop_token) {
  return std::make_unique<FileWriter>(*tree_, key);
}

std::unique_ptr<ObjectReader> LocalStore::Get(const std::string& key, uint64_t offset, uint64_t size, std::stop_token) {
  return std::make_unique<FileReader>(host_, *tree_, key, offset, size);
}

void LocalStore::List(const std::string& prefix, const Each& each, std::stop_token) {
  for (const Tree::Found& found : tree_->List(prefix)) {
    // Whatever else lies there is not ours.
    if (found.file_bytes < ObjectTrailer::kSize || !IsSnapshotKey(found.key)) continue;
    each(found.key, found.file_bytes - ObjectTrailer::kSize, found.created_ns);
  }
}

void LocalStore::Remove(const std::string& key, std::stop_token) { tree_->Remove(key); }

}  // namespace chronik_snapshot_local
