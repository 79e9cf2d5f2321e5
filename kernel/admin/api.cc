// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/api.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "kernel/admin/health.h"
#include "kernel/admin/render.h"
#include "kernel/admin/uri.h"

namespace chronik::admin {
namespace {

// What stands at the {}s of a pattern if the path is of its form.
std::optional<std::vector<std::string>> Match(const std::vector<std::string>& pattern,
                                              const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  std::vector<std::string> names;
  for (size_t i = 0; i < path.size(); ++i) {
    if (pattern[i] == "{}") {
      names.push_back(path[i]);
    } else if (pattern[i] != path[i]) {
      return std::nullopt;
    }
  }
  return names;
}

Response BadRequest(const std::string& message) { return ErrorResponse(400, "bad_request", message); }

// The status that tells a script what to do: mend the request, wait and try again, or look.
unsigned StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return 400;
    case ErrorCode::kUnknownTopic:
    case ErrorCode::kUnknownPartition:
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kInvalidReplicationFactor:
    case ErrorCode::kNotEnoughReplicas: return 409;
    case ErrorCode::kNotLeader:
    case ErrorCode::kLeaderNotAvailable:
    case ErrorCode::kNotController:
    case ErrorCode::kOverloaded:
    case ErrorCode::kShuttingDown: return 503;
    case ErrorCode::kTimedOut: return 504;
    default: return 500;
  }
}

Response Failed(const Error& error) {
  std::string code(ErrorCodeName(error.code));
  std::replace(code.begin(), code.end(), ' ', '_');
  return ErrorResponse(StatusOf(error.code), code, error.message);
}

std::optional<int64_t> ToNumber(const std::string& text, int64_t max) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > max) return std::nullopt;
  return value;
}

}  // namespace

const std::vector<Api::Route>& Api::Routes() {
  static const std::vector<Route> routes = {
      {"GET", "/v1/cluster", &Api::Cluster},
      {"GET", "/v1/cluster/health", &Api::Health},
      {"GET", "/v1/partitions", &Api::Partitions},
      {"POST", "/v1/partitions/{}/{}/transfer", &Api::Transfer},
      {"POST", "/v1/brokers/{}/decommission", &Api::Decommission},
      {"POST", "/v1/brokers/{}/recommission", &Api::Recommission},
      {"GET", "/v1/broker/safe-to-stop", &Api::SafeToStop},
      {"GET", "/v1/plugins", &Api::Plugins},
      {"GET", "/v1/version", &Api::Version},
  };
  return routes;
}

void Api::Handle(Request request, Respond respond) {
  const std::vector<std::string> path = Segments(request.path);
  std::string allowed;
  for (const Route& route : Routes()) {
    auto names = Match(Segments(route.pattern), path);
    if (!names) continue;
    if (request.method == route.method)
      return (this->*route.handler)({std::move(request), *std::move(names), std::move(respond)});
    allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
  }
  if (allowed.empty()) return respond(ErrorResponse(404, "not_found", "there is nothing at " + request.path));
  Response refused = ErrorResponse(405, "method_not_allowed", request.path + " takes " + allowed);
  refused.allow = allowed;
  respond(std::move(refused));
}

void Api::Cluster(Call call) {
  broker_.DescribeCluster([respond = std::move(call.respond)](const broker::ClusterReport& report) mutable {
    respond({200, RenderCluster(report)});
  });
}

void Api::AskForAll(Respond respond, Judge judge) {
  broker_.DescribeCluster(
      [this, respond = std::move(respond), judge = std::move(judge)](broker::ClusterReport cluster) mutable {
        broker_.DescribePartitions(
            "", [respond = std::move(respond), judge = std::move(judge),
                 cluster = std::move(cluster)](const Result<std::vector<broker::PartitionReport>>& reports) mutable {
              respond(reports.ok() ? judge(cluster, *reports) : Failed(reports.error()));
            });
      });
}

void Api::Health(Call call) {
  AskForAll(std::move(call.respond), [](const auto& cluster, const auto& partitions) {
    return Response{200, RenderReasons("healthy", WhatIsWrong(cluster, partitions))};
  });
}

void Api::SafeToStop(Call call) {
  AskForAll(std::move(call.respond), [](const auto& cluster, const auto& partitions) {
    const std::vector<Reason> reasons = WhyNotStop(cluster, partitions);
    return Response{reasons.empty() ? 200u : 409u, RenderReasons("safe", reasons)};
  });
}

void Api::Partitions(Call call) {
  for (const auto& [name, value] : call.request.query) {
    if (name != "topic") return call.respond(BadRequest("unknown parameter '" + name + "'; there is topic=NAME"));
  }
  broker_.DescribePartitions(
      call.request.query["topic"], [respond = std::move(call.respond)](const auto& reports) mutable {
        respond(reports.ok() ? Response{200, RenderPartitions(*reports)} : Failed(reports.error()));
      });
}

void Api::Transfer(Call call) {
  const std::optional<int64_t> partition = ToNumber(call.names[1], INT32_MAX);
  if (!partition) return call.respond(BadRequest("'" + call.names[1] + "' is no partition number"));
  const auto asked = ParseTransfer(call.request.body);
  if (!asked.ok()) return call.respond(Failed(asked.error()));
  broker_.TransferLeadership(call.names[0], PartitionId(static_cast<int32_t>(*partition)), asked->to, asked->timeout,
                             [respond = std::move(call.respond)](const Result<broker::LeaderInfo>& leader) mutable {
                               respond(leader.ok() ? Response{200, RenderLeader(*leader)} : Failed(leader.error()));
                             });
}

void Api::Decommission(Call call) { SetLeaving(std::move(call), true); }

void Api::Recommission(Call call) { SetLeaving(std::move(call), false); }

void Api::SetLeaving(Call call, bool leaving) {
  constexpr std::chrono::seconds kWithin{10};
  const std::optional<int64_t> node = ToNumber(call.names[0], INT32_MAX);
  if (!node) return call.respond(BadRequest("'" + call.names[0] + "' is no node id"));
  if (!call.request.body.empty()) return call.respond(BadRequest("this path takes no body"));
  broker_.SetBrokerLeaving(NodeId(static_cast<uint64_t>(*node)), leaving, kWithin,
                           [respond = std::move(call.respond), leaving](const Status& status) mutable {
                             respond(status.ok() ? Response{200, RenderLeaving(leaving)} : Failed(status.error()));
                           });
}

void Api::Plugins(Call call) { call.respond({200, RenderPlugins(facts_)}); }

void Api::Version(Call call) { call.respond({200, RenderVersion(facts_)}); }

}  // namespace chronik::admin
