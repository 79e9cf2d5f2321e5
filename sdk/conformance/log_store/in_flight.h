// SPDX-License-Identifier: Apache-2.0
// An operation on its way: the memory it lends to the store, and what the checks need to know.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "sdk/conformance/common/calling.h"
#include "sdk/conformance/common/lent_block.h"
#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {

template <class Call>
auto Instance::Calling(Call call) const {
  return chronik_conformance::Calling(std::move(call));
}

struct Instance::InFlight {
  uint64_t tag = 0;
  uint32_t lane = 0;
  Group group;
  bool is_barrier = false;
  bool accepted = false;   // submit has returned
  bool must_fail = false;  // an earlier operation of the group failed
  uint64_t bytes = 0;
  std::vector<LentBlock*> blocks;

  InFlight() = default;
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() {
    for (LentBlock* block : blocks) block->Drop();
  }
  chr_buf Lend(std::string_view data, std::atomic<int64_t>* live) {
    blocks.push_back(new LentBlock(data, blocks.size() % 2 == 0, live));
    bytes += data.size();
    return blocks.back()->View();
  }
};

}  // namespace chronik_conformance
