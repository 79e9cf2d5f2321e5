// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/stream.h"

#include <algorithm>
#include <utility>

#include "plugins/transport_thrift/frame_queue.h"
#include "plugins/transport_thrift/lent_bytes.h"

namespace chronik_transport_thrift {
namespace {

constexpr int64_t kCreditMax = INT64_MAX / 2;

int64_t Sum(int64_t credit, uint64_t more) {
  return std::min(kCreditMax, credit + static_cast<int64_t>(std::min<uint64_t>(more, kCreditMax)));
}

rpc::StreamEvent EventOf(uint64_t stream, rpc::StreamEventKind::type kind, int64_t value, std::string bytes = {}) {
  rpc::StreamEvent event;
  event.stream = static_cast<int64_t>(stream);
  event.kind = kind;
  event.value = value;
  event.bytes = std::move(bytes);
  return event;
}

}  // namespace

// --- what waits to be said -------------------------------------------------------------------------------------------

void Outbox::Push(Entry entry) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    rest_.push_back(std::move(entry));
  }
  wake_.Notify();
}

void Outbox::PushUrgent(Entry entry) {
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    urgent_.push_back(std::move(entry));
  }
  wake_.Notify();
}

void Outbox::Drop(const Stream& stream) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(rest_, [&](const Entry& entry) { return entry.stream.get() == &stream; });
}

// What it holds refers to streams, which refer to it.
void Outbox::Close() {
  std::deque<Entry> dropped[2];
  std::vector<std::pair<std::shared_ptr<Stream>, size_t>> taken;
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  dropped[0].swap(urgent_);
  dropped[1].swap(rest_);
  taken.swap(taken_);
}

size_t Outbox::urgent_count() const {
  const std::scoped_lock lock(mutex_);
  return urgent_.size();
}

std::vector<rpc::StreamEvent> Outbox::Take(Env& env) {
  std::vector<rpc::StreamEvent> out;
  wake_.Clear();
  const std::scoped_lock lock(mutex_);
  for (auto& [stream, bytes] : std::exchange(taken_, {})) {
    env.loop.Post([stream = stream, bytes = bytes] { stream->OnArrived(bytes); });
  }
  size_t bytes = 0;
  while (out.size() < kBatchFrames && bytes < kBatchBytes) {
    std::deque<Entry>& from = urgent_.empty() ? rest_ : urgent_;
    // Never two long writes in one call: its size is bounded.
    if (from.empty() || (bytes > 0 && bytes + from.front().event.bytes.size() > kStreamWriteBytesMax)) break;
    bytes += from.front().event.bytes.size();
    if (from.front().stream != nullptr) {
      taken_.emplace_back(std::move(from.front().stream), from.front().event.bytes.size());
    }
    out.push_back(std::move(from.front().event));
    from.pop_front();
  }
  if (!urgent_.empty() || !rest_.empty()) wake_.Notify();
  return out;
}

// --- one end of a stream ---------------------------------------------------------------------------------------------

chr_status Stream::Write(std::span<const chr_buf> bufs) {
  const size_t bytes = TotalBytes(bufs);
  if (bytes == 0 || bytes > kStreamWriteBytesMax) return CHR_E_INVALID;
  const auto self = shared_from_this();  // a loss may end the stream meanwhile
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return CHR_E_CLOSED;
    if (send_credit_ <= 0 || (queued_bytes_ > 0 && queued_bytes_ + bytes > mux_->env_.settings.max_queued_bytes)) {
      wants_writable_ = true;
      return CHR_E_BUSY;
    }
    send_credit_ -= static_cast<int64_t>(bytes);
    queued_bytes_ += bytes;
  }
  std::string data;
  data.reserve(bytes);
  for (const chr_buf& buf : bufs) data.append(static_cast<const char*>(buf.data), buf.size);
  mux_->outbox_.Push({EventOf(id_, rpc::StreamEventKind::DATA, 0, std::move(data)), self});
  return CHR_OK;
}

void Stream::Grant(uint64_t bytes) {
  const auto self = shared_from_this();
  {
    const std::scoped_lock lock(mutex_);
    if (closed_) return;
    taken_credit_ = Sum(taken_credit_, bytes);
  }
  const auto credit = static_cast<int64_t>(std::min<uint64_t>(bytes, kCreditMax));
  mux_->outbox_.PushUrgent({EventOf(id_, rpc::StreamEventKind::CREDIT, credit), nullptr});
}

void Stream::Close(chr_status status) {
  const auto self = shared_from_this();
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(closed_, true)) return;
  }
  Outbox::Entry end{EventOf(id_, rpc::StreamEventKind::CLOSE, status), nullptr};
  if (status == CHR_OK) {
    mux_->outbox_.Push(std::move(end));  // after everything this end wrote
  } else {
    mux_->outbox_.Drop(*this);
    mux_->outbox_.PushUrgent(std::move(end));
  }
  mux_->env_.loop.Post([mux = mux_, id = id_, status] { mux->Finish(id, status, {}); });
}

bool Stream::TakeWritable() {
  const std::scoped_lock lock(mutex_);
  if (closed_ || send_credit_ <= 0 || queued_bytes_ > mux_->env_.settings.max_queued_bytes / 2) return false;
  return std::exchange(wants_writable_, false);
}

void Stream::OnArrived(size_t bytes) {
  {
    const std::scoped_lock lock(mutex_);
    queued_bytes_ -= bytes;
  }
  if (TakeWritable()) events_.Writable();
}

// --- all of a session ------------------------------------------------------------------------------------------------

chr_status StreamMux::Open(std::string_view header, const sdk::StreamEvents& events, Stream*& out) {
  if (header.size() > kStreamHeaderBytesMax) return CHR_E_INVALID;
  const std::scoped_lock lock(mutex_);
  if (closed_) return CHR_E_CLOSED;
  if (streams_.size() >= kStreamsMax) return CHR_E_BUSY;
  const auto stream = std::make_shared<Stream>(shared_from_this(), next_id_++);
  stream->events_ = events;
  streams_.emplace(stream->id_, stream);
  out = stream.get();
  // Under the lock, so that streams are opened in the order of their ids.
  outbox_.PushUrgent({EventOf(stream->id_, rpc::StreamEventKind::OPEN, 0, std::string(header)), nullptr});
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
  std::vector<uint64_t> ids;
  {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    for (const auto& [id, stream] : streams_) ids.push_back(id);
  }
  for (const uint64_t id : ids) Finish(id, status, why);
  outbox_.Close();
}

std::string StreamMux::OnEvents(std::vector<rpc::StreamEvent>& events) {
  for (rpc::StreamEvent& event : events) {
    if (std::string broken = OnEvent(event); !broken.empty()) return broken;
  }
  return outbox_.urgent_count() > kUrgentMax ? "asks faster than it takes the answers" : std::string();
}

std::string StreamMux::OnEvent(rpc::StreamEvent& event) {
  const auto id = static_cast<uint64_t>(event.stream);
  if (event.kind == rpc::StreamEventKind::OPEN) return OnOpened(id, event.bytes);
  // A stream that has ended here may still be spoken of for a while: events of unknown ids are ignored.
  const auto stream = Find(id);
  switch (event.kind) {
    case rpc::StreamEventKind::DATA:
      if (event.bytes.empty() || event.bytes.size() > kStreamWriteBytesMax) return "a stream write of a wrong size";
      return stream == nullptr ? std::string() : OnData(*stream, event.bytes);
    case rpc::StreamEventKind::CREDIT:
      if (event.value < 0) return "a negative stream credit";
      if (stream != nullptr) OnCredit(*stream, static_cast<uint64_t>(event.value));
      return {};
    case rpc::StreamEventKind::CLOSE:
      if (event.value > 0 || event.value < INT32_MIN) return "a stream that ends with a malformed status";
      if (stream != nullptr) OnClosed(*stream, static_cast<chr_status>(event.value), event.bytes);
      return {};
    default: return "an unknown event of a stream";
  }
}

std::string StreamMux::OnOpened(uint64_t id, const std::string& header) {
  if (!answers_) return "a stream opened by the end that was dialled";
  if (id <= last_opened_) return "a stream opened under an id that was used";
  if (header.size() > kStreamHeaderBytesMax) return "a stream header that is too long";
  last_opened_ = id;
  const auto stream = std::make_shared<Stream>(shared_from_this(), id);
  chr_status status = CHR_E_BUSY;
  {
    const std::scoped_lock lock(mutex_);
    if (streams_.size() < kStreamsMax) {
      streams_.emplace(id, stream);
      status = CHR_OK;
    }
  }
  if (status == CHR_OK) {
    status = env_.sink.OpenedStream(peer_, header, *stream, stream->events_);
    if (status < 0) {
      const std::scoped_lock lock(mutex_);
      streams_.erase(id);
    }
  }
  if (status < 0) {
    outbox_.PushUrgent({EventOf(id, rpc::StreamEventKind::CLOSE, status, "the stream was refused"), nullptr});
  }
  return {};
}

std::string StreamMux::OnData(Stream& stream, std::string& bytes) {
  {
    const std::scoped_lock lock(stream.mutex_);
    if (stream.taken_credit_ <= 0) return "stream data beyond the credit";
    stream.taken_credit_ -= static_cast<int64_t>(bytes.size());
    if (stream.closed_) return {};  // nothing but on_end follows
  }
  const sdk::Buffer data = LentBytes::Make(std::move(bytes));
  const chr_buf view = data.View();
  stream.events_.Data({&view, 1});
  return {};
}

void StreamMux::OnCredit(Stream& stream, uint64_t bytes) {
  {
    const std::scoped_lock lock(stream.mutex_);
    stream.send_credit_ = Sum(stream.send_credit_, bytes);
  }
  if (stream.TakeWritable()) stream.events_.Writable();
}

void StreamMux::OnClosed(Stream& stream, chr_status status, const std::string& text) {
  {
    const std::scoped_lock lock(stream.mutex_);
    if (stream.closed_) return;  // its own end has been posted, with its own status
    stream.closed_ = true;
  }
  outbox_.Drop(stream);
  Finish(stream.id_, status, text);
}

}  // namespace chronik_transport_thrift
