// SPDX-License-Identifier: Apache-2.0
// What waits to be written on one connection: filled by any thread, emptied by the loop, bounded in bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <chronik/sdk/buffer.h>

#include "plugins/transport_tcp/wire.h"

namespace chronik_transport_tcp {

class Stream;

struct OutFrame {
  HeaderBytes header{};
  std::vector<chronik::sdk::Buffer> body;
  size_t body_bytes = 0;
  std::shared_ptr<Stream> stream;  // whose data this is, if it is a stream's
  bool counted = false;            // against the queue's bound

  // What the frame is counted as: a queue of tiny frames holds more memory than their bytes.
  size_t cost_bytes() const { return body_bytes + 128; }
};

size_t TotalBytes(std::span<const chr_buf> bufs);
// Buffers with an owner are retained, others copied.
OutFrame MakeFrame(Kind kind, uint64_t id, std::span<const chr_buf> bufs, bool checksum);
OutFrame MakeFrame(Kind kind, uint64_t id, std::string_view body);

class SendQueue {
 public:
  // `wake` is called, on the pushing thread and without a lock, when something is there to be taken after nothing was.
  SendQueue(uint64_t max_bytes, std::function<void()> wake) : max_bytes_(max_bytes), wake_(std::move(wake)) {}

  // CHR_E_BUSY: full; the loop will be told by Written when there is room. CHR_E_CLOSED after Close. [any]
  chr_status Push(OutFrame frame);
  // For small frames of the protocol, which are not bounded here: behind everything that Push queued, or before it.
  // [any]
  chr_status PushLast(OutFrame frame);
  chr_status PushUrgent(OutFrame frame);
  size_t urgent_count() const;

  // The loop: moves up to `max_bytes` of frames, at least one, to `out`. Empty: the next push wakes again.
  void Take(size_t max_bytes, size_t max_frames, std::vector<OutFrame>& out);
  // The loop: these have been written. Whether a refused sender may be told that there is room.
  bool Written(std::span<const OutFrame> frames);
  // Removes what is queued of a stream. [any]
  void Drop(const Stream& stream);
  void Close();

 private:
  chr_status Append(std::deque<OutFrame>& queue, OutFrame frame, bool counted);

  const uint64_t max_bytes_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::deque<OutFrame> urgent_;
  std::deque<OutFrame> frames_;
  uint64_t queued_bytes_ = 0;  // of Push: not yet written
  bool refused_ = false;       // somebody waits for room
  bool awake_ = false;
  bool closed_ = false;
};

}  // namespace chronik_transport_tcp
