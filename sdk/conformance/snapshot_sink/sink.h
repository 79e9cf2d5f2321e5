// SPDX-License-Identifier: Apache-2.0
// One instance of the sink under test, behind a host that checks the contract of every call and callback: exactly once,
// never inline, never after stop, never beyond the credit, no byte used longer than it was lent.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <chronik/sdk/testing/fake_host.h>
#include <chronik/snapshot_sink.h>
#include <gtest/gtest.h>

#include "sdk/conformance/common/kit.h"

namespace chronik_conformance {

namespace sdk = chronik::sdk;

uint32_t Crc32c(std::string_view bytes);
// Bytes that differ for every seed, and at every place of them.
std::string RandomBytes(uint64_t seed, size_t size);
uint64_t Draw(std::mt19937_64& random, uint64_t low, uint64_t high);  // both inclusive
// "12 bytes 'abc...'": for failure messages.
std::string Brief(std::string_view bytes);

class Sink;

// An operation with a completion, and the bytes it was lent, which are scribbled over once it has completed.
class Operation {
 public:
  chr_status Wait();
  bool IsComplete() { return done_.IsComplete(); }
  std::string message() { return done_.message(); }

 private:
  friend class Sink;
  std::string lent_;
  std::vector<chr_buf> bufs_;
  DoneWaiter done_;
  chr_status returned_ = CHR_OK;
};

// A get. Keeps every third buffer retained until it is destroyed, and then checks that it has not changed.
class Reading {
 public:
  Reading(Sink& sink, std::string key, uint64_t offset, uint64_t size);
  ~Reading();  // closes it and waits for the end
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  chr_status opened() const { return opened_; }  // what get() returned
  void Credit(uint64_t bytes);
  void Close();
  chr_status AwaitEnd();
  void AwaitBytes(size_t count);  // until so many have come, or the end
  bool ended();
  std::string bytes();
  std::string message();

 private:
  struct Kept {
    chr_buf buf;
    uint32_t crc32c;
  };
  void OnData(std::span<const chr_buf> bufs);
  void OnEnd(chr_status status, chr_str message);
  void Keep(const chr_buf& buf);

  Sink& sink_;
  const std::string key_;
  chr_get_events events_{};
  chr_get* raw_ = nullptr;
  chr_status opened_ = CHR_OK;
  std::atomic<int> inside_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t credit_ = 0;
  bool closed_ = false;
  int data_after_close_ = 0;
  uint64_t buffers_ = 0;
  std::string bytes_;
  std::optional<chr_status> end_;
  std::string message_;
  std::vector<Kept> kept_;
};

struct Object {
  std::string key;
  uint64_t size;
  uint64_t created_ns;
};

struct GetAnswer {
  chr_status status;
  std::string bytes;
  std::string message;
};

class Sink {
 public:
  // Creates and starts. `data_dir` empty: a temporary one. Breaches and throws if either fails.
  explicit Sink(const std::string& data_dir = "");
  ~Sink();  // stops and destroys, and checks that every buffer came back
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  const chr_snapshot_sink& table() const { return table_; }
  void* self() const { return self_; }
  sdk::testing::FakeHost& host() { return *host_; }
  chr_snapshot_caps Caps();
  void Stop(std::chrono::nanoseconds timeout = std::chrono::seconds(30));

  chr_status TryBegin(const std::string& key, chr_put** put, uint64_t size_hint = 0);
  chr_put* Begin(const std::string& key, uint64_t size_hint = 0);  // breaches and throws if it fails
  // `pieces`: how many buffers the bytes come in.
  std::unique_ptr<Operation> StartWrite(chr_put* put, std::string_view bytes, size_t pieces = 1);
  std::unique_ptr<Operation> StartCommit(chr_put* put, uint64_t size, uint32_t crc32c);
  chr_status Write(chr_put* put, std::string_view bytes, size_t pieces = 1);
  chr_status Commit(chr_put* put, std::string_view all);
  void Abort(chr_put* put);
  // Begin, writes of at most `write_bytes`, commit; breaches if one fails.
  void Put(const std::string& key, std::string_view bytes, size_t write_bytes = SIZE_MAX);

  GetAnswer Get(const std::string& key, uint64_t offset = 0, uint64_t size = 0);
  std::vector<Object> List(const std::string& prefix);  // breaches if it fails
  std::vector<std::string> Keys(const std::string& prefix);
  chr_status Remove(const std::string& key);

 private:
  std::unique_ptr<sdk::testing::FakeHost> host_;
  chr_snapshot_sink table_{};
  void* self_ = nullptr;
  bool started_ = false;
  bool stopped_ = false;
};

// A sink of its own for each test, and keys under a prefix of its own, which is emptied at the end.
class SinkTest : public testing::Test {
 protected:
  SinkTest();
  ~SinkTest() override;
  std::string Key(const std::string& name) const { return prefix_ + name; }

  const sdk::testing::TempDir dir_;
  std::string prefix_;  // ends with a slash
  std::unique_ptr<Sink> sink_;
};

}  // namespace chronik_conformance
