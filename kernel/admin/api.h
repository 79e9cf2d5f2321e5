// SPDX-License-Identifier: Apache-2.0
// The paths of the admin endpoint: docs/admin-api.md says what each means.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernel/admin/http.h"
#include "kernel/admin/render.h"
#include "kernel/broker/admin.h"

namespace chronik::admin {

class Api {
 public:
  // `broker` outlives this.
  Api(broker::Admin& broker, ProgramFacts facts) : broker_(broker), facts_(std::move(facts)) {}

  // On the endpoint's thread.
  void Handle(Request request, Respond respond);

 private:
  struct Call {
    Request request;
    std::vector<std::string> names;  // what stands in the pattern's {}, in order
    Respond respond;
  };
  struct Route {
    const char* method;
    const char* pattern;
    void (Api::*handler)(Call call);
  };
  static const std::vector<Route>& Routes();

  void Cluster(Call call);
  void Health(Call call);
  void Partitions(Call call);
  void SafeToStop(Call call);
  void Transfer(Call call);
  void Decommission(Call call);
  void Recommission(Call call);
  void SetLeaving(Call call, bool leaving);
  void Plugins(Call call);
  void Version(Call call);
  // The cluster and all partitions, one after the other; an error is answered right away.
  using Judge = UniqueFunction<Response(const broker::ClusterReport&, const std::vector<broker::PartitionReport>&)>;
  void AskForAll(Respond respond, Judge judge);

  broker::Admin& broker_;
  const ProgramFacts facts_;
};

}  // namespace chronik::admin
