// SPDX-License-Identifier: Apache-2.0
#include "kernel/admin/api.h"

#include <optional>
#include <utility>

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

}  // namespace

const std::vector<Api::Route>& Api::Routes() {
  static const std::vector<Route> routes = {
      {"GET", "/v1/cluster", &Api::Cluster},
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

}  // namespace chronik::admin
