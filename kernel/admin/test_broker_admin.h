// SPDX-License-Identifier: Apache-2.0
// A broker as the endpoint's tests need it: it answers what it was told to, or is stuck.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernel/broker/admin.h"

namespace chronik::admin {

class TestBrokerAdmin final : public broker::Admin {
 public:
  void DescribeCluster(broker::Callback<broker::ClusterReport> done) override {
    if (!stuck) return done(cluster);
    held.push_back(std::move(done));
  }

  broker::ClusterReport cluster;
  bool stuck = false;  // questions are kept in `held`
  std::vector<broker::Callback<broker::ClusterReport>> held;
};

}  // namespace chronik::admin
