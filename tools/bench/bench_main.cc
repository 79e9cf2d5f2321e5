// SPDX-License-Identifier: Apache-2.0
// chronik-bench: one workload against any Kafka-compatible broker; prints one JSON object.
#include <gflags/gflags.h>
#include <unistd.h>

#include <iostream>
#include <sstream>

#include "tools/bench/client.h"

DEFINE_string(brokers, "127.0.0.1:9092", "bootstrap servers, host:port[,host:port]");
DEFINE_string(topic, "", "topic; created if it does not exist (default: a new one for produce and latency)");
DEFINE_int32(partitions, 1, "partitions of a topic that is created, and how many are used");
DEFINE_int32(replication_factor, 1, "replication factor of a topic that is created");
DEFINE_int64(messages, 1000000, "produce, consume: how many messages");
DEFINE_int32(size, 100, "payload of a message in bytes");
DEFINE_double(rate, 1000, "latency: messages per second");
DEFINE_int32(seconds, 10, "latency: how long");
DEFINE_string(config, "", "librdkafka settings, key=value[,key=value]; they win over the workload's own");
DEFINE_int32(broker_pid, 0, "report CPU seconds used during the workload, and RSS after it, of this process");
DEFINE_string(probe_dir, "", "probe, or with any workload: also time 4 KiB write + fdatasync in this directory");
DEFINE_int32(probe_writes, 2000, "how many writes the probe times");

namespace {

namespace bench = chronik::bench;

std::map<std::string, std::string> ParseConfig(const std::string& text) {
  std::map<std::string, std::string> config;
  std::istringstream in(text);
  for (std::string pair; std::getline(in, pair, ',');) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos) bench::Fail("--config: '" + pair + "' is not key=value");
    config[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return config;
}

Json::Value Run(const std::string& name, const bench::Workload& workload) {
  if (name == "produce") return RunProduce(workload);
  if (name == "consume") return RunConsume(workload);
  if (name == "latency") return RunLatency(workload);
  if (name == "probe") return Json::Value(Json::objectValue);
  bench::Fail("unknown workload '" + name + "': produce, consume, latency or probe");
}

}  // namespace

int main(int argc, char** argv) {
  gflags::SetUsageMessage(
      "chronik-bench produce|consume|latency|probe [flags]\n"
      "Runs one workload against a Kafka-compatible broker and prints one JSON object.");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (argc != 2) bench::Fail("usage: chronik-bench produce|consume|latency|probe [flags]; --help lists them");
  const std::string name = argv[1];
  if (FLAGS_size < 1 || FLAGS_messages < 1 || FLAGS_partitions < 1) bench::Fail("sizes and counts must be above 0");

  bench::Workload workload;
  workload.brokers = FLAGS_brokers;
  workload.topic = FLAGS_topic;
  if (workload.topic.empty()) {
    if (name == "consume") bench::Fail("consume needs --topic");
    workload.topic = "bench-" + std::to_string(getpid());
  }
  workload.partitions = FLAGS_partitions;
  workload.replication_factor = FLAGS_replication_factor;
  workload.messages = FLAGS_messages;
  workload.message_size = static_cast<size_t>(FLAGS_size);
  workload.client_config = ParseConfig(FLAGS_config);
  workload.rate_per_second = FLAGS_rate;
  workload.duration = std::chrono::seconds(FLAGS_seconds);

  const bench::ProcessUse before = FLAGS_broker_pid != 0 ? bench::UseOf(FLAGS_broker_pid) : bench::ProcessUse();
  Json::Value out = Run(name, workload);
  out["workload"] = name;
  out["topic"] = workload.topic;
  out["partitions"] = workload.partitions;
  out["message_size"] = FLAGS_size;
  if (FLAGS_broker_pid != 0) {
    const bench::ProcessUse after = bench::UseOf(FLAGS_broker_pid);
    out["broker_cpu_seconds"] = after.cpu_seconds - before.cpu_seconds;
    out["broker_rss_mib"] = after.rss_mib;
  }
  if (!FLAGS_probe_dir.empty()) {
    out["disk_4k_fdatasync"] = bench::ProbeDisk(FLAGS_probe_dir, FLAGS_probe_writes, 0);
    out["disk_4k_fdatasync_at_rate"] = bench::ProbeDisk(FLAGS_probe_dir, FLAGS_probe_writes, FLAGS_rate);
  }
  std::cout << Json::writeString(Json::StreamWriterBuilder(), out) << std::endl;
  return 0;
}
