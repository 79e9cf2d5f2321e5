// SPDX-License-Identifier: Apache-2.0
// An operation on its way: the memory it lends to the store, and what the checks need to know.
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "sdk/conformance/log_store/instance.h"

namespace chronik_conformance {

inline constexpr std::chrono::seconds kPatience{60};  // then something that must happen counts as never

// > 0 while this thread is inside a call of the plugin.
extern thread_local int in_call;
template <class Call>
auto Instance::Calling(Call call) const {
  struct Mark {
    Mark() { ++in_call; }
    ~Mark() { --in_call; }
  } const mark;
  return call();
}

// Lent bytes. With an owner the store may keep them; without, they are scribbled over at the completion.
class LentBlock : public chr_owner {
 public:
  LentBlock(std::string_view bytes, bool owned, std::atomic<int64_t>* live)
      : chr_owner{&Retain, &Release},
        bytes_(std::make_unique<char[]>(bytes.size())),
        size_(bytes.size()),
        owned_(owned),
        live_(live) {
    std::memcpy(bytes_.get(), bytes.data(), size_);
    live_->fetch_add(1);
  }
  chr_buf View() { return {bytes_.get(), size_, owned_ ? this : nullptr}; }
  void Drop() { Release(this); }

 private:
  ~LentBlock() {
    std::memset(bytes_.get(), 0xDD, size_);
    live_->fetch_sub(1);
  }
  static void Retain(chr_owner* owner) noexcept { static_cast<LentBlock*>(owner)->count_.fetch_add(1); }
  static void Release(chr_owner* owner) noexcept {
    auto* block = static_cast<LentBlock*>(owner);
    if (block->count_.fetch_sub(1) == 1) delete block;
  }

  std::unique_ptr<char[]> bytes_;
  const size_t size_;
  const bool owned_;
  std::atomic<int64_t>* const live_;
  std::atomic<int64_t> count_{1};
};

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
