// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/faults.h"

#include <algorithm>
#include <utility>

namespace chronik::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kNames[kFaults] = {
    "power-loss",        "power-loss-of-all", "process-kill", "pause",      "partition",
    "one-way",           "isolation",         "clog",         "slow-link",  "loss",
    "repetition",        "wall-clock-jump",   "clock-rate",   "sync-error", "write-error",
    "read-error",        "disk-stall",        "disk-slow",    "disk-full",  "bit-flip",
    "misdirected-write", "disk-loss",         "transfer",     "membership", "truncation"};

}  // namespace

std::string_view NameOf(Fault fault) { return kNames[static_cast<size_t>(fault)]; }

Fault FaultOf(std::string_view name) {
  return static_cast<Fault>(std::find(std::begin(kNames), std::end(kNames), name) - std::begin(kNames));
}

void Faults::Start(Duration period) {
  period_ = period;
  active_ = true;
  for (size_t i = 0; i < c_.size(); ++i) c_.disk(i).settings().torn_percent = 20;
  Next();
}

void Faults::Next() {
  s_.After(s_.random().Between(Duration(0), 2 * period_), [this] {
    if (!active_) return;
    const auto fault = static_cast<Fault>(s_.random().Below(kFaults));
    if ((enabled_ >> static_cast<size_t>(fault) & 1) != 0 && Inject(fault)) {
      ++counts_[static_cast<size_t>(fault)];
      s_.Note("fault", {static_cast<uint64_t>(fault)});
      if (s_.trace().recording()) s_.trace().Line(s_.Now(), "fault " + std::string(NameOf(fault)));
    }
    Next();
  });
}

// Ends a fault, unless all of them were ended before.
void Faults::Later(Duration most, Task task) {
  s_.After(s_.random().Between(milliseconds(20), most), [this, task = std::move(task)]() mutable {
    if (active_) task();
  });
}

bool Faults::Inject(Fault fault) {
  const Duration down = s_.random().Between(milliseconds(20), seconds(1));
  const size_t slot = AnySlot();
  switch (fault) {
    case Fault::kPowerLoss: c_.Kill(slot, Cluster::Loss::kPower, down); return true;
    case Fault::kProcessKill: c_.Kill(slot, Cluster::Loss::kProcess, down); return true;
    case Fault::kPowerLossOfAll:
      for (size_t i = 0; i < c_.size(); ++i) c_.Kill(i, Cluster::Loss::kPower, down + milliseconds(50) * i);
      return true;
    case Fault::kPause:
      if (Broker* broker = c_.broker(slot)) broker->process().Pause(s_.random().Between(milliseconds(10), seconds(2)));
      return c_.broker(slot) != nullptr;
    case Fault::kWallClockJump:
      if (Broker* broker = c_.broker(slot))
        broker->process().JumpWall(s_.random().Between(seconds(-3600), seconds(3600)));
      return c_.broker(slot) != nullptr;
    case Fault::kClockRate:
      if (Broker* broker = c_.broker(slot))
        broker->process().SetRate(static_cast<int64_t>(s_.random().Below(400'001)) - 200'000);
      return c_.broker(slot) != nullptr;
    case Fault::kTransfer:
    case Fault::kMembership:
    case Fault::kTruncation: return InjectOperation(fault);
    case Fault::kBitFlip:
    case Fault::kMisdirectedWrite:
    case Fault::kDiskLoss: return InjectDamage(fault);
    case Fault::kSyncError:
    case Fault::kWriteError:
    case Fault::kReadError:
    case Fault::kDiskStall:
    case Fault::kDiskSlow:
    case Fault::kDiskFull: return InjectDisk(fault);
    default: return c_.size() > 1 && InjectNetwork(fault);
  }
}

bool Faults::InjectNetwork(Fault fault) {
  SimNetwork& network = c_.network();
  const size_t from = AnySlot();
  const size_t to = OtherSlot(from);
  switch (fault) {
    case Fault::kPartition: Partition(); break;
    case Fault::kIsolation: Isolate(from); break;
    case Fault::kOneWay:
      network.Cut(from, to, true);
      Later(seconds(3), [&network, from, to] { network.Cut(from, to, false); });
      break;
    case Fault::kClog: network.Clog(from, to, s_.Now() + s_.random().Between(milliseconds(20), seconds(2))); break;
    case Fault::kSlowLink:
      network.Slow(from, to, s_.random().Between(milliseconds(1), milliseconds(200)));
      Later(seconds(3), [&network, from, to] { network.Slow(from, to, Duration(0)); });
      break;
    case Fault::kLoss:
      network.settings().lost_per_mille = s_.random().Between(10, 300);
      Later(seconds(2), [&network] { network.settings().lost_per_mille = 0; });
      break;
    default:
      network.settings().repeated_per_mille = s_.random().Between(10, 300);
      Later(seconds(2), [&network] { network.settings().repeated_per_mille = 0; });
      break;
  }
  return true;
}

void Faults::Partition() {
  const uint64_t half = s_.random().Between(1, (uint64_t{1} << c_.size()) - 2);
  const auto set = [this, half](bool cut) {
    for (size_t from = 0; from < c_.size(); ++from) {
      for (size_t to = 0; to < c_.size(); ++to) {
        if ((half >> from & 1) != (half >> to & 1)) c_.network().Cut(from, to, cut);
      }
    }
  };
  set(true);
  Later(seconds(3), [set] { set(false); });
}

void Faults::Isolate(size_t slot) {
  const bool deaf = s_.random().Percent(50);
  const auto set = [this, slot, deaf](bool cut) {
    for (size_t other = 0; other < c_.size(); ++other) {
      if (other != slot) deaf ? c_.network().Cut(other, slot, cut) : c_.network().Cut(slot, other, cut);
    }
  };
  set(true);
  Later(seconds(3), [set] { set(false); });
}

bool Faults::InjectDisk(Fault fault) {
  SimDisk& disk = c_.disk(AnySlot());
  DiskSettings& settings = disk.settings();
  switch (fault) {
    case Fault::kSyncError: disk.FailNextSync(); break;
    case Fault::kWriteError:
      settings.write_error_one_in = 20;
      Later(milliseconds(500), [&settings] { settings.write_error_one_in = 0; });
      break;
    case Fault::kReadError:
      settings.read_error_one_in = 5;
      Later(milliseconds(500), [&settings] { settings.read_error_one_in = 0; });
      break;
    case Fault::kDiskStall: disk.Stall(s_.random().Between(milliseconds(10), seconds(1))); break;
    case Fault::kDiskSlow:
      settings.sync = s_.random().Between(milliseconds(2), milliseconds(60));
      Later(seconds(3), [&settings] { settings.sync = DiskSettings{}.sync; });
      break;
    default:
      settings.limit_bytes = disk.BytesUsed() + s_.random().Below(64 << 10);
      Later(seconds(2), [&settings] { settings.limit_bytes = 0; });
      break;
  }
  return true;
}

bool Faults::InjectDamage(Fault fault) {
  const size_t slot = AnySlot();
  if (fault == Fault::kDiskLoss) return c_.may_lose_disk() && c_.Replace(slot);
  if (c_.broker(slot) == nullptr || !c_.Suspect(slot)) return false;
  if (fault == Fault::kBitFlip) {
    for (uint64_t bits = s_.random().Between(1, 8); bits > 0; --bits) c_.disk(slot).FlipRandomBit();
  } else {
    c_.disk(slot).MisdirectNextSync();
  }
  return true;
}

bool Faults::InjectOperation(Fault fault) {
  if (fault == Fault::kTruncation) {
    Truncate();
    return true;
  }
  if (c_.size() < 2) return false;
  if (fault == Fault::kMembership) {
    ChangeMembership();
    return true;
  }
  const GroupId group = c_.groups()[s_.random().Below(c_.groups().size())];
  Broker* leader = c_.Leader(group);
  if (leader == nullptr) return false;
  const ReplicaId target = [&] {
    const Broker* other = c_.broker(AnySlot());
    return other == nullptr ? ReplicaId(999) : other->id();
  }();
  leader->OnShard(group, [target](replica::Replica& r) { r.TransferLeadership(target); });
  return true;
}

// Never less than a majority of the nodes as voters, and all of them again after a while.
void Faults::ChangeMembership() {
  std::vector<size_t> voters;
  std::vector<size_t> learners;
  for (size_t i = 0; i < c_.size(); ++i) {
    const uint64_t part = s_.random().Below(10);
    if (part < 7 || c_.size() - i + voters.size() <= c_.size() / 2 + 1) {
      voters.push_back(i);
    } else if (part < 9) {
      learners.push_back(i);
    }
  }
  c_.Want(voters, learners);
  Later(seconds(4), [this] {
    std::vector<size_t> all;
    for (size_t i = 0; i < c_.size(); ++i) all.push_back(i);
    c_.Want(all, {});
  });
}

void Faults::Truncate() {
  const size_t slot = AnySlot();
  if (c_.broker(slot) == nullptr) return;
  const uint64_t keep = s_.random().Below(40);
  for (const GroupId group : c_.groups()) {
    c_.broker(slot)->OnShard(group, [keep](replica::Replica& r) {
      const LogIndex applied = std::min(r.applied().index, r.durable_index());
      if (applied.value <= keep || r.truncating()) return;
      r.TruncatePrefix(applied + 1 - keep, [](const Status&) {});
    });
  }
}

void Faults::Heal() {
  active_ = false;
  c_.network().Heal();
  std::vector<size_t> all;
  for (size_t i = 0; i < c_.size(); ++i) {
    all.push_back(i);
    c_.disk(i).settings() = DiskSettings{};
    if (Broker* broker = c_.broker(i)) broker->process().SetRate(0);
  }
  c_.Want(all, {});
}

}  // namespace chronik::sim
