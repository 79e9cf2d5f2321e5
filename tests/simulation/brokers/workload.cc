// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/brokers/workload.h"

#include <algorithm>
#include <utility>

#include "kernel/records/builder.h"

namespace chronik::sim::brokers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr ShardId kHome(0);
constexpr size_t kInFlightMax = 5;
constexpr Duration kPatience = seconds(3);
constexpr milliseconds kTimeout(2000);  // of what brokers do for it

Bytes Build(const std::vector<uint64_t>& numbers, const broker::NewProducerId& id, int32_t sequence, WallTime now) {
  records::BatchOptions options;
  options.producer_id = id.id;
  options.producer_epoch = id.epoch;
  options.base_sequence = sequence;
  records::BatchBuilder builder(options);
  for (const uint64_t number : numbers) {
    const std::vector<uint8_t> value = ValueOf(number);
    builder.Add(now, std::nullopt, ByteView(value));
  }
  return builder.Build();
}

}  // namespace

Workload::Workload(Cluster& cluster, Limits limits)
    : c_(cluster),
      s_(cluster.scheduler()),
      limits_(limits),
      history_([this](const std::string& what) { c_.Violate("history: " + what); }),
      admin_(cluster),
      producing_(cluster),
      consuming_(cluster) {}

void Workload::Start() {
  active_ = true;
  Next();
}

void Workload::Later(Duration most, Task task) {
  s_.After(s_.random().Between(milliseconds(1), most), [this, task = std::move(task)]() mutable {
    if (!stopped_) task();
  });
}

void Workload::Next() {
  Later(milliseconds(12), [this] {
    const uint64_t what = s_.random().Below(200);
    if (active_ && what < 4 && Living().size() + creating_ < limits_.topics) CreateTopic();
    if (active_ && what == 4 && Living().size() == limits_.topics)
      DeleteTopic(Living()[s_.random().Below(limits_.topics)]);
    if (what >= 190) ReadMetadata();
    if (active_ && what > 50 && what < 120 && !producers_.empty()) {
      const auto& producer = producers_[s_.random().Below(producers_.size())];
      AddBatch(*producer);
      Pump(producer);
    }
    if (what >= 120 && what < 190 && !consumers_.empty()) Fetch(consumers_[s_.random().Below(consumers_.size())]);
    Next();
  });
}

std::vector<Workload::TopicState> Workload::Living() const {
  std::vector<TopicState> out;
  std::copy_if(topics_.begin(), topics_.end(), std::back_inserter(out),
               [](const TopicState& t) { return t->state == State::kLives; });
  return out;
}

bool Workload::idle() const {
  if (creating_ != 0) return false;
  const auto deleting = [](const TopicState& t) { return t->state == State::kDeleting; };
  if (std::any_of(topics_.begin(), topics_.end(), deleting)) return false;
  return std::all_of(producers_.begin(), producers_.end(), [](const auto& p) { return p->batches.empty(); });
}

// --- topics

void Workload::CreateTopic() {
  auto topic = std::make_shared<Topic>();
  topic->name = "topic" + std::to_string(++last_name_);
  ++creating_;
  broker::NewTopic wanted;
  wanted.name = topic->name;
  wanted.partition_count = static_cast<int32_t>(s_.random().Between(1, 3));
  wanted.replication_factor = static_cast<int16_t>(
      s_.random().Between(static_cast<uint64_t>(limits_.replicas_min), static_cast<uint64_t>(limits_.replicas_max)));
  using Answer = Answered<broker::CreateTopicOutcome>;
  admin_.Call<Answer>(
      admin_.AnySlot(), kHome, kPatience,
      [wanted](Node& node, ShardId here, auto answer) {
        node.broker().CreateTopics(here, {wanted}, false, kTimeout,
                                   [&node, here, answer](std::vector<broker::CreateTopicOutcome> outcomes) mutable {
                                     answer({std::move(outcomes[0]), node.broker().image(here), node.boot()});
                                   });
      },
      [this, topic](const Answer* answer) { OnCreated(topic, answer); });
}

// One whose outcome is not known is not used: it may be there or not.
void Workload::OnCreated(const TopicState& topic, const Answered<broker::CreateTopicOutcome>* answer) {
  --creating_;
  if (!answer) return;
  if (answer->outcome.error) {
    if (answer->outcome.error->code == ErrorCode::kTopicExists)
      c_.Violate("topics: '" + topic->name + "' was created once, and is said to have existed");
    return;
  }
  topic->made = answer->image->FindTopic(answer->outcome.id);
  if (!topic->made)
    return c_.Violate("topics: '" + topic->name + "' was created, and the broker that says so does not know it");
  topic->state = State::kLives;
  topic->created_at = answer->image->version();
  s_.Note("topic", {topic->made->partitions.size(), topic->created_at});
  topics_.push_back(topic);
  AddClients(topic);
}

void Workload::AddClients(const TopicState& topic) {
  for (size_t i = 0; i < topic->made->partitions.size(); ++i) {
    const PartitionId partition(static_cast<int32_t>(i));
    const GroupId group = topic->made->partitions[i].group;
    for (uint64_t n = s_.random().Between(1, 2); n > 0; --n) {
      auto producer = std::make_shared<Producer>();
      producer->number = ++last_producer_;
      producer->topic = topic;
      producer->partition = partition;
      producer->group = group;
      producers_.push_back(std::move(producer));
    }
    for (int n = 0; n < 2; ++n) {
      auto consumer = std::make_shared<Consumer>();
      consumer->topic = topic;
      consumer->partition = partition;
      consumer->group = group;
      consumer->may_wait = n == 0;  // one waiter a partition: those who wait are told in the order of their addresses
      consumers_.push_back(std::move(consumer));
    }
  }
}

void Workload::DeleteTopic(const TopicState& topic) {
  topic->state = State::kDeleting;
  const bool first = !std::exchange(topic->deletion_asked, true);
  const auto of_it = [&topic](const auto& client) { return client->topic == topic; };
  std::erase_if(producers_, of_it);
  std::erase_if(consumers_, of_it);
  using Answer = Answered<std::optional<Error>>;
  admin_.Call<Answer>(
      admin_.AnySlot(), kHome, kPatience,
      [id = topic->made->id](Node& node, ShardId here, auto answer) {
        node.broker().DeleteTopics(here, {id}, kTimeout,
                                   [&node, here, answer](std::vector<std::optional<Error>> outcomes) mutable {
                                     answer({std::move(outcomes[0]), node.broker().image(here), node.boot()});
                                   });
      },
      [this, topic, first](const Answer* answer) { OnDeleted(topic, answer, first); });
}

void Workload::OnDeleted(const TopicState& topic, const Answered<std::optional<Error>>* answer, bool first) {
  const bool unknown =
      answer && answer->outcome &&
      (answer->outcome->code == ErrorCode::kUnknownTopic || answer->outcome->code == ErrorCode::kUnknownTopicId);
  if (unknown && first) return c_.Violate("topics: '" + topic->name + "' lived, and is unknown to who deletes it");
  if (answer && (!answer->outcome || unknown)) {
    topic->state = State::kDeleted;
    topic->deleted_at = answer->image->version();
    s_.Note("deleted", {topic->deleted_at});
    return;
  }
  Later(milliseconds(300), [this, topic] { DeleteTopic(topic); });
}

void Workload::ReadMetadata() {
  const ShardId shard = admin_.AnyShard();
  admin_.Call<metadata::ImagePtr>(
      admin_.AnySlot(), shard, kPatience,
      [this](Node& node, ShardId here, auto answer) {
        for (const auto& producer : producers_) Turn(&producer->slot, node.broker().leader(here, producer->group));
        answer(node.broker().image(here));
      },
      [this](const metadata::ImagePtr* image) {
        if (image && *image) CheckView(**image);
      });
}

// What was answered when the metadata was older must show.
void Workload::CheckView(const metadata::MetadataImage& image) {
  for (const TopicState& topic : topics_) {
    const metadata::TopicPtr seen = image.FindTopic(topic->made->id);
    if (topic->state == State::kLives && topic->created_at <= image.version()) {
      if (!seen) return c_.Violate("topics: '" + topic->name + "' was created and not deleted, and is gone");
      for (size_t i = 0; i < topic->made->partitions.size(); ++i) {
        if (seen->partitions[i].group != topic->made->partitions[i].group)
          c_.Violate("topics: '" + topic->name + "' has another group than when it was created");
      }
    }
    if (topic->state == State::kDeleted && topic->deleted_at <= image.version() && seen)
      c_.Violate("topics: '" + topic->name + "' was deleted, and is there");
  }
}

// --- producers

void Workload::Turn(size_t* slot, const broker::LeaderInfo& leader) {
  if (leader.leader != NodeId(0)) *slot = leader.leader.value - 1;
}

void Workload::AskId(const std::shared_ptr<Producer>& producer) {
  if (std::exchange(producer->asking_id, true)) return;
  using Answer = Result<broker::NewProducerId>;
  admin_.Call<Answer>(
      admin_.AnySlot(), admin_.AnyShard(), kPatience,
      [](Node& node, ShardId here, auto answer) {
        node.broker().AllocateProducerId(here, [answer](Answer id) mutable { answer(std::move(id)); });
      },
      [this, producer](const Answer* id) {
        producer->asking_id = false;
        if (id && id->ok()) {
          history_.OnProducerId((*id)->id);
          producer->id = **id;
        }
        Later(milliseconds(100), [this, producer] { Pump(producer); });
      });
}

void Workload::AddBatch(Producer& producer) {
  if (producer.batches.size() >= kInFlightMax) return;
  auto batch = std::make_shared<Batch>();
  for (uint64_t n = s_.random().Between(1, 3); n > 0; --n)
    batch->numbers.push_back(history_.NewRecord(producer.group, producer.number));
  batch->base_sequence = producer.next_sequence;
  producer.next_sequence += static_cast<int32_t>(batch->numbers.size());
  producer.batches.push_back(std::move(batch));
}

void Workload::Pump(const std::shared_ptr<Producer>& producer) {
  if (producer->topic->state != State::kLives || producer->batches.empty()) return;
  if (!producer->id) return AskId(producer);
  for (size_t i = 0; i < producer->batches.size(); ++i) {
    const auto& batch = producer->batches[i];
    if (batch->in_flight || batch->acked) continue;
    if (i > 0 && (batch->failed || !producer->established)) return;
    Send(producer, batch);
  }
}

void Workload::Send(const std::shared_ptr<Producer>& producer, const std::shared_ptr<Batch>& batch) {
  batch->in_flight = true;
  const bool first = batch == producer->batches.front();
  const size_t slot = producer->slot % c_.size();
  producing_.Call<broker::ProduceOutcome>(
      slot, producing_.AnyShard(), kPatience,
      [id = *producer->id, batch,
       ref = broker::PartitionRef{producer->topic->made->id, producer->partition, producer->group}](
          Node& node, ShardId here, auto answer) {
        broker::ProduceRequest request;
        request.timeout = kTimeout;
        if (!node.broker().image(here)->FindTopic(ref.topic)) {
          broker::ProduceOutcome unknown;
          unknown.error = Error{ErrorCode::kUnknownTopicId, "not here yet, or not any more"};
          return answer(std::move(unknown));
        }
        request.items.push_back({ref, Build(batch->numbers, id, batch->base_sequence, node.process().WallNow())});
        node.broker().Produce(here, std::move(request), [answer](std::vector<broker::ProduceOutcome> outcomes) mutable {
          answer(std::move(outcomes[0]));
        });
      },
      [this, producer, batch, slot, first](const broker::ProduceOutcome* outcome) {
        OnProduced(producer, batch, slot, first, outcome);
      });
}

void Workload::OnProduced(const std::shared_ptr<Producer>& producer, const std::shared_ptr<Batch>& batch, size_t slot,
                          bool first, const broker::ProduceOutcome* outcome) {
  batch->in_flight = false;
  if (s_.trace().recording()) {
    s_.trace().Line(s_.Now(), "producer " + std::to_string(producer->number) + " group " +
                                  std::to_string(producer->group.value) + " sequence " +
                                  std::to_string(batch->base_sequence) + " at broker " + std::to_string(slot + 1) +
                                  ": " +
                                  (outcome == nullptr ? "no answer"
                                   : !outcome->error  ? "offset " + std::to_string(outcome->base_offset.value)
                                                      : outcome->error->message));
  }
  if (outcome && !outcome->error) {
    batch->acked = true;
    producer->established = true;
    producer->epoch = std::max(producer->epoch, outcome->leader.epoch);
    history_.OnAcked(producer->group, batch->numbers, outcome->base_offset, NodeId(slot + 1), outcome->leader);
    s_.Note("acked", {producer->group.value, static_cast<uint64_t>(outcome->base_offset.value), batch->numbers.size()});
    while (!producer->batches.empty() && producer->batches.front()->acked) producer->batches.pop_front();
    return Pump(producer);
  }
  batch->failed = true;
  const bool lives = producer->topic->state == State::kLives;
  if (outcome && lives) {
    const ErrorCode code = outcome->error->code;
    // All before it were acknowledged, and at most four behind it are under way: its place must be known. A leader that
    // was deposed before that and has not heard of it does not say that it is not.
    const bool sequence = code == ErrorCode::kOutOfOrderSequence || code == ErrorCode::kDuplicateSequence;
    if ((first && sequence) || code == ErrorCode::kInvalidProducerEpoch || code == ErrorCode::kUnknownProducer)
      c_.Violate("producer " + std::to_string(producer->number) + " in group " + std::to_string(producer->group.value) +
                 ": " + outcome->error->message);
  }
  if (outcome && outcome->leader.leader != NodeId(0) && outcome->leader.leader != NodeId(slot + 1)) {
    Turn(&producer->slot, outcome->leader);
  } else if (s_.random().Percent(50)) {
    producer->slot = producing_.AnySlot();
  }
  Later(milliseconds(100), [this, producer] { Pump(producer); });
}

// --- consumers

void Workload::Fetch(const std::shared_ptr<Consumer>& consumer) {
  if (consumer->busy || consumer->topic->state != State::kLives) return;
  consumer->busy = true;
  if (consumer->end < Offset(0) && s_.random().OneIn(20)) consumer->position = Offset(0);
  const size_t slot = consumer->slot % c_.size();
  using Answer = Answered<broker::FetchOutcome>;
  broker::FetchRequest request;
  request.max_wait = milliseconds(consumer->may_wait ? s_.random().Below(300) : 0);
  request.items.push_back({broker::PartitionRef{consumer->topic->made->id, consumer->partition, consumer->group},
                           consumer->position, -1, -1, static_cast<uint32_t>(s_.random().Between(100, 20'000))});
  consuming_.Call<Answer>(
      slot, consuming_.AnyShard(), kPatience,
      [request](Node& node, ShardId here, auto answer) {
        node.broker().Fetch(here, request, [&node, answer](std::vector<broker::FetchOutcome> outcomes) mutable {
          answer({std::move(outcomes[0]), nullptr, node.boot()});
        });
      },
      [this, consumer, slot, before = history_.known(consumer->group)](const Answer* answer) {
        consumer->busy = false;
        OnFetched(consumer, slot, before, answer);
      });
}

void Workload::OnFetched(const std::shared_ptr<Consumer>& consumer, size_t slot, const Known& before,
                         const Answered<broker::FetchOutcome>* answer) {
  const bool final_read = consumer->end >= Offset(0);
  if (answer && !answer->outcome.error) {
    consumer->position =
        history_.OnRead(consumer->group, NodeId(slot + 1), answer->boot, consumer->position, before, answer->outcome);
    s_.Note("read", {consumer->group.value, slot, static_cast<uint64_t>(consumer->position.value)});
    if (final_read && consumer->position >= consumer->end) {
      --reads_left_;
      return history_.CheckComplete(consumer->group, consumer->end);
    }
  } else if (!final_read) {
    const bool told = answer && answer->outcome.leader.leader != NodeId(0);
    if (told && !s_.random().OneIn(4)) {
      Turn(&consumer->slot, answer->outcome.leader);
    } else {
      consumer->slot = consuming_.AnySlot();
    }
  }
  if (final_read) Later(milliseconds(5), [this, consumer] { Fetch(consumer); });
}

void Workload::ReadAll() {
  for (const TopicState& topic : Living()) {
    for (size_t i = 0; i < topic->made->partitions.size(); ++i) {
      const GroupId group = topic->made->partitions[i].group;
      for (size_t slot = 0; slot < c_.size(); ++slot) {
        const replica::Replica* replica =
            c_.serving(slot) == nullptr ? nullptr : c_.serving(slot)->broker().replica(group);
        if (replica == nullptr || (!replica->is_ready() && !c_.fetch_from_followers())) continue;
        auto consumer = std::make_shared<Consumer>();
        consumer->topic = topic;
        consumer->partition = PartitionId(static_cast<int32_t>(i));
        consumer->group = group;
        consumer->slot = slot;
        consumer->end = replica->high_watermark();
        ++reads_left_;
        Fetch(consumer);
      }
    }
  }
}

}  // namespace chronik::sim::brokers
