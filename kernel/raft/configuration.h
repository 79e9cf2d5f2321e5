// SPDX-License-Identifier: Apache-2.0
// Who takes part in a group: voters, learners, a change of them under way; its stored form; and which configuration
// held at which entry of the log.
//
// A change runs by itself, each step being one kConfiguration entry that the next one follows once it is committed:
//
//   kStable {old} -> kCatchingUp {old, next} -> kJoint {old, next} -> kStable {next}
//
// kCatchingUp only if `next` has voters that `old` has not: they receive as learners until they have caught up. kJoint
// only if the voters differ: it needs a majority of the old ones and one of the new ones (paper section 6).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernel/base/bytes.h"
#include "kernel/base/result.h"
#include "kernel/raft/types.h"

namespace chronik::raft {

// Stored on disk and sent to peers: values never change.
enum class ConfigurationPhase : uint8_t { kStable = 0, kCatchingUp = 1, kJoint = 2 };

// Voters decide; learners only receive. Every list ascends without repetition; voters and learners are disjoint, and
// so are next_voters and next_learners. The next_ lists are empty if stable.
struct Configuration {
  std::vector<ReplicaId> voters;
  std::vector<ReplicaId> learners;
  ConfigurationPhase phase = ConfigurationPhase::kStable;
  std::vector<ReplicaId> next_voters = {};
  std::vector<ReplicaId> next_learners = {};
  friend bool operator==(const Configuration&, const Configuration&) = default;

  bool joint() const { return phase == ConfigurationPhase::kJoint; }
};

inline constexpr size_t kMaxMembers = 64;  // of each list

// Keeps what is said above and has a voter. A replica that was just made for a group may start without any.
bool IsValid(const Configuration& configuration);
bool IsVoter(const Configuration& configuration, ReplicaId node);    // in either half of a joint one
std::vector<ReplicaId> Voters(const Configuration& configuration);   // of both halves
std::vector<ReplicaId> Members(const Configuration& configuration);  // whoever receives entries

// What follows `now` on the way to {voters, learners}; `now` is stable or catching up.
Configuration FirstStep(const Configuration& now, std::vector<ReplicaId> voters, std::vector<ReplicaId> learners);
// What follows a configuration with a change under way.
Configuration NextStep(const Configuration& now);

// The body of a kConfiguration entry, and part of a snapshot. One byte of version, one of phase, then the four lists:
// a 16-bit count and 64-bit ids each, little endian.
std::vector<uint8_t> EncodeConfiguration(const Configuration& configuration);
size_t EncodedSize(const Configuration& configuration);
Result<Configuration> DecodeConfiguration(ByteView bytes);

struct ConfigurationAt {
  LogIndex index;  // of its entry; 0: it held before the log's first one
  Configuration configuration;
  friend bool operator==(const ConfigurationAt&, const ConfigurationAt&) = default;
};

// The configurations of a log. An entry takes effect when it is appended, committed or not, and loses it when it is
// truncated. The first row holds what such a roll-back may come down to; it needs no entry in the log (craft #323).
class ConfigurationHistory {
 public:
  ConfigurationHistory(Configuration base, std::vector<ConfigurationAt> later);

  const Configuration& newest() const { return rows_.back().configuration; }
  LogIndex newest_index() const { return rows_.back().index; }
  const std::vector<ConfigurationAt>& rows() const { return rows_; }  // the first one: what held up to the second
  // What held at that entry; if that is forgotten, the oldest known.
  const Configuration& At(LogIndex index) const;
  // What to give with a snapshot there. A replica that joined does not know what held before the first configuration of
  // its log. That one will do, once it is committed: who has it early can neither win an election without the entries
  // up to it, nor roll it back. Null if there is none yet.
  const Configuration* ForSnapshotAt(LogIndex index, LogIndex commit) const;
  // Is it a voter of the newest one, or of one that this may be rolled back to, `commit` being what cannot be?
  bool IsVoterSince(ReplicaId node, LogIndex commit) const;
  // The newest with an entry in (from, to] that is stable.
  const Configuration* SettledIn(LogIndex from, LogIndex to) const;

  void Append(LogIndex index, Configuration configuration);
  void TruncateSuffix(LogIndex from);
  void ForgetBefore(LogIndex first);  // but for what held at first - 1
  void Reset(LogIndex index, Configuration configuration);
  // Counts changes of newest().
  uint64_t version() const { return version_; }

 private:
  std::vector<ConfigurationAt> rows_;  // never empty; indexes ascend
  uint64_t version_ = 0;
};

}  // namespace chronik::raft
