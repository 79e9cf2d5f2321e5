// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/render.h"

#include <json/json.h>

#include "kernel/admin/http.h"

namespace chronik::admin {
namespace {

std::string Text(const Json::Value& value) {
  Json::StreamWriterBuilder builder;
  builder["indentation"] = "";
  return Json::writeString(builder, value) + "\n";
}

template <class Tag, class T>
Json::Value Number(Id<Tag, T> id) {
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
  out["founder"] = member.founder;
  out["alive"] = member.alive;
  // As text: it has more bits than a JSON number is sure to keep.
  if (member.incarnation) out["incarnation"] = std::to_string(*member.incarnation);
  return out;
}

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

}  // namespace chronik::admin
