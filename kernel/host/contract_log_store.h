// SPDX-License-Identifier: Apache-2.0
// A log store between the kernel and the plugin's: the same table, and every call and completion is held to the rules
// of interfaces/ABI.md. What would corrupt the kernel (a second completion, one after stop) does not reach it.
#pragma once

#include <chronik/log_store.h>

#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "kernel/host/contract_monitor.h"
#include "kernel/host/contract_parts.h"

namespace chronik::host {

// Outlives the plugin's instance. Any thread, as the interface says.
class ContractLogStore {
 public:
  // `self`: the plugin's instance, which `real` takes.
  ContractLogStore(const chr_log_store& real, void* self, ContractMonitor* monitor);
  ~ContractLogStore();
  ContractLogStore(const ContractLogStore&) = delete;
  ContractLogStore& operator=(const ContractLogStore&) = delete;

  // What the kernel calls, with this object as `self`.
  static const chr_log_store& Table();
  // What the plugin's start is given in place of the kernel's sink, which outlives this.
  const chr_log_sink* WrapSink(const chr_log_sink* kernel);

  // After stop completed, and after destroy returned.
  void Stopped();
  void Destroyed();

 private:
  struct Slots;  // the functions of the table
  struct Operation {
    uint64_t kernel_tag;
    chr_log_group* group;
    uint32_t lane;
    bool barrier;
    bool accepted;
    bool must_fail;  // an operation of its group before it failed
    std::vector<LentBuffers::Owner*> lent;
  };

  chr_status Submit(uint32_t lane, const chr_log_op* ops, size_t count, size_t* accepted);
  uint64_t Register(uint32_t lane, const chr_log_op& op);
  void Unregister(uint64_t id);
  chr_status Read(chr_log_group* group, const chr_log_read& what, chr_log_slice* out);
  void OnComplete(uint32_t lane, const chr_log_cqe* cqes, size_t count, chr_str message);
  bool CheckCompletion(uint32_t lane, chr_log_cqe* cqe);
  void CheckOrder(uint64_t id, chr_status status);
  void OnRead(uint32_t lane, uint64_t id, chr_status status, chr_log_slice slice, chr_str message);
  bool MayDeliver(const char* call);
  void CheckSlice(const char* call, chr_status status, const chr_log_slice& slice);

  const chr_log_store real_;
  void* const self_;
  ContractMonitor* const monitor_;
  const chr_log_sink* kernel_ = nullptr;
  chr_log_sink sink_{};

  std::mutex mutex_;  // not held while the plugin or the kernel is called
  bool stopped_ = false;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Operation> operations_;              // in flight, by the tag that the plugin was given
  std::map<chr_log_group*, std::deque<uint64_t>> order_;  // of a group, as submitted
  std::map<uint64_t, uint64_t> reads_;                    // pending: the kernel's tag by ours
  LentBuffers lent_;
  Completions completions_;
};

}  // namespace chronik::host
