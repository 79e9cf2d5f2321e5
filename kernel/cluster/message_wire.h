// SPDX-License-Identifier: Apache-2.0
// How messages between replicas travel: many messages of many groups in one frame of the transport, so that the
// heartbeats of a thousand groups are one frame a tick (coalescing falls out of it), bodies of entries as slices that
// are neither copied by the sender nor by the receiver.
//
// Frame, version 1: u8 version, u8 kind, varint generation of the sending and of the addressed replicas, then messages
// until the end. A message: u8 type, varint group, varint term,
// the fields of its type. An AppendRequest carries its entries: for each u8 kind, varint term - previous term, varint
// offset_count, varint bytes, then the largest timestamp + 1 as a varint; the bodies follow in the same order. Indexes
// and base offsets follow from the previous entry. Node ids are those of the connection; a node's generation is not,
// as one that lost its disk may come back before everybody knows (ids.h). Numbers of types and kinds
// never change; which versions a node understands is said in its hello (hello.h), and the sender uses one that both
// know.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/base/wire.h"
#include "kernel/replica/peers.h"

namespace chronik::cluster {

inline constexpr uint8_t kFrameVersion = 1;

// The second byte of every frame.
enum class FrameKind : uint8_t {
  kMessages = 1,  // this file
  kRequest = 2,   // calls.h
  kResponse = 3,  // calls.h
  kNotice = 4,    // calls.h
};

struct GroupMessage {
  GroupId group;
  replica::PeerMessage message;
};

class MessageFrame {
 public:
  // All messages of a frame are from one replica id, and to one.
  void Add(GroupId group, const replica::PeerMessage& message);
  bool empty() const { return messages_ == 0; }
  size_t bytes() const { return chain_.size() + pending_.bytes().size(); }
  size_t messages() const { return messages_; }
  // The whole frame; this one is empty again.
  ByteChain Take();

 private:
  void PutBody(const Bytes& body);
  void Flush();

  ReplicaId from_;  // of the first message
  ReplicaId to_;
  WireWriter pending_;  // not in the chain yet
  ByteChain chain_;
  size_t messages_ = 0;
};

// kUnsupportedVersion: another version or type; kCorrupt: malformed, or an entry whose body is not what its header says
// (a data entry must hold one whole record batch with a right CRC, at its offset and in its term). Bodies share the
// frame's memory. `from` sent it, `to` is this node; of which lives of theirs, the frame says.
Result<std::vector<GroupMessage>> DecodeMessages(const Bytes& frame, NodeId from, NodeId to);

// The kind of a frame; nullopt: too short, or of another version.
std::optional<FrameKind> KindOf(ByteView frame);

}  // namespace chronik::cluster
