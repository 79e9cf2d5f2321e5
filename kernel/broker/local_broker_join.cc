// SPDX-License-Identifier: Apache-2.0
// How a node gets to take part. One that never did asks the others: a cluster that exists registers it as a new life of
// its node (ids.h: ReplicaId), which nobody counted on before; if all that can be reached are as new as this one, and
// they are a majority of those that may, they found a cluster. Either is remembered outside of the log before the first
// promise is made. One that took part before goes on as what it was.
//
// What this protects: a voter whose disk was lost has forgotten its votes and its acknowledgements. Back under its old
// name it could elect a leader that lacks committed entries.
//
// Not protected: a majority of the founders losing their disks while the rest cannot be reached. They would found
// another cluster, with another id, which the rest refuses to talk to.
#include <algorithm>
#include <utility>

#include "kernel/base/log.h"
#include "kernel/base/wire.h"
#include "kernel/broker/local_broker.h"

namespace chronik::broker {
namespace {

constexpr std::chrono::milliseconds kAskAgain{200};
constexpr std::chrono::seconds kAnswerWithin{5};
constexpr std::chrono::seconds kSayWhoIsMissing{5};
constexpr size_t kTextBytesMax = 255;
constexpr size_t kFoundersMax = 64;

// What the one that was asked is. Sent: numbers never change.
enum class Standing : uint8_t {
  kNew = 0,       // as new as who asks
  kFounding = 1,  // began to found a cluster
  kMember = 2,    // of a cluster, which has registered who asks
};

void PutNodes(WireWriter& out, const std::vector<NodeId>& nodes) {
  out.PutVarint(nodes.size());
  for (const NodeId node : nodes) out.PutVarint(node.value);
}

std::vector<NodeId> TakeNodes(WireReader& in) {
  std::vector<NodeId> nodes;
  const uint64_t count = in.TakeVarint();
  if (count > kFoundersMax) in.Fail();
  for (uint64_t i = 0; i < count && in.ok(); ++i) nodes.emplace_back(in.TakeVarint());
  return nodes;
}

std::string Names(const std::vector<NodeId>& nodes) {
  std::string out;
  for (const NodeId node : nodes) out += (out.empty() ? "" : ", ") + std::to_string(node.value);
  return out;
}

}  // namespace

// --- a node that takes no part yet

void LocalBroker::Enter() {
  entering_ = std::make_unique<Entering>();
  entering_->deadline = home().executor.Now() + settings_.join_timeout;
  SayWhoIsMissing();
  AskToJoin();
}

void LocalBroker::AskToJoin() {
  Entering& entering = *entering_;
  if (home().executor.Now() >= entering.deadline) {
    std::string why = "the metadata group has no leader: too few of its voters are there";
    for (const auto& [node, text] : entering.said) why += "; node " + std::to_string(node.value) + ": " + text;
    entering_.reset();  // a late answer must not begin a life that nobody waits for
    return StartFailed({ErrorCode::kTimedOut, "joining the cluster: " + why});
  }
  const metadata::RegisterBroker self = SelfRegistration();
  WireWriter out;
  out.Put(self.incarnation);
  out.Put(self.host);
  out.Put(self.port);
  out.Put(self.rack);
  out.Put(self.rpc_address);
  for (const NodeId peer : home().connected) {
    if (!entering.asked.insert(peer).second) continue;
    calls_->Call(peer, cluster::Method::kJoin, out.bytes(), kAnswerWithin,
                 [this, peer](const Result<Bytes>& answer) { OnJoinAnswer(peer, answer); });
  }
  entering.timer = home().executor.Schedule(kAskAgain, [this] { AskToJoin(); });
}

void LocalBroker::OnJoinAnswer(NodeId peer, const Result<Bytes>& answer) {
  if (!entering_) return;
  entering_->asked.erase(peer);
  entering_->willing.erase(peer);
  if (!answer.ok()) {
    entering_->said[peer] = answer.error().message;
    return;
  }
  entering_->said.erase(peer);
  WireReader in(*answer);
  const auto standing = static_cast<Standing>(in.Take<uint8_t>());
  if (standing == Standing::kMember) {
    const uint64_t generation = in.TakeVarint();
    if (!in.done() || generation == 0 || generation > UINT32_MAX) return;
    CHRONIK_LOG(kInfo) << "node " << peer << " has let this one join, as its life " << generation;
    Life life = life_;
    life.generation = static_cast<uint32_t>(generation);
    return BeginLife(std::move(life));
  }
  const std::vector<NodeId> founders = TakeNodes(in);
  if (!in.done()) return;
  const bool is_founder = std::binary_search(settings_.founders.begin(), settings_.founders.end(), peer);
  if (founders != settings_.founders && is_founder) {
    const std::string why = "its cluster.peers names nodes " + Names(founders) + ", this node's names " +
                            Names(settings_.founders) + "; make them the same to found a cluster";
    if (std::exchange(entering_->said[peer], why) != why) CHRONIK_LOG(kWarn) << "node " << peer << ": " << why;
    return;
  }
  entering_->willing.insert(peer);  // or has no say in it
  FoundIfAllAgree();
}

// One that can be reached and has not agreed may know of a cluster. So may one that was asked again since: it lets this
// node join as another life than the founder's.
void LocalBroker::FoundIfAllAgree() {
  if (!entering_->asked.empty()) return;
  for (const NodeId peer : home().connected) {
    if (!entering_->willing.contains(peer)) return;
  }
  const auto agrees = [this](NodeId node) { return node == settings_.node_id || entering_->willing.contains(node); };
  const auto agreed = static_cast<size_t>(std::count_if(settings_.founders.begin(), settings_.founders.end(), agrees));
  if (agreed <= settings_.founders.size() / 2) return;
  CHRONIK_LOG(kInfo) << "founding a cluster of nodes " << Names(settings_.founders);
  Life life = life_;
  life.generation = 0;
  life.founders = settings_.founders;
  BeginLife(std::move(life));
}

// --- and one that does

// One of the founders does not wait for an election timeout: it asks for votes until the others have begun, too.
void LocalBroker::CampaignToFound(uint32_t attempts) {
  found_timer_ = 0;
  if (!metadata_ || attempts == 0) return;
  const raft::SoftState state = metadata_->soft_state();
  if (state.term != Term(0) || state.leader != ReplicaId{}) return;
  metadata_->Campaign();
  found_timer_ = home().executor.Schedule(settings_.tick, [this, attempts] { CampaignToFound(attempts - 1); });
}

void LocalBroker::BeginLife(Life life) {
  // The lowest of those that found together.
  const bool first = entering_ && life.generation == 0u &&
                     std::all_of(entering_->willing.begin(), entering_->willing.end(),
                                 [this](NodeId node) { return settings_.node_id < node; });
  if (entering_) home().executor.Cancel(entering_->timer);
  entering_.reset();
  const bool fresh = !life_.generation;
  life_ = std::move(life);
  self_ = ReplicaId(settings_.node_id, *life_.generation);
  if (links_) links_->SetGeneration(*life_.generation);
  environment_.control->Post([this, life = life_, fresh, first] {
    const Status remembered = fresh && environment_.remember ? environment_.remember(life) : Status();
    auto opened = remembered.ok() ? OpenMetadata(life.established, fresh) : remembered.error();
    home().executor.Post([this, first, opened = std::move(opened)]() mutable {
      if (!opened.ok()) return StartFailed({opened.error().code, "metadata group: " + opened.error().message});
      StartMetadata(*std::move(opened));
      if (first) CampaignToFound(settings_.election_ticks);
    });
  });
}

// What is lost if this fails is only that a lost disk would be noticed.
void LocalBroker::Remember(const Life& life) {
  environment_.control->Post([this, life] {
    const Status remembered = environment_.remember ? environment_.remember(life) : Status();
    if (!remembered.ok()) CHRONIK_LOG(kWarn) << remembered.error();
  });
}

void LocalBroker::StartFailed(Error error) {
  home().executor.Cancel(std::exchange(join_timer_, 0));
  if (auto started = std::exchange(started_, nullptr)) started(std::move(error));
}

metadata::RegisterBroker LocalBroker::SelfRegistration() const {
  return {settings_.node_id, life_.incarnation, life_.generation,     settings_.host,
          settings_.port,    settings_.rack,    settings_.rpc_address};
}

// The first command that this node gets committed also proves that it has caught up with the metadata before it.
void LocalBroker::Join() {
  if (join_timer_ == 0) SayWhoIsMissing();
  const auto failed = [this](const Error& error) {
    StartFailed({error.code, "joining the cluster: " + error.message});
  };
  const auto join = [this, failed] {
    ProposeMetadata(SelfRegistration(), settings_.join_timeout, [this, failed](Result<metadata::Effect> effect) {
      home().executor.Cancel(std::exchange(join_timer_, 0));
      effect.ok() ? OpenKnownPartitions() : failed(effect.error());
    });
  };
  if (*life_.generation != 0 || !metadata_->image()->cluster_id().empty()) return join();
  // Every founder proposes one; the first that is committed stays.
  ProposeMetadata(metadata::SetClusterId{environment_.random_id().ToString(), life_.founders}, settings_.join_timeout,
                  [this, join, failed](Result<metadata::Effect> effect) {
                    if (effect.ok() || !metadata_ || !metadata_->image()->cluster_id().empty()) return join();
                    failed(effect.error());
                  });
}

void LocalBroker::SayWhoIsMissing() {
  join_timer_ = home().executor.Schedule(kSayWhoIsMissing, [this] {
    std::string missing;
    size_t there = 1;
    for (const NodeId node : settings_.founders) {
      if (node == settings_.node_id) continue;
      if (home().connected.contains(node)) {
        ++there;
      } else {
        missing += (missing.empty() ? "node " : ", node ") + std::to_string(node.value);
      }
    }
    CHRONIK_LOG(kInfo) << "waiting for the cluster: " << there << " of its " << settings_.founders.size()
                       << " founders are connected, " << settings_.founders.size() / 2 + 1 << " are needed"
                       << (missing.empty() ? "; an election is under way" : "; missing: " + missing);
    SayWhoIsMissing();
  });
}

// --- what the others are told

void LocalBroker::AnswerJoin(NodeId from, ByteView request, cluster::Calls::Answer answer) {
  WireReader in(request);
  metadata::RegisterBroker command;
  command.node = from;
  command.incarnation = in.Take<uint64_t>();
  command.host = in.TakeString(kTextBytesMax);
  command.port = in.Take<uint16_t>();
  command.rack = in.TakeString(kTextBytesMax);
  command.rpc_address = in.TakeString(kTextBytesMax);
  if (!in.done()) return answer(Error{ErrorCode::kInvalidArgument, "a request to join that cannot be read"});
  if (!metadata_ || metadata_->image()->cluster_id().empty()) {
    const Standing standing = life_.generation ? Standing::kFounding : Standing::kNew;
    // Another data directory than the one that founds with this node: it waits until there is a cluster to join.
    if (standing == Standing::kFounding &&
        founding_with_.try_emplace(from, command.incarnation).first->second != command.incarnation) {
      return answer(Error{ErrorCode::kNotController, "it founds a cluster with another data directory of this node"});
    }
    WireWriter out;
    out.Put(static_cast<uint8_t>(standing));
    PutNodes(out, life_.generation ? life_.founders : settings_.founders);
    return answer(Bytes::Copy(out.bytes()));
  }
  ProposeMetadata(command, kAnswerWithin, [answer = std::move(answer)](Result<metadata::Effect> effect) mutable {
    if (!effect.ok()) return answer(effect.error());
    WireWriter out;
    out.Put(static_cast<uint8_t>(Standing::kMember));
    out.PutVarint(std::get<metadata::BrokerRegistered>(*effect).generation);
    answer(Bytes::Copy(out.bytes()));
  });
}

}  // namespace chronik::broker
