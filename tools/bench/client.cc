// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/client.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace chronik::bench {

void Fail(const std::string& why) {
  std::fprintf(stderr, "chronik-bench: %s\n", why.c_str());
  std::exit(1);
}

double SecondsSince(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

Client MakeClient(rd_kafka_type_t type, const Workload& workload, std::map<std::string, std::string> config,
                  void* opaque, void (*on_delivery)(rd_kafka_t*, const rd_kafka_message_t*, void*)) {
  char error[512];
  config["bootstrap.servers"] = workload.brokers;
  for (const auto& [key, value] : workload.client_config) config[key] = value;
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [key, value] : config) {
    if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) Fail(error);
  }
  rd_kafka_conf_set_opaque(conf, opaque);
  if (on_delivery != nullptr) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (client == nullptr) Fail(error);
  return Client(client);
}

namespace {

bool AllLed(rd_kafka_t* client, const Workload& workload) {
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client, workload.topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  bool led = false;
  if (rd_kafka_metadata(client, 0, topic, &metadata, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const rd_kafka_metadata_topic_t& t = metadata->topics[0];
    led = metadata->topic_cnt == 1 && t.err == RD_KAFKA_RESP_ERR_NO_ERROR && t.partition_cnt >= workload.partitions &&
          std::all_of(t.partitions, t.partitions + t.partition_cnt, [](const auto& p) { return p.leader >= 0; });
    rd_kafka_metadata_destroy(metadata);
  }
  rd_kafka_topic_destroy(topic);
  return led;
}

}  // namespace

void EnsureTopic(const Workload& workload) {
  const Client client = MakeClient(RD_KAFKA_PRODUCER, workload, {});
  char error[512] = "";
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(workload.topic.c_str(), workload.partitions,
                                                     workload.replication_factor, error, sizeof error);
  if (topic == nullptr) Fail(error);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client.get());
  rd_kafka_CreateTopics(client.get(), &topic, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 60000);
  if (event == nullptr) Fail("CreateTopics was not answered within 60 s");
  const rd_kafka_CreateTopics_result_t* result = rd_kafka_event_CreateTopics_result(event);
  size_t count = 0;
  const rd_kafka_topic_result_t** topics =
      result != nullptr ? rd_kafka_CreateTopics_result_topics(result, &count) : nullptr;
  if (count != 1) Fail(std::string("CreateTopics: ") + rd_kafka_event_error_string(event));
  const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[0]);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    Fail(std::string("CreateTopics: ") + rd_kafka_err2str(code));
  }
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_NewTopic_destroy(topic);
  const auto start = SteadyClock::now();
  while (!AllLed(client.get(), workload)) {
    if (SecondsSince(start) > 60) Fail("topic " + workload.topic + " has partitions without a leader after 60 s");
    rd_kafka_poll(client.get(), 50);
  }
}

Json::Value Percentiles(std::vector<double>& samples_ms) {
  Json::Value out(Json::objectValue);
  if (samples_ms.empty()) return out;
  std::sort(samples_ms.begin(), samples_ms.end());
  const auto at = [&](double q) {
    const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(samples_ms.size())));
    return samples_ms[std::min(samples_ms.size() - 1, rank == 0 ? 0 : rank - 1)];
  };
  out["samples"] = static_cast<Json::UInt64>(samples_ms.size());
  out["p50_ms"] = at(0.5);
  out["p99_ms"] = at(0.99);
  out["p99_9_ms"] = at(0.999);
  out["max_ms"] = samples_ms.back();
  return out;
}

}  // namespace chronik::bench
