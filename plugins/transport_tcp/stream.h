// SPDX-License-Identifier: Apache-2.0
// Bulk streams: many on the stream connection of a session, each with its own credit in each direction.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/transport_tcp/env.h"
#include "plugins/transport_tcp/send_queue.h"
#include "plugins/transport_tcp/wire.h"

namespace chronik_transport_tcp {

class StreamMux;

// One end of a stream; what a chr_stream* points to. It lives until its on_end returned.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(StreamMux& mux, std::shared_ptr<SendQueue> queue, uint64_t id)
      : mux_(mux), queue_(std::move(queue)), id_(id) {}

  // [any]
  chr_status Write(std::span<const chr_buf> bufs);
  void Grant(uint64_t bytes);
  void Close(chr_status status);

  // The loop.
  void OnWritten(size_t bytes);

 private:
  friend class StreamMux;
  // Whether a refused writer may try again; then the flag that it waits is taken away.
  bool TakeWritable();

  StreamMux& mux_;  // outlives its streams
  const std::shared_ptr<SendQueue> queue_;
  const uint64_t id_;
  sdk::StreamEvents events_;  // the loop's, but for the opener before the stream is known to the loop

  std::mutex mutex_;
  bool closed_ = false;       // by this end, or for good
  int64_t send_credit_ = 0;   // negative: the last write was larger than what was left
  int64_t taken_credit_ = 0;  // what we granted and the other end has not used
  uint64_t queued_bytes_ = 0;
  bool wants_writable_ = false;
};

// All streams of one session. The end that dials opens them, the other answers.
class StreamMux : public std::enable_shared_from_this<StreamMux> {
 public:
  static constexpr size_t kStreamsMax = 1024;  // open at once in one session

  StreamMux(Env& env, uint64_t peer, std::shared_ptr<SendQueue> queue, bool answers)
      : env_(env), peer_(peer), queue_(std::move(queue)), answers_(answers) {}

  // [any] CHR_E_CLOSED after CloseAll, CHR_E_BUSY with too many streams.
  chr_status Open(std::string_view header, const sdk::StreamEvents& events, Stream*& out);

  // The loop. Empty, or which rule of the protocol the frame breaks.
  std::string OnFrame(const Header& header, const sdk::Buffer& body);
  // Ends every stream with on_end. [loop]
  void CloseAll(chr_status status, std::string_view why);

 private:
  friend class Stream;
  std::string OnOpened(uint64_t id, const sdk::Buffer& header);
  std::string OnData(uint64_t id, const sdk::Buffer& body);
  std::string OnCredit(uint64_t id, const sdk::Buffer& body);
  std::string OnClosed(uint64_t id, const sdk::Buffer& body);
  std::shared_ptr<Stream> Find(uint64_t id) const;
  // on_end, unless the stream has ended already. [loop]
  void Finish(uint64_t id, chr_status status, std::string_view why);

  Env& env_;
  const uint64_t peer_;
  const std::shared_ptr<SendQueue> queue_;
  const bool answers_;
  uint64_t last_opened_ = 0;  // by the other end; ids only grow

  mutable std::mutex mutex_;
  bool closed_ = false;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::shared_ptr<Stream>> streams_;
};

}  // namespace chronik_transport_tcp
