// SPDX-License-Identifier: Apache-2.0
// Bulk streams: many in a session, each with its own credit in each direction. What one end has to say goes through its
// outbox; the end that dialled pushes it, the other end's is pulled.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "Node.h"
#include "plugins/transport_thrift/env.h"

namespace chronik_transport_thrift {

class Stream;
class StreamMux;

inline constexpr size_t kStreamWriteBytesMax = 1 << 20;
inline constexpr size_t kStreamHeaderBytesMax = 64 << 10;

class Outbox {
 public:
  struct Entry {
    rpc::StreamEvent event;
    std::shared_ptr<Stream> stream;  // whose data this is
  };

  void Push(Entry entry);           // [any]
  void PushUrgent(Entry entry);     // before all data. [any]
  void Drop(const Stream& stream);  // its data that has not been taken. [any]
  void Close();                     // empties it for good. [any]
  size_t urgent_count() const;
  const Wake& wake() const { return wake_; }
  // One thread's: up to about kBatchBytes. What was taken before has arrived.
  std::vector<rpc::StreamEvent> Take(Env& env);

 private:
  Wake wake_;
  mutable std::mutex mutex_;
  std::deque<Entry> urgent_;
  std::deque<Entry> rest_;
  std::vector<std::pair<std::shared_ptr<Stream>, size_t>> taken_;
  bool closed_ = false;
};

// One end of a stream; what a chr_stream* points to. It lives until its on_end returned.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::shared_ptr<StreamMux> mux, uint64_t id) : mux_(std::move(mux)), id_(id) {}

  // [any]
  chr_status Write(std::span<const chr_buf> bufs);
  void Grant(uint64_t bytes);
  void Close(chr_status status);

  void OnArrived(size_t bytes);  // [loop]

 private:
  friend class StreamMux;
  bool TakeWritable();  // whether a refused writer may try again; once

  const std::shared_ptr<StreamMux> mux_;
  const uint64_t id_;
  sdk::StreamEvents events_;  // the loop's, but for the opener before the stream is known to the loop

  std::mutex mutex_;
  bool closed_ = false;       // by this end, or for good
  int64_t send_credit_ = 0;   // negative: the last write was larger than what was left
  int64_t taken_credit_ = 0;  // what we granted and the other end has not used
  uint64_t queued_bytes_ = 0;
  bool wants_writable_ = false;
};

class StreamMux : public std::enable_shared_from_this<StreamMux> {
 public:
  static constexpr size_t kStreamsMax = 1024;  // open at once in one session
  static constexpr size_t kUrgentMax = 4096;   // a peer that makes us answer faster than it listens

  StreamMux(Env& env, uint64_t peer, bool answers) : env_(env), peer_(peer), answers_(answers) {}

  Outbox& outbox() { return outbox_; }
  // [any] CHR_E_CLOSED after CloseAll, CHR_E_BUSY with too many streams.
  chr_status Open(std::string_view header, const sdk::StreamEvents& events, Stream*& out);
  // Empty, or which rule the events break. Their bytes are moved away. [loop]
  std::string OnEvents(std::vector<rpc::StreamEvent>& events);
  void CloseAll(chr_status status, std::string_view why);  // every stream ends. [loop]

 private:
  friend class Stream;
  std::string OnEvent(rpc::StreamEvent& event);
  std::string OnOpened(uint64_t id, const std::string& header);
  std::string OnData(Stream& stream, std::string& bytes);
  void OnCredit(Stream& stream, uint64_t bytes);
  void OnClosed(Stream& stream, chr_status status, const std::string& text);
  std::shared_ptr<Stream> Find(uint64_t id) const;
  void Finish(uint64_t id, chr_status status, std::string_view why);  // on_end, unless it has ended. [loop]

  Env& env_;
  const uint64_t peer_;
  const bool answers_;
  Outbox outbox_;
  uint64_t last_opened_ = 0;  // by the other end. [loop]

  mutable std::mutex mutex_;
  bool closed_ = false;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::shared_ptr<Stream>> streams_;
};

}  // namespace chronik_transport_thrift
