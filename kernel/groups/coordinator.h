// SPDX-License-Identifier: Apache-2.0
// Kafka's group coordinator for one partition of `__consumer_offsets`, as a pure state machine: no clock, log, network
// or random device.
//
//   In:   Step(token, request, now, Output&), Replay(record), ReplayMarker(...)
//   Out:  Output - what to append to the partition, and what to answer
//
// The driver, while it leads the partition:
//   1. makes a Coordinator and replays all committed records of the partition in order: Replay for those outside of
//      transactions, ReplayTransactional for those inside, ReplayMarker for control batches. Then Start(now): every
//      member gets a full session timeout, so a coordinator that moved forces no rebalance.
//   2. steps requests (those of transactions once the producer's epoch is found right), each under a token of its own,
//   and a Tick no later than next_deadline().
//   3. appends each of Output::appends as one atomic batch, in order of `sequence`. An Append with a producer is
//      transactional: its batch carries producer id and epoch. One with a marker is a control batch. None is ever
//      appended that a failed one precedes.
//   4. sends each of Output::replies as soon as all appends up to its `after` are committed; at once if they are. This
//      holds for all answers, reads too, so that nobody ever sees what might be lost. A token has one reply, maybe in a
//      later Output (a JoinGroup waits for the others); a reply to a connection that is gone is dropped.
//
// If an append fails, or leadership is lost, the coordinator's state is ahead of the log and is of no use any more. The
// driver answers every reply it still holds with Failed(response, error), and so those that Abandon() hands out, which
// wait inside; then it drops the object and begins again with 1 if it leads. The error says what the client does next:
// kNotCoordinator if another broker may lead (find the coordinator, try again), kCoordinatorNotAvailable if this one
// still does. While it replays: kCoordinatorLoadInProgress. What fails so may have been committed all the same (as with
// any lost answer); each of these requests can be repeated.
//
// What a coordinator knows follows from the records, with one exception: a classic group's rebalance under way is known
// to its coordinator only. A new one finds the group as it was when it was last Stable or Empty; members that have
// moved on are answered with ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID and join again.
//
// Not here: the online change of a group with members between the classic and the consumer protocol (KIP-848,
// "upgrade"); a group without members changes when the first one joins. Rack-aware assignment.
//
// Reader's order: request.h, record.h, this file, classic_group.h, classic_protocol.h (joining, leaving, rebalancing),
// offsets.h, offset_requests.h, consumer_group.h, consumer_protocol.h, reconcile.h, assignor.h, core.h, coordinator.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/base/clock.h"
#include "kernel/base/ids.h"
#include "kernel/groups/options.h"
#include "kernel/groups/record.h"
#include "kernel/groups/request.h"

namespace chronik::groups {

// Both clocks, read at the same moment: deadlines are kept on the one, what is stored is stamped with the other.
struct Now {
  Instant mono;
  WallTime wall;
};

// Records of one atomic batch.
struct Append {
  uint64_t sequence = 0;  // 1, 2, ...
  std::vector<EncodedRecord> records;
  std::optional<ProducerId> producer;  // transactional, or a marker
  int16_t producer_epoch = -1;
  struct Marker {
    bool commit = false;
    int32_t coordinator_epoch = 0;
  };
  std::optional<Marker> marker;  // then there are no records
};

struct Reply {
  uint64_t token = 0;
  uint64_t after = 0;  // the append that must be committed first; 0: none
  Response response;
};

struct Output {
  std::vector<Append> appends;
  std::vector<Reply> replies;

  void Clear() {
    appends.clear();
    replies.clear();
  }
};

// A fresh random UUID as text; the end of a member's id.
using MakeUuid = std::function<std::string()>;

// What a coordinator asks of the cluster's metadata, for consumer groups.
class Topics {
 public:
  struct Topic {
    TopicId id;
    std::string name;
    int32_t partitions = 0;
  };
  virtual ~Topics() = default;
  virtual std::optional<Topic> Find(const std::string& name) const = 0;
  virtual std::optional<Topic> Find(const TopicId& id) const = 0;
  virtual std::vector<std::string> Names() const = 0;  // those that a pattern may match: not the internal ones
  virtual int64_t Version() const = 0;                 // grows with every change of topics
};

class Core;
class ClassicProtocol;
class ConsumerProtocol;
class OffsetRequests;

class Coordinator {
 public:
  // `topics` must outlive the coordinator.
  Coordinator(const Options& options, const Topics& topics, MakeUuid make_uuid);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // An error is final for this object: the partition holds what this release cannot read (record.h).
  Status Replay(ByteView key, std::optional<ByteView> value);
  Status ReplayTransactional(ProducerId producer, ByteView key, std::optional<ByteView> value);
  void ReplayMarker(ProducerId producer, bool commit);
  void Start(Now now);

  // `token` > 0; 0 for Tick and TopicsDeleted, which have no answer. Appends to `*output`.
  void Step(uint64_t token, const Request& request, Now now, Output* output);
  // When a Tick is due; nullopt: nothing to wait for.
  std::optional<Instant> next_deadline() const;
  // Answers all requests that wait inside; the end of this object.
  void Abandon(GroupError error, Output* output);

  size_t group_count() const;
  // What must survive, by what it is about, as text: for tests, which compare a coordinator with one that replayed. A
  // classic group that is rebalancing is "rebalancing".
  std::map<std::string, std::string> DurableState() const;

 private:
  std::unique_ptr<Core> core_;
  std::unique_ptr<ClassicProtocol> classic_;
  std::unique_ptr<ConsumerProtocol> consumer_;
  std::unique_ptr<OffsetRequests> offsets_;
  std::optional<Instant> next_expiry_;

  void ExpireOffsets();
  void WakeGroups();
  void Describe(uint64_t token, const DescribeGroups& request);
  void DescribeConsumers(uint64_t token, const ConsumerGroupDescribe& request);
  void List(uint64_t token, const ListGroups& request);
  void Delete(uint64_t token, const DeleteGroups& request);
};

}  // namespace chronik::groups
