// SPDX-License-Identifier: Apache-2.0
// The driver of a group coordinator (kernel/groups/coordinator.h): one for each replica of a partition of
// `__consumer_offsets`. While the replica leads, it replays the partition, serves requests, appends what the
// coordinator decides and releases answers once that is committed; otherwise it refuses.
//
// Shard thread only. Callbacks may run inside the calls.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/broker/broker.h"
#include "kernel/broker/partition.h"
#include "kernel/groups/coordinator.h"
#include "kernel/metadata/image.h"

namespace chronik::broker {

inline constexpr const char* kOffsetsTopic = "__consumer_offsets";

// Which of `count` partitions coordinates a group: Kafka's choice, abs(String.hashCode()) % count.
PartitionId OffsetsPartition(const std::string& group, size_t count);

// The topics of a shard's image, as coordinators ask for them.
class ImageTopics final : public groups::Topics {
 public:
  explicit ImageTopics(const metadata::ImagePtr& image) : image_(image) {}
  std::optional<Topic> Find(const std::string& name) const override;
  std::optional<Topic> Find(const TopicId& id) const override;
  std::vector<std::string> Names() const override;
  int64_t Version() const override;

 private:
  const metadata::ImagePtr& image_;
};

class GroupHost final : public std::enable_shared_from_this<GroupHost> {
 public:
  // `image` and `partition` outlive the host's Stop. `seed` makes the ids of members differ from those of other hosts.
  GroupHost(Executor& executor, const metadata::ImagePtr& image, Partition& partition, groups::Options options,
            uint64_t seed);

  // The partition's replica leads, and all that was committed before is known.
  void OnReady();
  void OnLeadershipLost();
  // Before the partition closes.
  void Stop();

  void Ask(const groups::Request& request, Callback<groups::Response> done);
  void TopicsDeleted(const std::vector<std::string>& topics);

 private:
  enum class State : uint8_t { kIdle, kLoading, kServing, kUnreadable };

  void Load();
  void ReadMore(uint64_t life);
  void OnRead(uint64_t life, const FetchOutcome& read);
  void RetryLater(uint64_t life);
  Status Replay(ByteView batches);
  Status ReplayBatch(const records::BatchView& batch);
  void Serve();

  void Step(uint64_t token, const groups::Request& request);
  void CarryOut(groups::Output output);
  void Append(const groups::Append& append);
  void OnAppended(uint64_t sequence, const std::optional<Error>& error);
  void Release();
  void Answer(uint64_t token, groups::Response response);
  void Fail(groups::GroupError error, State next);
  void SetTimer();
  void CancelTimer();
  std::string MakeUuid();
  groups::Now Now() const { return {executor_.Now(), executor_.WallNow()}; }

  Executor& executor_;
  const ImageTopics topics_;
  Partition* partition_;  // null once stopped
  const groups::Options options_;
  const uint64_t seed_;
  uint64_t uuids_ = 0;

  State state_ = State::kIdle;
  uint64_t life_ = 0;  // of the coordinator: answers to an earlier one are stale
  std::unique_ptr<groups::Coordinator> coordinator_;
  Offset next_{0};  // to be replayed
  Offset end_{0};   // of what is to be replayed

  uint64_t last_token_ = 0;
  std::unordered_map<uint64_t, Callback<groups::Response>> asked_;  // by token
  std::multimap<uint64_t, groups::Reply> held_;                     // by the append that they wait for
  uint64_t committed_ = 0;                                          // the last append that is
  Executor::TimerId timer_ = 0;
  std::optional<Instant> timer_due_;
};

}  // namespace chronik::broker
