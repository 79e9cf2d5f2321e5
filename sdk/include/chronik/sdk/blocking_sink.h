// SPDX-License-Identifier: Apache-2.0
// A snapshot sink from code that blocks. A plugin writes an ObjectStore, whose members simply do their work and throw
// Error; BlockingSink<Store> runs them on a few threads of its own and keeps the rules of chronik/snapshot_sink.h about
// order, credit, abort and stop. plugins/snapshot_local is the worked example.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include <chronik/sdk/snapshot_sink.h>
#include <chronik/sdk/worker_pool.h>

CHRONIK_SDK_BEGIN

// One object on its way in. Calls never overlap. Destroyed uncommitted, nothing of it remains.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual void Write(std::span<const std::byte> bytes) = 0;
  // The last call. Throws Error(CHR_E_CORRUPT) if that is not what was written.
  virtual void Commit(uint64_t size, uint32_t crc32c) = 0;
};

// A range of one object on its way out. Calls never overlap.
class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  virtual bool AtEnd() const = 0;
  // The next 1 to `max_bytes` bytes, when not at the end.
  virtual Buffer Read(uint64_t max_bytes) = 0;
};

// Keys are valid. Calls come from several threads at once. Whatever waits should look at the stop_token: the operation
// was given up, throw what you like.
class ObjectStore {
 public:
  struct Limits {
    size_t threads;
    size_t open_puts;
    uint64_t object_bytes;
    uint64_t read_bytes;  // of one Read
  };
  using Each = std::function<void(std::string_view key, uint64_t size, uint64_t created_ns)>;

  virtual ~ObjectStore() = default;
  virtual Limits GetLimits() const = 0;  // valid after construction
  virtual void Open() = 0;               // [control]
  // After Open, on one of the threads: clears away what crashes left behind, where that takes long.
  virtual void CleanUp(std::stop_token) {}
  virtual std::unique_ptr<ObjectWriter> Put(const std::string& key, uint64_t size_hint, std::stop_token stop) = 0;
  // `size` 0: to the end. Throws CHR_E_NOT_FOUND, CHR_E_RANGE.
  virtual std::unique_ptr<ObjectReader> Get(const std::string& key, uint64_t offset, uint64_t size,
                                            std::stop_token stop) = 0;
  virtual void List(const std::string& prefix, const Each& each, std::stop_token stop) = 0;  // ascending
  virtual void Remove(const std::string& key, std::stop_token stop) = 0;
};

template <class Store>
class BlockingSink {
 public:
  // Handles are numbers that are never used again, so that a call which crosses the end of its put or get is harmless.
  struct Put {
    uint64_t id;
    std::string key;
    uint64_t size_hint;
    std::stop_source stop;
    std::unique_ptr<ObjectWriter> writer;  // of the task that runs
    bool busy = false;                     // a task is queued or runs
    bool failed = false;
    bool aborted = false;
  };
  struct Get {
    uint64_t id;
    std::string key;
    uint64_t offset;
    uint64_t size;
    GetEvents events;
    std::stop_source stop;
    std::unique_ptr<ObjectReader> reader;  // of the task that runs
    uint64_t credit = 0;
    bool busy = true;
  };

  explicit BlockingSink(Host& host) : host_(host), store_(host), limits_(store_.GetLimits()) {}

  static void Validate(Host& host)
    requires requires { Store::Validate(host); }
  {
    Store::Validate(host);
  }

  void Start(NoSink) {
    store_.Open();
    pool_.Start(limits_.threads);
    pool_.Post([this] {
      if (const Outcome outcome = Try([&] { store_.CleanUp(stop_.get_token()); });
          outcome.status < 0 && !stop_.stop_requested()) {
        host_.Warn("cleaning up: " + outcome.message);
      }
    });
  }

  void Stop(uint64_t timeout_ns) {
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return;
      stopping_ = true;
      for (const auto& [id, put] : puts_) {
        if (!put->busy) Discard(put);
      }
      for (const auto& [id, get] : gets_) {
        if (!get->busy) Pump(get);
      }
    }
    constexpr uint64_t kForever = INT64_MAX;
    if (!pool_.AwaitIdle(std::chrono::nanoseconds(std::min(timeout_ns, kForever)))) {
      const std::scoped_lock lock(mutex_);
      stop_.request_stop();
      for (const auto& [id, put] : puts_) put->stop.request_stop();
      for (const auto& [id, get] : gets_) get->stop.request_stop();
    }
    pool_.Close();
  }

  chr_snapshot_caps Caps() const {
    chr_snapshot_caps caps{};
    caps.max_object_bytes = limits_.object_bytes;
    return caps;
  }

  Put* PutBegin(std::string_view key, uint64_t size_hint) {
    RequireKey(key);
    const std::scoped_lock lock(mutex_);
    RequireOpen();
    if (puts_.size() >= limits_.open_puts) {
      throw Error(CHR_E_BUSY, std::to_string(puts_.size()) + " puts are open, which is the limit");
    }
    auto put = std::make_shared<Put>();
    put->id = ++last_id_;
    put->key = key;
    put->size_hint = size_hint;
    puts_.emplace(put->id, put);
    return reinterpret_cast<Put*>(put->id);
  }

  chr_status PutWrite(Put* handle, std::span<const chr_buf> bufs, Done& done) {
    std::vector<chr_buf> mine(bufs.begin(), bufs.end());
    return PostPut(handle, done, kStaysOpen, [this, mine = std::move(mine)](Put& put) {
      OpenWriter(put);
      for (const chr_buf& buf : mine) {
        put.writer->Write({static_cast<const std::byte*>(buf.data), buf.size});
      }
    });
  }

  chr_status PutCommit(Put* handle, uint64_t size, uint32_t crc32c, Done& done) {
    return PostPut(handle, done, kIsGone, [this, size, crc32c](Put& put) {
      OpenWriter(put);
      put.writer->Commit(size, crc32c);
    });
  }

  void PutAbort(Put* handle) {
    const std::scoped_lock lock(mutex_);
    const auto found = puts_.find(reinterpret_cast<uint64_t>(handle));
    if (found == puts_.end() || found->second->aborted) return;
    const std::shared_ptr<Put> put = found->second;
    put->aborted = true;
    put->stop.request_stop();
    if (!put->busy) Discard(put);
  }

  Get* OpenGet(std::string_view key, uint64_t offset, uint64_t size, const GetEvents& events) {
    RequireKey(key);
    const std::scoped_lock lock(mutex_);
    RequireOpen();
    auto get = std::make_shared<Get>();
    get->id = ++last_id_;
    get->key = key;
    get->offset = offset;
    get->size = size;
    get->events = events;
    gets_.emplace(get->id, get);
    Pump(get);
    return reinterpret_cast<Get*>(get->id);
  }

  void GetCredit(Get* handle, uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    const auto found = gets_.find(reinterpret_cast<uint64_t>(handle));
    if (found == gets_.end()) return;
    Get& get = *found->second;
    get.credit += std::min(bytes, UINT64_MAX - get.credit);
    if (!get.busy) Pump(found->second);
  }

  void GetClose(Get* handle) {
    const std::scoped_lock lock(mutex_);
    const auto found = gets_.find(reinterpret_cast<uint64_t>(handle));
    if (found == gets_.end()) return;
    found->second->stop.request_stop();
    if (!found->second->busy) Pump(found->second);
  }

  chr_status List(std::string_view prefix, ListVisitor visitor, Done& done) {
    return PostCall(done, [this, prefix = std::string(prefix), visitor] {
      store_.List(
          prefix,
          [&](std::string_view key, uint64_t size, uint64_t created_ns) { visitor.Object(key, size, created_ns); },
          stop_.get_token());
    });
  }

  chr_status Remove(std::string_view key, Done& done) {
    RequireKey(key);
    return PostCall(done, [this, key = std::string(key)] { store_.Remove(key, stop_.get_token()); });
  }

 private:
  struct Outcome {
    chr_status status;
    std::string message;
  };
  enum PutFate : bool { kStaysOpen, kIsGone };

  template <class Body>
  static Outcome Try(Body&& body) noexcept {
    chr_error err{};
    err.struct_size = sizeof(err);
    const chr_status status = Guard(&err, std::forward<Body>(body));
    return {status, err.message};
  }
  // The same for what may have been given up meanwhile, which is then its status.
  template <class Body>
  static Outcome TryUntil(const std::stop_source& stop, Body&& body) noexcept {
    const Outcome given_up{CHR_E_CANCELLED, "given up"};
    if (stop.stop_requested()) return given_up;
    Outcome outcome = Try(std::forward<Body>(body));
    return outcome.status < 0 && stop.stop_requested() ? given_up : outcome;
  }

  static void RequireKey(std::string_view key) {
    if (!IsSnapshotKey(key)) throw Error(CHR_E_INVALID, "not a key: '" + std::string(key.substr(0, 64)) + "'");
  }
  void RequireOpen() const {
    if (stopping_) throw Error(CHR_E_CLOSED, "the sink stops");
  }
  void OpenWriter(Put& put) {
    if (!put.writer) put.writer = store_.Put(put.key, put.size_hint, put.stop.get_token());
  }

  // Runs `body` as the put's one task.
  template <class Body>
  chr_status PostPut(Put* handle, Done& done, PutFate fate, Body body) {
    const std::scoped_lock lock(mutex_);
    const auto found = puts_.find(reinterpret_cast<uint64_t>(handle));
    if (found == puts_.end()) return stopping_ ? CHR_E_CLOSED : CHR_E_INVALID;
    const std::shared_ptr<Put> put = found->second;
    if (put->busy || put->failed || put->aborted) {
      host_.Misbehaved("one operation of a put at a time, and none but put_abort after a failure");
      return CHR_E_INVALID;
    }
    if (stopping_) return CHR_E_CLOSED;
    put->busy = true;
    auto kept = std::make_shared<Done>(std::move(done));
    pool_.Post([this, put, fate, kept, body = std::move(body)] { RunPut(put, fate, *kept, [&] { body(*put); }); });
    return CHR_PENDING;
  }
  template <class Body>
  void RunPut(const std::shared_ptr<Put>& put, PutFate fate, Done& done, Body body) {
    const Outcome outcome = TryUntil(put->stop, body);
    bool gone = false;
    {
      const std::scoped_lock lock(mutex_);
      put->busy = false;
      put->failed = outcome.status < 0;
      gone = fate == kIsGone || put->aborted || stopping_;
      if (gone) puts_.erase(put->id);
    }
    done.Complete(outcome.status, outcome.message);
    if (gone) put->writer.reset();
  }
  // mutex_ is held, and no task of the put is queued.
  void Discard(const std::shared_ptr<Put>& put) {
    put->busy = true;
    pool_.Post([this, put] {
      put->writer.reset();
      const std::scoped_lock lock(mutex_);
      puts_.erase(put->id);
    });
  }

  // mutex_ is held, and no task of the get is queued.
  void Pump(const std::shared_ptr<Get>& get) {
    get->busy = true;
    pool_.Post([this, get] { RunGet(get); });
  }
  // One step: opens, delivers once, or ends it. Short, so that many gets share the threads.
  void RunGet(const std::shared_ptr<Get>& get) {
    bool waits = false;
    bool ended = false;
    const Outcome outcome = TryUntil(get->stop, [&]() -> chr_status {
      if (!get->reader) get->reader = store_.Get(get->key, get->offset, get->size, get->stop.get_token());
      ended = get->reader->AtEnd();
      if (ended) return CHR_OK;
      const uint64_t credit = CreditOf(*get, &waits);
      if (credit > 0) Deliver(*get, get->reader->Read(std::min(credit, limits_.read_bytes)));
      return CHR_OK;
    });
    if (outcome.status < 0 || ended) {
      get->reader.reset();
      get->events.End(outcome.status, outcome.message);
      const std::scoped_lock lock(mutex_);
      gets_.erase(get->id);
    } else if (!waits) {
      pool_.Post([this, get] { RunGet(get); });
    }
  }
  // Without credit the get waits from now on - or for ever, if the instance stops.
  uint64_t CreditOf(Get& get, bool* waits) {
    const std::scoped_lock lock(mutex_);
    if (get.credit == 0) {
      if (stopping_ || get.stop.stop_requested()) throw Error(CHR_E_CANCELLED, "the sink stops");
      get.busy = false;
      *waits = true;
    }
    return get.credit;
  }
  void Deliver(Get& get, const Buffer& bytes) {
    {
      const std::scoped_lock lock(mutex_);
      if (get.stop.stop_requested()) throw Error(CHR_E_CANCELLED, "given up");
      get.credit -= bytes.size();
    }
    const chr_buf view = bytes.View();
    get.events.Data({&view, 1});
  }

  template <class Body>
  chr_status PostCall(Done& done, Body body) {
    const std::scoped_lock lock(mutex_);
    RequireOpen();
    auto kept = std::make_shared<Done>(std::move(done));
    pool_.Post([this, kept, body = std::move(body)] {
      const Outcome outcome = TryUntil(stop_, body);
      kept->Complete(outcome.status, outcome.message);
    });
    return CHR_PENDING;
  }

  Host& host_;
  Store store_;
  const ObjectStore::Limits limits_;
  std::stop_source stop_;  // of what has none of its own
  std::mutex mutex_;       // held for moments only, and never while a callback runs
  bool stopping_ = false;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::shared_ptr<Put>> puts_;
  std::map<uint64_t, std::shared_ptr<Get>> gets_;
  WorkerPool pool_;  // last: its threads use everything above
};

CHRONIK_SDK_END
