// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/faulty_file_system.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace chronik_log_wal {

class FaultyFile final : public File {
 public:
  FaultyFile(std::shared_ptr<FaultyDisk> disk, uint64_t epoch, std::string path, FaultyDisk::InodePtr inode)
      : disk_(std::move(disk)), epoch_(epoch), path_(std::move(path)), inode_(std::move(inode)) {}

  int WriteAt(uint64_t position, std::vector<iovec>& parts) override {
    std::string bytes;
    for (const iovec& part : parts) bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
    std::unique_lock lock(disk_->mutex_);
    disk_->PassGate(lock, path_);
    bool torn = false;
    if (const int error = disk_->Begin(epoch_, &torn)) return error;
    if (torn) bytes.resize(bytes.empty() ? 0 : disk_->random_() % bytes.size());
    uint64_t size_max = UINT64_MAX;
    if (!disk_->full_for_.empty() && path_.find(disk_->full_for_) != std::string::npos) size_max = disk_->full_at_;
    const int error = disk_->Write(*inode_, position, bytes, size_max);
    if (torn) disk_->Die();
    return torn ? EIO : error;
  }
  int ReadAt(uint64_t position, void* out, size_t size) override {
    const std::scoped_lock lock(disk_->mutex_);
    if (disk_->dead_ || epoch_ != disk_->epoch_) return EIO;
    if (!disk_->unreadable_.empty() && path_.find(disk_->unreadable_) != std::string::npos) return EIO;
    if (position + size > inode_->cache.size()) return ENODATA;
    inode_->cache.copy(static_cast<char*>(out), size, position);
    return 0;
  }
  int SyncData() override {
    const std::scoped_lock lock(disk_->mutex_);
    bool torn = false;
    if (const int error = disk_->Begin(epoch_, &torn)) return error;
    if (disk_->SyncFails(path_)) {
      disk_->FailSyncOf(*inode_);
      ++disk_->failed_syncs_;
      disk_->sync_failed_.notify_all();
      return EIO;
    }
    if (torn) {
      disk_->Die();
      return EIO;
    }
    disk_->SyncInode(*inode_);
    return 0;
  }
  int Truncate(uint64_t size) override {
    const std::scoped_lock lock(disk_->mutex_);
    bool torn = false;
    if (const int error = disk_->Begin(epoch_, &torn)) return error;
    if (torn) {
      disk_->Die();
      return EIO;
    }
    inode_->cache.resize(size, '\0');
    return 0;
  }
  int Size(uint64_t* out) override {
    const std::scoped_lock lock(disk_->mutex_);
    if (disk_->dead_ || epoch_ != disk_->epoch_) return EIO;
    *out = inode_->cache.size();
    return 0;
  }

 private:
  const std::shared_ptr<FaultyDisk> disk_;
  const uint64_t epoch_;
  const std::string path_;
  const FaultyDisk::InodePtr inode_;
};

class FaultyMount final : public FileSystem {
 public:
  FaultyMount(std::shared_ptr<FaultyDisk> disk, uint64_t epoch) : disk_(std::move(disk)), epoch_(epoch) {}

  int Open(const std::string& path, bool create, FilePtr* out) override {
    const std::scoped_lock lock(disk_->mutex_);
    if (disk_->dead_ || epoch_ != disk_->epoch_) return EIO;
    auto found = disk_->names_.find(path);
    if (found == disk_->names_.end()) {
      if (!create) return ENOENT;
      if (!disk_->names_.contains(FaultyDisk::Parent(path))) return ENOENT;
      if (const int error = Name({"", path, std::make_shared<FaultyDisk::Inode>()})) return error;
      found = disk_->names_.find(path);
    }
    *out = std::make_shared<FaultyFile>(disk_, epoch_, path, found->second);
    return 0;
  }
  int SyncDirectory(const std::string& path) override {
    const std::scoped_lock lock(disk_->mutex_);
    bool torn = false;
    if (const int error = disk_->Begin(epoch_, &torn)) return error;
    if (torn) {
      disk_->Die();
      return EIO;
    }
    if (!disk_->names_.contains(path)) return ENOENT;
    for (const auto& change : disk_->unsynced_changes_[path]) FaultyDisk::Apply(change, &disk_->platter_names_);
    disk_->unsynced_changes_.erase(path);
    return 0;
  }
  int MakeDirectory(const std::string& path) override {
    const std::scoped_lock lock(disk_->mutex_);
    if (disk_->dead_ || epoch_ != disk_->epoch_) return EIO;
    if (disk_->names_.contains(path)) return 0;
    auto inode = std::make_shared<FaultyDisk::Inode>();
    inode->directory = true;
    return Name({"", path, inode});
  }
  int Rename(const std::string& from, const std::string& to) override {
    const std::scoped_lock lock(disk_->mutex_);
    const auto found = disk_->names_.find(from);
    return found == disk_->names_.end() ? ENOENT : Name({from, to, found->second});
  }
  int Remove(const std::string& path) override {
    const std::scoped_lock lock(disk_->mutex_);
    return disk_->names_.contains(path) ? Name({path, "", nullptr}) : 0;
  }
  int RemoveDirectory(const std::string& path) override {
    std::vector<std::string> names;
    if (const int error = List(path, &names)) return error == ENOENT ? 0 : error;
    const std::scoped_lock lock(disk_->mutex_);
    for (const std::string& name : names) {
      if (const int error = Name({path + "/" + name, "", nullptr})) return error;
    }
    return Name({path, "", nullptr});
  }
  int List(const std::string& path, std::vector<std::string>* names) override {
    const std::scoped_lock lock(disk_->mutex_);
    if (disk_->dead_ || epoch_ != disk_->epoch_) return EIO;
    if (!disk_->names_.contains(path)) return ENOENT;
    for (const auto& [name, inode] : disk_->names_) {
      if (FaultyDisk::Parent(name) == path) names->push_back(name.substr(path.size() + 1));
    }
    return 0;
  }
  int FreeBytes(const std::string&, uint64_t* out) override {
    const uint64_t used = disk_->BytesUsed();
    const std::scoped_lock lock(disk_->mutex_);
    *out = disk_->limit_ > used ? disk_->limit_ - used : 0;
    return 0;
  }
  int Lock(const std::string&) override { return 0; }

 private:
  int Name(const FaultyDisk::NameChange& change) {
    bool torn = false;
    if (const int error = disk_->Begin(epoch_, &torn)) return error;
    disk_->Change(change);
    if (torn) disk_->Die();
    return torn ? EIO : 0;
  }

  const std::shared_ptr<FaultyDisk> disk_;
  const uint64_t epoch_;
};

FaultyDisk::FaultyDisk(uint32_t seed) : random_(seed) {
  auto data = std::make_shared<Inode>();
  data->directory = true;
  names_["/data"] = data;
  platter_names_ = names_;
}

std::unique_ptr<FileSystem> FaultyDisk::Mount() {
  const std::scoped_lock lock(mutex_);
  return std::make_unique<FaultyMount>(shared_from_this(), epoch_);
}

int FaultyDisk::Begin(uint64_t epoch, bool* torn) {
  if (dead_ || epoch != epoch_) return EIO;
  ++operations_;
  *torn = crash_at_ != 0 && operations_ >= crash_at_;
  return 0;
}

int FaultyDisk::Write(Inode& inode, uint64_t position, std::string bytes, uint64_t size_max) {
  uint64_t end = position + bytes.size();
  uint64_t end_max = size_max;
  if (limit_ != 0) {
    uint64_t used = 0;
    for (const auto& [name, other] : names_) used += other->cache.size();
    end_max = std::min(end_max, inode.cache.size() + (limit_ > used ? limit_ - used : 0));
  }
  const bool full = end > inode.cache.size() && end > end_max;
  if (full) {  // as far as there is room, as write() does
    end = std::max<uint64_t>(inode.cache.size(), end_max);
    bytes.resize(end > position ? end - position : 0);
  }
  if (!bytes.empty()) {
    if (end > inode.cache.size()) inode.cache.resize(end, '\0');
    inode.cache.replace(position, bytes.size(), bytes);
    for (uint64_t sector = position / kSectorBytes; sector * kSectorBytes < end; ++sector) inode.dirty.insert(sector);
  }
  return full ? ENOSPC : 0;
}

bool FaultyDisk::SyncFails(const std::string& path) {
  if (std::exchange(next_sync_fails_, false)) return true;
  return !failing_.empty() && path.find(failing_) != std::string::npos;
}

void FaultyDisk::FailSyncOf(Inode& inode) {
  for (const uint64_t sector : inode.dirty) {
    if (random_() % 4 == 0) KeepSector(inode, sector);
  }
  inode.dirty.clear();
}

void FaultyDisk::SyncInode(Inode& inode) {
  std::string astray;
  if (next_sync_misdirected_ && !inode.dirty.empty()) {
    next_sync_misdirected_ = false;
    const auto sector = std::next(inode.dirty.begin(), static_cast<long>(random_() % inode.dirty.size()));
    const uint64_t at = *sector * kSectorBytes;
    if (at < inode.cache.size()) astray = inode.cache.substr(at, kSectorBytes);
    inode.dirty.erase(sector);
  }
  inode.platter.resize(inode.cache.size(), '\0');
  for (const uint64_t sector : inode.dirty) {
    const uint64_t at = sector * kSectorBytes;
    if (at < inode.cache.size()) inode.platter.replace(at, kSectorBytes, inode.cache, at, kSectorBytes);
  }
  inode.dirty.clear();
  if (!astray.empty()) Misplace(astray);
}

// Over a random sector of any file.
void FaultyDisk::Misplace(const std::string& bytes) {
  Inode* const to = RandomFile(nullptr);
  if (to == nullptr || to->platter.empty()) return;
  const uint64_t at = random_() % to->platter.size() / kSectorBytes * kSectorBytes;
  const uint64_t size = std::min<uint64_t>(bytes.size(), to->platter.size() - at);
  to->platter.replace(at, size, bytes, 0, size);
}

FaultyDisk::Inode* FaultyDisk::RandomFile(std::string* path) {
  uint64_t total = 0;
  for (const auto& [name, inode] : names_) total += inode->cache.size();
  if (total == 0) return nullptr;
  const uint64_t high = random_();
  uint64_t at = (high << 32 | random_()) % total;
  for (const auto& [name, inode] : names_) {
    if (at < inode->cache.size()) {
      if (path != nullptr) *path = name;
      return inode.get();
    }
    at -= inode->cache.size();
  }
  return nullptr;
}

void FaultyDisk::Apply(const NameChange& change, std::map<std::string, InodePtr>* names) {
  if (!change.removed.empty()) names->erase(change.removed);
  if (!change.added.empty()) (*names)[change.added] = change.inode;
}

void FaultyDisk::Change(const NameChange& change) {
  Apply(change, &names_);
  unsynced_changes_[Parent(change.added.empty() ? change.removed : change.added)].push_back(change);
}

void FaultyDisk::Die() { dead_ = true; }

void FaultyDisk::CrashAfter(uint64_t operations) {
  const std::scoped_lock lock(mutex_);
  crash_at_ = operations == 0 ? 0 : operations_ + operations;
}

void FaultyDisk::Crash() {
  const std::scoped_lock lock(mutex_);
  Die();
}

bool FaultyDisk::crashed() const {
  const std::scoped_lock lock(mutex_);
  return dead_;
}

uint64_t FaultyDisk::operations() const {
  const std::scoped_lock lock(mutex_);
  return operations_;
}

void FaultyDisk::Reboot() {
  const std::scoped_lock lock(mutex_);
  for (auto& [directory, changes] : unsynced_changes_) {
    changes.resize(random_() % (changes.size() + 1));
    for (const NameChange& change : changes) Apply(change, &platter_names_);
  }
  unsynced_changes_.clear();
  // What is in a directory that did not survive is gone too.
  for (auto at = platter_names_.begin(); at != platter_names_.end();) {
    const std::string parent = Parent(at->first);
    at = parent.empty() || platter_names_.contains(parent) ? std::next(at) : platter_names_.erase(at);
  }
  names_ = platter_names_;
  const uint32_t survives_percent = random_() % 3 * 50;
  for (auto& [name, inode] : names_) {
    if (random_() % 2 == 0) inode->platter.resize(inode->cache.size(), '\0');
    for (const uint64_t sector : inode->dirty) {
      if (sector * kSectorBytes >= inode->cache.size() || random_() % 100 >= survives_percent) continue;
      KeepSector(*inode, sector);
    }
    inode->dirty.clear();
    inode->cache = inode->platter;
  }
  dead_ = false;
  crash_at_ = 0;
  ++epoch_;
}

void FaultyDisk::KeepSector(Inode& inode, uint64_t sector) {
  uint64_t begin = sector * kSectorBytes;
  uint64_t end = std::min<uint64_t>(begin + kSectorBytes, std::min(inode.platter.size(), inode.cache.size()));
  if (torn_percent_ != 0 && random_() % 100 < torn_percent_) {
    const uint64_t cut = begin + random_() % kSectorBytes;
    if (random_() % 2 == 0) {
      begin = cut;
    } else {
      end = std::min(end, cut);
    }
  }
  if (begin < end) inode.platter.replace(begin, end - begin, inode.cache, begin, end - begin);
}

void FaultyDisk::Disconnect() {
  const std::scoped_lock lock(mutex_);
  ++epoch_;
}

void FaultyDisk::TearSectors(uint64_t percent) {
  const std::scoped_lock lock(mutex_);
  torn_percent_ = percent;
}

void FaultyDisk::FailNextSync(bool fails) {
  const std::scoped_lock lock(mutex_);
  next_sync_fails_ = fails;
}

void FaultyDisk::MisdirectNextSync() {
  const std::scoped_lock lock(mutex_);
  next_sync_misdirected_ = true;
}

void FaultyDisk::FailSync(const std::string& path_part) {
  const std::scoped_lock lock(mutex_);
  failing_ = path_part;
}

void FaultyDisk::FailReads(const std::string& path_part) {
  const std::scoped_lock lock(mutex_);
  unreadable_ = path_part;
}

void FaultyDisk::AwaitFailedSyncs(uint64_t count) {
  std::unique_lock lock(mutex_);
  sync_failed_.wait(lock, [&] { return failed_syncs_ >= count; });
}

void FaultyDisk::HoldNextWrite(const std::string& path_part) {
  const std::scoped_lock lock(mutex_);
  gate_ = Gate::kClosed;
  gate_for_ = path_part;
}

void FaultyDisk::AwaitHeldWrite() {
  std::unique_lock lock(mutex_);
  gate_changed_.wait(lock, [&] { return gate_ == Gate::kReached; });
}

void FaultyDisk::ReleaseWrite() {
  const std::scoped_lock lock(mutex_);
  gate_ = Gate::kOpen;
  gate_changed_.notify_all();
}

void FaultyDisk::PassGate(std::unique_lock<std::mutex>& lock, const std::string& path) {
  if (gate_ != Gate::kClosed || path.find(gate_for_) == std::string::npos) return;
  gate_ = Gate::kReached;
  gate_changed_.notify_all();
  gate_changed_.wait(lock, [&] { return gate_ == Gate::kOpen; });
}

void FaultyDisk::LimitBytes(uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  limit_ = bytes;
}

void FaultyDisk::LimitFiles(const std::string& path_part, uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  full_for_ = path_part;
  full_at_ = bytes;
}

void FaultyDisk::FlipBit(const std::string& path, uint64_t position) {
  const std::scoped_lock lock(mutex_);
  Inode& inode = *names_.at(path);
  inode.cache.at(position) ^= 4;
  if (position < inode.platter.size()) inode.platter[position] = inode.cache[position];
}

std::string FaultyDisk::FlipRandomBit() {
  const std::scoped_lock lock(mutex_);
  std::string path;
  Inode* const inode = RandomFile(&path);
  if (inode == nullptr) return path;
  const uint64_t position = random_() % inode->cache.size();
  inode->cache[position] = static_cast<char>(inode->cache[position] ^ (1 << random_() % 8));
  if (position < inode->platter.size()) inode->platter[position] = inode->cache[position];
  return path;
}

void FaultyDisk::Put(const std::string& path, const std::string& content) {
  const std::scoped_lock lock(mutex_);
  for (std::string parent = Parent(path); !parent.empty(); parent = Parent(parent)) {
    auto inode = std::make_shared<Inode>();
    inode->directory = true;
    names_.try_emplace(parent, inode);
  }
  auto inode = std::make_shared<Inode>();
  inode->cache = content;
  inode->platter = content;
  names_[path] = inode;
  platter_names_ = names_;
}

std::vector<std::string> FaultyDisk::Files(const std::string& part) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, inode] : names_) {
    if (!inode->directory && name.find(part) != std::string::npos) out.push_back(name);
  }
  return out;
}

std::string FaultyDisk::Content(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  return names_.at(path)->cache;
}

std::map<std::string, std::string> FaultyDisk::Snapshot() const {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, std::string> out;
  for (const auto& [name, inode] : names_) {
    if (!inode->directory) out[name] = inode->cache;
  }
  return out;
}

uint64_t FaultyDisk::BytesUsed() const {
  const std::scoped_lock lock(mutex_);
  uint64_t used = 0;
  for (const auto& [name, inode] : names_) used += inode->cache.size();
  return used;
}

}  // namespace chronik_log_wal
