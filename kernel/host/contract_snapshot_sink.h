// SPDX-License-Identifier: Apache-2.0
// A snapshot sink between the kernel and the plugin's: the same table, and every call, completion and event is held to
// the rules of interfaces/ABI.md. What comes twice, too late or beyond the credit does not reach the kernel.
#pragma once

#include <chronik/snapshot_sink.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernel/host/contract_monitor.h"
#include "kernel/host/contract_parts.h"

namespace chronik::host {

// Outlives the plugin's instance. Any thread, as the interface says.
class ContractSnapshotSink {
 public:
  // `self`: the plugin's instance, which `real` takes.
  ContractSnapshotSink(const chr_snapshot_sink& real, void* self, ContractMonitor* monitor);
  ~ContractSnapshotSink();
  ContractSnapshotSink(const ContractSnapshotSink&) = delete;
  ContractSnapshotSink& operator=(const ContractSnapshotSink&) = delete;

  // What the kernel calls, with this object as `self`.
  static const chr_snapshot_sink& Table();

  // After stop completed, and after destroy returned.
  void Stopped();
  void Destroyed() { lent_.Destroyed(monitor_); }

 private:
  struct Slots;  // the functions of the table
  struct Get;    // a chr_get and the events that the plugin was given; kept, since the plugin may call them again
  struct List;
  struct Put {
    bool writing = false;
    bool committing = false;
    bool failed = false;  // it can only be aborted
  };

  // Checks that the kernel may use `put` now, and notes that it does.
  void UsePut(chr_put* put, const char* call, bool commit);
  void PutDone(chr_put* put, bool commit, chr_status status);
  chr_status OfPut(const char* call, chr_put* put, chr_status status);
  Get* FindGet(chr_get* handle, const char* call);
  void CheckUse(const char* call);
  bool MayDeliver(const char* call);

  const chr_snapshot_sink real_;
  void* const self_;
  ContractMonitor* const monitor_;

  std::mutex mutex_;  // not held while the plugin or the kernel is called
  bool stopped_ = false;
  std::map<chr_put*, Put> puts_;
  std::map<chr_get*, Get*> open_gets_;
  std::vector<std::unique_ptr<Get>> gets_;
  std::vector<std::unique_ptr<List>> lists_;
  LentBuffers lent_;
  Completions completions_;
};

}  // namespace chronik::host
