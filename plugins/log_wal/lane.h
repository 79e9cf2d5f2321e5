// SPDX-License-Identifier: Apache-2.0
// One lane: a bounded queue of submitted operations and the thread that commits them. Each round takes what is queued,
// writes it as one frame, syncs once, applies it and completes it: that is the group commit.
#pragma once

#include <chronik/log_store.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "plugins/log_wal/group.h"
#include "plugins/log_wal/journal_file.h"
#include "plugins/log_wal/threads.h"

namespace chronik_log_wal {

class Store;

inline constexpr uint64_t kRoundBytesMax = 4ull << 20;  // of payload in one frame, unless one operation is larger

class Lane {
 public:
  Lane(Store& store, uint32_t id) : store_(store), id_(id) {}
  ~Lane();

  // Opens the first journal file. An errno.
  int Start();
  void Stop();  // commits what is queued first

  struct Operation {
    GroupPtr group;  // null: a barrier
    bool has_record = true;
    Record record;
    uint64_t tag = 0;
    uint64_t bytes = 0;
    chr_done done{};             // instead of a completion: destroy, and the store's own
    chr_status status = CHR_OK;  // below 0: it is not part of the frame
    uint64_t last_index = 0;     // of the group afterwards
  };
  // CHR_PENDING, or CHR_E_BUSY without having taken it.
  chr_status Enqueue(Operation operation);
  // The store's own operations are never refused.
  void EnqueueOwn(Operation operation);
  uint64_t inflight_bytes() const { return inflight_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Outcome {
    chr_status status;
    std::string message;
  };

  void Run();
  std::vector<Operation> TakeRound();
  Outcome Write(std::vector<Operation>& round);
  chr_status Prepare(Operation& operation, std::string* message);
  Outcome WriteFrame(FrameBuilder& frame);
  Outcome Rotate(uint64_t frame_bytes);
  void CollectStates(FrameBuilder* states, std::set<uint64_t>* groups);
  Outcome WriteFileStart(JournalFile* next, FrameBuilder& states, uint64_t start_bytes, uint64_t order);
  int FindOffset(Operation& operation, std::string* path);
  int Sync();
  void ApplyRound(std::vector<Operation>& round, chr_status outcome);
  void CompleteRound(std::vector<Operation>& round, const std::string& message);
  Outcome Failed(const std::string& what, int error);

  Store& store_;
  const uint32_t id_;

  Mutex mutex_;
  Condition wake_;
  std::deque<Operation> queue_;
  bool stopping_ = false;
  bool want_writable_ = false;
  std::atomic<uint64_t> inflight_bytes_{0};

  // The committing thread's own.
  JournalFile file_;
  uint64_t position_ = 0;
  uint64_t file_sequence_ = 0;
  uint64_t round_ = 0;
  uint64_t frame_sequence_ = 1;
  uint64_t durable_sequence_ = 0;
  bool unsynced_ = false;
  uint64_t synced_at_ns_ = 0;
  Thread thread_;
};

}  // namespace chronik_log_wal
