// SPDX-License-Identifier: Apache-2.0
#include "kernel/raft/configuration.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "kernel/base/endian.h"
#include "kernel/base/invariant.h"
#include "kernel/base/mutation.h"

namespace chronik::raft {

namespace {

constexpr uint8_t kVersion = 1;

using Nodes = std::vector<ReplicaId>;

bool Ascends(const Nodes& nodes) {
  return nodes.size() <= kMaxMembers && (nodes.empty() || nodes.front() != ReplicaId{}) &&
         std::adjacent_find(nodes.begin(), nodes.end(), std::greater_equal<>()) == nodes.end();
}

bool Disjoint(const Nodes& a, const Nodes& b) {
  return std::none_of(a.begin(), a.end(), [&](ReplicaId node) { return std::binary_search(b.begin(), b.end(), node); });
}

Nodes Union(const Nodes& a, const Nodes& b) {
  Nodes out;
  out.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

std::optional<Nodes> TakeNodes(ByteView& bytes) {
  if (bytes.size() < sizeof(uint16_t)) return std::nullopt;
  const size_t count = LoadLittle<uint16_t>(bytes.data());
  bytes = bytes.subspan(sizeof(uint16_t));
  if (count > kMaxMembers || bytes.size() < count * sizeof(uint64_t)) return std::nullopt;
  Nodes nodes;
  nodes.reserve(count);
  for (size_t i = 0; i < count; ++i) nodes.emplace_back(LoadLittle<uint64_t>(bytes.data() + i * sizeof(uint64_t)));
  bytes = bytes.subspan(count * sizeof(uint64_t));
  return nodes;
}

}  // namespace

bool IsValid(const Configuration& c) {
  if (c.voters.empty() || !Ascends(c.voters) || !Ascends(c.learners) || !Disjoint(c.voters, c.learners)) return false;
  switch (c.phase) {
    case ConfigurationPhase::kStable: return c.next_voters.empty() && c.next_learners.empty();
    case ConfigurationPhase::kCatchingUp:
    case ConfigurationPhase::kJoint:
      return !c.next_voters.empty() && Ascends(c.next_voters) && Ascends(c.next_learners) &&
             Disjoint(c.next_voters, c.next_learners);
  }
  return false;
}

bool IsVoter(const Configuration& c, ReplicaId node) {
  return std::binary_search(c.voters.begin(), c.voters.end(), node) ||
         (c.joint() && std::binary_search(c.next_voters.begin(), c.next_voters.end(), node));
}

std::vector<ReplicaId> Voters(const Configuration& c) { return c.joint() ? Union(c.voters, c.next_voters) : c.voters; }

std::vector<ReplicaId> Members(const Configuration& c) {
  return Union(Union(c.voters, c.learners), Union(c.next_voters, c.next_learners));
}

Configuration FirstStep(const Configuration& now, std::vector<ReplicaId> voters, std::vector<ReplicaId> learners) {
  CHRONIK_CHECK(!now.joint()) << "a joint configuration can only be left for its next one";
  // The same voters make the same majorities: nothing to agree on but who receives.
  if (voters == now.voters || CHRONIK_MUTANT(change_without_joint)) return {std::move(voters), std::move(learners)};
  const bool caught_up = std::includes(now.voters.begin(), now.voters.end(), voters.begin(), voters.end());
  return {now.voters, now.learners, caught_up ? ConfigurationPhase::kJoint : ConfigurationPhase::kCatchingUp,
          std::move(voters), std::move(learners)};
}

Configuration NextStep(const Configuration& now) {
  CHRONIK_CHECK(now.phase != ConfigurationPhase::kStable) << "no change is under way";
  if (now.joint()) return {now.next_voters, now.next_learners};
  Configuration joint = now;
  joint.phase = ConfigurationPhase::kJoint;
  return joint;
}

size_t EncodedSize(const Configuration& c) {
  const size_t nodes = c.voters.size() + c.learners.size() + c.next_voters.size() + c.next_learners.size();
  return 2 + 4 * sizeof(uint16_t) + nodes * sizeof(uint64_t);
}

std::vector<uint8_t> EncodeConfiguration(const Configuration& c) {
  std::vector<uint8_t> bytes(EncodedSize(c));
  uint8_t* to = bytes.data();
  *to++ = kVersion;
  *to++ = static_cast<uint8_t>(c.phase);
  for (const Nodes* nodes : {&c.voters, &c.learners, &c.next_voters, &c.next_learners}) {
    StoreLittle(to, static_cast<uint16_t>(nodes->size()));
    to += sizeof(uint16_t);
    for (const ReplicaId node : *nodes) {
      StoreLittle(to, node.value);
      to += sizeof(uint64_t);
    }
  }
  return bytes;
}

Result<Configuration> DecodeConfiguration(ByteView bytes) {
  const Error broken{ErrorCode::kCorrupt, "a configuration cannot be read"};
  if (bytes.size() < 2) return broken;
  if (bytes[0] != kVersion) {
    return Error{ErrorCode::kUnsupportedVersion, "a configuration of version " + std::to_string(bytes[0])};
  }
  Configuration c;
  c.phase = static_cast<ConfigurationPhase>(bytes[1]);
  bytes = bytes.subspan(2);
  for (Nodes* nodes : {&c.voters, &c.learners, &c.next_voters, &c.next_learners}) {
    std::optional<Nodes> taken = TakeNodes(bytes);
    if (!taken) return broken;
    *nodes = *std::move(taken);
  }
  if (!bytes.empty() || !IsValid(c)) return broken;
  return c;
}

ConfigurationHistory::ConfigurationHistory(Configuration base, std::vector<ConfigurationAt> later) {
  rows_.push_back({LogIndex{}, std::move(base)});
  for (ConfigurationAt& row : later) {
    CHRONIK_CHECK(row.index > rows_.back().index && IsValid(row.configuration))
        << "the configuration at entry " << row.index << " makes no sense";
    rows_.push_back(std::move(row));
  }
}

const Configuration& ConfigurationHistory::At(LogIndex index) const {
  auto row = std::find_if(rows_.rbegin(), rows_.rend(), [&](const ConfigurationAt& r) { return r.index <= index; });
  return row == rows_.rend() ? rows_.front().configuration : row->configuration;
}

const Configuration* ConfigurationHistory::ForSnapshotAt(LogIndex index, LogIndex commit) const {
  if (const Configuration& held = At(index); !held.voters.empty()) return &held;
  const auto known =
      std::find_if(rows_.begin(), rows_.end(), [](const auto& r) { return !r.configuration.voters.empty(); });
  return known == rows_.end() || known->index > commit ? nullptr : &known->configuration;
}

bool ConfigurationHistory::IsVoterSince(ReplicaId node, LogIndex commit) const {
  for (auto row = rows_.rbegin(); row != rows_.rend(); ++row) {
    if (IsVoter(row->configuration, node)) return true;
    if (row->index <= commit) return false;
  }
  return false;
}

const Configuration* ConfigurationHistory::SettledIn(LogIndex from, LogIndex to) const {
  for (auto row = rows_.rbegin(); row != rows_.rend() && row->index > from; ++row) {
    if (row->index <= to && row->configuration.phase == ConfigurationPhase::kStable) return &row->configuration;
  }
  return nullptr;
}

void ConfigurationHistory::Append(LogIndex index, Configuration configuration) {
  CHRONIK_CHECK(index > rows_.back().index) << "configurations run backwards at " << index;
  rows_.push_back({index, std::move(configuration)});
  ++version_;
}

void ConfigurationHistory::TruncateSuffix(LogIndex from) {
  while (rows_.size() > 1 && rows_.back().index >= from) {
    rows_.pop_back();
    ++version_;
  }
}

void ConfigurationHistory::ForgetBefore(LogIndex first) {
  while (rows_.size() > 1 && rows_[1].index < first) rows_.erase(rows_.begin());
}

void ConfigurationHistory::Reset(LogIndex index, Configuration configuration) {
  rows_.clear();
  rows_.push_back({index, std::move(configuration)});
  ++version_;
}

}  // namespace chronik::raft
