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
constexpr size_t kReadAheadBytes = 16u << 10;
constexpr auto kTimerStep = std::chrono::seconds(5);
constexpr auto kMemoryRetry = std::chrono::milliseconds(20);

std::string Endpoint(const asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  return error ? "unknown" : endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

}  // namespace

Connection::Connection(ServerState& state, ShardState& shard, asio::ip::tcp::socket socket)
    : state_(state),
      shard_(shard),
      socket_(std::move(socket)),
      timer_(shard.shard->io()),
      peer_(Endpoint(socket_)),
      last_arrival_(SteadyClock::now()) {}

Connection::~Connection() {
  Uncharge(charged_);
  state_.connections.fetch_sub(1);
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
  return !closed_ && !draining_ && slots_.size() < state_.limits.requests_in_flight_max &&
         (charged_ < state_.limits.connection_bytes_max || slots_.empty());
}

// Reads into the block; grows it towards the request's length as its bytes arrive, never ahead of them.
void Connection::Read() {
  if (reading_ || !MayRead()) return;
  if (state_.bytes.load(std::memory_order_relaxed) > state_.limits.total_bytes_max && !slots_.empty()) {
    // Others hold the memory; try again soon. With nothing in flight this connection may always go on, or nobody would.
    if (std::exchange(waits_for_memory_, true)) return;
    shard_.shard->Schedule(kMemoryRetry, [self = shared_from_this()] {
      self->waits_for_memory_ = false;
      self->Read();
    });
    return;
  }
  const size_t present = end_ - begin_;
  size_t wanted = kReadAheadBytes;
  if (present >= kLengthBytes) {
    const size_t frame = kLengthBytes + static_cast<uint32_t>(LoadBig<int32_t>(block_.data() + begin_));
    wanted = std::min(frame, std::max(kFirstReadBytes, 2 * present));
  }
  if (block_.size() - begin_ < wanted || block_.size() == end_) {
    uint8_t* fresh = nullptr;
    Bytes bigger = Bytes::Allocate(std::max(wanted, kReadAheadBytes), &fresh);
    if (present > 0) std::memcpy(fresh, block_.data() + begin_, present);
    block_ = std::move(bigger);
    begin_ = 0;
    end_ = present;
  }
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
  last_arrival_ = SteadyClock::now();
  end_ += bytes;
  state_.bytes_in->Add(static_cast<double>(bytes));
  if (TakeFrames()) Read();
}

// Dispatches every whole request in the block. False: the connection was closed.
bool Connection::TakeFrames() {
  while (!closed_ && end_ - begin_ >= kLengthBytes && MayRead()) {
    const auto length = LoadBig<int32_t>(block_.data() + begin_);
    if (!CheckLength(length)) return false;
    const auto size = static_cast<size_t>(length);
    if (end_ - begin_ - kLengthBytes < size) break;
    const size_t start = begin_ + kLengthBytes;
    begin_ = start + size;
    // The broker patches record batches in place, so a request's bytes must be its own: they are, as slices do not
    // overlap.
    Dispatch(block_.Slice(start, size));
  }
  if (begin_ == end_ && !closed_ && !reading_) {
    // The block now belongs to the requests. (While a read is under way the socket still writes into its free part.)
    block_ = Bytes();
    begin_ = end_ = 0;
  }
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

// Closes, and says so in the log at most once a second.
void Connection::Refuse(const std::string& what) {
  state_.refused->Increment();
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now().time_since_epoch()).count();
  int64_t last = state_.last_refusal_logged_s.load();
  if (now != last && state_.last_refusal_logged_s.compare_exchange_strong(last, now)) {
    const uint64_t more = state_.refusals_not_logged.exchange(0);
    CHRONIK_LOG(kWarn) << "connection from " << peer_ << " closed: " << what
                       << (more > 0 ? " (and " + std::to_string(more) + " others like it)" : "");
  } else {
    state_.refusals_not_logged.fetch_add(1);
  }
  Close();
}

void Connection::Dispatch(Bytes frame) {
  state_.requests->Increment();
  const uint64_t id = next_id_++;
  slots_.push_back({id, false, {}, frame.size()});
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
    out_charged_ += slot.charged;
    if (!slot.response.empty()) out_.push_back(std::move(slot.response));
    slots_.pop_front();
  }
  if (out_.empty()) {
    Uncharge(std::exchange(out_charged_, 0));
    if (draining_ && slots_.empty()) return Close();
    if (TakeFrames()) Read();
    return;
  }
  std::vector<asio::const_buffer> buffers;
  size_t bytes = 0;
  for (const ByteChain& response : out_) {
    for (const Bytes& part : response.parts()) buffers.emplace_back(part.data(), part.size());
    bytes += response.size();
  }
  state_.bytes_out->Add(static_cast<double>(bytes));
  writing_ = true;
  asio::async_write(
      socket_, std::move(buffers),
      [self = shared_from_this()](const boost::system::error_code& error, size_t) { self->OnWritten(error); });
}

void Connection::OnWritten(const boost::system::error_code& error) {
  writing_ = false;
  out_.clear();
  Uncharge(std::exchange(out_charged_, 0));
  if (closed_) return;
  if (error) return Close();
  last_arrival_ = SteadyClock::now();  // it is alive
  Write();
}

void Connection::ArmTimer() {
  timer_.expires_after(std::min<SteadyClock::duration>(kTimerStep, state_.limits.partial_timeout));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->closed_) self->OnTimer();
  });
}

void Connection::OnTimer() {
  const auto quiet = SteadyClock::now() - last_arrival_;
  if (slots_.empty() && !writing_) {
    if (end_ > begin_ && quiet > state_.limits.partial_timeout)
      return Refuse("half a request, and nothing more for too long");
    if (quiet > state_.limits.idle_timeout) return Close();
  }
  if (writing_ && quiet > state_.limits.idle_timeout) return Refuse("it does not read its responses");
  ArmTimer();
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
  shard_.connections.erase(shared_from_this());
}

}  // namespace chronik::server
