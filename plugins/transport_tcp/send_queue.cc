// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/send_queue.h"

#include <cstring>
#include <utility>

namespace chronik_transport_tcp {

namespace sdk = chronik::sdk;

namespace {

// Bytes whose lender wants them back.
class Copy : public sdk::RefCounted<Copy> {
 public:
  explicit Copy(size_t size) : bytes_(new std::byte[size]), size_(size) {}
  std::byte* data() { return bytes_.get(); }
  sdk::Buffer Adopt() { return sdk::Buffer::Adopt({bytes_.get(), size_, this}); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t size_;
};

sdk::Buffer CopyOf(const void* data, size_t size) {
  auto* copy = new Copy(size);
  std::memcpy(copy->data(), data, size);
  return copy->Adopt();
}

OutFrame Sealed(Kind kind, uint64_t id, std::vector<sdk::Buffer> body, bool checksum) {
  OutFrame frame;
  Header header{.kind = kind, .has_body_crc = checksum, .id = id};
  for (const sdk::Buffer& part : body) {
    frame.body_bytes += part.size();
    if (checksum) header.body_crc = Crc32c(part.bytes(), header.body_crc);
  }
  header.body_bytes = static_cast<uint32_t>(frame.body_bytes);
  frame.header = EncodeHeader(header);
  frame.body = std::move(body);
  return frame;
}

}  // namespace

size_t TotalBytes(std::span<const chr_buf> bufs) {
  size_t bytes = 0;
  for (const chr_buf& buf : bufs) bytes += buf.size;
  return bytes;
}

OutFrame MakeFrame(Kind kind, uint64_t id, std::span<const chr_buf> bufs, bool checksum) {
  std::vector<sdk::Buffer> body;
  body.reserve(bufs.size());
  for (const chr_buf& buf : bufs) {
    if (buf.size == 0) continue;
    body.push_back(buf.owner != nullptr ? sdk::Buffer::Retain(buf) : CopyOf(buf.data, buf.size));
  }
  return Sealed(kind, id, std::move(body), checksum);
}

OutFrame MakeFrame(Kind kind, uint64_t id, std::string_view body) {
  std::vector<sdk::Buffer> parts;
  if (!body.empty()) parts.push_back(CopyOf(body.data(), body.size()));
  return Sealed(kind, id, std::move(parts), true);
}

chr_status SendQueue::Push(OutFrame frame) { return Append(frames_, std::move(frame), true); }
chr_status SendQueue::PushLast(OutFrame frame) { return Append(frames_, std::move(frame), false); }
chr_status SendQueue::PushUrgent(OutFrame frame) { return Append(urgent_, std::move(frame), false); }

chr_status SendQueue::Append(std::deque<OutFrame>& queue, OutFrame frame, bool counted) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return CHR_E_CLOSED;
    if (counted) {
      if (queued_bytes_ > 0 && queued_bytes_ + frame.cost_bytes() > max_bytes_) {
        refused_ = true;
        return CHR_E_BUSY;
      }
      queued_bytes_ += frame.cost_bytes();
    }
    frame.counted = counted;
    queue.push_back(std::move(frame));
    if (std::exchange(awake_, true)) return CHR_OK;
  }
  wake_();
  return CHR_OK;
}

size_t SendQueue::urgent_count() const {
  const std::scoped_lock lock(mutex_);
  return urgent_.size();
}

void SendQueue::Take(size_t max_bytes, size_t max_frames, std::vector<OutFrame>& out) {
  const std::scoped_lock lock(mutex_);
  size_t bytes = 0;
  while (out.size() < max_frames && bytes < max_bytes) {
    std::deque<OutFrame>& from = urgent_.empty() ? frames_ : urgent_;
    if (from.empty()) break;
    const size_t next = from.front().body_bytes + kHeaderBytes;
    if (!out.empty() && bytes + next > max_bytes) break;
    bytes += next;
    out.push_back(std::move(from.front()));
    from.pop_front();
  }
  if (out.empty()) awake_ = false;
}

bool SendQueue::Written(std::span<const OutFrame> frames) {
  const std::scoped_lock lock(mutex_);
  for (const OutFrame& frame : frames) {
    if (frame.counted) queued_bytes_ -= frame.cost_bytes();
  }
  return !closed_ && queued_bytes_ <= max_bytes_ / 2 && std::exchange(refused_, false);
}

void SendQueue::Drop(const Stream& stream) {
  std::deque<OutFrame> dropped;  // released without the lock
  const std::scoped_lock lock(mutex_);
  std::deque<OutFrame> kept;
  for (OutFrame& frame : frames_) {
    const bool mine = frame.stream.get() == &stream;
    if (mine && frame.counted) queued_bytes_ -= frame.cost_bytes();
    (mine ? dropped : kept).push_back(std::move(frame));
  }
  frames_ = std::move(kept);
}

void SendQueue::Close() {
  std::deque<OutFrame> dropped[2];
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  dropped[0].swap(urgent_);
  dropped[1].swap(frames_);
}

}  // namespace chronik_transport_tcp
