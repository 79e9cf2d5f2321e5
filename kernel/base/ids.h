// SPDX-License-Identifier: Apache-2.0
// Numbers that must not be mixed are different types: Raft indexes and terms, Kafka offsets, node and group ids.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace chronik {

// An integer that belongs to one concept. Explicit to make, explicit to read; ordered; `+ n` and `- n` move it.
template <class Tag, class T>
struct Id {
  using Rep = T;
  T value{};

  constexpr Id() = default;
  constexpr explicit Id(T v) : value(v) {}

  friend constexpr auto operator<=>(Id, Id) = default;
  constexpr Id operator+(T n) const { return Id(value + n); }
  constexpr Id operator-(T n) const { return Id(value - n); }
  constexpr T operator-(Id other) const { return value - other.value; }
  constexpr Id& operator++() {
    ++value;
    return *this;
  }
  friend std::ostream& operator<<(std::ostream& out, Id id) { return out << id.value; }
};

using LogIndex = Id<struct LogIndexTag, uint64_t>;       // position in a Raft log; the first entry is 1, 0 = before it
using Term = Id<struct TermTag, uint64_t>;               // Raft term = Kafka leader epoch (checked to fit int32)
using Offset = Id<struct OffsetTag, int64_t>;            // position of a record as a Kafka client sees it; first is 0
using NodeId = Id<struct NodeIdTag, uint64_t>;           // a broker of the cluster, 1 and up; 0 = none
using GroupId = Id<struct GroupIdTag, uint64_t>;         // one Raft group; 1 = the metadata group, 0 = none
using ShardId = Id<struct ShardIdTag, uint32_t>;         // one shard thread of this process, 0 and up
using PartitionId = Id<struct PartitionIdTag, int32_t>;  // partition number within its topic, 0 and up
using ProducerId = Id<struct ProducerIdTag, int64_t>;    // idempotent producer; -1 = none

inline constexpr GroupId kMetaGroup{1};

// A member of Raft groups: one life of a node. A node whose disk was lost comes back as another member, which has
// promised nothing (KIP-853 calls a life by its directory id). Generation 0: the node founded the cluster.
struct ReplicaId {
  uint64_t value{};  // stored and sent: generation << 32 | node

  constexpr ReplicaId() = default;
  constexpr explicit ReplicaId(uint64_t v) : value(v) {}
  constexpr ReplicaId(NodeId node, uint32_t generation) : value(uint64_t{generation} << 32 | node.value) {}

  constexpr NodeId node() const { return NodeId(value & UINT32_MAX); }
  constexpr uint32_t generation() const { return static_cast<uint32_t>(value >> 32); }
  friend constexpr auto operator<=>(ReplicaId, ReplicaId) = default;
  friend std::ostream& operator<<(std::ostream& out, ReplicaId id);  // "3", or "3.1" if it is of generation 1
};
inline constexpr NodeId kMaxNodeId{INT32_MAX};  // a Kafka broker id

// A topic's identity; a topic deleted and created again under one name gets a new one. All zero = none.
struct TopicId {
  std::array<uint8_t, 16> bytes{};

  friend constexpr auto operator<=>(const TopicId&, const TopicId&) = default;
  bool IsZero() const { return *this == TopicId{}; }
  std::string ToString() const;  // 22 characters of unpadded URL-safe base64, as Kafka's tools print it
};

}  // namespace chronik

template <>
struct std::hash<chronik::ReplicaId> {
  size_t operator()(chronik::ReplicaId id) const noexcept { return std::hash<uint64_t>{}(id.value); }
};

template <class Tag, class T>
struct std::hash<chronik::Id<Tag, T>> {
  size_t operator()(chronik::Id<Tag, T> id) const noexcept { return std::hash<T>{}(id.value); }
};
