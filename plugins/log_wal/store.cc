// SPDX-License-Identifier: Apache-2.0
// Life of the store, from start to stop, and what it counts. Groups: group_life.cc; operations: submit.cc; reads:
// reader.cc; the flusher: flusher.cc.
#include "plugins/log_wal/store.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <utility>

#include "plugins/log_wal/recovery.h"

namespace chronik_log_wal {

Counters HostView::DefineCounters() const {
  Counters c;
  c.host = host_;
  c.metrics = metrics_;
  if (metrics_ == nullptr) return c;
  const auto define = [&](int32_t kind, const char* name, const char* unit, const char* help, uint64_t* handle) {
    if (metrics_->define(host_, kind, name, unit, help, nullptr, handle) < 0) *handle = 0;
  };
  define(CHR_METRIC_COUNTER, "chronik_log_wal_syncs_total", "", "fdatasync calls on the journal", &c.syncs);
  define(CHR_METRIC_HISTOGRAM, "chronik_log_wal_sync_seconds", "seconds", "How long an fdatasync of the journal took",
         &c.sync_seconds);
  define(CHR_METRIC_COUNTER, "chronik_log_wal_journal_bytes_total", "bytes", "Bytes written to the journal",
         &c.written_bytes);
  define(CHR_METRIC_COUNTER, "chronik_log_wal_operations_total", "", "Operations completed", &c.appends);
  return c;
}

Store::Store(HostView host, std::unique_ptr<FileSystem> fs, Options options)
    : host_(host), fs_(std::move(fs)), options_(std::move(options)) {
  // File ids must not repeat over runs: a recycled file's stale frames carry the old one.
  RandomDevice random;
  const uint64_t high = random();
  next_file_id_ = options_.file_id_seed != 0 ? options_.file_id_seed : (high << 32 | random()) | 1;
}

Store::~Store() { Stop(); }

std::string Store::group_directory(uint64_t id, uint64_t birth) const {
  char name[64];
  std::snprintf(name, sizeof name, "/%" PRIu64 "-%016" PRIx64, id, birth);
  return groups_directory() + name;
}

uint64_t Store::NextFileId() { return next_file_id_.fetch_add(0x9e3779b97f4a7c15u); }

Failure Store::Start(const chr_log_sink* sink) {
  sink_ = sink;
  counters_ = host_.DefineCounters();
  for (const std::string& directory : {options_.directory, journal_directory(), groups_directory()}) {
    if (const int error = fs_->MakeDirectory(directory))
      return {CHR_E_IO, directory + ": " + std::strerror(error), error};
  }
  if (const int error = fs_->Lock(options_.directory)) {
    if (error == EWOULDBLOCK) return {CHR_E_BUSY, options_.directory + " is in use by another process", error};
    return {CHR_E_IO, options_.directory + "/LOCK: " + std::strerror(error), error};
  }
  if (const int error = fs_->SyncDirectory(options_.directory))
    return {CHR_E_IO, options_.directory + ": " + std::strerror(error), error};
  if (Failure recovered = Recovery(*this).Run(); !recovered.ok()) return recovered;
  if (!options_.sync_always) {
    host_.Log(CHR_LOG_WARN, "sync = \"interval\": a power cut may lose the acknowledged messages of the last interval");
  }
  // The states of all groups go to the journal before the flusher may drop old files, so every lane that has groups
  // starts first.
  std::set<uint32_t> used = {0};
  for (const auto& [id, group] : groups_) used.insert(std::min(group->state.lane, kLanesMax - 1));
  for (const uint32_t lane : used) {
    if (LaneOf(lane) == nullptr)
      return {CHR_E_IO, "the journal of lane " + std::to_string(lane) + " cannot be started", EIO};
  }
  // From now on damage to the last frames that were found is no torn write. With a full disk the flusher does it later.
  if (const int error = mark_.CoverAll(); error != 0 && error != ENOSPC && error != EDQUOT)
    return {CHR_E_IO, "writing " + mark_.path() + ": " + std::strerror(error), error};
  flusher_ = Thread([this] { RunFlusher(); });
  return {};
}

void Store::Stop() {
  {
    const std::scoped_lock lock(lanes_mutex_);
    for (auto& [id, lane] : lanes_) lane->Stop();
  }
  pool_.Stop();
  {
    const std::scoped_lock lock(flush_mutex_);
    stopping_ = true;
  }
  flush_wake_.notify_one();
  if (flusher_.joinable()) flusher_.join();
  std::unique_lock lock(background_mutex_);
  background_done_.wait(lock, [&] { return background_ == 0; });
  // The host's buffers go back with the end of stop, even those of groups that it left open.
  const std::scoped_lock groups_lock(groups_mutex_);
  for (const auto& [id, group] : groups_) {
    const std::scoped_lock group_lock(group->mutex);
    group->tail.clear();
    group->checkpoint.reset();
  }
}

bool Store::PostBlocking(std::function<void()> work) {
  {
    const std::scoped_lock lock(background_mutex_);
    ++background_;
  }
  const auto ended = [this] {
    const std::scoped_lock lock(background_mutex_);
    --background_;
    background_done_.notify_all();
  };
  const bool taken = host_.PostBlocking([run = std::move(work), ended]() mutable {
    run();
    run = nullptr;  // what it holds goes before the store may
    ended();
  });
  if (!taken) ended();
  return taken;
}

Lane* Store::LaneOf(uint32_t id) {
  if (id >= kLanesMax) return nullptr;
  if (Lane* known = lane_table_[id].load(std::memory_order_acquire)) return known;
  const std::scoped_lock lock(lanes_mutex_);
  auto& lane = lanes_[id];
  if (!lane) {
    lane = std::make_unique<Lane>(*this, id);
    pool_.AddLane();
    if (lane->Start() != 0) {
      lanes_.erase(id);
      return nullptr;
    }
    lane_table_[id].store(lane.get(), std::memory_order_release);
  }
  return lane.get();
}

void Store::SetFatal(const std::string& why) {
  // The host hears of it before any call answers CHR_E_FATAL; a second failure waits until the first has closed the
  // store.
  CallOnce(fatal_once_, [&] {
    host_.Fatal(CHR_E_FATAL, why + "; the log store takes nothing more until a restart");
    const std::scoped_lock lock(flush_mutex_);
    fatal_.store(true, std::memory_order_release);
    retired_room_.notify_all();
    flush_wake_.notify_all();
  });
}

void Store::NoteSync(uint64_t ns) {
  syncs_.fetch_add(1);
  sync_ns_total_.fetch_add(ns);
  for (uint64_t max = sync_ns_max_.load(); ns > max && !sync_ns_max_.compare_exchange_weak(max, ns);) {
  }
  counters_.Add(counters_.syncs, 1);
  counters_.Observe(counters_.sync_seconds, static_cast<double>(ns) / 1e9);
}

void Store::NoteCompleted(uint64_t operations) {
  completed_.fetch_add(operations);
  counters_.Add(counters_.appends, static_cast<double>(operations));
}

void Store::Stats(chr_log_stats* out) {
  chr_log_stats full{};
  full.struct_size = out->struct_size;
  {
    const std::scoped_lock lock(groups_mutex_);
    full.groups = groups_.size();
    for (const auto& [id, group] : groups_) {
      const std::scoped_lock group_lock(group->mutex);
      full.bytes_used += group->bytes();
    }
  }
  (void)fs_->FreeBytes(options_.directory, &full.bytes_free);
  full.appends = completed_.load();
  full.syncs = syncs_.load();
  full.sync_ns_total = sync_ns_total_.load();
  full.sync_ns_max = sync_ns_max_.load();
  {
    const std::scoped_lock lock(lanes_mutex_);
    for (const auto& [id, lane] : lanes_) full.inflight_bytes += lane->inflight_bytes();
  }
  std::memcpy(out, &full, std::min<size_t>(out->struct_size, sizeof full));
}

}  // namespace chronik_log_wal
