// SPDX-License-Identifier: Apache-2.0
// Clients of a cluster of whole brokers, through the Broker interface: they create and delete topics anywhere, produce
// as idempotent producers that retry until they are answered, consume, and ask for metadata. What they are told goes to
// the history, or is checked here against what was answered about topics.
//
// A producer sends as Kafka's does: up to five batches are under way; one that failed is sent again only once all
// before it are acknowledged, and nothing behind the first batch of all before that is acknowledged.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/brokers/caller.h"
#include "tests/simulation/brokers/history.h"

namespace chronik::sim::brokers {

class Workload {
 public:
  struct Limits {
    size_t topics = 4;         // that live at a time
    int16_t replicas_min = 3;  // of a topic
    int16_t replicas_max = 3;
  };

  Workload(Cluster& cluster, Limits limits);

  void Start();
  // No new records, topics or deletions; what is under way is retried until it is answered.
  void Quiesce() { active_ = false; }
  // Every record is acknowledged, and the outcome of every deletion is known.
  bool idle() const;
  // Reads every partition that lives from its beginning, at each broker that may be read from. Then done() is true.
  void ReadAll();
  bool done() const { return reads_left_ == 0; }
  void Stop() { stopped_ = true; }
  History& history() { return history_; }

 private:
  enum class State : uint8_t { kCreating, kLives, kDeleting, kDeleted, kUnknown };
  struct Topic {
    std::string name;
    State state = State::kCreating;
    metadata::TopicPtr made;  // as it was when its creation was answered
    uint64_t created_at = 0;  // metadata's version when that was answered
    uint64_t deleted_at = 0;
    bool deletion_asked = false;
  };
  using TopicState = std::shared_ptr<Topic>;

  struct Batch {
    std::vector<uint64_t> numbers;
    int32_t base_sequence = 0;
    bool in_flight = false;
    bool acked = false;
    bool failed = false;  // once
  };
  struct Producer {
    uint64_t number = 0;
    TopicState topic;
    PartitionId partition;
    GroupId group;
    size_t slot = 0;  // where it believes the leader to be
    std::optional<broker::NewProducerId> id;
    bool asking_id = false;
    int32_t next_sequence = 0;
    bool established = false;  // its first batch is acknowledged
    int32_t epoch = -1;        // of the newest leader that acknowledged one
    std::deque<std::shared_ptr<Batch>> batches;
  };
  struct Consumer {
    TopicState topic;
    PartitionId partition;
    GroupId group;
    size_t slot = 0;
    Offset position{0};
    Offset end{-1};  // of a final read: where it stops
    bool may_wait = false;
    bool busy = false;
  };
  // With the answering broker's metadata, as it was then.
  template <class T>
  struct Answered {
    T outcome;
    metadata::ImagePtr image;
    uint64_t boot = 0;
  };

  void Later(Duration most, Task task);
  void Next();
  void CreateTopic();
  void OnCreated(const TopicState& topic, const Answered<broker::CreateTopicOutcome>* answer);
  void DeleteTopic(const TopicState& topic);
  void OnDeleted(const TopicState& topic, const Answered<std::optional<Error>>* answer, bool first);
  void AddClients(const TopicState& topic);
  void ReadMetadata();
  void CheckView(const metadata::MetadataImage& image);
  void AskId(const std::shared_ptr<Producer>& producer);
  void AddBatch(Producer& producer);
  void Pump(const std::shared_ptr<Producer>& producer);
  void Send(const std::shared_ptr<Producer>& producer, const std::shared_ptr<Batch>& batch);
  void OnProduced(const std::shared_ptr<Producer>& producer, const std::shared_ptr<Batch>& batch, size_t slot,
                  bool first, const broker::ProduceOutcome* outcome);
  void Fetch(const std::shared_ptr<Consumer>& consumer);
  void OnFetched(const std::shared_ptr<Consumer>& consumer, size_t slot, const Known& before,
                 const Answered<broker::FetchOutcome>* answer);
  void Turn(size_t* slot, const broker::LeaderInfo& leader);
  std::vector<TopicState> Living() const;

  Cluster& c_;
  Scheduler& s_;
  const Limits limits_;
  History history_;
  Caller admin_;  // one connection to each broker
  Caller producing_;
  Caller consuming_;
  bool active_ = false;
  bool stopped_ = false;
  std::vector<TopicState> topics_;
  std::vector<std::shared_ptr<Producer>> producers_;
  std::vector<std::shared_ptr<Consumer>> consumers_;
  uint64_t last_name_ = 0;
  size_t creating_ = 0;
  uint64_t last_producer_ = 0;
  size_t reads_left_ = 0;
};

}  // namespace chronik::sim::brokers
