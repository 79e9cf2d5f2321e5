// SPDX-License-Identifier: Apache-2.0
#include "plugins/transport_tcp/peer.h"

#include <utility>

#include "plugins/transport_tcp/dialer.h"

namespace chronik_transport_tcp {

Peer::Peer(Env& env, uint64_t id) : env_(env), id_(id) {}
Peer::~Peer() = default;

chr_status Peer::Send(uint32_t lane, std::span<const chr_buf> bufs) {
  std::shared_ptr<const Session> session;
  {
    const std::scoped_lock lock(mutex_);
    session = session_;
  }
  const size_t bytes = TotalBytes(bufs);
  if (bytes == 0 || bytes > env_.settings.max_frame_bytes) return CHR_E_INVALID;
  if (session == nullptr) return CHR_E_CLOSED;
  if (bytes > session->max_frame_bytes) return CHR_E_INVALID;
  return session->lanes[lane]->Push(
      MakeFrame(Kind::kFrame, 0, bufs, env_.settings.body_checksum && !env_.settings.tls));
}

chr_status Peer::OpenStream(std::string_view header, const sdk::StreamEvents& events, Stream*& out) {
  std::shared_ptr<const Session> session;
  {
    const std::scoped_lock lock(mutex_);
    session = session_;
  }
  return session == nullptr ? CHR_E_CLOSED : session->streams->Open(header, events, out);
}

void Peer::Dial(const sdk::Address& address) {
  if (dialer_ != nullptr) {
    if (address_ == address) return;
    dialer_->Stop();
    const Loss moved{CHR_E_IO, "moved to another address"};
    if (session_ != nullptr) OnDown(moved);
  }
  address_ = address;
  dial_failure_ = {CHR_OK, {}};
  dialer_ = std::make_shared<Dialer>(env_, *this, address);
  dialer_->Start();
}

void Peer::Remove(const Loss& loss) {
  removed_ = true;
  if (dialer_ != nullptr) dialer_->Stop();
  Withdraw(loss);
}

void Peer::Tick(uint64_t now_ns) {
  if (dialer_ != nullptr) dialer_->Tick(now_ns);
}

void Peer::OnUp(Session session) {
  {
    const std::scoped_lock lock(mutex_);
    session_ = std::make_shared<const Session>(std::move(session));
  }
  env_.counters.connects.Add();
  up_ = true;
  dial_failure_ = inbound_failure_ = {CHR_OK, {}};
  env_.sink.PeerUp(id_);
}

// Senders hear CHR_E_CLOSED from here on, then the streams end.
void Peer::Withdraw(const Loss& loss) {
  std::shared_ptr<const Session> session;
  {
    const std::scoped_lock lock(mutex_);
    session.swap(session_);
  }
  if (session != nullptr) session->streams->CloseAll(loss.status, loss.why);
}

void Peer::Report(const Loss& loss) {
  up_ = false;
  if (!removed_) env_.sink.PeerDown(id_, loss.status, loss.why);
}

void Peer::OnDown(const Loss& loss) {
  env_.counters.losses.Add();
  Withdraw(loss);
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

void Peer::OnRoom(uint32_t lane) { env_.sink.Writable(id_, lane); }

void Peer::OnInboundUp() {
  if (dialer_ != nullptr) dialer_->Hurry();
}

void Peer::OnInboundDown(const Loss& loss) {
  if (!up_ && (dial_failure_ == loss || inbound_failure_ == loss)) return;
  inbound_failure_ = loss;
  Report(loss);
  // If only that connection has ended, the answer to a ping says so.
  if (session_ != nullptr && dialer_ != nullptr) dialer_->Probe();
}

void Peer::OnPong() {
  if (up_ || removed_ || session_ == nullptr) return;
  up_ = true;
  inbound_failure_ = {CHR_OK, {}};
  env_.sink.PeerUp(id_);
}

void Peer::OnInboundRefused(const Loss& loss) {
  if (inbound_failure_ == loss) return;
  inbound_failure_ = loss;
  const bool connected = session_ != nullptr;
  Report(loss);
  if (connected && dialer_ != nullptr) dialer_->Probe();
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
  const auto it = peers_.find(id);
  if (it == peers_.end()) return nullptr;
  std::shared_ptr<Peer> peer = std::move(it->second);
  peers_.erase(it);
  return peer;
}

std::vector<std::shared_ptr<Peer>> PeerTable::All() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<Peer>> all;
  for (const auto& [id, peer] : peers_) all.push_back(peer);
  return all;
}

std::map<uint64_t, std::shared_ptr<Peer>> PeerTable::TakeAll() {
  const std::unique_lock lock(mutex_);
  return std::exchange(peers_, {});
}

}  // namespace chronik_transport_tcp
