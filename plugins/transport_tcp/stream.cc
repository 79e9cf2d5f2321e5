// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/stream.h"

#include <algorithm>
#include <utility>

namespace chronik_transport_tcp {
namespace {

constexpr int64_t kCreditMax = INT64_MAX / 2;

int64_t Sum(int64_t credit, uint64_t more) {
  return more > static_cast<uint64_t>(kCreditMax) ? kCreditMax
                                                  : std::min(kCreditMax, credit + static_cast<int64_t>(more));
}

}  // namespace

chr_status Stream::Write(std::span<const chr_buf> bufs) {
  const size_t bytes = TotalBytes(bufs);
  if (bytes == 0 || bytes > kStreamWriteBytesMax) return CHR_E_INVALID;
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return CHR_E_CLOSED;
    if (send_credit_ <= 0 || (queued_bytes_ > 0 && queued_bytes_ + bytes > mux_.env_.settings.max_queued_bytes)) {
      wants_writable_ = true;
      return CHR_E_BUSY;
    }
    send_credit_ -= static_cast<int64_t>(bytes);
    queued_bytes_ += bytes;
  }
  OutFrame frame = MakeFrame(Kind::kStreamData, id_, bufs, mux_.env_.settings.body_checksum && !mux_.env_.settings.tls);
  frame.stream = shared_from_this();
  return queue_->Push(std::move(frame));
}

void Stream::Grant(uint64_t bytes) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    taken_credit_ = Sum(taken_credit_, bytes);
  }
  queue_->PushUrgent(MakeFrame(Kind::kStreamCredit, id_, EncodeCredit(bytes)));
}

void Stream::Close(chr_status status) {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  OutFrame end = MakeFrame(Kind::kStreamClose, id_, Encode(Ending{status, {}}));
  if (status == CHR_OK) {
    queue_->PushLast(std::move(end));  // after everything this end wrote
  } else {
    queue_->Drop(*this);
    queue_->PushUrgent(std::move(end));
  }
  mux_.env_.Post([mux = mux_.shared_from_this(), id = id_, status] { mux->Finish(id, status, {}); });
}

bool Stream::TakeWritable() {
  const std::scoped_lock lock(mutex_);
  if (closed_ || send_credit_ <= 0 || queued_bytes_ > mux_.env_.settings.max_queued_bytes / 2) return false;
  return std::exchange(wants_writable_, false);
}

void Stream::OnWritten(size_t bytes) {
  {
    const std::scoped_lock lock(mutex_);
    queued_bytes_ -= bytes;
  }
  if (TakeWritable()) events_.Writable();
}

chr_status StreamMux::Open(std::string_view header, const sdk::StreamEvents& events, Stream*& out) {
  if (header.size() > kStreamHeaderBytesMax) return CHR_E_INVALID;
  const std::scoped_lock lock(mutex_);
  if (closed_) return CHR_E_CLOSED;
  if (streams_.size() >= kStreamsMax) return CHR_E_BUSY;
  const auto stream = std::make_shared<Stream>(*this, queue_, next_id_++);
  stream->events_ = events;
  streams_.emplace(stream->id_, stream);
  out = stream.get();
  // Under the lock, so that streams are opened in the order of their ids.
  queue_->PushUrgent(MakeFrame(Kind::kStreamOpen, stream->id_, header));
  return CHR_OK;
}

std::shared_ptr<Stream> StreamMux::Find(uint64_t id) const {
  const std::scoped_lock lock(mutex_);
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : it->second;
}

void StreamMux::Finish(uint64_t id, chr_status status, std::string_view why) {
  std::shared_ptr<Stream> stream;
  {
    const std::scoped_lock lock(mutex_);
    const auto it = streams_.find(id);
    if (it == streams_.end()) return;
    stream = std::move(it->second);
    streams_.erase(it);
  }
  {
    const std::scoped_lock lock(stream->mutex_);
    stream->closed_ = true;
  }
  stream->events_.End(status, why);
}

void StreamMux::CloseAll(chr_status status, std::string_view why) {
  std::map<uint64_t, std::shared_ptr<Stream>> streams;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    streams.swap(streams_);
  }
  for (const auto& [id, stream] : streams) {
    {
      const std::scoped_lock lock(stream->mutex_);
      stream->closed_ = true;
    }
    stream->events_.End(status, why);
  }
}

std::string StreamMux::OnFrame(const Header& header, const sdk::Buffer& body) {
  switch (header.kind) {
    case Kind::kStreamOpen: return OnOpened(header.id, body);
    case Kind::kStreamData: return OnData(header.id, body);
    case Kind::kStreamCredit: return OnCredit(header.id, body);
    case Kind::kStreamClose: return OnClosed(header.id, body);
    default:
      return "a frame of kind " + std::to_string(static_cast<int>(header.kind)) + " on the connection of the streams";
  }
}

std::string StreamMux::OnOpened(uint64_t id, const sdk::Buffer& header) {
  if (!answers_) return "a stream opened by the end that was dialled";
  if (id <= last_opened_) return "a stream opened under an id that was used";
  if (header.size() > kStreamHeaderBytesMax) return "a stream header that is too long";
  last_opened_ = id;
  const auto stream = std::make_shared<Stream>(*this, queue_, id);
  chr_status status = CHR_E_BUSY;
  {
    const std::scoped_lock lock(mutex_);
    if (streams_.size() < kStreamsMax) {
      streams_.emplace(id, stream);
      status = CHR_OK;
    }
  }
  if (status == CHR_OK) {
    const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
    status = env_.sink.OpenedStream(peer_, text, *stream, stream->events_);
    if (status < 0) {
      const std::scoped_lock lock(mutex_);
      streams_.erase(id);
    }
  }
  if (status < 0) {
    queue_->PushUrgent(MakeFrame(Kind::kStreamClose, id, Encode(Ending{status, "the stream was refused"})));
  }
  return {};
}

// A stream that has ended here may still be written to for a while: frames of unknown ids are ignored.
std::string StreamMux::OnData(uint64_t id, const sdk::Buffer& body) {
  if (body.size() == 0 || body.size() > kStreamWriteBytesMax) return "a stream write that is empty or too long";
  const auto stream = Find(id);
  if (stream == nullptr) return {};
  {
    const std::scoped_lock lock(stream->mutex_);
    if (stream->taken_credit_ <= 0) return "stream data beyond the credit";
    stream->taken_credit_ -= static_cast<int64_t>(body.size());
    if (stream->closed_) return {};  // nothing but on_end follows
  }
  const chr_buf view = body.View();
  stream->events_.Data({&view, 1});
  return {};
}

std::string StreamMux::OnCredit(uint64_t id, const sdk::Buffer& body) {
  const auto bytes = DecodeCredit(body.bytes());
  if (!bytes) return "a malformed stream credit";
  const auto stream = Find(id);
  if (stream == nullptr) return {};
  {
    const std::scoped_lock lock(stream->mutex_);
    stream->send_credit_ = Sum(stream->send_credit_, *bytes);
  }
  if (stream->TakeWritable()) stream->events_.Writable();
  return {};
}

std::string StreamMux::OnClosed(uint64_t id, const sdk::Buffer& body) {
  const auto ending = DecodeEnding(body.bytes());
  if (!ending) return "a malformed end of a stream";
  const auto stream = Find(id);
  if (stream == nullptr) return {};
  {
    const std::scoped_lock lock(stream->mutex_);
    if (stream->closed_) return {};  // its own end has been posted, with its own status
    stream->closed_ = true;
  }
  queue_->Drop(*stream);
  Finish(id, ending->status, ending->text);
  return {};
}

}  // namespace chronik_transport_tcp
