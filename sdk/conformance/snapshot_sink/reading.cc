// SPDX-License-Identifier: Apache-2.0
// The checking host: gets.
#include <stdexcept>

#include "sdk/conformance/snapshot_sink/sink.h"

namespace chronik_conformance {

Reading::Reading(Sink& sink, std::string key, uint64_t offset, uint64_t size) : sink_(sink), key_(std::move(key)) {
  events_.struct_size = sizeof(events_);
  events_.ctx = this;
  events_.on_data = [](void* ctx, const chr_buf* bufs, size_t count) noexcept {
    static_cast<Reading*>(ctx)->OnData({bufs, count});
  };
  events_.on_end = [](void* ctx, chr_status status, chr_str message) noexcept {
    static_cast<Reading*>(ctx)->OnEnd(status, message);
  };
  opened_ = Calling([&] { return sink_.table().get(sink_.self(), sdk::ToStr(key_), offset, size, &events_, &raw_); });
  if (opened_ >= 0 && raw_ == nullptr) Breach("get succeeded without a get");
}

Reading::~Reading() {
  if (opened_ >= 0) {
    if (!ended()) Close();
    try {
      AwaitEnd();
    } catch (const std::exception& e) {
      Breach(key_ + ": " + e.what());
    }
  }
  for (const Kept& kept : kept_) {
    if (Crc32c({static_cast<const char*>(kept.buf.data), kept.buf.size}) != kept.crc32c) {
      Breach("a retained buffer of a get changed");
    }
    kept.buf.owner->release(kept.buf.owner);
  }
}

void Reading::Credit(uint64_t bytes) {
  {
    const std::scoped_lock lock(mutex_);
    if (end_) return;  // not after on_end
    credit_ += std::min(bytes, UINT64_MAX - credit_);
  }
  Calling([&] { sink_.table().get_credit(sink_.self(), raw_, bytes); });
}

void Reading::Close() {
  {
    const std::scoped_lock lock(mutex_);
    if (end_) return;
  }
  Calling([&] { sink_.table().get_close(sink_.self(), raw_); });
  const std::scoped_lock lock(mutex_);
  closed_ = true;
}

chr_status Reading::AwaitEnd() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [this] { return end_.has_value(); })) {
    throw std::runtime_error("on_end never came");
  }
  return *end_;
}

void Reading::AwaitBytes(size_t count) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return end_ || bytes_.size() >= count; })) {
    throw std::runtime_error("the bytes there was credit for never came");
  }
}

bool Reading::ended() {
  const std::scoped_lock lock(mutex_);
  return end_.has_value();
}
std::string Reading::bytes() {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}
std::string Reading::message() {
  const std::scoped_lock lock(mutex_);
  return message_;
}

void Reading::OnData(std::span<const chr_buf> bufs) {
  if (in_call > 0) Breach("SS-3: on_data from inside a call of the host");
  if (inside_.fetch_add(1) != 0) Breach("calls of one get never overlap");
  {
    const std::scoped_lock lock(mutex_);
    if (end_) Breach("SS-13: on_data after on_end");
    if (closed_ && ++data_after_close_ > 1) Breach("SS-12: more than one on_data after get_close");
    for (const chr_buf& buf : bufs) {
      if (buf.size > credit_) Breach("SS-11: on_data delivers never more than the credit that was granted");
      credit_ -= std::min<uint64_t>(credit_, buf.size);
      bytes_.append(static_cast<const char*>(buf.data), buf.size);
      if (buf.owner != nullptr && buffers_++ % 3 == 0) Keep(buf);
    }
    changed_.notify_all();
  }
  inside_.fetch_sub(1);
}

void Reading::Keep(const chr_buf& buf) {
  buf.owner->retain(buf.owner);
  kept_.push_back({buf, Crc32c({static_cast<const char*>(buf.data), buf.size})});
}

void Reading::OnEnd(chr_status status, chr_str message) {
  if (in_call > 0) Breach("SS-3: on_end from inside a call of the host");
  if (inside_.fetch_add(1) != 0) Breach("calls of one get never overlap");
  const std::scoped_lock lock(mutex_);
  if (end_) Breach("SS-13: on_end came twice");
  inside_.fetch_sub(1);
  end_ = status;
  message_ = sdk::ToView(message);
  if (status < 0 && message_.empty()) Breach("on_end reports a failure without a message");
  changed_.notify_all();
}

}  // namespace chronik_conformance
