// SPDX-License-Identifier: Apache-2.0
// The composition root: one broker process put together from its parts, started in order and stopped in reverse.
#pragma once

#include <memory>

#include "kernel/base/result.h"
#include "kernel/main/setup.h"

namespace chronik::main {

class Node {
 public:
  explicit Node(Setup setup);
  ~Node();

  // Shards, log store, broker, listener. Returns once clients can be served. On an error Stop cleans up.
  Status Start();
  // Blocks until a stop was asked for (any thread, signal-safe through the eventfd) or a part failed for good.
  // 0: asked for; else the exit code.
  int WaitForStop();
  void RequestStop();  // async-signal-safe
  // Drains clients, writes checkpoints, ends everything.
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chronik::main
