// SPDX-License-Identifier: Apache-2.0
// The paths of the admin endpoint: docs/admin-api.md says what each means.
#pragma once

#include <string>
#include <vector>

#include "kernel/admin/http.h"
#include "kernel/broker/admin.h"

namespace chronik::admin {

class Api {
 public:
  // Outlives this.
  explicit Api(broker::Admin& broker) : broker_(broker) {}

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

  broker::Admin& broker_;
};

}  // namespace chronik::admin
