// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/brokers/faults.h"

#include <utility>

namespace chronik::sim::brokers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr ShardId kHome(0);
constexpr size_t kReplicasMax = 3;

}  // namespace

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

// Not injected here: damage at rest, full disks, errors of single reads and writes, truncated logs.
bool Faults::Inject(Fault fault) {
  switch (fault) {
    case Fault::kPowerLoss:
    case Fault::kPowerLossOfAll:
    case Fault::kProcessKill:
    case Fault::kPause:
    case Fault::kWallClockJump:
    case Fault::kClockRate: return InjectProcess(fault);
    case Fault::kPartition:
    case Fault::kOneWay:
    case Fault::kIsolation:
    case Fault::kClog:
    case Fault::kSlowLink:
    case Fault::kLoss:
    case Fault::kRepetition: return c_.size() > 1 && InjectNetwork(fault);
    case Fault::kSyncError:
    case Fault::kDiskStall:
    case Fault::kDiskSlow:
    case Fault::kDiskLoss: return InjectDisk(fault);
    case Fault::kTransfer: return Transfer();
    case Fault::kMembership: return Decommission();
    default: return false;
  }
}

bool Faults::InjectProcess(Fault fault) {
  const Duration down = s_.random().Between(milliseconds(20), seconds(1));
  const size_t slot = AnySlot();
  switch (fault) {
    case Fault::kPowerLoss: c_.Kill(slot, Cluster::Loss::kPower, down); return true;
    case Fault::kProcessKill: c_.Kill(slot, Cluster::Loss::kProcess, down); return true;
    case Fault::kPowerLossOfAll:
      for (size_t i = 0; i < c_.size(); ++i) c_.Kill(i, Cluster::Loss::kPower, down + milliseconds(50) * i);
      return true;
    default: break;
  }
  if (c_.node(slot) == nullptr) return false;
  Process& process = c_.node(slot)->process();
  if (fault == Fault::kPause) {
    process.Pause(s_.random().Between(milliseconds(10), seconds(2)));
  } else if (fault == Fault::kWallClockJump) {
    process.JumpWall(s_.random().Between(seconds(-3600), seconds(3600)));
  } else {
    process.SetRate(static_cast<int64_t>(s_.random().Below(400'001)) - 200'000);
  }
  return true;
}

bool Faults::InjectNetwork(Fault fault) {
  LinkNetwork& network = c_.network();
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
      network.Slow(from, to, s_.random().Between(milliseconds(1), milliseconds(100)));
      Later(seconds(3), [&network, from, to] { network.Slow(from, to, Duration(0)); });
      break;
    case Fault::kLoss:
      network.settings().lost_per_mille = s_.random().Between(10, 300);
      Later(seconds(2), [&network] { network.settings().lost_per_mille = 0; });
      break;
    default:  // a transport repeats nothing; its connections break
      if (s_.random().OneIn(4)) {
        network.FillQueues(true);
        Later(milliseconds(100), [&network] { network.FillQueues(false); });
      } else {
        network.Break(from, to);
      }
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
  Later(seconds(4), [set] { set(false); });
}

void Faults::Isolate(size_t slot) {
  const bool deaf = s_.random().Percent(50);
  const auto set = [this, slot, deaf](bool cut) {
    for (size_t other = 0; other < c_.size(); ++other) {
      if (other != slot) deaf ? c_.network().Cut(other, slot, cut) : c_.network().Cut(slot, other, cut);
    }
  };
  set(true);
  Later(seconds(4), [set] { set(false); });
}

bool Faults::InjectDisk(Fault fault) {
  const size_t slot = AnySlot();
  SimDisk& disk = c_.disk(slot);
  switch (fault) {
    case Fault::kDiskLoss: return may_lose_disk_ && !leaving_ && c_.LoseDisk(slot);
    case Fault::kSyncError: disk.FailNextSync(); break;
    case Fault::kDiskStall: disk.Stall(s_.random().Between(milliseconds(10), seconds(1))); break;
    default:
      disk.settings().sync = s_.random().Between(milliseconds(2), milliseconds(60));
      Later(seconds(3), [&disk] { disk.settings().sync = DiskSettings{}.sync; });
      break;
  }
  return true;
}

// --- the operator

bool Faults::Transfer() {
  const metadata::ImagePtr image = c_.NewestImage();
  if (!image || image->topic_count() == 0) return false;
  std::vector<metadata::TopicPtr> topics;
  image->ForEachTopic([&topics](const metadata::TopicPtr& topic) { topics.push_back(topic); });
  const metadata::Topic& topic = *topics[s_.random().Below(topics.size())];
  const PartitionId partition(static_cast<int32_t>(s_.random().Below(topic.partitions.size())));
  operator_.Call<Status>(
      AnySlot(), kHome, seconds(2),
      [name = topic.name, partition, to = NodeId(AnySlot() + 1)](Node& node, ShardId, auto answer) {
        node.broker().TransferLeadership(name, partition, to, seconds(1),
                                         [answer](const Result<broker::LeaderInfo>&) mutable { answer(Status()); });
      },
      [](const Status*) {});
  return true;
}

bool Faults::Decommission() {
  if (leaving_ || c_.size() <= kReplicasMax) return false;
  leaving_ = AnySlot();
  if (s_.random().Percent(40)) Later(seconds(3), [this] { leaving_.reset(); });
  return true;
}

// Says what it wants until the metadata shows it, whatever a request whose outcome it does not know does later. A
// broker that is gone joins again with an empty disk.
void Faults::Operate() {
  const metadata::ImagePtr image = c_.NewestImage();
  if (asked_ || !image || image->broker_count() == 0) return;
  for (size_t slot = 0; slot < c_.size() && !asked_; ++slot) {
    const metadata::Broker* broker = image->FindBroker(NodeId(slot + 1));
    const bool leaves = leaving_ == slot;
    if (broker == nullptr) {
      const auto retired = image->RetiredGeneration(NodeId(slot + 1));
      if (!retired || std::exchange(renewed_[slot], *retired + 1) == *retired + 1) continue;
      if (leaves) leaving_.reset();
      c_.Renew(slot);
    } else if (broker->leaving != leaves && (!leaves || c_.serving(slot) != nullptr)) {
      // Nobody sends away a broker that is just joining.
      Ask(slot, leaves);
    }
  }
}

void Faults::Ask(size_t slot, bool leave) {
  asked_ = true;
  operator_.Call<Status>(
      AnySlot(), kHome, seconds(3),
      [id = NodeId(slot + 1), leave](Node& node, ShardId, auto answer) {
        node.broker().SetBrokerLeaving(id, leave, seconds(2), [answer](Status status) mutable { answer(status); });
      },
      [this](const Status* status) {
        asked_ = false;
        // Others cannot take what it has.
        if (status && !status->ok() && status->error().code == ErrorCode::kInvalidReplicationFactor) leaving_.reset();
      });
}

void Faults::Heal() {
  active_ = false;
  leaving_.reset();
  c_.network().Heal();
  for (size_t i = 0; i < c_.size(); ++i) {
    c_.disk(i).settings() = DiskSettings{};
    if (Node* node = c_.node(i)) node->process().SetRate(0);
  }
}

}  // namespace chronik::sim::brokers
