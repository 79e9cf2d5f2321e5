// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/describe.h"

#include <sstream>

namespace chronik::raft {

namespace {

std::string List(const std::vector<ReplicaId>& nodes) {
  std::ostringstream out;
  for (size_t i = 0; i < nodes.size(); ++i) out << (i == 0 ? "" : ",") << nodes[i];
  return out.str();
}

std::string List(const std::vector<EntryMeta>& entries) {
  std::string out = "[";
  for (size_t i = 0; i < entries.size(); ++i) out += (i == 0 ? "" : ", ") + Describe(entries[i]);
  return out + "]";
}

struct BodyPrinter {
  std::ostream& out;

  void operator()(const VoteRequest& m) const {
    out << (m.pre ? "prevote?" : "vote?") << " last=" << Describe(m.last) << (m.transfer ? " transfer" : "");
  }
  void operator()(const VoteResponse& m) const {
    out << (m.pre ? "prevote " : "vote ") << (m.granted ? "granted" : "refused");
  }
  void operator()(const AppendRequest& m) const {
    out << "append after=" << Describe(m.previous) << " offset=" << m.previous_next_offset << " " << List(m.entries)
        << " commit=" << m.commit;
    for (const Configuration& configuration : m.configurations) out << " {" << Describe(configuration) << "}";
  }
  void operator()(const AppendResponse& m) const {
    if (m.rejected) {
      out << "rejected after=" << m.rejected_index << " hint=" << Describe(m.conflict_hint);
    } else {
      out << "accepted " << m.match;
    }
  }
  void operator()(const HeartbeatRequest& m) const {
    out << "beat commit=" << m.commit;
    if (m.read_context != 0) out << " read=" << m.read_context;
  }
  void operator()(const HeartbeatResponse& m) const {
    out << "alive";
    if (m.read_context != 0) out << " read=" << m.read_context;
  }
  void operator()(const TimeoutNow&) const { out << "campaign now"; }
  void operator()(const InstallSnapshot& m) const {
    out << "snapshot " << Describe(m.last) << " offset=" << m.next_offset << " {" << Describe(m.configuration) << "}";
  }
};

}  // namespace

std::string Describe(EntryId id) { return std::to_string(id.index.value) + "/" + std::to_string(id.term.value); }

std::string Describe(const EntryMeta& entry) {
  std::ostringstream out;
  out << Describe(entry.id());
  switch (entry.kind) {
    case EntryKind::kNoop: out << " noop"; break;
    case EntryKind::kConfiguration: out << " configuration"; break;
    default: out << " " << entry.base_offset << "+" << entry.offset_count;
  }
  if (entry.bytes != 0 && entry.kind != EntryKind::kConfiguration) out << " " << entry.bytes << "B";
  return out.str();
}

std::string Describe(const Configuration& c) {
  std::string out = "voters " + List(c.voters);
  if (!c.learners.empty()) out += " learners " + List(c.learners);
  if (c.phase == ConfigurationPhase::kStable) return out;
  out += c.joint() ? " joint with " : " waiting for ";
  out += List(c.next_voters);
  if (!c.next_learners.empty()) out += " learners " + List(c.next_learners);
  return out;
}

std::string Describe(const Persist& persist) {
  std::ostringstream out;
  out << "#" << persist.sequence;
  if (persist.hard_state) {
    out << " term=" << persist.hard_state->term << " vote=" << persist.hard_state->vote
        << " commit=" << persist.hard_state->commit;
  }
  if (persist.reset) {
    out << " log begins behind " << Describe(persist.reset->last) << " offset=" << persist.reset->next_offset << " {"
        << Describe(persist.reset->configuration) << "}";
  }
  if (!persist.entries.empty()) out << " " << List(persist.entries);
  for (const Configuration& configuration : persist.configurations) out << " {" << Describe(configuration) << "}";
  return out.str();
}

std::string Describe(const Message& message) {
  std::ostringstream out;
  out << message.from << "->" << message.to << " t" << message.term << " ";
  std::visit(BodyPrinter{out}, message.body);
  return out.str();
}

std::string Describe(ReplicaId node) { return node == ReplicaId{} ? "unknown" : std::to_string(node.value); }

std::string Describe(Role role) {
  switch (role) {
    case Role::kFollower: return "follower";
    case Role::kPreCandidate: return "pre-candidate";
    case Role::kCandidate: return "candidate";
    case Role::kLeader: return "leader";
  }
  return "?";
}

}  // namespace chronik::raft
