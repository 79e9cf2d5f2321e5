// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/kafka.h"

#include "tools/ctl/where.h"

namespace chronik::ctl {

Client MakeClient(const Globals& globals, rd_kafka_type_t type, std::map<std::string, std::string> config, void* opaque,
                  OnDelivery on_delivery) {
  config["bootstrap.servers"] = BootstrapServers(globals);
  config["client.id"] = "chronikctl";
  config["log_level"] = "0";
  char error[512] = "";
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  for (const auto& [key, value] : config) {
    if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK)
      throw Failure(kUsage, error);
  }
  rd_kafka_conf_set_opaque(conf, opaque);
  if (on_delivery != nullptr) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t* const client = rd_kafka_new(type, conf, error, sizeof error);
  if (client == nullptr) throw Failure(kFailed, error);
  return Client(client);
}

Metadata ReadMetadata(const Globals& globals, const Client& client) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto error = rd_kafka_metadata(client.get(), 1, nullptr, &metadata, globals.timeout_s * 1000);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw Failure(kNotReachable, "no broker answers at " + BootstrapServers(globals) + ": " + rd_kafka_err2str(error) +
                                     "; is it running, and is --bootstrap or --config right?");
  }
  return Metadata(metadata);
}

const rd_kafka_metadata_topic_t& FindTopic(const Metadata& metadata, const std::string& topic) {
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    if (metadata->topics[i].topic == topic) return metadata->topics[i];
  }
  throw Failure(kNotFound, "there is no topic '" + topic + "'");
}

void ThrowKafka(rd_kafka_resp_err_t error, const std::string& message) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: throw Failure(kNotFound, message);
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT: throw Failure(kNotReachable, message);
    default: throw Failure(kFailed, message);
  }
}

}  // namespace chronik::ctl
