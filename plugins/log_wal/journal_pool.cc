// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/journal_pool.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <utility>

#include "plugins/log_wal/store.h"

namespace chronik_log_wal {
namespace {

constexpr size_t kFreeFilesMin = 2;                // kept, or one for each lane if there are more
constexpr uint64_t kFirstFileBytes = 4ull << 20;   // of a lane that finds none prepared, so that it may start at once
constexpr uint64_t kFillStepBytes = 256ull << 10;  // between syncs, as the disk is shared with the lanes

}  // namespace

int JournalFile::ZeroUpTo(uint64_t end) {
  static const std::vector<char> kZeros(128 << 10, 0);
  while (zeroed < end) {
    const uint64_t step = std::min<uint64_t>(kZeros.size(), end - zeroed);
    if (const int error = file->WriteAt(zeroed, kZeros.data(), step)) return error;
    zeroed += step;
  }
  return 0;
}

void JournalPool::AddFound(std::vector<std::string> paths) {
  const std::scoped_lock lock(mutex_);
  free_ = std::move(paths);
}

void JournalPool::AddLane() {
  const std::scoped_lock lock(mutex_);
  ++lanes_;
}

std::string JournalPool::NewName() {
  char name[32];
  std::snprintf(name, sizeof name, "/free-%016" PRIx64, store_.NextFileId());  // unlike any that an earlier run left
  return store_.journal_directory() + name;
}

int JournalPool::Take(JournalFile* out, bool first_of_lane) {
  const uint64_t usual = store_.options().journal_file_bytes;
  bool fresh = true;
  {
    const std::scoped_lock lock(mutex_);
    if (asked_ > 0) --asked_;
    if (!free_.empty() && out->size <= usual) {
      out->path = std::move(free_.back());
      free_.pop_back();
      fresh = false;
    } else {
      out->path = NewName();
    }
  }
  if (const int error = store_.fs().Open(out->path, true, &out->file)) return error;
  // Old frames serve as well as zeros: their file id is another one.
  if (const int error = out->file->Size(&out->zeroed)) return error;
  const uint64_t wanted = fresh && first_of_lane ? std::min(usual, kFirstFileBytes) : usual;
  out->size = std::max({out->size, wanted, out->zeroed});
  return fresh && first_of_lane ? out->ZeroUpTo(out->size) : 0;
}

void JournalPool::PrepareSoon() {
  {
    const std::scoped_lock lock(mutex_);
    ++asked_;
    if (preparing_ || free_.size() >= asked_) return;
    preparing_ = true;
  }
  if (store_.PostBlocking([this] { Prepare(); })) return;
  const std::scoped_lock lock(mutex_);
  preparing_ = false;
}

void JournalPool::Prepare() {
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (free_.size() >= asked_ || stopping_.load() || store_.fatal()) {
        preparing_ = false;
        return;
      }
    }
    const std::string path = NewName();
    const int error = Fill(path);
    if (error != 0) (void)store_.fs().Remove(path);
    const std::scoped_lock lock(mutex_);
    if (error == 0) {
      free_.push_back(path);
    } else {
      // The lane goes without, and meets the trouble itself if it lasts.
      asked_ = 0;
    }
  }
}

int JournalPool::Fill(const std::string& path) {
  JournalFile made;
  if (const int error = store_.fs().Open(path, true, &made.file)) return error;
  const uint64_t size = store_.options().journal_file_bytes;
  while (made.zeroed < size) {
    if (stopping_.load() || store_.fatal()) return ECANCELED;
    if (const int error = made.ZeroUpTo(std::min(size, made.zeroed + kFillStepBytes))) return error;
    if (const int error = made.file->SyncData()) return error;
  }
  return 0;
}

int JournalPool::GiveBack(const JournalFile& file) {
  std::string name;
  {
    const std::scoped_lock lock(mutex_);
    if (file.size == store_.options().journal_file_bytes && free_.size() < std::max(kFreeFilesMin, lanes_))
      name = NewName();
  }
  FileSystem& fs = store_.fs();
  if (const int error = name.empty() ? fs.Remove(file.path) : fs.Rename(file.path, name)) return error;
  if (const int error = fs.SyncDirectory(store_.journal_directory())) return error;
  if (name.empty()) return 0;
  const std::scoped_lock lock(mutex_);
  free_.push_back(std::move(name));
  return 0;
}

}  // namespace chronik_log_wal
