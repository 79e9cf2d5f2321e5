// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/disk.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace chronik::sim {

using chronik_log_wal::FaultyDisk;
using chronik_log_wal::File;
using chronik_log_wal::FilePtr;
using chronik_log_wal::FileSystem;

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, uint64_t mount, std::string path, FilePtr inner)
      : disk_(disk), mount_(mount), path_(std::move(path)), inner_(std::move(inner)) {}

  int WriteAt(uint64_t position, std::vector<iovec>& parts) override {
    uint64_t size = 0;
    for (const iovec& part : parts) size += part.iov_len;
    if (!disk_.Delay(mount_, SimDisk::Kind::kWrite)) return EIO;
    int error = 0;
    if (disk_.scheduler_.random().OneIn(disk_.settings_.write_error_one_in)) {
      ++disk_.counts_.write_errors;
      parts.resize(disk_.scheduler_.random().Below(parts.size() + 1));
      if (!parts.empty()) (void)inner_->WriteAt(position, parts);
      error = EIO;
    } else {
      error = inner_->WriteAt(position, parts);
    }
    return Finish("disk.write", SimDisk::Kind::kWrite, position, size, error);
  }
  int ReadAt(uint64_t position, void* out, size_t size) override {
    if (!disk_.Delay(mount_, SimDisk::Kind::kRead)) return EIO;
    int error = inner_->ReadAt(position, out, size);
    if (disk_.scheduler_.random().OneIn(disk_.settings_.read_error_one_in)) {
      ++disk_.counts_.read_errors;
      error = EIO;
    }
    return Finish("disk.read", SimDisk::Kind::kRead, position, size, error);
  }
  int SyncData() override {
    if (!disk_.Delay(mount_, SimDisk::Kind::kSync)) return EIO;
    ++disk_.counts_.syncs;
    if (disk_.scheduler_.random().OneIn(disk_.settings_.sync_error_one_in)) disk_.FailNextSync();
    if (disk_.scheduler_.random().OneIn(disk_.settings_.misdirect_one_in)) disk_.MisdirectNextSync();
    return Finish("disk.sync", SimDisk::Kind::kSync, 0, 0, inner_->SyncData());
  }
  int Truncate(uint64_t size) override {
    if (!disk_.Delay(mount_, SimDisk::Kind::kName)) return EIO;
    return Finish("disk.truncate", SimDisk::Kind::kName, size, 0, inner_->Truncate(size));
  }
  int Size(uint64_t* out) override { return inner_->Size(out); }

 private:
  int Finish(const char* what, SimDisk::Kind kind, uint64_t a, uint64_t b, int error) {
    (void)disk_.Note(what, path_, a, b, error);
    return disk_.Delay(mount_, kind) ? error : EIO;
  }

  SimDisk& disk_;
  const uint64_t mount_;
  const std::string path_;
  const FilePtr inner_;
};

class SimMount final : public FileSystem {
 public:
  SimMount(SimDisk& disk, uint64_t mount, std::unique_ptr<FileSystem> inner)
      : disk_(disk), mount_(mount), inner_(std::move(inner)) {}

  int Open(const std::string& path, bool create, FilePtr* out) override {
    FilePtr file;
    const int error = Do("disk.open", path, [&] { return inner_->Open(path, create, &file); });
    if (error == 0) *out = std::make_shared<SimFile>(disk_, mount_, path, std::move(file));
    return error;
  }
  int SyncDirectory(const std::string& path) override {
    if (!disk_.Delay(mount_, SimDisk::Kind::kSync)) return EIO;
    const int error = disk_.Note("disk.syncdir", path, 0, 0, inner_->SyncDirectory(path));
    return disk_.Delay(mount_, SimDisk::Kind::kSync) ? error : EIO;
  }
  int MakeDirectory(const std::string& path) override {
    return Do("disk.mkdir", path, [&] { return inner_->MakeDirectory(path); });
  }
  int Rename(const std::string& from, const std::string& to) override {
    return Do("disk.rename", to, [&] { return inner_->Rename(from, to); });
  }
  int Remove(const std::string& path) override {
    return Do("disk.remove", path, [&] { return inner_->Remove(path); });
  }
  int RemoveDirectory(const std::string& path) override {
    return Do("disk.rmdir", path, [&] { return inner_->RemoveDirectory(path); });
  }
  int List(const std::string& path, std::vector<std::string>* names) override {
    return Do("disk.list", path, [&] { return inner_->List(path, names); });
  }
  // Answers at once: statistics are asked for from anywhere.
  int FreeBytes(const std::string& path, uint64_t* out) override {
    if (disk_.settings_.limit_bytes != 0) return inner_->FreeBytes(path, out);
    *out = uint64_t{1} << 40;
    return 0;
  }
  int Lock(const std::string& path) override {
    return Do("disk.lock", path, [&] { return inner_->Lock(path); });
  }

 private:
  template <class Operation>
  int Do(const char* what, const std::string& path, Operation operation) {
    if (!disk_.Delay(mount_, SimDisk::Kind::kName)) return EIO;
    const int error = disk_.Note(what, path, 0, 0, operation());
    return disk_.Delay(mount_, SimDisk::Kind::kName) ? error : EIO;
  }

  SimDisk& disk_;
  const uint64_t mount_;
  const std::unique_ptr<FileSystem> inner_;
};

namespace {

std::shared_ptr<FaultyDisk> NewDisk(Scheduler& scheduler) {
  return std::make_shared<FaultyDisk>(static_cast<uint32_t>(scheduler.random().Next() >> 32));
}

}  // namespace

SimDisk::SimDisk(Scheduler& scheduler, uint64_t number)
    : scheduler_(scheduler), number_(number), disk_(NewDisk(scheduler)) {}

SimDisk::~SimDisk() { EndMount(); }

std::unique_ptr<FileSystem> SimDisk::Mount() {
  EndMount();
  if (std::exchange(crashed_, false)) {
    disk_->TearSectors(settings_.torn_percent);
    disk_->Reboot();
  } else {
    disk_->Disconnect();
  }
  return std::make_unique<SimMount>(*this, mount_, disk_->Mount());
}

std::unique_ptr<FileSystem> SimDisk::View() { return std::make_unique<SimMount>(*this, mount_, disk_->Mount()); }

// Whatever is under way in the present mount fails now.
void SimDisk::EndMount() {
  ++mount_;
  stalled_until_ = Instant{};
  for (const Scheduler::Ticket& ticket : std::exchange(delayed_, {})) scheduler_.Wake(ticket);
}

void SimDisk::Crash() {
  if (crashed_) return;
  crashed_ = true;
  ++counts_.crashes;
  scheduler_.Note("disk.crash", {number_});
  disk_->Crash();
  EndMount();
}

void SimDisk::Disconnect() {
  if (crashed_) return;
  ++counts_.disconnects;
  scheduler_.Note("disk.disconnect", {number_});
  disk_->Disconnect();
  EndMount();
}

void SimDisk::Wipe() {
  ++counts_.wipes;
  scheduler_.Note("disk.wipe", {number_});
  disk_->Crash();
  EndMount();
  crashed_ = false;
  disk_ = NewDisk(scheduler_);
}

void SimDisk::Stall(Duration duration) {
  ++counts_.stalls;
  stalled_until_ = std::max(stalled_until_, scheduler_.Now() + duration);
}

void SimDisk::FailNextSync() {
  ++counts_.sync_errors;
  disk_->FailNextSync();
}

void SimDisk::MisdirectNextSync() {
  ++counts_.misdirected;
  disk_->MisdirectNextSync();
}

std::string SimDisk::FlipRandomBit() {
  std::string path = disk_->FlipRandomBit();
  if (!path.empty()) ++counts_.flipped_bits;
  return path;
}

Duration SimDisk::Latency(Kind kind) {
  Duration median{0};
  switch (kind) {
    case Kind::kRead: median = settings_.read; break;
    case Kind::kWrite: median = settings_.write; break;
    case Kind::kSync: median = settings_.sync; break;
    case Kind::kName: median = settings_.name; break;
  }
  Random& random = scheduler_.random();
  Duration latency = median == Duration(0) ? median : random.LogNormal(median) / 2;
  if (random.OneIn(settings_.stall_one_in)) {
    ++counts_.stalls;
    latency += random.Between(Duration(0), settings_.stall_max);
  }
  if (stalled_until_ > scheduler_.Now()) latency = std::max(latency, stalled_until_ - scheduler_.Now());
  return latency;
}

bool SimDisk::Delay(uint64_t mount, Kind kind) {
  if (mount != mount_) return false;
  disk_->LimitBytes(settings_.limit_bytes);
  const Duration latency = Latency(kind);
  if (latency == Duration(0)) return true;
  const Scheduler::Ticket ticket = Scheduler::NextWait();
  delayed_.push_back(ticket);
  scheduler_.WakeAt(ticket, scheduler_.Now() + latency);
  Scheduler::Block("the disk");
  if (mount != mount_) return false;
  const auto found = std::find_if(delayed_.begin(), delayed_.end(), [&](const Scheduler::Ticket& other) {
    return other.thread == ticket.thread && other.wait == ticket.wait;
  });
  *found = delayed_.back();
  delayed_.pop_back();
  return true;
}

int SimDisk::Note(const char* kind, const std::string& path, uint64_t a, uint64_t b, int error) {
  ++counts_.operations;
  if (error == ENOSPC) ++counts_.full;
  scheduler_.Note(kind, {number_, a, b, static_cast<uint64_t>(error)});
  if (scheduler_.trace().recording()) scheduler_.trace().Line(scheduler_.Now(), "  " + path);
  return error;
}

}  // namespace chronik::sim
