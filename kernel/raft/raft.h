// SPDX-License-Identifier: Apache-2.0
// Raft consensus for one group, as a pure state machine: no clock, disk, network, thread or random device.
//
//   In:   Step(Input, Output&) - ticks, messages from peers, proposals, completions of storage
//   Out:  Output               - what to persist, what to send, what is committed
//
// The driver does with each Output, in this order:
//   1. submits `persist` (if any) to storage; completions come back in order as StorageDone{sequence};
//   2. sends `messages`: they promise nothing about this replica's disk;
//   3. sends each of `messages_after` once StorageDone of its sequence was stepped: they promise durability. A promise
//      about what is durable already is found among `messages`;
//   4. applies entries up to `committed`, in index order, each once. A Persist with `reset` comes first: once it is
//      done, the snapshot is the state machine's state and its first entry to apply is the next one.
// It may do other work between the steps, but never reorders two Outputs. A replica's own entries count towards commit
// only when StorageDone said that they are durable - in a group of one, too. A leader of several whose storage
// completes nothing for four election timeouts makes room for another.
//
// Configurations. ChangeConfiguration asks the leader for a change; its steps (configuration.h) run by themselves, also
// under later leaders. A configuration holds from the moment its entry is appended, on every replica, and goes when the
// entry is truncated: Output::configuration tells, so that the driver knows to whom it needs a connection.
// Output::settled tells that a change is over; only then may what belongs to removed replicas be deleted. A leader that
// is not a voter of the settled configuration hands over and steps down. A removed replica may never hear of its
// removal; it asks for votes that nobody gives until its driver ends it.
//
// Snapshots. A follower whose entries are gone at the leader is offered a snapshot:
//   1. Output::pull_snapshot names leader and snapshot. The driver pulls it in chunks (snapshot_pull.h) into a file of
//      its own. Offers are repeated; while one is being pulled, the same one is no news and a newer one replaces it.
//   2. When the file is complete, checked and fsynced, the driver steps SnapshotReady.
//   3. If the snapshot is still needed, a Persist with `reset` comes out: one durable unit in the order of all others,
//      with the hard state, that empties the log and makes it begin behind the snapshot. If none comes out, what the
//      snapshot covers has arrived as entries and the driver deletes the file.
//   4. The answer to the leader waits for that Persist. Until it is done, a restart finds the old log and ignores the
//      file; afterwards, a restart begins with {previous = reset.last, no entries, reset.configuration} and the file.
// The leader's driver serves chunks of the snapshot that stands at its log's beginning (what TruncatedPrefix said);
// asked for one that is gone it says so, and the follower waits for the next offer.
//
// Reader's order: types.h, message.h, this file, core.h (the state), raft.cc (what an input does), election.cc (roles
// and elections), replication.cc (leader's side), follower.cc, progress.h (what the leader knows of one follower),
// membership.cc, transfer.cc, read_barrier.cc, log_view.h (indexes, terms and offsets of the log), quorum.h
// (majorities). Semantics follow the Raft paper, Ongaro's thesis and etcd/raft; deviations are marked.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "kernel/base/result.h"
#include "kernel/raft/configuration.h"
#include "kernel/raft/message.h"
#include "kernel/raft/types.h"

namespace chronik::raft {

// Fixed for the life of the replica, but for the priority. Times are in ticks; the driver decides how long a tick is.
struct Options {
  ReplicaId self;
  uint32_t election_ticks = 10;  // a follower starts a pre-vote after [n, 2n) ticks without a leader
  uint32_t heartbeat_ticks = 1;
  // Likewise, of a leader whose followers have everything and know what is committed. 0: heartbeat_ticks. Less than
  // half of election_ticks, so that a lost one deposes nobody.
  uint32_t idle_heartbeat_ticks = 0;
  uint32_t priority = 0;  // to lead: 0 first, each step waits half an election timeout longer, 3 ticks at PeerLost
  uint32_t max_append_bytes = 1u << 20;  // of one AppendRequest; at least one entry always goes
  uint32_t max_inflight_messages = 256;  // AppendRequests to one follower without an answer
  uint64_t max_inflight_bytes = 8u << 20;
  uint64_t max_uncommitted_bytes = 16u << 20;   // proposals beyond are refused; one is always admitted
  uint32_t max_uncommitted_entries = 1u << 16;  // likewise; bounds the metas kept (40 bytes each)
  uint64_t random_seed = 1;                     // for election timeouts; the driver derives it from group and node
};

// What was durable at start: the log's bounds and term table as the log store reports them, and the configurations: the
// one of the newest snapshot or checkpoint (of the group's creation if there is none; empty for a replica that joins),
// then those of all kConfiguration entries after it, committed or not. The driver has checked hard_state.commit <=
// last_index: a log that lost committed entries must not take part (it comes back as a new incarnation). Everything up
// to RaftGroup::commit_index() may be applied before the first Step.
struct InitialState {
  HardState hard_state;
  EntryId previous;              // the entry before the first one; {0, 0} at the beginning
  Offset previous_next_offset;   // base offset of the first entry
  std::vector<TermStart> terms;  // of the entries in the log, ascending
  LogIndex last_index;           // == previous.index if the log is empty
  Offset next_offset;            // base offset of entry last_index + 1
  Configuration configuration;
  LogIndex applied;  // everything up to here is already in the state machine's snapshot
  std::vector<ConfigurationAt> later_configurations = {};
};

struct Tick {
  uint32_t count = 1;  // a leader beats once, however many they are
};

// New entries from a client of this group, of any kind but kNoop and kConfiguration, which are the core's own. Refused
// with kNotLeader, kOverloaded or kInvalidArgument; otherwise Output::proposed says where they stand. The driver stamps
// base_offset and term into the bodies before it persists them.
struct Propose {
  struct Entry {
    EntryKind kind;
    uint32_t offset_count;
    uint32_t bytes;
  };
  std::vector<Entry> entries;
};

// Storage completed the Persist of this sequence and all before it.
struct StorageDone {
  uint64_t sequence;
};

// Storage failed for good: the replica steps down, promises nothing any more and ignores all but Tick.
struct StorageFailed {};

// The connection to this peer's process broke: if it is the leader, start a pre-vote soon instead of waiting, and a few
// more if that one fails. The driver steps what the connection carried first: a heartbeat after it takes it back.
struct PeerLost {
  ReplicaId peer;
};

// Waits until the target has everything, meanwhile refusing proposals, then has it start an election at once. Given up
// with Output::transfer_failed if the target is no voter, or does not lead within an election timeout.
struct TransferLeadership {
  ReplicaId target;
};

// Who shall be voters and learners; new voters receive as learners until they have caught up. Answered by
// Output::configuration_change:
//   kNotLeader        not the leader, or about to hand over
//   kInvalidArgument  not a group: no voters, a node twice, more than kMaxMembers
//   kOverloaded       try again: no entry of this leader's term is committed yet (the bug of 2015 in one-step changes),
//                     or a change is under way. One that waits for new voters to catch up is replaced; by the present
//                     voters it is called off.
struct ChangeConfiguration {
  std::vector<ReplicaId> voters;
  std::vector<ReplicaId> learners;
};

// The snapshot of an Output::pull_snapshot is complete, checked and durable beside the log.
struct SnapshotReady {
  EntryId last;
  Offset next_offset;
  Configuration configuration;
};

// Answered by Output::barriers_passed once the replica is proven to be leader and has committed an entry of its term.
struct ReadBarrier {
  uint64_t context;  // > 0
};

// A follower that is alone in its configuration (or told so by an operator) does not wait for its timeout.
struct CampaignNow {};

using Input = std::variant<Tick, Message, Propose, StorageDone, StorageFailed, PeerLost, TransferLeadership,
                           ReadBarrier, CampaignNow, ChangeConfiguration, SnapshotReady>;

// To be made durable as one unit, in order of `sequence`. The first entry's index may be <= the last one in the log:
// the old suffix goes. Completion is told by StorageDone with the same sequence, also if only hard_state is set.
struct Persist {
  uint64_t sequence = 0;
  std::optional<HardState> hard_state;
  // The whole log goes, and begins behind reset->last. No entries then; hard_state is there.
  std::optional<SnapshotReady> reset;
  std::vector<EntryMeta> entries;  // of proposals: in the order proposed; of an AppendRequest: a suffix of its entries
  // Of the kConfiguration entries among them, in order. Their bodies: EncodeConfiguration. (A kNoop has no body.)
  std::vector<Configuration> configurations;
};

struct Proposed {
  LogIndex first;
  Term term;
  Offset base_offset;
};

struct Output {
  std::vector<Persist> persist;   // at most a few; usually none or one
  std::vector<Message> messages;  // AppendRequests name entries; the driver reads their bodies from its log
  std::vector<std::pair<uint64_t, Message>> messages_after;  // {sequence, message}
  std::optional<LogIndex> committed;                         // the new commit index
  std::optional<SoftState> soft_state;                       // changed
  std::optional<Result<Proposed>> proposed;                  // the answer to a Propose input
  // The answer to a ChangeConfiguration: where its first entry stands, or the configuration that is so already.
  std::optional<Result<LogIndex>> configuration_change;
  std::optional<Configuration> configuration;  // the one that holds now; changed
  std::optional<Configuration> settled;        // committed, and no change is under way in it
  std::optional<ReplicaId> transfer_failed;
  std::vector<uint64_t> barriers_passed;
  std::vector<uint64_t> barriers_failed;  // leadership was lost meanwhile
  std::optional<Message> pull_snapshot;   // an InstallSnapshot that this replica needs; repeated

  // Keeps the memory of the lists for the next Step.
  void Clear() {
    persist.clear();
    messages.clear();
    messages_after.clear();
    committed.reset();
    soft_state.reset();
    proposed.reset();
    configuration_change.reset();
    configuration.reset();
    settled.reset();
    transfer_failed.reset();
    barriers_passed.clear();
    barriers_failed.clear();
    pull_snapshot.reset();
  }
};

// One follower as the leader sees it; for metrics, ISR and admin.
struct PeerStatus {
  ReplicaId peer;
  LogIndex match;
  LogIndex next;
  bool recently_active = false;  // heard of within the last election timeout; after two, surely not
  bool learner = false;
};

class RaftGroup {
 public:
  class Impl;  // core.h

  RaftGroup(const Options& options, const InitialState& initial);
  ~RaftGroup();
  RaftGroup(RaftGroup&&) noexcept;
  RaftGroup& operator=(RaftGroup&&) noexcept;

  // Appends to `out`; the caller clears it. Malformed or out-of-range peer messages are ignored, never asserted on.
  void Step(Input input, Output& out);

  // State, as of the last Step.
  SoftState soft_state() const;
  HardState hard_state() const;
  LogIndex commit_index() const;
  LogIndex last_index() const;
  LogIndex durable_index() const;
  Offset next_offset() const;  // base offset of the next entry: Kafka's log end offset
  // Leader with a committed entry of its own term: only then is its commit index (and high watermark) known to be
  // current.
  bool leader_is_confirmed() const;
  const std::vector<TermStart>& term_table() const;                 // ascending; also Kafka's leader epochs
  std::optional<Term> TermAt(LogIndex index) const;                 // for [first - 1, last]
  const Configuration& configuration() const;                       // the one that holds: the newest in the log
  const Configuration& ConfigurationAtIndex(LogIndex index) const;  // that held at an entry, for a snapshot there
  const ConfigurationHistory& configurations() const;               // what a checkpoint has to keep of them
  std::vector<PeerStatus> peers() const;                            // leader only, else empty
  uint64_t uncommitted_bytes() const;
  // How many ticks may come in one Tick, at the next of them at the latest or before any other input, without changing
  // anything: > 0. A tick after those may.
  uint32_t ticks_until_due() const;
  uint32_t ticks_between_beats() const;  // of a leader: as things stand
  // AppendRequests refused because their Kafka offsets contradict this log. More than 0 calls for an operator.
  uint64_t offset_conflicts() const;

  // A snapshot at entry first - 1 is durable and storage has dropped the entries before `first`; the term table
  // shrinks.
  void TruncatedPrefix(LogIndex first, Offset first_offset);
  void SetPriority(uint32_t priority);  // counts from the next election timer on

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace chronik::raft
