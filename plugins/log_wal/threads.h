// SPDX-License-Identifier: Apache-2.0
// The threads, locks and random seeds this plugin uses: the standard's, or with CHRONIK_SIMULATED_THREADS those of the
// simulator (tests/simulation), which runs this plugin's code on a clock of its own.
#pragma once

#ifdef CHRONIK_SIMULATED_THREADS

#include "simulated_threads.h"

namespace chronik_log_wal {
using Mutex = chronik::sim::Mutex;
using Condition = chronik::sim::Condition;
using Thread = chronik::sim::Thread;
using OnceFlag = chronik::sim::OnceFlag;
using RandomDevice = chronik::sim::RandomDevice;
using chronik::sim::CallOnce;
}  // namespace chronik_log_wal

#else

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

namespace chronik_log_wal {
using Mutex = std::mutex;
using Condition = std::condition_variable;
using Thread = std::thread;
using OnceFlag = std::once_flag;
using RandomDevice = std::random_device;
template <class F>
void CallOnce(OnceFlag& flag, F&& f) {
  std::call_once(flag, std::forward<F>(f));
}
}  // namespace chronik_log_wal

#endif
