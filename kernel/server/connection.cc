// SPDX-License-Identifier: Apache-2.0
#include "kernel/server/connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstring>
#include <utility>

#include "kernel/base/endian.h"
#include "kernel/base/log.h"

namespace chronik::server {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kLengthBytes = 4;
constexpr uint32_t kShortestRequest = 8;  // api key, version, correlation id
// A slice keeps its whole block alive, and a record batch stays in memory for long: what is smaller gets bytes of its
// own.
constexpr size_t kSliceBytesMin = kReadAheadBytes / 4;
constexpr auto kTimerStep = std::chrono::seconds(5);
constexpr auto kMemoryRetry = std::chrono::milliseconds(20);

std::string Endpoint(const asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  return error ? "unknown" : endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerState> state, ShardState& shard, asio::ip::tcp::socket socket)
    : keep_state_(std::move(state)),
      state_(*keep_state_),
      shard_(shard),
      socket_(std::move(socket)),
      timer_(shard.shard->io()),
      peer_(Endpoint(socket_)),
      last_activity_(SteadyClock::now()) {}

Connection::~Connection() {
  Uncharge(charged_);
  if (!closed_) state_.Leave();
}

void Connection::Start() {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  ArmTimer();
  Read();
}

void Connection::Charge(size_t bytes) {
  charged_ += bytes;
  state_.bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void Connection::Uncharge(size_t bytes) {
  charged_ -= bytes;
  state_.bytes.fetch_sub(bytes, std::memory_order_relaxed);
}

bool Connection::MayRead() const {
  return !closed_ && !draining_ && !large_waits_ && slots_.size() < state_.limits.requests_in_flight_max &&
         (charged_ < state_.limits.connection_bytes_max || slots_.empty());
}

// Whether so many bytes more may be taken for what is still arriving.
bool Connection::MayTake(size_t bytes) {
  if (state_.bytes.load(std::memory_order_relaxed) + bytes <= state_.limits.total_bytes_max) return true;
  if (!slots_.empty()) return false;  // its own answers will make room
  if (bytes == 0 || has_turn_) return true;
  has_turn_ = state_.TakeTurn();
  return has_turn_;
}

// Others hold the memory: tries again soon.
void Connection::WaitForMemory() {
  paused_ = true;
  if (std::exchange(waits_for_memory_, true)) return;
  shard_.shard->Schedule(kMemoryRetry, [self = shared_from_this()] {
    self->waits_for_memory_ = false;
    self->Read();
  });
}

// Moves what is there into a block of `bytes`.
void Connection::Grow(size_t bytes) {
  const size_t present = end_ - begin_;
  uint8_t* fresh = nullptr;
  Bytes bigger = Bytes::Allocate(bytes, &fresh);
  if (present > 0) std::memcpy(fresh, block_.data() + begin_, present);
  block_ = std::move(bigger);
  block_shared_ = false;
  begin_ = 0;
  end_ = present;
  Uncharge(block_charged_);
  block_charged_ = bytes - kReadAheadBytes;
  Charge(block_charged_);
}

// Reads into the block; grows it towards the request's length as its bytes arrive, never ahead of them.
void Connection::Read() {
  if (reading_ || closed_) return;
  if (!MayRead()) {
    paused_ = true;
    return;
  }
  const size_t present = end_ - begin_;
  size_t wanted = kReadAheadBytes;
  if (present >= kLengthBytes) {
    const size_t frame = kLengthBytes + static_cast<uint32_t>(LoadBig<int32_t>(block_.data() + begin_));
    wanted = std::min(frame, std::max(kFirstReadBytes, 2 * present));
  }
  const bool full = block_.size() - begin_ < wanted || block_.size() == end_;
  const size_t target = full ? std::max(wanted, kReadAheadBytes) : block_.size();
  const size_t more = std::max(target, kReadAheadBytes + block_charged_) - kReadAheadBytes - block_charged_;
  if (!MayTake(more)) return WaitForMemory();
  if (full) Grow(target);
  if (std::exchange(paused_, false)) half_since_ = SteadyClock::now();
  reading_ = true;
  socket_.async_read_some(asio::buffer(block_.unsafe_mutable_data() + end_, block_.size() - end_),
                          [self = shared_from_this()](const boost::system::error_code& error, size_t bytes) {
                            self->reading_ = false;
                            if (self->closed_) return;
                            if (error) return self->Close();
                            self->OnRead(bytes);
                          });
}

void Connection::OnRead(size_t bytes) {
  last_activity_ = SteadyClock::now();
  end_ += bytes;
  state_.bytes_in->Add(static_cast<double>(bytes));
  if (!TakeFrames()) return;
  NoteProgress();
  Read();
}

void Connection::NoteProgress() {
  const size_t half = end_ - begin_;
  if (half_then_ != 0 && half - half_then_ < kProgressBytes) return;
  half_then_ = half;
  half_since_ = last_activity_;
}

// Dispatches every whole request in the block. False: the connection was closed.
bool Connection::TakeFrames() {
  taking_frames_ = true;
  while (!closed_ && end_ - begin_ >= kLengthBytes && MayRead()) {
    const auto length = LoadBig<int32_t>(block_.data() + begin_);
    if (!CheckLength(length)) break;
    const auto size = static_cast<size_t>(length);
    if (end_ - begin_ - kLengthBytes < size) break;
    const size_t start = begin_ + kLengthBytes;
    large_waits_ = large_in_flight_ && state_.dispatcher->AnswerMayBeLarge({block_.data() + start, size});
    if (large_waits_) break;
    begin_ = start + size;
    // The broker patches record batches in place, so a request's bytes must be its own: they are, as slices do not
    // overlap.
    if (size < kSliceBytesMin) {
      Dispatch(Bytes::Copy({block_.data() + start, size}));
    } else {
      block_shared_ = true;
      Dispatch(block_.Slice(start, size));
    }
  }
  if (begin_ == end_ && !closed_ && !reading_) {
    // The block now belongs to the requests, unless it has only been copied from. (While a read is under way the socket
    // still writes into its free part.)
    if (std::exchange(block_shared_, false) || block_charged_ > 0) block_ = Bytes();
    begin_ = end_ = 0;
    Uncharge(std::exchange(block_charged_, 0));
  }
  taking_frames_ = false;
  return !closed_;
}

bool Connection::CheckLength(int32_t length) {
  if (length >= static_cast<int32_t>(kShortestRequest) &&
      static_cast<uint32_t>(length) <= state_.limits.request_bytes_max)
    return true;
  Refuse("a request of " + std::to_string(length) + " bytes; " + GuessProtocol());
  return false;
}

std::string Connection::GuessProtocol() const {
  const std::string_view head(reinterpret_cast<const char*>(block_.data() + begin_),
                              std::min<size_t>(8, end_ - begin_));
  for (const char* method : {"GET ", "POST", "PUT ", "HEAD", "OPTI", "DELE"}) {
    if (head.starts_with(method)) return "it looks like HTTP, this listener speaks Kafka";
  }
  if (head.size() >= 2 && head[0] == 0x16 && head[1] == 0x03)
    return "it looks like TLS, this listener speaks plain Kafka";
  return "it is not the Kafka protocol, or the limit broker.socket_request_max_bytes is too low";
}

void Connection::Refuse(const std::string& why) {
  state_.Refused(peer_, why);
  Close();
}

void Connection::Dispatch(Bytes frame) {
  state_.requests->Increment();
  const uint64_t id = next_id_++;
  const bool large = state_.dispatcher->AnswerMayBeLarge(frame);
  large_in_flight_ |= large;
  half_then_ = 0;
  slots_.push_back({id, large, false, {}, frame.size()});
  Charge(frame.size());
  Responder responder([self = shared_from_this(), id](Responder::Kind kind, ByteChain response, std::string why) {
    self->OnAnswer(id, kind, std::move(response), why);
  });
  state_.dispatcher->Dispatch({std::move(frame), shard_.id, peer_}, std::move(responder));
}

void Connection::OnAnswer(uint64_t id, Responder::Kind kind, ByteChain response, const std::string& why) {
  if (closed_) return;
  if (kind == Responder::Kind::kClose) return Refuse(why);
  CHRONIK_CHECK(!slots_.empty() && id >= slots_.front().id && id - slots_.front().id < slots_.size())
      << "an answer to a request that is not in flight";
  Slot& slot = slots_[id - slots_.front().id];
  slot.answered = true;
  slot.response = std::move(response);
  // The request's memory is free; the response's is taken until it is sent.
  Uncharge(std::exchange(slot.charged, slot.response.size()));
  Charge(slot.charged);
  Write();
}

// Sends the answered requests at the head of the queue in one call.
void Connection::Write() {
  if (writing_ || closed_) return;
  while (!slots_.empty() && slots_.front().answered && out_.size() < 64) {
    Slot& slot = slots_.front();
    large_in_out_ |= slot.large;
    out_charged_ += slot.charged;
    if (!slot.response.empty()) out_.push_back(std::move(slot.response));
    slots_.pop_front();
  }
  if (out_.empty()) {
    Sent();
    if (has_turn_ && slots_.empty()) EndTurn();
    if (draining_ && slots_.empty()) return Close();
    // Unless this request was over before Dispatch returned: then the loop there goes on.
    if (!taking_frames_ && TakeFrames()) Read();
    return;
  }
  std::vector<asio::const_buffer> buffers;
  size_t bytes = 0;
  for (const ByteChain& response : out_) {
    for (const Bytes& part : response.parts()) buffers.emplace_back(part.data(), part.size());
    bytes += response.size();
  }
  state_.bytes_out->Add(static_cast<double>(bytes));
  last_activity_ = SteadyClock::now();  // from now on it has its time to read them
  writing_ = true;
  asio::async_write(socket_, buffers, [self = shared_from_this()](const boost::system::error_code& error, size_t) {
    self->OnWritten(error);
  });
}

void Connection::OnWritten(const boost::system::error_code& error) {
  writing_ = false;
  Sent();
  if (closed_) return;
  if (error) return Close();
  last_activity_ = SteadyClock::now();  // it is alive
  Write();
}

// What was in out_ costs nothing any more.
void Connection::Sent() {
  out_.clear();
  Uncharge(std::exchange(out_charged_, 0));
  if (std::exchange(large_in_out_, false)) large_in_flight_ = large_waits_ = false;
}

void Connection::ArmTimer() {
  timer_.expires_after(std::min<SteadyClock::duration>(kTimerStep, state_.limits.partial_timeout));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->closed_) self->OnTimer();
  });
}

void Connection::OnTimer() {
  const auto now = SteadyClock::now();
  const auto quiet = now - last_activity_;
  if (reading_ && end_ > begin_ && now - half_since_ > state_.limits.partial_timeout)
    return Refuse("half a request, and little or nothing more for too long");
  if (slots_.empty() && !writing_ && quiet > state_.limits.idle_timeout) return Close();
  if (writing_ && quiet > state_.limits.idle_timeout) return Refuse("it does not read its responses");
  ArmTimer();
}

void Connection::EndTurn() {
  has_turn_ = false;
  state_.EndTurn();
}

void Connection::Drain() {
  draining_ = true;
  if (slots_.empty() && !writing_) Close();
}

void Connection::Close() {
  if (std::exchange(closed_, true)) return;
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  timer_.cancel();
  slots_.clear();
  if (has_turn_) EndTurn();
  shard_.connections.erase(shared_from_this());
  state_.Leave();
}

}  // namespace chronik::server
