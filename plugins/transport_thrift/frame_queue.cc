// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/frame_queue.h"

#include <utility>

#include "plugins/transport_thrift/lent_bytes.h"

namespace chronik_transport_thrift {

namespace sdk = chronik::sdk;

size_t TotalBytes(std::span<const chr_buf> bufs) {
  size_t bytes = 0;
  for (const chr_buf& buf : bufs) bytes += buf.size;
  return bytes;
}

chr_status FrameQueue::Push(std::span<const chr_buf> bufs) {
  Frame frame{.parts = {}, .bytes = TotalBytes(bufs)};
  frame.parts.reserve(bufs.size());
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return CHR_E_CLOSED;
    if (queued_bytes_ > 0 && queued_bytes_ + frame.cost_bytes() > max_bytes_) {
      refused_ = true;
      return CHR_E_BUSY;
    }
    for (const chr_buf& buf : bufs) {
      if (buf.size == 0) continue;
      frame.parts.push_back(buf.owner != nullptr
                                ? sdk::Buffer::Retain(buf)
                                : LentBytes::Make(std::string(static_cast<const char*>(buf.data), buf.size)));
    }
    queued_bytes_ += frame.cost_bytes();
    frames_.push_back(std::move(frame));
    if (frames_.size() > 1) return CHR_OK;
  }
  wake_.Notify();
  return CHR_OK;
}

std::vector<std::string> FrameQueue::Take(size_t max_bytes, size_t max_frames) {
  std::vector<Frame> taken;
  wake_.Clear();
  {
    const std::scoped_lock lock(mutex_);
    size_t bytes = 0;
    while (!frames_.empty() && taken.size() < max_frames && bytes < max_bytes) {
      bytes += frames_.front().bytes;
      queued_bytes_ -= frames_.front().cost_bytes();
      taken.push_back(std::move(frames_.front()));
      frames_.pop_front();
    }
    if (!frames_.empty()) wake_.Notify();
  }
  std::vector<std::string> out(taken.size());
  for (size_t i = 0; i < taken.size(); ++i) {
    out[i].reserve(taken[i].bytes);
    for (const sdk::Buffer& part : taken[i].parts) {
      out[i].append(reinterpret_cast<const char*>(part.data()), part.size());
    }
  }
  return out;
}

bool FrameQueue::TakeRoom() {
  const std::scoped_lock lock(mutex_);
  return !closed_ && queued_bytes_ <= max_bytes_ / 2 && std::exchange(refused_, false);
}

void FrameQueue::Close() {
  std::deque<Frame> dropped;  // released without the lock
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    dropped.swap(frames_);
  }
  wake_.Notify();
}

}  // namespace chronik_transport_thrift
