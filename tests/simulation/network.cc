// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

namespace chronik::sim {

void SimNetwork::Send(size_t from, size_t to, GroupId group, replica::PeerMessage message) {
  ++counts_.sent;
  const Link& l = link(from, to);
  Random& random = scheduler_.random();
  if (l.cut) {
    ++counts_.cut;
    return;
  }
  if (random.Below(1000) < settings_.lost_per_mille) {
    ++counts_.lost;
    return;
  }
  const bool twice = random.Below(1000) < settings_.repeated_per_mille;
  for (int copy = twice ? 2 : 1; copy > 0; --copy) {
    const Instant time = std::max(scheduler_.Now(), l.clogged_until) + random.LogNormal(settings_.delay) + l.more;
    if (copy == 2) ++counts_.repeated;
    // It is still lost if the link is cut by the time it would arrive.
    scheduler_.At(time, [this, from, to, group, m = copy == 2 ? message : std::move(message)]() mutable {
      if (!link(from, to).cut) deliver_(to, group, std::move(m));
    });
  }
}

void SimNetwork::Heal() {
  links_ = {};
  settings_.lost_per_mille = 0;
  settings_.repeated_per_mille = 0;
}

}  // namespace chronik::sim
