// SPDX-License-Identifier: Apache-2.0
// How a client asks brokers: its requests to one broker arrive in order, as on one connection, and are served on one of
// the broker's shards. An answer that does not come in time, or that a dead process would have given, never comes.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "tests/simulation/brokers/cluster.h"

namespace chronik::sim::brokers {

class Caller {
 public:
  explicit Caller(Cluster& cluster) : c_(cluster), s_(cluster.scheduler()) {}

  // `ask(node, shard, answer)` runs on that shard; `done(const T*)` runs once, at the client: null if there was no
  // answer within `patience`, and then the outcome is unknown.
  template <class T, class Ask, class Done>
  void Call(size_t slot, ShardId shard, Duration patience, Ask ask, Done done) {
    struct Waiting {
      explicit Waiting(Done d) : done(std::move(d)) {}
      void Finish(const T* answer) {
        if (!std::exchange(answered, true)) done(answer);
      }
      Done done;
      bool answered = false;
    };
    auto waiting = std::make_shared<Waiting>(std::move(done));
    line_[slot] = std::max(line_[slot], s_.Now() + Delay());
    s_.At(line_[slot], [this, slot, shard, waiting, ask = std::move(ask)]() mutable {
      Node* const node = c_.serving(slot);
      if (node == nullptr) return s_.After(Delay(), [waiting] { waiting->Finish(nullptr); });
      node->shard(shard).Post([this, node, shard, waiting, ask = std::move(ask)]() mutable {
        if (node->dead()) return;
        ask(*node, shard, [this, node, waiting](T answer) {
          if (node->dead()) return;
          s_.After(Delay(), [waiting, a = std::move(answer)] { waiting->Finish(&a); });
        });
      });
    });
    s_.After(patience, [waiting] { waiting->Finish(nullptr); });
  }

  ShardId AnyShard() { return ShardId(static_cast<uint32_t>(s_.random().Below(kShards))); }
  size_t AnySlot() { return s_.random().Below(c_.size()); }

 private:
  Duration Delay() { return s_.random().LogNormal(std::chrono::microseconds(300)); }

  Cluster& c_;
  Scheduler& s_;
  std::array<Instant, LinkNetwork::kSlotsMax> line_{};
};

}  // namespace chronik::sim::brokers
