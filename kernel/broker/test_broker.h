// SPDX-License-Identifier: Apache-2.0
// A LocalBroker over a TestLogStore, all on the test's own thread and clock. The store outlives restarts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/base/test_executor.h"
#include "kernel/broker/local_broker.h"
#include "kernel/log/log_store.h"
#include "kernel/log/test_log_store.h"

namespace chronik::broker {

class TestBroker {
 public:
  explicit TestBroker(size_t shard_count = 2, Settings settings = {})
      : settings_(std::move(settings)), disk_thread(threads.Add()), control(threads.Add()), disk(disk_thread) {
    for (size_t i = 0; i < shard_count; ++i) shards.push_back(&threads.Add());
  }
  ~TestBroker() { Stop(); }

  // Runs until the broker serves, or says why not; nullopt: neither, something is held.
  std::optional<Status> Start() {
    LocalBroker::Environment environment;
    for (TestThreads::Thread* shard : shards) environment.shards.push_back(shard);
    store = std::make_unique<log::LogStore>(environment.shards);
    CHRONIK_CHECK(store->Attach(log::TestLogStore::table(), &disk).ok()) << "attach";
    disk.Start(store->sink());
    environment.control = &control;
    environment.store = store.get();
    environment.random_id = [this] {
      TopicId id;
      id.bytes[0] = 1;
      id.bytes[15] = ++topic_ids_;
      return id;
    };
    environment.random_seed = [](GroupId group) { return group.value; };
    environment.life = life_;
    environment.remember = [this](const Life& life) {
      life_ = life;
      return Status();
    };
    environment.on_fatal = [](const Error& error) { CHRONIK_CHECK(false) << error; };
    broker = std::make_unique<LocalBroker>(settings_, std::move(environment));
    started_.reset();
    broker->Start([this](Status status) { started_ = std::move(status); });
    threads.Run();
    return started_;
  }
  // Returns whether the broker stopped; then it is gone.
  bool Stop() {
    if (!broker) return true;
    bool stopped = false;
    broker->Stop([&stopped] { stopped = true; });
    threads.Run();
    CHRONIK_CHECK(stopped) << "the broker does not stop";
    broker.reset();
    return stopped;
  }

  // Null if it was refused, or is not ready yet because something is held.
  metadata::TopicPtr CreateTopic(const std::string& name, int32_t partitions = 1,
                                 std::vector<std::pair<std::string, std::optional<std::string>>> configs = {}) {
    std::vector<NewTopic> topics{{name, partitions, -1, {}, std::move(configs)}};
    bool created = false;
    broker->CreateTopics(
        ShardId(0), std::move(topics), false, std::chrono::seconds(10),
        [&created](const std::vector<CreateTopicOutcome>& outcomes) { created = !outcomes[0].error.has_value(); });
    threads.Run();
    return created ? image().FindTopic(name) : nullptr;
  }

  const metadata::MetadataImage& image() const { return *broker->image(ShardId(0)); }

 private:
  Settings settings_;
  std::optional<Status> started_;
  uint8_t topic_ids_ = 0;
  Life life_;

 public:
  TestThreads threads;
  TestThreads::Thread& disk_thread;
  TestThreads::Thread& control;  // the thread that may block
  std::vector<TestThreads::Thread*> shards;
  log::TestLogStore disk;
  std::unique_ptr<log::LogStore> store;
  std::unique_ptr<LocalBroker> broker;
};

}  // namespace chronik::broker
