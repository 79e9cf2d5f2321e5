// SPDX-License-Identifier: Apache-2.0
// The threads of an instance: one loop that owns the state of peers, sessions and streams and makes most reports to the
// host, and a thread for each connection, whose calls block.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include <chronik/sdk/host.h>

namespace chronik_transport_thrift {

// Wakes a thread that polls a socket too. It stays set until it is cleared. [any]
class Wake {
 public:
  Wake();
  Wake(const Wake&) = delete;
  Wake& operator=(const Wake&) = delete;
  ~Wake();
  void Notify();
  void Clear();
  int fd() const { return fd_; }

 private:
  const int fd_;
  std::mutex mutex_;
  bool set_ = false;
};

// A thread that takes no signals: those are the broker's. An end of a connection raises no SIGPIPE there either.
std::thread StartThread(std::function<void()> body);

class Threads {
 public:
  explicit Threads(const chronik::sdk::Host& host) : host_(host) {}
  ~Threads() { JoinAll(); }
  // Throws if the system has no thread left. [any]
  void Spawn(std::function<void()> body);
  void JoinFinished();
  void JoinAll();

 private:
  struct Entry {
    std::thread thread;
    bool finished = false;
  };
  const chronik::sdk::Host& host_;
  std::mutex mutex_;
  std::list<Entry> entries_;
};

class Loop {
 public:
  explicit Loop(const chronik::sdk::Host& host) : host_(host) {}
  ~Loop() { End(); }
  void Start();
  // Runs what was posted, then ends; what is posted later is dropped.
  void End();
  void Post(std::function<void()> task);  // [any]
  // Posts and waits; on the loop's own thread it only posts. Throws sdk::Error(CHR_E_CLOSED) once the loop has ended,
  // and what the task throws.
  void RunAndWait(std::function<void()> task);

 private:
  void Run();

  const chronik::sdk::Host& host_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace chronik_transport_thrift
