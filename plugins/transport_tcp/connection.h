// SPDX-License-Identifier: Apache-2.0
// One connection as a sequence of frames in both directions, with signs of life. On the loop's thread, but for the
// queue.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plugins/transport_tcp/env.h"
#include "plugins/transport_tcp/send_queue.h"
#include "plugins/transport_tcp/socket.h"

namespace chronik_transport_tcp {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  class Owner {
   public:
    // False: not taken; it is kept, and nothing more is read until Resume.
    virtual bool OnFrame(Connection& connection, const Header& header, const sdk::Buffer& body) = 0;
    virtual void OnLost(Connection& connection, const Loss& loss) = 0;  // the last call
    virtual void OnRoom(Connection& connection) = 0;                    // after the queue refused a frame

   protected:
    ~Owner() = default;
  };

  // The owner outlives the connection or closes it. `queue_bytes` bounds the frames that wait.
  static std::shared_ptr<Connection> Make(Env& env, std::unique_ptr<Socket> socket, Owner& owner, uint64_t queue_bytes);
  ~Connection();

  // Begins to read, taking bodies of up to `body_bytes_max`.
  void Start(size_t body_bytes_max);
  // From a greeting to a lane: another owner, another limit, signs of life from now on.
  void Establish(Owner& owner, size_t body_bytes_max);
  const std::shared_ptr<SendQueue>& queue() const { return queue_; }
  Socket& socket() { return *socket_; }

  void Send(Kind kind, uint64_t id, std::string_view body) { queue_->PushUrgent(MakeFrame(kind, id, body)); }
  // Offers the frame that was not taken again, and goes on.
  void Resume();
  // To be called about every third of the shortest timeout.
  void Tick(uint64_t now_ns);

  // The owner hears nothing more.
  void Close();
  void CloseAfterWriting();
  bool closed() const { return closed_; }
  // What came breaks the protocol: a line in the log, and the connection is lost.
  void Reject(const std::string& what);
  void Lose(const Loss& loss);

 private:
  struct Partial {
    Header header;
    sdk::WritableBuffer body;
    size_t filled = 0;
  };

  Connection(Env& env, std::unique_ptr<Socket> socket, Owner& owner);
  void Read();
  void OnRead(error_code ec, size_t bytes);
  void Parse();
  bool ParseOne();
  bool BeginBody(const Header& header);
  void Deliver(const Header& header, sdk::Buffer body);
  void Pump();
  void Write();
  void OnWritten(error_code ec, size_t bytes);
  void WrittenBatch();

  Env& env_;
  const std::unique_ptr<Socket> socket_;
  Owner* owner_;
  std::shared_ptr<SendQueue> queue_;
  bool closed_ = false;
  bool closing_ = false;  // when everything is written
  bool established_ = false;

  size_t body_bytes_max_ = 0;
  std::vector<std::byte> received_;  // [begin_, end_) has been read and not been parsed
  size_t begin_ = 0;
  size_t end_ = 0;
  bool reading_ = false;
  bool starved_ = false;  // no memory for the next body: again at the next tick
  std::optional<Partial> partial_;
  struct Held {
    Header header;
    sdk::Buffer body;
  };
  std::optional<Held> held_;  // not taken by the owner
  uint64_t heard_ns_ = 0;

  bool writing_ = false;
  std::vector<OutFrame> batch_;
  std::vector<boost::asio::const_buffer> pieces_;  // of batch_, [next_piece_, end) is not yet written
  size_t next_piece_ = 0;
  std::vector<boost::asio::const_buffer> turn_;  // what is being written now
  uint64_t spoke_ns_ = 0;
};

}  // namespace chronik_transport_tcp
