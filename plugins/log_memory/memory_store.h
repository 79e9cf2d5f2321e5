// SPDX-License-Identifier: Apache-2.0
// The volatile log store: accepted operations wait in their lane's queue, a task of the host applies them in order and
// reports. README.md walks through it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <chronik/sdk/log_outline.h>
#include <chronik/sdk/log_store.h>

namespace chronik_log_memory {

namespace sdk = chronik::sdk;

// Threads: [control] calls touch groups_ and are never concurrent; what lanes and their groups hold is guarded by the
// lane's mutex, which is never held while the host is called or bytes are copied.
class MemoryStore {
 public:
  struct Group;

  explicit MemoryStore(sdk::Host& host);
  ~MemoryStore();

  void Start(sdk::LogSink sink) { sink_ = sink; }
  chr_status Stop(uint64_t timeout_ns, sdk::Done& done);

  chr_log_caps Caps() const;
  std::vector<uint64_t> ListGroups() const;
  Group& OpenGroup(uint64_t id, uint32_t lane, bool create);
  void CloseGroup(Group& group);
  chr_status DestroyGroup(uint64_t id, sdk::Done& done);
  chr_status Submit(uint32_t lane, std::span<const chr_log_op> ops, size_t& accepted);
  chr_status Bounds(Group& group, chr_log_bounds& out);
  size_t Terms(Group& group, std::span<chr_log_term> out);
  chr_status Read(Group& group, const chr_log_read& what, chr_log_slice& out);
  sdk::Buffer Checkpoint(Group& group);
  chr_log_stats Stats() const;

 private:
  struct PendingOp;
  struct Lane;

  void CheckAlive() const;  // throws Error(CHR_E_FATAL) once the instance is poisoned
  chr_status Poison(const char* why);
  chr_status Refuse(std::string_view rule) const;

  std::string Check(const Lane& lane, const chr_log_op& op) const;
  std::string CheckPayload(const chr_log_op& op) const;
  void Enqueue(Lane& lane, const chr_log_op& op, uint64_t cost_bytes);
  chr_status StartDraining(Lane& lane, size_t& accepted);

  void Drain(Lane& lane);
  chr_log_cqe Apply(Lane& lane, const PendingOp& op, std::string& why);
  std::vector<sdk::Buffer> CopyPayloads(const PendingOp& op) const;
  void FinishDraining();

  bool Reserve(uint64_t bytes);

  sdk::Host& host_;
  const uint64_t max_bytes_;
  const uint64_t max_entry_bytes_;
  const uint64_t max_inflight_bytes_;
  const sdk::Gauge used_bytes_gauge_;
  sdk::LogSink sink_;

  std::map<uint64_t, std::unique_ptr<Group>> groups_;
  std::vector<std::unique_ptr<Lane>> lanes_;

  std::atomic<uint64_t> group_count_{0};
  std::atomic<uint64_t> used_bytes_{0};
  std::atomic<uint64_t> inflight_bytes_{0};
  std::atomic<uint64_t> appends_{0};
  std::atomic<bool> poisoned_{false};

  std::mutex stop_mutex_;  // innermost
  bool stopping_ = false;
  size_t busy_lanes_ = 0;
  sdk::Done stop_done_;
};

}  // namespace chronik_log_memory
