// SPDX-License-Identifier: Apache-2.0
// Throughput of producing: as fast as the client goes, from the first message given to it until the last ack.
#include <atomic>
#include <random>

#include "tools/bench/client.h"

namespace chronik::bench {
namespace {

struct Acks {
  int64_t acked = 0;
  int64_t failed = 0;
  std::string first_error;
};

void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* acks = static_cast<Acks*>(opaque);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++acks->acked;
  } else {
    if (acks->failed++ == 0) acks->first_error = rd_kafka_err2str(message->err);
  }
}

}  // namespace

Json::Value RunProduce(const Workload& workload) {
  EnsureTopic(workload);
  Acks acks;
  const Client client = MakeClient(RD_KAFKA_PRODUCER, workload,
                                   {{"acks", "all"},
                                    {"enable.idempotence", "true"},
                                    {"linger.ms", "5"},
                                    {"queue.buffering.max.messages", "1000000"},
                                    {"queue.buffering.max.kbytes", "1048576"}},
                                   &acks, &OnDelivery);
  // Incompressible, so that a compressing client cannot flatter the broker.
  std::string payload(workload.message_size, '\0');
  std::mt19937_64 random(1);
  for (char& c : payload) c = static_cast<char>(random());

  rd_kafka_topic_t* topic = rd_kafka_topic_new(client.get(), workload.topic.c_str(), nullptr);
  const auto start = SteadyClock::now();
  for (int64_t i = 0; i < workload.messages; ++i) {
    const auto partition = static_cast<int32_t>(i % workload.partitions);
    while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, payload.data(), payload.size(), nullptr, 0,
                            nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) Fail(rd_kafka_err2str(rd_kafka_last_error()));
      rd_kafka_poll(client.get(), 10);
    }
    if (i % 1000 == 0) rd_kafka_poll(client.get(), 0);
  }
  if (rd_kafka_flush(client.get(), 300000) != RD_KAFKA_RESP_ERR_NO_ERROR) Fail("not everything was acked within 300 s");
  const double seconds = SecondsSince(start);
  rd_kafka_topic_destroy(topic);
  if (acks.failed > 0) Fail(std::to_string(acks.failed) + " messages failed, first: " + acks.first_error);

  Json::Value out(Json::objectValue);
  out["messages"] = static_cast<Json::Int64>(acks.acked);
  out["seconds"] = seconds;
  out["messages_per_second"] = static_cast<double>(acks.acked) / seconds;
  out["mb_per_second"] = static_cast<double>(acks.acked) * static_cast<double>(workload.message_size) / seconds / 1e6;
  return out;
}

}  // namespace chronik::bench
