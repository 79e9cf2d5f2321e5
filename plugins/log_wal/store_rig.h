// SPDX-License-Identifier: Apache-2.0
// A store over a test disk with a minimal host, and what a log should look like, kept apart from the store's own code.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "plugins/log_wal/faulty_file_system.h"
#include "plugins/log_wal/store.h"

namespace chronik_log_wal {

struct LogEntry {
  uint64_t index = 0;
  uint64_t term = 0;
  int64_t base_offset = 0;
  int64_t max_timestamp = -1;
  uint32_t offset_count = 0;
  uint32_t kind = 0;
  std::string payload;
  bool operator==(const LogEntry&) const = default;
};

// A group as its user sees it.
struct LogImage {
  bool exists = false;
  uint64_t first_index = 1;
  uint64_t prev_term = 0;
  int64_t first_offset = 0;
  std::vector<LogEntry> entries;
  uint64_t term = 0, vote = 0, commit = 0;
  std::optional<std::string> checkpoint;

  bool operator==(const LogImage&) const = default;
  uint64_t last_index() const { return first_index + entries.size() - 1; }
  uint64_t last_term() const { return entries.empty() ? prev_term : entries.back().term; }
  int64_t next_offset() const;
  void Append(const std::vector<LogEntry>& added);
  void TruncatePrefix(uint64_t index);
  void Reset(uint64_t index, uint64_t prev, int64_t offset);
};
std::string Describe(const LogImage& image);
// The first part in which they differ, both values of it; empty if they are equal.
std::string Difference(const LogImage& found, const LogImage& wanted);

// Runs what a plugin posts on one thread; counts fatal reports.
class FakeHost {
 public:
  FakeHost();
  ~FakeHost();
  const chr_host* get() const { return &host_; }
  std::vector<std::string> fatal_reports();
  void OnFatal(std::function<void()> hook);  // runs inside the report

 private:
  void Work();
  static FakeHost& Of(const chr_host* host) { return *static_cast<FakeHost*>(host->ctx); }

  chr_host host_{};
  chr_host_log log_{};
  chr_host_task task_{};
  chr_host_config config_{};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::string> fatal_;
  std::function<void()> on_fatal_;
  bool stopping_ = false;
  std::thread thread_;
};

// Small files, so that little data goes through every stage.
Options SmallOptions();

class StoreRig {
 public:
  explicit StoreRig(std::shared_ptr<FaultyDisk> disk, Options options = SmallOptions());
  StoreRig(std::unique_ptr<FileSystem> fs, Options options);
  ~StoreRig();

  Failure Start();
  void Stop();
  Store& store() { return *store_; }
  FakeHost& host() { return host_; }

  Failure Open(uint64_t id, uint32_t lane = 0, bool create = true);
  void Close(uint64_t id);
  chr_status Destroy(uint64_t id);  // waits
  std::vector<uint64_t> Groups();
  bool is_open(uint64_t id) const { return handles_.contains(id); }
  uint32_t lane(uint64_t id) const { return handles_.at(id)->lane; }

  // Submits and returns the tag, or 0: see refused().
  uint64_t Append(uint64_t id, const std::vector<LogEntry>& entries, const chr_hard_state* hard_state = nullptr);
  uint64_t TruncatePrefix(uint64_t id, uint64_t index);
  uint64_t Reset(uint64_t id, uint64_t index, uint64_t term, int64_t offset);
  uint64_t Checkpoint(uint64_t id, const std::string& blob);
  uint64_t Barrier(uint32_t lane);
  chr_status refused() const { return refused_; }

  chr_status Wait(uint64_t tag);
  std::optional<chr_status> Completed(uint64_t tag);
  bool WaitAll();  // a barrier on every lane that has an open group: whether all of them held

  // CHR_OK and the entries, or what the store said. ReadImage answers CHR_E_INTERNAL if what it read contradicts the
  // bounds; trouble() says how.
  chr_status Read(uint64_t id, uint32_t by, int64_t key, uint64_t end, uint64_t max_bytes, uint32_t max_entries,
                  std::vector<LogEntry>* out);
  chr_status ReadImage(uint64_t id, LogImage* out);
  const std::string& trouble() const { return trouble_; }

 private:
  uint64_t Submit(uint32_t lane, chr_log_op op);

  FakeHost host_;
  std::unique_ptr<Store> store_;
  chr_log_sink sink_{};
  std::map<uint64_t, chr_log_group*> handles_;
  uint64_t next_tag_ = 1;
  chr_status refused_ = CHR_OK;
  std::string trouble_;

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<uint64_t, chr_status> completed_;
  struct ReadAnswer {
    chr_status status;
    std::vector<LogEntry> entries;
  };
  std::map<uint64_t, ReadAnswer> reads_;
};

// `count` entries that continue `image`, of about `payload_bytes` each.
std::vector<LogEntry> Continue(const LogImage& image, size_t count, size_t payload_bytes, uint64_t term = 1);
std::string PayloadOf(uint64_t seed, size_t size);

}  // namespace chronik_log_wal
