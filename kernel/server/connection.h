// SPDX-License-Identifier: Apache-2.0
// One client connection on its shard: frames in, responses out in the order of the requests, everything bounded.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/server/dispatcher.h"
#include "kernel/server/server_state.h"

namespace chronik::server {

// The shard's thread only. It has a place of the server (ServerState::Enter) until it is closed; its memory counts
// until the last request in flight lets go of it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerState> state, ShardState& shard, boost::asio::ip::tcp::socket socket);
  ~Connection();

  void Start();
  // Takes no more requests; closes once those in flight are answered.
  void Drain();
  void Close();

 private:
  struct Slot {  // one request in flight, in order of arrival
    uint64_t id;
    bool large = false;  // Dispatcher::AnswerMayBeLarge
    bool answered = false;
    ByteChain response;
    size_t charged = 0;
  };

  void Read();
  bool MayTake(size_t bytes);
  void WaitForMemory();
  void Grow(size_t bytes);
  void OnRead(size_t bytes);
  bool TakeFrames();
  void NoteProgress();
  bool CheckLength(int32_t length);
  void Dispatch(Bytes frame);
  void OnAnswer(uint64_t id, Responder::Kind kind, ByteChain response, const std::string& why);
  void Write();
  void OnWritten(const boost::system::error_code& error);
  bool MayRead() const;
  void Charge(size_t bytes);
  void Uncharge(size_t bytes);
  void Sent();
  void EndTurn();
  void ArmTimer();
  void OnTimer();
  void Refuse(const std::string& why);  // closes, and says so in the log
  std::string GuessProtocol() const;

  const std::shared_ptr<ServerState> keep_state_;
  ServerState& state_;
  ShardState& shard_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  const std::string peer_;
  // [begin_, end_) of the block has arrived and is not taken yet.
  Bytes block_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t block_charged_ = 0;
  bool block_shared_ = false;  // requests have slices of it
  // When the half request in the block last made progress, and how much of it was there then.
  std::chrono::steady_clock::time_point half_since_;
  size_t half_then_ = 0;
  bool reading_ = false;
  bool closed_ = false;
  bool draining_ = false;
  bool writing_ = false;
  bool taking_frames_ = false;
  bool paused_ = false;  // not reading, for reasons of ours
  bool waits_for_memory_ = false;
  bool has_turn_ = false;  // ServerState::TakeTurn
  uint64_t next_id_ = 0;
  std::deque<Slot> slots_;
  size_t charged_ = 0;
  std::vector<ByteChain> out_;  // being written
  size_t out_charged_ = 0;
  bool large_in_flight_ = false;  // in slots_ or out_
  bool large_in_out_ = false;
  bool large_waits_ = false;  // the next request in the block; nothing is read until it was taken
  std::chrono::steady_clock::time_point last_activity_;
};

}  // namespace chronik::server
