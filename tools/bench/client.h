// SPDX-License-Identifier: Apache-2.0
// The little of librdkafka that the benchmarks share: clients that end by themselves, topics, sorted latencies.
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <json/json.h>

namespace chronik::bench {

using SteadyClock = std::chrono::steady_clock;

// What every workload is told. Sizes in bytes.
struct Workload {
  std::string brokers;
  std::string topic;
  int partitions = 1;
  int replication_factor = 1;
  int64_t messages = 0;
  size_t message_size = 100;
  std::map<std::string, std::string> client_config;  // librdkafka's names; wins over what a workload sets
  double rate_per_second = 0;                        // latency only
  std::chrono::seconds duration{10};                 // latency only
};

struct KafkaDeleter {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};
using Client = std::unique_ptr<rd_kafka_t, KafkaDeleter>;

// Ends the process with the reason if librdkafka refuses.
Client MakeClient(rd_kafka_type_t type, const Workload& workload, std::map<std::string, std::string> config,
                  void* opaque = nullptr, void (*on_delivery)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr);

// Creates the topic and waits until every partition has a leader; an existing one is used as it is.
void EnsureTopic(const Workload& workload);

[[noreturn]] void Fail(const std::string& why);

// "p50", "p99", "p99.9", "max" in milliseconds; sorts `samples`.
Json::Value Percentiles(std::vector<double>& samples_ms);

double SecondsSince(SteadyClock::time_point start);

Json::Value RunProduce(const Workload& workload);
Json::Value RunConsume(const Workload& workload);
Json::Value RunLatency(const Workload& workload);

// The disk below `directory` by itself: 4 KiB writes over zero-filled space, each with fdatasync, at the given rate (0:
// as fast as they go).
Json::Value ProbeDisk(const std::string& directory, int writes, double rate_per_second);

// CPU seconds and resident bytes of a process; zeros if it is gone.
struct ProcessUse {
  double cpu_seconds = 0;
  double rss_mib = 0;
};
ProcessUse UseOf(int pid);

}  // namespace chronik::bench
