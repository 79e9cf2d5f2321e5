// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_thrift/peer.h"

#include <utility>

namespace chronik_transport_thrift {

std::shared_ptr<OutboundSession> Peer::session() const {
  const std::scoped_lock lock(mutex_);
  return session_;
}

chr_status Peer::Send(uint32_t lane, std::span<const chr_buf> bufs) {
  const size_t bytes = TotalBytes(bufs);
  if (bytes == 0 || bytes > env_.settings.max_frame_bytes) return CHR_E_INVALID;
  const auto to = session();
  return to == nullptr ? CHR_E_CLOSED : to->Send(lane, bufs);
}

chr_status Peer::OpenStream(std::string_view header, const sdk::StreamEvents& events, Stream*& out) {
  const auto to = session();
  return to == nullptr ? CHR_E_CLOSED : to->streams().Open(header, events, out);
}

void Peer::Dial(const sdk::Address& address) {
  if (removed_) return;
  if (dialer_ != nullptr) {
    if (address_ == address) return;
    const Loss moved{CHR_E_IO, "moved to another address"};
    const bool was_connected = session() != nullptr;
    if (was_connected) OnDown(moved);
    dialer_->Stop(moved);
  }
  address_ = address;
  dial_failure_ = {CHR_OK, {}};
  dialer_ = std::make_shared<Dialer>(env_, *this, address);
  dialer_->Start();
}

void Peer::Remove(const Loss& loss) {
  removed_ = true;
  {
    const std::scoped_lock lock(mutex_);
    session_.reset();
  }
  if (dialer_ != nullptr) dialer_->Stop(loss);
}

void Peer::OnUp(std::shared_ptr<OutboundSession> session) {
  {
    const std::scoped_lock lock(mutex_);
    session_ = std::move(session);
  }
  env_.counters.connects.Add();
  up_ = true;
  dial_failure_ = inbound_failure_ = {CHR_OK, {}};
  env_.sink.PeerUp(id_);
}

void Peer::Report(const Loss& loss) {
  up_ = false;
  if (!removed_) env_.sink.PeerDown(id_, loss.status, loss.why);
}

// Senders hear CHR_E_CLOSED from here on.
void Peer::OnDown(const Loss& loss) {
  env_.counters.losses.Add();
  {
    const std::scoped_lock lock(mutex_);
    session_.reset();
  }
  // The end of the peer's own session may have said the same already.
  if (!up_ && inbound_failure_ == loss) return;
  dial_failure_ = loss;
  Report(loss);
}

void Peer::OnDialFailed(const Loss& loss) {
  if (dial_failure_ == loss) return;
  dial_failure_ = loss;
  Report(loss);
}

void Peer::OnPong() {
  if (up_ || removed_ || session() == nullptr) return;
  up_ = true;
  inbound_failure_ = {CHR_OK, {}};
  env_.sink.PeerUp(id_);
}

void Peer::OnInboundUp() {
  if (dialer_ != nullptr) dialer_->Hurry();
}

void Peer::OnInboundDown(const Loss& loss) {
  if (!up_ && (dial_failure_ == loss || inbound_failure_ == loss)) return;
  inbound_failure_ = loss;
  Report(loss);
  // If only that session has ended, the answer to a ping says so.
  if (dialer_ != nullptr) dialer_->Probe();
}

void Peer::OnInboundRefused(const Loss& loss) {
  if (inbound_failure_ == loss) return;
  inbound_failure_ = loss;
  Report(loss);
  if (dialer_ != nullptr) dialer_->Probe();
}

std::shared_ptr<Peer> PeerTable::Find(uint64_t id) const {
  const std::shared_lock lock(mutex_);
  const auto it = peers_.find(id);
  return it == peers_.end() ? nullptr : it->second;
}

std::shared_ptr<Peer> PeerTable::FindOrAdd(Env& env, uint64_t id) {
  const std::unique_lock lock(mutex_);
  std::shared_ptr<Peer>& peer = peers_[id];
  if (peer == nullptr) peer = std::make_shared<Peer>(env, id);
  return peer;
}

std::shared_ptr<Peer> PeerTable::Take(uint64_t id) {
  const std::unique_lock lock(mutex_);
  auto node = peers_.extract(id);
  return node.empty() ? nullptr : std::move(node.mapped());
}

std::vector<std::shared_ptr<Peer>> PeerTable::All() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<Peer>> all;
  all.reserve(peers_.size());
  for (const auto& [id, peer] : peers_) all.push_back(peer);
  return all;
}

}  // namespace chronik_transport_thrift
