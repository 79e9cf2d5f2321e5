// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "plugins/transport_thrift/tls.h"

namespace chronik_transport_thrift {

using apache::thrift::TConfiguration;
using apache::thrift::protocol::TBinaryProtocol;
using apache::thrift::transport::TFramedTransport;
using apache::thrift::transport::TSocket;
using apache::thrift::transport::TTransportException;

namespace {

// Thrift keeps a buffer of the longest message it has seen, unless that was longer than this.
constexpr uint32_t kKeptBufferBytes = 1 << 20;

// The longest message: a batch whose last frame is the longest one, or stream data, and the protocol around them.
size_t MessageBytesMax(const Settings& settings) {
  return std::max<size_t>(settings.max_frame_bytes, 1 << 20) + kBatchBytes + (64 << 10);
}

}  // namespace

Link::Link(Env& env, std::shared_ptr<TSocket> socket) : env_(env), socket_(std::move(socket)) {
  fd_ = ::fcntl(socket_->getSocketFD(), F_DUPFD_CLOEXEC, 0);
  if (fd_ < 0) throw std::system_error(errno, std::system_category(), "a connection");
  remote_ = socket_->getPeerAddress() + ":" + std::to_string(socket_->getPeerPort());
  socket_->setNoDelay(true);
  const auto max_bytes = static_cast<int>(MessageBytesMax(env.settings));
  const auto limits = std::make_shared<TConfiguration>(max_bytes, max_bytes, 8);
  framed_ = std::make_shared<TFramedTransport>(socket_, 4096, kKeptBufferBytes, limits);
  framed_->setMaxFrameSize(kGreetingBytesMax);
  const auto protocol = std::make_shared<TBinaryProtocol>(framed_, static_cast<int>(kGreetingBytesMax), 16, true, true);
  protocol_ = protocol;
  SetTimeout(env.settings.connect_timeout_ns);
}

Link::~Link() {
  Cut();
  ::close(fd_);
}

void Link::Establish() {
  established_ = true;
  const size_t max_bytes = MessageBytesMax(env_.settings);
  framed_->setMaxFrameSize(static_cast<uint32_t>(max_bytes));
  auto& binary = static_cast<TBinaryProtocol&>(*protocol_);
  binary.setStringSizeLimit(static_cast<int32_t>(max_bytes));
  binary.setContainerSizeLimit(4 * kBatchFrames);
  SetTimeout(env_.settings.idle_timeout_ns);
}

void Link::SetTimeout(uint64_t timeout_ns) {
  // Thrift's TLS socket may wait twice as long: once in the kernel's read, once in poll.
  const auto timeout_ms = static_cast<int>(std::max<uint64_t>(timeout_ns / 1'000'000, 1));
  socket_->setRecvTimeout(timeout_ms);
  socket_->setSendTimeout(timeout_ms);
}

std::string Link::Identity() const {
  const auto* tls = dynamic_cast<const TlsSocket*>(socket_.get());
  return tls == nullptr ? std::string() : tls->identity();
}

void Link::Cut() { ::shutdown(fd_, SHUT_RDWR); }

Link::Event Link::Wait(const Wake& wake, uint64_t timeout_ns) const {
  std::array<pollfd, 2> polled{pollfd{wake.fd(), POLLIN, 0}, pollfd{fd_, POLLIN | POLLRDHUP, 0}};
  const int ready = ::poll(polled.data(), polled.size(), static_cast<int>(timeout_ns / 1'000'000) + 1);
  if (ready > 0 && polled[1].revents != 0) return Event::kReadable;
  if (ready > 0) return Event::kWoken;
  return Event::kTimeout;
}

bool Link::ended_by_peer() const {
  pollfd polled{fd_, POLLRDHUP, 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

Loss Link::LossOf(const std::exception& e) const {
  const auto* transport = dynamic_cast<const TTransportException*>(&e);
  if (transport != nullptr && transport->getType() == TTransportException::TIMED_OUT) {
    return {CHR_E_TIMEOUT, "the peer fell silent"};
  }
  const auto* tls = established_ ? nullptr : dynamic_cast<const TlsSocket*>(socket_.get());
  if (tls != nullptr) {
    if (const std::string why = tls->Failure(e); !why.empty()) return {CHR_E_IO, "TLS: " + why};
  }
  if (ended_by_peer()) return {CHR_E_CLOSED, "the peer closed the connection"};
  return {CHR_E_IO, e.what()};
}

std::shared_ptr<TSocket> MakeSocket(Env& env, int fd, bool server) {
  if (env.tls != nullptr) return env.tls->Make(fd, server);
  return std::make_shared<TSocket>(fd);
}

}  // namespace chronik_transport_thrift
