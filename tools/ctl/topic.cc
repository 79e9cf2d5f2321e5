// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/topic.h"

#include <iostream>

#include "tools/ctl/kafka.h"
#include "tools/ctl/output.h"

namespace chronik::ctl {
namespace {

using AdminOptions =
    std::unique_ptr<rd_kafka_AdminOptions_t, Destroyer<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, Destroyer<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy>>;
using OldTopic =
    std::unique_ptr<rd_kafka_DeleteTopic_t, Destroyer<rd_kafka_DeleteTopic_t, rd_kafka_DeleteTopic_destroy>>;
using ConfigResource =
    std::unique_ptr<rd_kafka_ConfigResource_t, Destroyer<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>>;

AdminOptions Patience(const Globals& globals, const Client& client, rd_kafka_admin_op_t op) {
  AdminOptions options(rd_kafka_AdminOptions_new(client.get(), op));
  char ignored[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), globals.timeout_s * 1000, ignored, sizeof ignored);
  if (op != RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), globals.timeout_s * 900, ignored, sizeof ignored);
  return options;
}

// What an admin request of one element led to.
Event Await(const Globals& globals, const Queue& queue) {
  Event event(rd_kafka_queue_poll(queue.get(), globals.timeout_s * 1000 + 5000));
  if (!event) throw Failure(kNotReachable, "no answer in time; the outcome is unknown");
  if (const auto error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    ThrowKafka(error, rd_kafka_event_error_string(event.get()));
  return event;
}

void CheckOne(const rd_kafka_topic_result_t** results, size_t count) {
  if (count != 1) throw Failure(kFailed, "an answer about " + std::to_string(count) + " topics");
  if (const auto error = rd_kafka_topic_result_error(results[0]); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    ThrowKafka(error, rd_kafka_topic_result_error_string(results[0]));
}

Json::Value Ids(const int32_t* ids, int count) {
  Json::Value out(Json::arrayValue);
  for (int i = 0; i < count; ++i) out.append(ids[i]);
  return out;
}

Json::Value Partitions(const rd_kafka_metadata_topic_t& topic) {
  Json::Value out(Json::arrayValue);
  for (int i = 0; i < topic.partition_cnt; ++i) {
    const rd_kafka_metadata_partition_t& partition = topic.partitions[i];
    Json::Value& one = out.append(Json::Value());
    one["partition"] = partition.id;
    one["leader"] = partition.leader < 0 ? Json::Value() : Json::Value(partition.leader);
    one["replicas"] = Ids(partition.replicas, partition.replica_cnt);
    one["isr"] = Ids(partition.isrs, partition.isr_cnt);
  }
  return out;
}

// Those that were set for the topic.
Json::Value Configs(const Globals& globals, const Client& client, const std::string& name) {
  const ConfigResource resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
  const Queue queue(rd_kafka_queue_new(client.get()));
  rd_kafka_ConfigResource_t* asked[] = {resource.get()};
  const AdminOptions patience = Patience(globals, client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
  rd_kafka_DescribeConfigs(client.get(), asked, 1, patience.get(), queue.get());
  const Event event = Await(globals, queue);
  size_t count = 0;
  const auto* result = rd_kafka_event_DescribeConfigs_result(event.get());
  const rd_kafka_ConfigResource_t** said = rd_kafka_DescribeConfigs_result_resources(result, &count);
  Json::Value out(Json::objectValue);
  if (count != 1) return out;
  if (const auto error = rd_kafka_ConfigResource_error(said[0]); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    ThrowKafka(error, rd_kafka_ConfigResource_error_string(said[0]));
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(said[0], &count);
  for (size_t i = 0; i < count; ++i) {
    const char* value = rd_kafka_ConfigEntry_value(entries[i]);
    if (rd_kafka_ConfigEntry_source(entries[i]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG && value != nullptr)
      out[rd_kafka_ConfigEntry_name(entries[i])] = value;
  }
  return out;
}

void Done(const Globals& globals, const std::string& name, const char* what) {
  if (!globals.json()) {
    std::cout << "topic " << name << " " << what << "\n";
    return;
  }
  Json::Value out;
  out["topic"] = name;
  out[what] = true;
  PrintJson(out);
}

}  // namespace

int TopicCreate(const Globals& globals, const NewTopicOptions& options) {
  const Client client = MakeClient(globals, RD_KAFKA_PRODUCER);
  ReadMetadata(globals, client);
  char error[512] = "";
  const NewTopic topic(
      rd_kafka_NewTopic_new(options.name.c_str(), options.partitions, options.replication_factor, error, sizeof error));
  if (!topic) throw Failure(kUsage, error);
  for (const std::string& config : options.configs) {
    const size_t equals = config.find('=');
    if (equals == std::string::npos) throw Failure(kUsage, "--topic-config " + config + " is not KEY=VALUE");
    rd_kafka_NewTopic_set_config(topic.get(), config.substr(0, equals).c_str(), config.substr(equals + 1).c_str());
  }
  const Queue queue(rd_kafka_queue_new(client.get()));
  rd_kafka_NewTopic_t* asked[] = {topic.get()};
  const AdminOptions patience = Patience(globals, client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_CreateTopics(client.get(), asked, 1, patience.get(), queue.get());
  const Event event = Await(globals, queue);
  size_t count = 0;
  const auto** results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  CheckOne(results, count);
  Done(globals, options.name, "created");
  return kOk;
}

int TopicDelete(const Globals& globals, const std::string& name) {
  const Client client = MakeClient(globals, RD_KAFKA_PRODUCER);
  FindTopic(ReadMetadata(globals, client), name);
  const OldTopic topic(rd_kafka_DeleteTopic_new(name.c_str()));
  const Queue queue(rd_kafka_queue_new(client.get()));
  rd_kafka_DeleteTopic_t* asked[] = {topic.get()};
  const AdminOptions patience = Patience(globals, client, RD_KAFKA_ADMIN_OP_DELETETOPICS);
  rd_kafka_DeleteTopics(client.get(), asked, 1, patience.get(), queue.get());
  const Event event = Await(globals, queue);
  size_t count = 0;
  const auto** results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  CheckOne(results, count);
  Done(globals, name, "deleted");
  return kOk;
}

int TopicList(const Globals& globals) {
  const Client client = MakeClient(globals, RD_KAFKA_PRODUCER);
  const Metadata metadata = ReadMetadata(globals, client);
  Json::Value out;
  out["topics"] = Json::Value(Json::arrayValue);
  Table table({"TOPIC", "PARTITIONS", "REPLICAS"});
  std::map<std::string, const rd_kafka_metadata_topic_t*> topics;  // in order
  for (int i = 0; i < metadata->topic_cnt; ++i) topics[metadata->topics[i].topic] = &metadata->topics[i];
  for (const auto& [name, topic] : topics) {
    Json::Value& one = out["topics"].append(Json::Value());
    one["name"] = name;
    one["partitions"] = topic->partition_cnt;
    one["replication_factor"] = topic->partition_cnt > 0 ? topic->partitions[0].replica_cnt : 0;
    table.Add({name, one["partitions"].asString(), one["replication_factor"].asString()});
  }
  if (globals.json()) {
    PrintJson(out);
  } else {
    table.Print();
  }
  return kOk;
}

int TopicDescribe(const Globals& globals, const std::string& name) {
  const Client client = MakeClient(globals, RD_KAFKA_PRODUCER);
  const Metadata metadata = ReadMetadata(globals, client);
  Json::Value out;
  out["name"] = name;
  out["partitions"] = Partitions(FindTopic(metadata, name));
  out["configs"] = Configs(globals, client, name);
  if (globals.json()) {
    PrintJson(out);
    return kOk;
  }
  for (const std::string& key : out["configs"].getMemberNames())
    std::cout << key << "=" << out["configs"][key].asString() << "\n";
  Table table({"PARTITION", "LEADER", "REPLICAS", "ISR"});
  for (const Json::Value& p : out["partitions"])
    table.Add({p["partition"].asString(), Text(p["leader"]), Text(p["replicas"]), Text(p["isr"])});
  table.Print();
  return kOk;
}

}  // namespace chronik::ctl
