// SPDX-License-Identifier: Apache-2.0
// Latency at a given rate: each message is due at its time. Two figures count from the moment a message was due, so
// that a stalled broker cannot hide what it delayed: the ack, and the arrival at a consumer that waits at the end of
// the log.
#include <sys/prctl.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>

#include "tools/bench/client.h"

namespace chronik::bench {
namespace {

struct Acks {
  std::vector<double> from_due_ms;
  std::vector<double> from_send_ms;
  int64_t failed = 0;
};

// What a message carries: when it was due and when it was given to the client, in steady nanoseconds.
struct Stamp {
  int64_t due_ns;
  int64_t sent_ns;
};

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(SteadyClock::now().time_since_epoch()).count();
}
double Milliseconds(int64_t ns) { return static_cast<double>(ns) / 1e6; }

void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* acks = static_cast<Acks*>(opaque);
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++acks->failed;
    return;
  }
  Stamp stamp;
  std::memcpy(&stamp, message->payload, sizeof stamp);
  const int64_t now = NowNs();
  acks->from_due_ms.push_back(Milliseconds(now - stamp.due_ns));
  acks->from_send_ms.push_back(Milliseconds(now - stamp.sent_ns));
}

// Receives until `stop` and everything sent has arrived.
class Receiver {
 public:
  explicit Receiver(const Workload& workload)
      : client_(MakeClient(RD_KAFKA_CONSUMER, workload,
                           {{"group.id", "chronik-bench"},
                            {"enable.auto.commit", "false"},
                            {"enable.auto.offset.store", "false"},
                            {"enable.partition.eof", "true"},
                            {"fetch.wait.max.ms", "500"}})),
        topic_(rd_kafka_topic_new(client_.get(), workload.topic.c_str(), nullptr)) {
    if (rd_kafka_consume_start(topic_, 0, RD_KAFKA_OFFSET_END) != 0) Fail(rd_kafka_err2str(rd_kafka_last_error()));
    // The end-of-partition event says that it waits at the end of the log: from now on nothing is missed.
    for (bool at_end = false; !at_end;) {
      rd_kafka_message_t* message = rd_kafka_consume(topic_, 0, 10000);
      if (message == nullptr) Fail("the consumer did not reach the end of the log within 10 s");
      at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
      rd_kafka_message_destroy(message);
    }
    thread_ = std::thread([this] { Run(); });
  }
  ~Receiver() {
    rd_kafka_consume_stop(topic_, 0);
    rd_kafka_topic_destroy(topic_);
  }

  std::vector<double> Finish(int64_t expected) {
    expected_.store(expected);
    thread_.join();
    return std::move(arrivals_ms_);
  }

 private:
  void Run() {
    auto last = SteadyClock::now();
    while (static_cast<int64_t>(arrivals_ms_.size()) < expected_.load()) {
      rd_kafka_message_t* message = rd_kafka_consume(topic_, 0, 100);
      if (message == nullptr) {
        if (SecondsSince(last) > 30) Fail("the consumer received nothing for 30 s");
        continue;
      }
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        Stamp stamp;
        std::memcpy(&stamp, message->payload, sizeof stamp);
        arrivals_ms_.push_back(Milliseconds(NowNs() - stamp.due_ns));
        last = SteadyClock::now();
      }
      rd_kafka_message_destroy(message);
    }
  }

  const Client client_;
  rd_kafka_topic_t* const topic_;
  std::atomic<int64_t> expected_{INT64_MAX};
  std::vector<double> arrivals_ms_;
  std::thread thread_;
};

}  // namespace

Json::Value RunLatency(const Workload& workload) {
  if (workload.rate_per_second <= 0) Fail("--rate must be above 0");
  Workload single = workload;
  single.partitions = 1;
  EnsureTopic(single);
  Acks acks;
  const Client client =
      MakeClient(RD_KAFKA_PRODUCER, single, {{"acks", "all"}, {"linger.ms", "0"}}, &acks, &OnDelivery);
  Receiver receiver(single);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client.get(), single.topic.c_str(), nullptr);
  std::string payload(std::max(single.message_size, sizeof(Stamp)), 'x');

  const auto interval = std::chrono::duration<double>(1.0 / single.rate_per_second);
  const auto count = static_cast<int64_t>(single.rate_per_second * static_cast<double>(single.duration.count()));
  // Threads that sleep, not spin: a spinning client would take a core away from the broker that it measures.
  std::jthread acks_server([&client](const std::stop_token& stop) {
    while (!stop.stop_requested()) rd_kafka_poll(client.get(), 100);
  });
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  const auto start = SteadyClock::now();
  for (int64_t i = 0; i < count; ++i) {
    const auto due = start + std::chrono::duration_cast<SteadyClock::duration>(interval * static_cast<double>(i));
    std::this_thread::sleep_until(due);
    const Stamp stamp{std::chrono::duration_cast<std::chrono::nanoseconds>(due.time_since_epoch()).count(), NowNs()};
    std::memcpy(payload.data(), &stamp, sizeof stamp);
    if (rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, payload.data(), payload.size(), nullptr, 0, nullptr) != 0) {
      Fail(rd_kafka_err2str(rd_kafka_last_error()));
    }
  }
  acks_server.request_stop();
  acks_server.join();
  if (rd_kafka_flush(client.get(), 60000) != RD_KAFKA_RESP_ERR_NO_ERROR) Fail("not everything was acked within 60 s");
  const double seconds = SecondsSince(start);
  rd_kafka_topic_destroy(topic);
  if (acks.failed > 0) Fail(std::to_string(acks.failed) + " messages failed");
  std::vector<double> arrivals = receiver.Finish(count);

  Json::Value out(Json::objectValue);
  out["target_per_second"] = single.rate_per_second;
  out["reached_per_second"] = static_cast<double>(count) / seconds;
  out["ack_from_due"] = Percentiles(acks.from_due_ms);
  out["ack_from_send"] = Percentiles(acks.from_send_ms);
  out["end_to_end_from_due"] = Percentiles(arrivals);
  return out;
}

}  // namespace chronik::bench
