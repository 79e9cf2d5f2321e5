// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/render.h"

#include <json/json.h>

#include <memory>

#include "kernel/admin/http.h"

namespace chronik::admin {
namespace {

std::string Text(const Json::Value& value) {
  Json::StreamWriterBuilder builder;
  builder["indentation"] = "";
  return Json::writeString(builder, value) + "\n";
}

template <class Tag>
Json::Value Number(Id<Tag, uint64_t> id) {
  return Json::UInt64(id.value);
}

// Null if there is none.
Json::Value NodeOrNull(NodeId node) { return node == NodeId(0) ? Json::Value() : Number(node); }

Json::Value Nodes(const std::vector<NodeId>& nodes) {
  Json::Value out(Json::arrayValue);
  for (const NodeId node : nodes) out.append(Number(node));
  return out;
}

Json::Value Member(const broker::MemberReport& member) {
  Json::Value out;
  out["id"] = Number(member.id);
  out["registered"] = !member.host.empty();
  out["host"] = member.host;
  out["port"] = member.port;
  out["rack"] = member.rack;
  out["rpc_address"] = member.rpc_address;
  out["founder"] = member.founder;
  out["alive"] = member.alive;
  out["leaving"] = member.leaving;
  out["generation"] = member.generation;
  // As text: it has more bits than a JSON number is sure to keep.
  if (member.incarnation) out["incarnation"] = std::to_string(*member.incarnation);
  return out;
}

const char* RoleName(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower: return "follower";
    case raft::Role::kPreCandidate: return "pre_candidate";
    case raft::Role::kCandidate: return "candidate";
    case raft::Role::kLeader: return "leader";
  }
  return "";
}

Json::Value Replica(const broker::ReplicaReport& replica) {
  Json::Value out;
  out["role"] = RoleName(replica.role);
  out["term"] = Number(replica.term);
  out["first_index"] = Number(replica.first_index);
  out["last_index"] = Number(replica.last_index);
  out["commit_index"] = Number(replica.commit_index);
  out["applied_index"] = Number(replica.applied_index);
  out["log_start_offset"] = Json::Int64(replica.log_start_offset.value);
  out["high_watermark"] = Json::Int64(replica.high_watermark.value);
  out["log_end_offset"] = Json::Int64(replica.log_end_offset.value);
  out["failed"] = replica.failed;
  if (replica.role != raft::Role::kLeader) return out;
  out["followers"] = Json::Value(Json::arrayValue);
  for (const broker::FollowerReport& follower : replica.followers) {
    Json::Value& one = out["followers"].append(Json::Value());
    one["node"] = Number(follower.node);
    one["match_index"] = Number(follower.match);
    one["lag_entries"] = Json::UInt64(follower.lag_entries);
    one["recently_active"] = follower.recently_active;
    one["learner"] = follower.learner;
  }
  return out;
}

constexpr size_t kReasonsMax = 1000;
constexpr int64_t kTransferTimeoutMaxMs = 25000;  // within the endpoint's patience

}  // namespace

Response ErrorResponse(unsigned status, const std::string& code, const std::string& message) {
  Json::Value out;
  out["error"] = code;
  out["message"] = message;
  return {status, Text(out)};
}

std::string RenderCluster(const broker::ClusterReport& report) {
  Json::Value out;
  out["cluster_id"] = report.cluster_id;
  out["node_id"] = Number(report.self);
  out["serving"] = report.serving;
  out["metadata"]["leader"] = NodeOrNull(report.metadata_leader);
  out["metadata"]["term"] = Number(report.metadata_term);
  out["metadata"]["version"] = Json::UInt64(report.metadata_version);
  out["metadata"]["voters"] = Nodes(report.metadata_voters);
  out["members"] = Json::Value(Json::arrayValue);
  for (const broker::MemberReport& member : report.members) out["members"].append(Member(member));
  return Text(out);
}

std::string RenderReasons(const char* verdict, const std::vector<Reason>& reasons) {
  Json::Value out;
  out[verdict] = reasons.empty();
  out["counts"] = Json::Value(Json::objectValue);
  out["reasons"] = Json::Value(Json::arrayValue);
  for (const Reason& reason : reasons) {
    Json::Value& count = out["counts"][reason.kind];
    count = Json::UInt64(count.asUInt64() + 1);
    if (out["reasons"].size() >= kReasonsMax) continue;
    Json::Value& one = out["reasons"].append(Json::Value());
    one["kind"] = reason.kind;
    one["message"] = reason.message;
    if (!reason.topic.empty()) one["topic"] = reason.topic;
    if (reason.partition >= 0) one["partition"] = reason.partition;
    if (reason.node != NodeId(0)) one["node"] = Number(reason.node);
  }
  return Text(out);
}

std::string RenderPartitions(const std::vector<broker::PartitionReport>& reports) {
  Json::Value out;
  out["partitions"] = Json::Value(Json::arrayValue);
  for (const broker::PartitionReport& report : reports) {
    Json::Value& one = out["partitions"].append(Json::Value());
    one["topic"] = report.topic;
    one["topic_id"] = report.topic_id.ToString();
    one["partition"] = report.partition.value;
    one["group"] = Number(report.group);
    one["leader"] = NodeOrNull(report.leader.leader);
    one["epoch"] = report.leader.epoch;
    one["replicas"] = Nodes(report.replicas);
    one["isr"] = Nodes(report.in_sync);
    one["min_isr"] = report.min_in_sync;
    if (report.local) one["local"] = Replica(*report.local);
    if (report.stuck) one["stuck"] = true;
  }
  return Text(out);
}

std::string RenderLeader(const broker::LeaderInfo& leader) {
  Json::Value out;
  out["leader"] = NodeOrNull(leader.leader);
  out["epoch"] = leader.epoch;
  return Text(out);
}

std::string RenderLeaving(bool leaving) {
  Json::Value out;
  out["leaving"] = leaving;
  return Text(out);
}

std::string RenderPlugins(const ProgramFacts& facts) {
  Json::Value out;
  out["plugins"] = Json::Value(Json::arrayValue);
  for (const PluginFacts& plugin : facts.plugins) {
    Json::Value& one = out["plugins"].append(Json::Value());
    one["kind"] = plugin.kind;
    one["path"] = plugin.path;
    one["id"] = plugin.id;
    one["version"] = plugin.version;
    one["vendor"] = plugin.vendor;
    one["interfaces"] = Json::Value(Json::arrayValue);
    for (const PluginFacts::Interface& interface : plugin.interfaces) {
      Json::Value& spoken = one["interfaces"].append(Json::Value());
      spoken["id"] = interface.id;
      spoken["table_size"] = interface.table_size;
    }
  }
  return Text(out);
}

std::string RenderVersion(const ProgramFacts& facts) {
  Json::Value out;
  out["version"] = facts.version;
  return Text(out);
}

Result<TransferRequest> ParseTransfer(std::string_view body) {
  const auto bad = [](const std::string& what) { return Error{ErrorCode::kInvalidArgument, what}; };
  Json::Value root;
  Json::CharReaderBuilder builder;
  Json::CharReaderBuilder::strictMode(&builder.settings_);
  const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
  std::string why;
  if (!reader->parse(body.data(), body.data() + body.size(), &root, &why) || !root.isObject())
    return bad("the body must be {\"to\": node}");
  TransferRequest out;
  for (const std::string& key : root.getMemberNames()) {
    if (key != "to" && key != "timeout_ms") return bad("unknown field '" + key + "'");
  }
  if (!root["to"].isUInt64() || root["to"].asUInt64() == 0) return bad("the body must be {\"to\": node}");
  out.to = NodeId(root["to"].asUInt64());
  const Json::Value& timeout = root["timeout_ms"];
  if (timeout.isNull()) return out;
  if (!timeout.isInt64() || timeout.asInt64() < 1 || timeout.asInt64() > kTransferTimeoutMaxMs)
    return bad("timeout_ms is 1 to " + std::to_string(kTransferTimeoutMaxMs));
  out.timeout = std::chrono::milliseconds(timeout.asInt64());
  return out;
}

}  // namespace chronik::admin
