// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder build images and random commands with.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernel/metadata/apply.h"

namespace chronik::metadata {

inline TopicId MakeTopicId(uint8_t first, uint8_t last = 0) {
  TopicId id;
  id.bytes.front() = first;
  id.bytes.back() = last;
  return id;
}

// Applies a command that must succeed.
inline Applied MustApply(ImagePtr* image, const Command& command) {
  Result<Applied> applied = Apply(**image, command);
  CHRONIK_CHECK(applied.ok()) << applied.error();
  *image = applied->image;
  return *std::move(applied);
}

// A founder, whose incarnation is its id.
inline RegisterBroker Founder(uint64_t node, std::string host = "h", uint16_t port = 9092, std::string rack = "") {
  return {NodeId(node), node, 0, std::move(host), port, std::move(rack), "rpc:" + std::to_string(node)};
}

inline ImagePtr WithBrokers(uint64_t count) {
  ImagePtr image = MetadataImage::Empty();
  for (uint64_t i = 1; i <= count; ++i) {
    MustApply(&image, Founder(i, "host" + std::to_string(i), 9092, "rack" + std::to_string(i % 3)));
  }
  return image;
}

// `count` partitions from number `first` on, groups left to Apply().
inline std::vector<PartitionAssignment> OnBroker1(int32_t count, int32_t first = 0) {
  std::vector<PartitionAssignment> out;
  for (int32_t i = 0; i < count; ++i) out.push_back({PartitionId(first + i), GroupId(0), {NodeId(1)}});
  return out;
}

// Any command, valid or not, among few brokers, topics and names, so that they meet.
class RandomCommands {
 public:
  explicit RandomCommands(uint32_t seed) : random_(seed) {}

  Command Next() {
    switch (Below(13)) {
      case 0:
        return RegisterBroker{NodeId(Below(5)),
                              Below(3),
                              Generation(),
                              Below(9) == 0 ? "" : "h" + Digit(),
                              static_cast<uint16_t>(Below(3)),
                              Digit(),
                              Digit()};
      case 1:
      case 2:
      case 3: return CreateTopic{Name(), Id(), Partitions(0), Configs(), "User:" + Digit()};
      case 4: return DeleteTopic{Id()};
      case 5: return AddPartitions{Id(), Partitions(static_cast<int32_t>(Below(4)))};
      case 6: return SetTopicConfigs{Id(), Configs(), {"a" + Digit(), "missing"}};
      case 7: return AllocateProducerIds{NodeId(Below(5)), static_cast<int32_t>(Below(2000)) - 10};
      case 8: return ReassignPartitions{Id(), {{PartitionId(static_cast<int32_t>(Below(3))), Nodes()}}};
      case 9: return FinishReassignment{Id(), {PartitionId(static_cast<int32_t>(Below(3))), Nodes()}};
      case 10: return SetBrokerLeaving{NodeId(Below(5)), Below(2) == 0};
      case 11: return RetireBroker{NodeId(Below(5))};
      default: return SetClusterId{Below(3) == 0 ? "other" : "cluster", {NodeId(1), NodeId(1 + Below(3))}};
    }
  }
  uint64_t Below(uint64_t bound) { return random_() % bound; }

 private:
  std::string Digit() { return std::to_string(Below(10)); }
  std::optional<uint32_t> Generation() {
    return Below(2) == 0 ? std::nullopt : std::optional(static_cast<uint32_t>(Below(3)));
  }
  std::vector<NodeId> Nodes() {
    std::vector<NodeId> nodes{NodeId(1 + Below(4))};
    if (Below(2) == 0) nodes.push_back(NodeId(1 + Below(4)));
    return nodes;
  }
  std::string Name() {
    static const std::vector<std::string> kNames{"orders", "a.b",      "a_b", "logs", "",
                                                 "..",     "bad name", "x-1", "x-2",  "x-3"};
    return kNames[Below(kNames.size())];
  }
  TopicId Id() { return MakeTopicId(static_cast<uint8_t>(Below(8)), 0); }
  ConfigMap Configs() {
    ConfigMap configs;
    for (uint64_t n = Below(3); n > 0; --n) configs["a" + Digit()] = Digit();
    return configs;
  }
  std::vector<PartitionAssignment> Partitions(int32_t first) {
    std::vector<PartitionAssignment> out;
    for (int32_t n = static_cast<int32_t>(Below(4)); n > 0; --n) {
      PartitionAssignment partition{PartitionId(first++), GroupId(Below(4) == 0 ? Below(60) : 0), {}};
      for (uint64_t r = Below(10) == 0 ? 0 : 1 + Below(2); r > 0; --r)
        partition.replicas.push_back(NodeId(1 + Below(4)));
      out.push_back(std::move(partition));
    }
    return out;
  }

  std::mt19937 random_;
};

}  // namespace chronik::metadata
