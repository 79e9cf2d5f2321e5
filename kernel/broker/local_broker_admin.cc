// SPDX-License-Identifier: Apache-2.0
// What an operator asks: this broker's view of the cluster.
#include <algorithm>
#include <map>
#include <utility>

#include "kernel/broker/local_broker.h"

namespace chronik::broker {

ClusterReport LocalBroker::ReportCluster() const {
  ClusterReport out;
  out.self = settings_.node_id;
  out.serving = serving_;
  std::map<NodeId, MemberReport> members;
  for (const NodeId founder : settings_.founders) members[founder].founder = true;
  members[settings_.node_id].incarnation = environment_.hello.incarnation;
  if (metadata_) {
    const metadata::ImagePtr& image = metadata_->image();
    const raft::SoftState state = metadata_->soft_state();
    out.cluster_id = image->cluster_id();
    out.metadata_leader = state.leader;
    out.metadata_term = state.term;
    out.metadata_version = image->version();
    out.metadata_voters = metadata_->voters();
    for (const metadata::Broker& broker : image->Brokers()) {
      MemberReport& member = members[broker.id];
      member.host = broker.host;
      member.port = broker.port;
      member.rack = broker.rack;
    }
  }
  for (auto& [id, member] : members) {
    member.id = id;
    member.alive = IsAlive(home().id, id);
    out.members.push_back(std::move(member));
  }
  return out;
}

void LocalBroker::DescribeCluster(Callback<ClusterReport> done) {
  home().executor.Post([this, done = std::move(done)]() mutable { done(ReportCluster()); });
}

}  // namespace chronik::broker
