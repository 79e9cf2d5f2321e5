// SPDX-License-Identifier: Apache-2.0
// Memory that a suite lends to a plugin: counted, and scribbled over as soon as the plugin may not look at it any more.
#pragma once

#include <atomic>
#include <cstring>
#include <memory>
#include <string_view>

#include <chronik/abi.h>

namespace chronik_conformance {

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

}  // namespace chronik_conformance
