// SPDX-License-Identifier: Apache-2.0
// One run of the log_wal plugin on a simulated disk: the code that is shipped, from its descriptor on, compiled once
// more with simulated threads and a simulated file system.
//
//   SimStore store(process, disk, options);          // mounts the disk
//   log.Attach(store.table(), store.self());         // log: kernel/log's LogStore
//   store.Start(log.sink()); ... store.Stop();       // on a thread: they block
#pragma once

#include <chronik/log_store.h>
#include <chronik/plugin.h>

#include <string>

#include "kernel/base/result.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/plugin_host.h"

namespace chronik::sim {

class SimStore {
 public:
  // Creates the instance. From anywhere.
  SimStore(Process& process, SimDisk& disk, PluginOptions options);
  // It was stopped, or never started.
  ~SimStore();
  SimStore(const SimStore&) = delete;
  SimStore& operator=(const SimStore&) = delete;

  // The plugin's own table, but destroy_group waits on the simulated thread: kernel/log would wait for the completion
  // on the only real one.
  const chr_log_store& table() const { return table_; }
  void* self() const { return self_; }
  SimHost& host() { return host_; }

  // On a simulated thread of the process. Recovers what the disk has.
  Status Start(const chr_log_sink* sink);
  // On any simulated thread, also after Process::Kill, SimDisk::Crash or a failed start: ends the plugin's threads.
  // What was accepted is completed, if only as failed.
  void Stop();
  bool running() const { return running_; }

 private:
  SimHost host_;
  void* self_ = nullptr;
  chr_log_store table_{};
  bool running_ = false;
};

}  // namespace chronik::sim
