// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/brokers/cluster.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "kernel/base/invariant.h"

namespace chronik::sim::brokers {
namespace {

using std::chrono::milliseconds;

constexpr size_t kFoundersMax = 3;
constexpr size_t kImagesKept = 200;

}  // namespace

Cluster::Cluster(Scheduler& scheduler, size_t nodes, bool fetch_from_followers)
    : scheduler_(scheduler),
      network_(scheduler),
      context_{
          scheduler, network_, {}, nodes, fetch_from_followers, [this](size_t slot, uint64_t boot, const Error& why) {
            OnFatal(slot, boot, why);
          }} {
  for (size_t i = 0; i < nodes; ++i) {
    slots_.push_back({std::make_unique<SimDisk>(scheduler, i), nullptr, false});
    if (i < kFoundersMax) context_.founders.emplace_back(i + 1);
  }
}

Cluster::~Cluster() = default;

void Cluster::Start() {
  for (size_t i = 0; i < size(); ++i) Boot(i);
}

void Cluster::Boot(size_t slot) {
  Slot& s = slots_[slot];
  s.restart_due = false;
  scheduler_.Note("boot", {slot, ++boots_});
  s.node = std::make_unique<Node>(context_, *s.disk, slot, boots_, s.joins_only);
  s.node->Start();
}

void Cluster::Violate(const std::string& what) {
  if (!violation_.empty()) return;
  violation_ = what;
  scheduler_.trace().Line(scheduler_.Now(), "VIOLATION " + what);
}

void Cluster::Kill(size_t slot, Loss loss, Duration down) {
  Slot& s = slots_[slot];
  if (!s.node) return;
  scheduler_.Note("kill", {slot, static_cast<uint64_t>(loss)});
  loss == Loss::kPower ? s.disk->Crash() : s.disk->Disconnect();
  // A machine without power closes no connection.
  s.node->Kill(loss == Loss::kPower ? hint_percent_ / 4 : hint_percent_);
  dying_.push_back(std::move(s.node));
  if (stopping_ || s.restart_due) return;
  s.restart_due = true;
  scheduler_.After(down, [this, slot] {
    if (slots_[slot].restart_due && !stopping_) Boot(slot);
  });
}

bool Cluster::LoseDisk(size_t slot) {
  if (!Settled()) return false;
  Wipe(slot);
  return true;
}

void Cluster::Renew(size_t slot) {
  slots_[slot].joins_only = true;
  Wipe(slot);
}

void Cluster::Wipe(size_t slot) {
  scheduler_.Note("wipe", {slot});
  Kill(slot, Loss::kPower, milliseconds(500));
  slots_[slot].disk->Wipe();
}

// A supervisor starts it again. Nobody damages disks here.
void Cluster::OnFatal(size_t slot, uint64_t boot, const Error& why) {
  if (scheduler_.trace().recording())
    scheduler_.trace().Line(scheduler_.Now(), "broker " + std::to_string(slot + 1) + " ends: " + why.message);
  scheduler_.Note("fatal", {slot, static_cast<uint64_t>(why.code)});
  scheduler_.After(milliseconds(1), [this, slot, boot, why] {
    Node* dying = node(slot);
    if (stopping_ || dying == nullptr || dying->boot() != boot) return;
    if (why.code == ErrorCode::kCorrupt)
      Violate("broker " + std::to_string(slot + 1) + " finds its data damaged, and it was not: " + why.message);
    Kill(slot, Loss::kProcess, milliseconds(300));
  });
}

metadata::ImagePtr Cluster::NewestImage() {
  metadata::ImagePtr newest;
  for (size_t i = 0; i < size(); ++i) {
    Node* const n = serving(i);
    if (n == nullptr) continue;
    metadata::ImagePtr image = n->broker().image(ShardId(0));
    if (image && (!newest || image->version() > newest->version())) newest = std::move(image);
  }
  return newest;
}

bool Cluster::Settled(std::string* why) {
  std::string missing = WhyNotSettled();
  const bool settled = missing.empty();
  if (why != nullptr) *why = std::move(missing);
  return settled;
}

std::string Cluster::WhyNotSettled() {
  for (size_t i = 0; i < size(); ++i) {
    if (serving(i) == nullptr) return "broker " + std::to_string(i + 1) + " does not serve";
  }
  const metadata::ImagePtr image = NewestImage();
  if (!image || image->broker_count() != size()) return "not all brokers are registered";
  for (size_t i = 0; i < size(); ++i) {
    if (serving(i)->broker().image(ShardId(0))->version() != image->version())
      return "broker " + std::to_string(i + 1) + " does not have the newest metadata";
  }
  std::vector<ReplicaId> voters;
  std::vector<ReplicaId> learners;
  for (const metadata::Broker& b : image->Brokers()) {
    if (b.leaving) return "broker " + std::to_string(b.id.value) + " is leaving";
    const auto& names = image->metadata_voters();
    (std::binary_search(names.begin(), names.end(), b.id) ? voters : learners).push_back(b.replica());
  }
  if (std::string why = WhyNotSettled(kMetaGroup, voters, learners); !why.empty()) return why;
  std::string why;
  image->ForEachTopic([&](const metadata::TopicPtr& topic) {
    for (const metadata::Partition& p : topic->partitions) {
      if (!why.empty()) return;
      std::vector<ReplicaId> members;
      for (const NodeId n : p.replicas) members.push_back(image->MemberOf(p, n));
      why = p.moving() ? "group " + std::to_string(p.group.value) + " is moving" : WhyNotSettled(p.group, members, {});
    }
  });
  return why;
}

std::string Cluster::WhyNotSettled(GroupId group, const std::vector<ReplicaId>& voters,
                                   std::vector<ReplicaId> learners) {
  const std::string name = "group " + std::to_string(group.value);
  std::vector<ReplicaId> wanted = voters;
  std::sort(wanted.begin(), wanted.end());
  std::sort(learners.begin(), learners.end());
  const replica::Replica* leader = nullptr;
  Term newest;
  for (size_t i = 0; i < size(); ++i) {
    const replica::Replica* r = serving(i)->broker().replica(group);
    if (r == nullptr || r->raft() == nullptr) continue;
    newest = std::max(newest, r->soft_state().term);
    if (r->is_ready() && (leader == nullptr || r->soft_state().term > leader->soft_state().term)) leader = r;
  }
  if (leader == nullptr || leader->soft_state().term < newest) return name + " has no leader";
  const raft::RaftGroup& raft = *leader->raft();
  if (raft.configuration() != raft::Configuration{wanted, learners}) return name + " has other voters than it should";
  if (raft.configurations().newest_index() > raft.commit_index()) return name + " changes its voters";
  std::vector<ReplicaId> all = wanted;
  all.insert(all.end(), learners.begin(), learners.end());
  for (const ReplicaId id : all) {
    const replica::Replica* r = serving(id.node().value - 1)->broker().replica(group);
    if (r == nullptr || r->raft() == nullptr) return name + " is not open at broker " + std::to_string(id.node().value);
    if (r->applied() != leader->applied() || leader->applied().index != raft.last_index() ||
        r->durable_index() != raft.last_index() || r->high_watermark() != leader->high_watermark())
      return name + " is behind at broker " + std::to_string(id.node().value);
  }
  return {};
}

// Every broker computes the same metadata from the same commands.
void Cluster::CheckImages() {
  for (size_t i = 0; i < size(); ++i) {
    Node* const n = serving(i);
    if (n == nullptr) continue;
    const metadata::ImagePtr image = n->broker().image(ShardId(0));
    const auto [known, added] = images_.try_emplace(image->version(), image);
    if (!added && known->second != image && !(*known->second == *image)) {
      Violate("metadata: broker " + std::to_string(i + 1) + " has another version " + std::to_string(image->version()) +
              " than an earlier one");
    }
  }
  while (images_.size() > kImagesKept) images_.erase(images_.begin());
}

void Cluster::Housekeep() {
  CheckImages();
  network_.Watch();
  std::erase_if(dying_, [](const std::unique_ptr<Node>& node) { return node->gone(); });
}

std::string Cluster::Describe() {
  std::ostringstream out;
  const metadata::ImagePtr image = NewestImage();
  for (size_t i = 0; i < size(); ++i) {
    Node* const n = node(i);
    out << "broker " << i + 1 << (n == nullptr ? ": down" : n->serving() ? ": serves" : ": starts");
    if (n != nullptr && n->serving()) {
      out << ", metadata " << n->broker().image(ShardId(0))->version();
      const auto show = [&](GroupId group) {
        const replica::Replica* r = n->broker().replica(group);
        if (r == nullptr || r->raft() == nullptr) return;
        const raft::SoftState soft = r->soft_state();
        out << "\n  group " << group << " role " << static_cast<int>(soft.role) << " leader " << soft.leader << " term "
            << soft.term << " last " << r->raft()->last_index() << " durable " << r->durable_index() << " applied "
            << r->applied().index << " hw " << r->high_watermark() << " ready " << r->is_ready() << " voters";
        for (const ReplicaId id : r->raft()->configuration().voters) out << ' ' << id;
        if (r->raft()->configuration().joint()) out << " joint with";
        for (const ReplicaId id : r->raft()->configuration().next_voters) out << ' ' << id;
        out << " learners";
        for (const ReplicaId id : r->raft()->configuration().learners) out << ' ' << id;
        out << " since " << r->raft()->configurations().newest_index() << " terms";
        for (const raft::TermStart& start : r->term_table()) out << ' ' << start.term << '@' << start.first_index;
        for (const raft::PeerStatus& peer : r->raft()->peers())
          out << " peer " << peer.peer << (peer.recently_active ? " active" : " silent") << " has " << peer.match;
      };
      show(kMetaGroup);
      image->ForEachTopic([&](const metadata::TopicPtr& topic) {
        for (const metadata::Partition& p : topic->partitions) show(p.group);
      });
    }
    out << '\n';
  }
  return out.str();
}

void Cluster::Stop() {
  stopping_ = true;
  for (size_t i = 0; i < size(); ++i) Kill(i, Loss::kPower, Duration(0));
  for (int steps = 0; !dying_.empty(); ++steps) {
    CHRONIK_CHECK(steps < 20'000) << "a killed process does not end: " << scheduler_.Waiting();
    scheduler_.RunFor(milliseconds(7));
    Housekeep();
  }
}

}  // namespace chronik::sim::brokers
