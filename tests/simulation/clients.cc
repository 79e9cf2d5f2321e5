// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/clients.h"

#include <memory>
#include <utility>

#include "tests/simulation/workload.h"

namespace chronik::sim {

void Clients::Start() {
  active_ = true;
  Next();
}

void Clients::Next() {
  s_.After(s_.random().Between(std::chrono::microseconds(100), std::chrono::milliseconds(8)), [this] {
    if (!active_) return;
    const GroupId group = c_.groups()[s_.random().Below(c_.groups().size())];
    const uint64_t what = s_.random().Below(10);
    Broker* leader = c_.Leader(group);
    Broker* any = Any(group);
    if (what < 7 && leader != nullptr) {
      // Bursts fill the windows.
      for (uint64_t i = s_.random().OneIn(20) ? 40 : 1; i > 0; --i)
        Write(group, s_.random().OneIn(20) && any ? *any : *leader);
    } else if (what == 7 && any != nullptr) {
      Barrier(group, *any);
    } else if (any != nullptr) {
      Read(group, *any);
    }
    Next();
  });
}

Broker* Clients::Any(GroupId group) {
  Broker* broker = c_.broker(s_.random().Below(c_.size()));
  return broker != nullptr && broker->replica(group) != nullptr ? broker : nullptr;
}

void Clients::WriteOnce() {
  for (const GroupId group : c_.groups()) {
    if (Broker* leader = c_.Leader(group)) Write(group, *leader);
  }
}

void Clients::Write(GroupId group, Broker& broker) {
  const size_t size = s_.random().OneIn(30) ? 20'000 : 80 + s_.random().Below(1500);
  const auto offsets = static_cast<uint32_t>(s_.random().Between(1, 5));
  Bytes batch = MakeBatch(next_number_++, size, offsets);
  const auto wait = s_.random().OneIn(10) ? replica::WaitFor::kDurable : replica::WaitFor::kCommitted;
  broker.OnShard(group, [this, group, &broker, wait, offsets, b = std::move(batch)](replica::Replica& r) mutable {
    const uint64_t hash = ProposedHash(b.view());
    auto where = std::make_shared<raft::Proposed>();
    replica::Proposal proposal;
    proposal.offset_count = offsets;
    proposal.max_timestamp = 1;
    proposal.body = std::move(b);
    auto proposed =
        r.Propose(std::move(proposal), wait, [this, group, &broker, wait, hash, where](const Status& status) {
          if (!status.ok() || broker.dead() || wait != replica::WaitFor::kCommitted) return;
          s_.Note("ack", {group.value, where->first.value, where->term.value});
          c_.oracle().OnAcked(group, broker.id(), where->first, where->term, hash);
        });
    if (proposed.ok()) *where = *proposed;
  });
}

void Clients::Read(GroupId group, Broker& broker) {
  broker.OnShard(group, [this, group, &broker](replica::Replica& r) {
    const Offset end = std::min(r.high_watermark(), r.log_end_offset());
    if (end <= r.first_offset()) return;
    const Offset from =
        r.first_offset() + static_cast<int64_t>(s_.random().Below(static_cast<uint64_t>(end - r.first_offset())));
    const replica::DataLimit limit{.max_bytes = 6000, .at_least_one = true};
    const auto check = [this, group, from, &broker](const replica::DataRead& read) {
      ++reads_;
      if (!broker.dead()) c_.oracle().OnRead(group, broker.id(), from, read);
    };
    if (const auto cached = r.ReadCached(from, limit)) return check(*cached);
    r.ReadCold(from, limit, [check](Result<replica::DataRead> read) {
      if (read.ok()) check(*read);
    });
  });
}

void Clients::Barrier(GroupId group, Broker& broker) {
  broker.OnShard(group, [this, group, &broker](replica::Replica& r) {
    const LogIndex acked = c_.oracle().acked(group);
    r.ReadBarrier([this, group, acked, &broker, &r](const Status& status) {
      if (status.ok() && !broker.dead()) c_.oracle().OnBarrier(group, broker.id(), acked, r.applied().index);
    });
  });
}

}  // namespace chronik::sim
