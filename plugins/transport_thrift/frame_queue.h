// SPDX-License-Identifier: Apache-2.0
// Frames that wait for one peer in one lane: filled by any thread, emptied by the lane's sender, bounded in bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <chronik/sdk/buffer.h>

#include "plugins/transport_thrift/loop.h"

namespace chronik_transport_thrift {

size_t TotalBytes(std::span<const chr_buf> bufs);

class FrameQueue {
 public:
  explicit FrameQueue(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // CHR_E_BUSY: full. CHR_E_CLOSED after Close. [any]
  chr_status Push(std::span<const chr_buf> bufs);
  void Close();  // [any]
  const Wake& wake() const { return wake_; }
  void Nudge() { wake_.Notify(); }  // the sender looks around

  // The sender's: what is to be sent next, at least one frame if there is one. Lenders get their buffers back.
  std::vector<std::string> Take(size_t max_bytes, size_t max_frames);
  // Whether a refused sender may be told that there is room; once.
  bool TakeRoom();

 private:
  struct Frame {
    std::vector<chronik::sdk::Buffer> parts;
    size_t bytes = 0;
    // What the frame is counted as: a queue of tiny frames holds more memory than their bytes.
    size_t cost_bytes() const { return bytes + 128; }
  };

  const uint64_t max_bytes_;
  Wake wake_;
  std::mutex mutex_;
  std::deque<Frame> frames_;
  uint64_t queued_bytes_ = 0;
  bool refused_ = false;
  bool closed_ = false;
};

}  // namespace chronik_transport_thrift
