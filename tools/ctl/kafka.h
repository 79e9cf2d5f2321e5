// SPDX-License-Identifier: Apache-2.0
// A Kafka client for the commands: librdkafka with owners for what it hands out, and its errors as Failure.
#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <memory>
#include <string>

#include "tools/ctl/command.h"

namespace chronik::ctl {

template <class T, void (*kDestroy)(T*)>
struct Destroyer {
  void operator()(T* object) const { kDestroy(object); }
};
using Client = std::unique_ptr<rd_kafka_t, Destroyer<rd_kafka_t, rd_kafka_destroy>>;
using Queue = std::unique_ptr<rd_kafka_queue_t, Destroyer<rd_kafka_queue_t, rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, Destroyer<rd_kafka_event_t, rd_kafka_event_destroy>>;

struct MetadataDestroyer {
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
};
using Metadata = std::unique_ptr<const rd_kafka_metadata_t, MetadataDestroyer>;

using OnDelivery = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void* opaque);

Client MakeClient(const Globals& globals, rd_kafka_type_t type, std::map<std::string, std::string> config = {},
                  void* opaque = nullptr, OnDelivery on_delivery = nullptr);

// All topics: asking for one by name might create it. Failure(kNotReachable) if no broker answers.
Metadata ReadMetadata(const Globals& globals, const Client& client);
// Failure(kNotFound) if it is not among them.
const rd_kafka_metadata_topic_t& FindTopic(const Metadata& metadata, const std::string& topic);

// With the exit code that fits.
[[noreturn]] void ThrowKafka(rd_kafka_resp_err_t error, const std::string& message);

}  // namespace chronik::ctl
