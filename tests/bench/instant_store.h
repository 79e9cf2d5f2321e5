// SPDX-License-Identifier: Apache-2.0
// A log store that keeps nothing and completes each operation at once, so that what is left to measure is the way there
// and back. It breaks LS-17 on purpose (it completes inside submit): no thread must wake up. Never give it to a broker.
#pragma once

#include <span>
#include <vector>

#include <chronik/sdk/log_store.h>

namespace chronik_bench {

// `Sink`: the SDK's, through the table of functions that the host gave; or a class of the caller's, called directly.
template <class Sink>
class InstantStore {
 public:
  struct Group {
    uint64_t last_index = 0;
  };

  explicit InstantStore(chronik::sdk::Host&) {}
  InstantStore() = default;
  void Start(Sink sink) { sink_ = sink; }
  chr_status Stop(uint64_t, chronik::sdk::Done&) { return CHR_OK; }

  chr_log_caps Caps() const {
    chr_log_caps caps{};
    caps.max_entry_bytes = caps.max_checkpoint_bytes = caps.max_inflight_bytes = 1 << 30;
    caps.max_groups = caps.max_lanes = 1;
    return caps;
  }
  std::vector<uint64_t> ListGroups() const { return {}; }
  Group& OpenGroup(uint64_t, uint32_t, bool) { return group_; }
  void CloseGroup(Group&) {}
  chr_status DestroyGroup(uint64_t, chronik::sdk::Done&) { return CHR_OK; }
  // Not inlined, so that the direct call is one, too.
  [[gnu::noinline]] chr_status Submit(uint32_t lane, std::span<const chr_log_op> ops, size_t& accepted) {
    for (const chr_log_op& op : ops) {
      const chr_log_cqe done{op.tag, ++group_.last_index, CHR_OK, 0};
      ++accepted;
      sink_.Complete(lane, std::span(&done, 1));
    }
    return CHR_PENDING;
  }
  chr_status Bounds(Group& group, chr_log_bounds& out) const {
    out.first_index = 1;
    out.last_index = group.last_index;
    return CHR_OK;
  }
  size_t Terms(Group&, std::span<chr_log_term>) const { return 0; }
  chr_status Read(Group&, const chr_log_read&, chr_log_slice&) const { return CHR_E_RANGE; }
  chronik::sdk::Buffer Checkpoint(Group&) const { throw chronik::sdk::Error(CHR_E_NOT_FOUND, "there is none"); }
  chr_log_stats Stats() const { return {}; }

 private:
  Sink sink_{};
  Group group_;
};

}  // namespace chronik_bench
