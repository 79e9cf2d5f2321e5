// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/messages.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <optional>
#include <set>

#include "tools/ctl/bytes_text.h"
#include "tools/ctl/kafka.h"
#include "tools/ctl/output.h"

namespace chronik::ctl {
namespace {

// --- produce

struct Delivered {
  int64_t count = 0;
  int64_t failed = 0;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;  // the first
};

void OnDelivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* const delivered = static_cast<Delivered*>(opaque);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++delivered->count;
  } else if (++delivered->failed == 1) {
    delivered->error = message->err;
  }
}

void Send(const Client& client, const ProduceOptions& options, const std::string& line) {
  const size_t split = options.key_separator.empty() ? std::string::npos : line.find(options.key_separator);
  if (!options.key_separator.empty() && split == std::string::npos)
    throw Failure(kUsage, "a line has no '" + options.key_separator + "'");
  std::string_view key;
  std::string_view value = line;
  if (split != std::string::npos) {
    key = value.substr(0, split);
    value = value.substr(split + options.key_separator.size());
  }
  const char* const key_data = split == std::string::npos ? nullptr : key.data();
  for (;;) {
    const auto error = rd_kafka_producev(
        client.get(), RD_KAFKA_V_TOPIC(options.topic.c_str()), RD_KAFKA_V_PARTITION(options.partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
        RD_KAFKA_V_KEY(key_data, key.size()), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) ThrowKafka(error, rd_kafka_err2str(error));
    rd_kafka_poll(client.get(), 100);
  }
}

// --- consume

int64_t StartOf(const std::string& from) {
  if (from == "beginning") return RD_KAFKA_OFFSET_BEGINNING;
  if (from == "end") return RD_KAFKA_OFFSET_END;
  int64_t offset = 0;
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), offset);
  if (error != std::errc() || end != from.data() + from.size() || offset < 0)
    throw Failure(kUsage, "--from is beginning, end or an offset");
  return offset;
}

using PartitionList =
    std::unique_ptr<rd_kafka_topic_partition_list_t,
                    Destroyer<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>>;
using Message = std::unique_ptr<rd_kafka_message_t, Destroyer<rd_kafka_message_t, rd_kafka_message_destroy>>;

std::set<int32_t> Assign(const Globals& globals, const Client& client, const ConsumeOptions& options) {
  const int64_t start = StartOf(options.from);
  const Metadata metadata = ReadMetadata(globals, client);
  const rd_kafka_metadata_topic_t& topic = FindTopic(metadata, options.topic);
  std::set<int32_t> wanted(options.partitions.begin(), options.partitions.end());
  for (const int32_t partition : wanted) {
    if (partition >= topic.partition_cnt)
      throw Failure(kNotFound, "topic '" + options.topic + "' has no partition " + std::to_string(partition));
  }
  for (int32_t i = 0; options.partitions.empty() && i < topic.partition_cnt; ++i) wanted.insert(i);
  const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(wanted.size())));
  for (const int32_t partition : wanted)
    rd_kafka_topic_partition_list_add(list.get(), options.topic.c_str(), partition)->offset = start;
  if (const auto error = rd_kafka_assign(client.get(), list.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    ThrowKafka(error, rd_kafka_err2str(error));
  return wanted;
}

void Print(const Globals& globals, const ConsumeOptions& options, const rd_kafka_message_t& message) {
  const auto text = [](const void* data, size_t size) {
    return data == nullptr ? std::optional<std::string_view>() : std::string_view(static_cast<const char*>(data), size);
  };
  const auto key = text(message.key, message.key_len);
  const auto value = text(message.payload, message.len);
  if (!globals.json()) {
    if (options.keys) std::cout << key.value_or("") << "\t";
    std::cout << value.value_or("") << "\n";
    return;
  }
  Json::Value out;
  out["partition"] = message.partition;
  out["offset"] = Json::Int64(message.offset);
  out["timestamp_ms"] = Json::Int64(rd_kafka_message_timestamp(&message, nullptr));
  PutBytes(&out, "key", key);
  PutBytes(&out, "value", value);
  PrintJsonLine(out);
}

}  // namespace

int Produce(const Globals& globals, const ProduceOptions& options) {
  Delivered delivered;
  std::map<std::string, std::string> config = {{"acks", options.acks},
                                               {"message.timeout.ms", std::to_string(globals.timeout_s * 1000)}};
  if (options.acks == "all") config["enable.idempotence"] = "true";
  const Client client = MakeClient(globals, RD_KAFKA_PRODUCER, std::move(config), &delivered, &OnDelivered);
  const Metadata metadata = ReadMetadata(globals, client);
  if (options.partition >= FindTopic(metadata, options.topic).partition_cnt)
    throw Failure(kNotFound, "topic '" + options.topic + "' has no partition " + std::to_string(options.partition));
  std::string line;
  while (delivered.failed == 0 && std::getline(std::cin, line)) {
    Send(client, options, line);
    rd_kafka_poll(client.get(), 0);
  }
  rd_kafka_flush(client.get(), globals.timeout_s * 1000 + 5000);
  if (globals.json()) {
    Json::Value out;
    out["delivered"] = Json::Int64(delivered.count);
    out["failed"] = Json::Int64(delivered.failed);
    PrintJson(out);
  } else {
    std::cout << delivered.count << " messages delivered\n";
  }
  if (delivered.failed == 0) return kOk;
  // Not in time is kFailed here, too: brokers were there, and what was delivered is.
  throw Failure(kFailed, std::to_string(delivered.failed) + " messages failed: " + rd_kafka_err2str(delivered.error));
}

int Consume(const Globals& globals, const ConsumeOptions& options) {
  const Client client = MakeClient(globals, RD_KAFKA_CONSUMER,
                                   {{"group.id", "chronikctl"},  // demanded by librdkafka; assign() joins nothing
                                    {"enable.auto.commit", "false"},
                                    {"auto.offset.reset", "error"},
                                    {"enable.partition.eof", "true"}});
  rd_kafka_poll_set_consumer(client.get());
  std::set<int32_t> unfinished = Assign(globals, client, options);
  int64_t count = 0;
  while ((options.follow || !unfinished.empty()) && (options.count == 0 || count < options.count)) {
    const Message message(rd_kafka_consumer_poll(client.get(), globals.timeout_s * 1000));
    if (!message) {
      if (options.follow) continue;
      throw Failure(kNotReachable, "nothing came for " + std::to_string(globals.timeout_s) + " s");
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      unfinished.erase(message->partition);
      std::cout.flush();
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      ThrowKafka(message->err, rd_kafka_message_errstr(message.get()));
    } else {
      Print(globals, options, *message);
      ++count;
    }
  }
  rd_kafka_consumer_close(client.get());
  return kOk;
}

}  // namespace chronik::ctl
