// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/connection.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cstring>

#include "plugins/transport_tcp/stream.h"

namespace chronik_transport_tcp {

namespace asio = boost::asio;

namespace {

constexpr size_t kGreetingReadBytes = kHeaderBytes + kGreetingBytesMax;
constexpr size_t kReadBytes = 32 << 10;
// One turn of the loop reads and writes no more at once, so that no lane waits long for another.
constexpr size_t kTurnBytes = 256 << 10;
constexpr size_t kTurnFrames = 64;
// A peer that makes us answer faster than it reads.
constexpr size_t kUrgentFramesMax = 4096;

Loss LossOf(error_code ec) {
  namespace error = asio::error;
  // Under TLS an end without its close alert is "stream truncated"; frames say themselves where they end.
  if (ec == error::eof || ec == error::connection_reset || ec == error::broken_pipe ||
      ec.message() == "stream truncated") {
    return {CHR_E_CLOSED, "the peer closed the connection"};
  }
  if (ec == error::timed_out) return {CHR_E_TIMEOUT, "the peer fell silent"};
  return {CHR_E_IO, ec.message()};
}

}  // namespace

std::shared_ptr<Connection> Connection::Make(Env& env, std::unique_ptr<Socket> socket, Owner& owner,
                                             uint64_t queue_bytes) {
  const std::shared_ptr<Connection> made(new Connection(env, std::move(socket), owner));
  // The queue outlives the connection in a sender's hand; it wakes only what is still there.
  made->queue_ = std::make_shared<SendQueue>(queue_bytes, [&env, alive = made->weak_from_this()] {
    env.Post([alive] {
      if (const auto self = alive.lock()) self->Pump();
    });
  });
  return made;
}

Connection::Connection(Env& env, std::unique_ptr<Socket> socket, Owner& owner)
    : env_(env), socket_(std::move(socket)), owner_(&owner), received_(kGreetingReadBytes) {
  heard_ns_ = spoke_ns_ = env_.host.MonoNs();
}

Connection::~Connection() { queue_->Close(); }

void Connection::Start(size_t body_bytes_max) {
  body_bytes_max_ = body_bytes_max;
  Read();
}

void Connection::Establish(Owner& owner, size_t body_bytes_max) {
  owner_ = &owner;
  body_bytes_max_ = body_bytes_max;
  established_ = true;
  heard_ns_ = env_.host.MonoNs();
}

void Connection::Close() {
  if (closed_) return;
  closed_ = true;
  queue_->Close();
  held_.reset();
  socket_->Close();
}

void Connection::CloseAfterWriting() {
  closing_ = true;
  Pump();
}

void Connection::Lose(const Loss& loss) {
  if (closed_) return;
  const auto self = shared_from_this();  // the owner may drop its reference
  const bool tell = !closing_;
  Close();
  if (tell) owner_->OnLost(*this, loss);
}

void Connection::Reject(const std::string& what) {
  if (closed_) return;
  env_.counters.rejects.Add();
  env_.log.Warn("closed the connection with " + socket_->remote() + ": " + what);
  Lose({CHR_E_IO, what});
}

void Connection::Tick(uint64_t now_ns) {
  if (closed_) return;
  const auto self = shared_from_this();
  if (starved_) {
    starved_ = false;
    heard_ns_ = now_ns;
    Parse();
  }
  if (closed_ || !established_) return;
  // While we do not read we cannot hear. Timestamps of other threads may be a little ahead.
  if (!held_ && now_ns > heard_ns_ + env_.settings.idle_timeout_ns) {
    return Lose({CHR_E_TIMEOUT, "the peer fell silent"});
  }
  if (!writing_ && now_ns >= spoke_ns_ + env_.settings.idle_timeout_ns / 3) Send(Kind::kPong, 0, {});
}

// --- reading ---------------------------------------------------------------------------------------------------------

void Connection::Read() {
  if (closed_ || reading_ || held_ || starved_) return;
  reading_ = true;
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (established_ && received_.size() < kReadBytes) received_.resize(kReadBytes);
  } else if (begin_ > 0) {
    std::memmove(received_.data(), received_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  std::array<asio::mutable_buffer, 2> into;
  if (partial_) {
    const size_t missing = partial_->header.body_bytes - partial_->filled;
    into[0] = asio::buffer(partial_->body.data() + partial_->filled, std::min(missing, kTurnBytes));
    if (missing <= kTurnBytes) into[1] = asio::buffer(received_.data(), received_.size());
  } else {
    into[0] = asio::buffer(received_.data() + end_, received_.size() - end_);
  }
  socket_->ReadSome(into, [self = shared_from_this()](error_code ec, size_t bytes) { self->OnRead(ec, bytes); });
}

void Connection::OnRead(error_code ec, size_t bytes) {
  reading_ = false;
  if (closed_) return;
  if (ec) return Lose(LossOf(ec));
  env_.counters.received_bytes.Add(static_cast<double>(bytes));
  heard_ns_ = env_.host.MonoNs();
  if (partial_) {
    const size_t missing = partial_->header.body_bytes - partial_->filled;
    const size_t body = std::min(missing, bytes);
    partial_->filled += body;
    bytes -= body;
  }
  end_ += bytes;
  Parse();
}

void Connection::Parse() {
  while (!closed_ && !held_ && !starved_ && ParseOne()) {
  }
  Read();
}

// False: more bytes are needed, or the connection is to pause or gone.
bool Connection::ParseOne() {
  if (!partial_) {
    if (end_ - begin_ < kHeaderBytes) return false;
    const auto header = DecodeHeader(std::span(received_).subspan(begin_).first<kHeaderBytes>());
    if (!header) {
      Reject("a frame header is damaged, or not of this protocol");
      return false;
    }
    if (header->body_bytes > body_bytes_max_) {
      Reject("a frame of " + std::to_string(header->body_bytes) + " bytes, the limit is " +
             std::to_string(body_bytes_max_));
      return false;
    }
    if (header->body_bytes == 0) {
      begin_ += kHeaderBytes;
      Deliver(*header, {});
      return true;
    }
    if (!BeginBody(*header)) return false;
  }
  if (partial_->filled < partial_->header.body_bytes) return false;
  const Header header = partial_->header;
  sdk::Buffer body = std::move(partial_->body).Freeze();
  partial_.reset();
  if (header.has_body_crc && Crc32c(body.bytes()) != header.body_crc) {
    Reject("the checksum of a frame's bytes does not fit");
    return false;
  }
  Deliver(header, std::move(body));
  return true;
}

// Memory of exactly the frame's size: whoever keeps a small frame keeps nothing else alive.
bool Connection::BeginBody(const Header& header) {
  try {
    partial_.emplace(Partial{header, env_.host.Allocate(header.body_bytes), 0});
  } catch (const sdk::Error& e) {
    if (e.status() != CHR_E_NO_MEMORY) throw;
    env_.log.Warn("no memory for a frame of " + std::to_string(header.body_bytes) + " bytes; reading pauses");
    starved_ = true;
    return false;
  }
  begin_ += kHeaderBytes;
  partial_->filled = std::min<size_t>(header.body_bytes, end_ - begin_);
  std::memcpy(partial_->body.data(), received_.data() + begin_, partial_->filled);
  begin_ += partial_->filled;
  return true;
}

void Connection::Deliver(const Header& header, sdk::Buffer body) {
  if (header.kind == Kind::kPing && established_) {
    if (queue_->urgent_count() > kUrgentFramesMax) return Reject("asks faster than it reads the answers");
    return Send(Kind::kPong, header.id, {});
  }
  if (!owner_->OnFrame(*this, header, body)) held_ = Held{header, std::move(body)};
  if (queue_->urgent_count() > kUrgentFramesMax) Reject("asks faster than it reads the answers");
}

void Connection::Resume() {
  if (closed_ || !held_) return;
  const auto self = shared_from_this();
  const Held held = std::move(*held_);
  held_.reset();
  heard_ns_ = env_.host.MonoNs();
  Deliver(held.header, held.body);
  Parse();
}

// --- writing ---------------------------------------------------------------------------------------------------------

void Connection::Pump() {
  if (closed_ || writing_) return;
  batch_.clear();
  queue_->Take(kTurnBytes, kTurnFrames, batch_);
  if (batch_.empty()) {
    if (closing_) Close();
    return;
  }
  pieces_.clear();
  next_piece_ = 0;
  for (const OutFrame& frame : batch_) {
    pieces_.emplace_back(frame.header.data(), frame.header.size());
    for (const sdk::Buffer& part : frame.body) pieces_.emplace_back(part.data(), part.size());
  }
  writing_ = true;
  Write();
}

void Connection::Write() {
  // A frame larger than a turn is written in several.
  turn_.clear();
  for (size_t i = next_piece_, bytes = 0; i < pieces_.size() && bytes < kTurnBytes; bytes += turn_.back().size(), ++i) {
    turn_.push_back(asio::buffer(pieces_[i], kTurnBytes - bytes));
  }
  socket_->WriteSome(turn_, [self = shared_from_this()](error_code ec, size_t done) { self->OnWritten(ec, done); });
}

void Connection::OnWritten(error_code ec, size_t bytes) {
  if (closed_) return;
  if (ec) return Lose(LossOf(ec));
  env_.counters.sent_bytes.Add(static_cast<double>(bytes));
  spoke_ns_ = env_.host.MonoNs();
  while (bytes > 0) {
    asio::const_buffer& piece = pieces_[next_piece_];
    const size_t part = std::min(bytes, piece.size());
    piece += part;
    bytes -= part;
    if (piece.size() == 0) ++next_piece_;
  }
  if (next_piece_ < pieces_.size()) return Write();
  WrittenBatch();
}

void Connection::WrittenBatch() {
  const bool room = queue_->Written(batch_);
  writing_ = false;
  for (const OutFrame& frame : batch_) {
    if (frame.stream != nullptr) frame.stream->OnWritten(frame.body_bytes);
  }
  batch_.clear();  // here the lenders get their buffers back
  if (room) owner_->OnRoom(*this);
  Pump();
}

}  // namespace chronik_transport_tcp
