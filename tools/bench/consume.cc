// SPDX-License-Identifier: Apache-2.0
// Throughput of consuming a topic from its beginning; no consumer group.
#include "tools/bench/client.h"

namespace chronik::bench {

Json::Value RunConsume(const Workload& workload) {
  const Client client = MakeClient(RD_KAFKA_CONSUMER, workload,
                                   {{"group.id", "chronik-bench"},
                                    {"enable.auto.commit", "false"},
                                    {"enable.auto.offset.store", "false"},
                                    {"auto.offset.reset", "earliest"},
                                    {"fetch.max.bytes", "52428800"},
                                    {"queued.min.messages", "1000000"}});
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client.get());
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client.get(), workload.topic.c_str(), nullptr);
  for (int p = 0; p < workload.partitions; ++p) {
    if (rd_kafka_consume_start_queue(topic, p, RD_KAFKA_OFFSET_BEGINNING, queue) != 0) {
      Fail(rd_kafka_err2str(rd_kafka_last_error()));
    }
  }
  int64_t messages = 0;
  int64_t bytes = 0;
  SteadyClock::time_point start;  // from the first message: connecting is not what is measured
  std::vector<rd_kafka_message_t*> batch(10000);
  auto last_progress = SteadyClock::now();
  while (messages < workload.messages) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, 1000, batch.data(), batch.size());
    if (count < 0) Fail(rd_kafka_err2str(rd_kafka_last_error()));
    if (count > 0 && messages == 0) start = SteadyClock::now();
    for (ssize_t i = 0; i < count; ++i) {
      if (batch[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR) Fail(rd_kafka_message_errstr(batch[i]));
      ++messages;
      bytes += static_cast<int64_t>(batch[i]->len);
      rd_kafka_message_destroy(batch[i]);
    }
    if (count > 0) last_progress = SteadyClock::now();
    if (SecondsSince(last_progress) > 30) Fail("only " + std::to_string(messages) + " messages arrived, none for 30 s");
  }
  const double seconds = SecondsSince(start);
  for (int p = 0; p < workload.partitions; ++p) rd_kafka_consume_stop(topic, p);
  rd_kafka_topic_destroy(topic);
  rd_kafka_queue_destroy(queue);

  Json::Value out(Json::objectValue);
  out["messages"] = static_cast<Json::Int64>(messages);
  out["seconds"] = seconds;
  out["messages_per_second"] = static_cast<double>(messages) / seconds;
  out["mb_per_second"] = static_cast<double>(bytes) / seconds / 1e6;
  return out;
}

}  // namespace chronik::bench
