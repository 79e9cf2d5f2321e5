// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/cluster.h"

#include <iostream>

#include "tools/ctl/admin_client.h"
#include "tools/ctl/output.h"

namespace chronik::ctl {
namespace {

std::string KafkaAddress(const Json::Value& member) {
  return member["registered"].asBool() ? member["host"].asString() + ":" + member["port"].asString() : "-";
}

std::string YesNo(const Json::Value& value) { return value.asBool() ? "yes" : "no"; }

void PrintReasons(const Json::Value& said) {
  for (const Json::Value& reason : said["reasons"]) {
    std::string about;
    if (reason.isMember("topic")) about = reason["topic"].asString() + "-" + reason["partition"].asString() + ": ";
    std::cout << "  " << reason["kind"].asString() << "  " << about << reason["message"].asString() << "\n";
  }
  Json::UInt64 all = 0;
  for (const Json::Value& count : said["counts"]) all += count.asUInt64();
  if (all > said["reasons"].size()) std::cout << "  ... and " << all - said["reasons"].size() << " more\n";
}

}  // namespace

int ClusterStatus(const Globals& globals) {
  const Json::Value cluster = GetAdmin(globals, "/v1/cluster");
  const Json::Value health = GetAdmin(globals, "/v1/cluster/health");
  const Json::Value partitions = GetAdmin(globals, "/v1/partitions")["partitions"];
  size_t led = 0;
  for (const Json::Value& partition : partitions) led += partition["leader"].isNull() ? 0 : 1;
  size_t alive = 0;
  for (const Json::Value& member : cluster["members"]) alive += member["alive"].asBool() ? 1 : 0;
  if (globals.json()) {
    Json::Value out;
    out["cluster"] = cluster;
    out["health"] = health;
    out["partitions"]["count"] = partitions.size();
    out["partitions"]["with_leader"] = Json::UInt64(led);
    PrintJson(out);
    return kOk;
  }
  const Json::Value& metadata = cluster["metadata"];
  std::cout << "cluster      " << Text(cluster["cluster_id"]) << ", as node " << cluster["node_id"].asString()
            << " sees it\n"
            << "brokers      " << alive << " of " << cluster["members"].size() << " alive\n"
            << "metadata     led by node " << Text(metadata["leader"]) << ", term " << metadata["term"].asString()
            << ", voters " << Text(metadata["voters"]) << "\n"
            << "partitions   " << led << " of " << partitions.size() << " have a leader\n"
            << "health       " << (health["healthy"].asBool() ? "healthy" : "unhealthy") << "\n";
  PrintReasons(health);
  return kOk;
}

int ClusterHealth(const Globals& globals) {
  const Json::Value health = GetAdmin(globals, "/v1/cluster/health");
  const bool healthy = health["healthy"].asBool();
  if (globals.json()) {
    PrintJson(health);
  } else {
    std::cout << (healthy ? "healthy" : "unhealthy") << "\n";
    PrintReasons(health);
  }
  return healthy ? kOk : kUnhealthy;
}

int ClusterMembers(const Globals& globals) {
  const Json::Value cluster = GetAdmin(globals, "/v1/cluster");
  if (globals.json()) {
    Json::Value out;
    out["members"] = cluster["members"];
    PrintJson(out);
    return kOk;
  }
  Table table({"NODE", "ADDRESS", "RACK", "ALIVE", "METADATA"});
  for (const Json::Value& member : cluster["members"]) {
    std::string part = "-";
    for (const Json::Value& voter : cluster["metadata"]["voters"]) {
      if (voter == member["id"]) part = "voter";
    }
    if (cluster["metadata"]["leader"] == member["id"]) part = "leader";
    const std::string rack = member["rack"].asString();
    table.Add({member["id"].asString(), KafkaAddress(member), rack.empty() ? "-" : rack, YesNo(member["alive"]), part});
  }
  table.Print();
  return kOk;
}

int SafeToStop(const Globals& globals) {
  const AdminAnswer answer = AskAdmin(globals, "GET", "/v1/broker/safe-to-stop");
  if (answer.status != 200 && answer.status != 409) ThrowRefused(answer);
  const bool safe = answer.body["safe"].asBool();
  if (globals.json()) {
    PrintJson(answer.body);
  } else {
    std::cout << (safe ? "safe to stop" : "not safe to stop") << "\n";
    PrintReasons(answer.body);
  }
  return safe ? kOk : kUnhealthy;
}

int PartitionsList(const Globals& globals, const std::string& topic) {
  const Json::Value said =
      GetAdmin(globals, topic.empty() ? "/v1/partitions" : "/v1/partitions?topic=" + Escape(topic));
  if (globals.json()) {
    PrintJson(said);
    return kOk;
  }
  Table table({"TOPIC", "PARTITION", "GROUP", "LEADER", "EPOCH", "REPLICAS", "ISR", "HW", "LAG"});
  for (const Json::Value& partition : said["partitions"]) {
    const Json::Value& local = partition["local"];
    std::string lag;
    for (const Json::Value& follower : local["followers"])
      lag += (lag.empty() ? "" : ",") + follower["node"].asString() + ":" + follower["lag_entries"].asString();
    table.Add({partition["topic"].asString(), partition["partition"].asString(), partition["group"].asString(),
               Text(partition["leader"]), partition["epoch"].asString(), Text(partition["replicas"]),
               Text(partition["isr"]), local["role"].asString() == "leader" ? local["high_watermark"].asString() : "-",
               lag.empty() ? "-" : lag});
  }
  table.Print();
  return kOk;
}

int PartitionsTransfer(const Globals& globals, const TransferOptions& options) {
  Json::Value asked;
  asked["to"] = Json::UInt64(options.to);
  asked["timeout_ms"] = std::min(globals.timeout_s * 800, 25000);  // so that its answer comes within ours
  const AdminAnswer answer =
      AskAdmin(globals, "POST",
               "/v1/partitions/" + Escape(options.topic) + "/" + std::to_string(options.partition) + "/transfer",
               asked.toStyledString());
  if (answer.status != 200) ThrowRefused(answer);
  if (globals.json()) {
    PrintJson(answer.body);
  } else {
    std::cout << options.topic << "-" << options.partition << " is led by node " << answer.body["leader"].asString()
              << ", epoch " << answer.body["epoch"].asString() << "\n";
  }
  return kOk;
}

}  // namespace chronik::ctl
