// SPDX-License-Identifier: Apache-2.0
// SliceBuilder: the answer of a log store's read, entries and the references that keep their bytes alive in one object.
#pragma once

#include <memory>
#include <vector>

#include <chronik/log_store.h>
#include <chronik/sdk/buffer.h>

CHRONIK_SDK_BEGIN

// Add entries in ascending index order, then hand the slice out with Finish.
class SliceBuilder {
 public:
  // `header`: everything but the payload. `payload` must have an owner: the reader may keep it beyond the slice.
  void Add(const chr_log_entry& header, Buffer payload) {
    if (slice_ == nullptr) {
      slice_ = new Slice;
      keep_ = OwnerRef::Adopt(slice_);
    }
    bytes_ += payload.size();
    slice_->entries.push_back(header);
    slice_->payloads.push_back(std::move(payload));
  }

  size_t count() const noexcept { return slice_ == nullptr ? 0 : slice_->entries.size(); }
  uint64_t bytes() const noexcept { return bytes_; }

  // The receiver owns one reference; an empty slice has no owner. The builder is empty afterwards.
  chr_log_slice Finish() {
    if (slice_ == nullptr) {
      return {nullptr, 0, nullptr};
    }
    const size_t count = slice_->entries.size();
    slice_->views.resize(count);
    for (size_t i = 0; i < count; ++i) {
      slice_->views[i] = slice_->payloads[i].View();
      slice_->entries[i].bufs = &slice_->views[i];
      slice_->entries[i].buf_count = 1;
      slice_->entries[i].reserved = 0;
    }
    const chr_log_slice out{slice_->entries.data(), count, slice_};
    keep_.Release();
    slice_ = nullptr;
    bytes_ = 0;
    return out;
  }

 private:
  struct Slice : RefCounted<Slice> {
    std::vector<chr_log_entry> entries;
    std::vector<chr_buf> views;
    std::vector<Buffer> payloads;
  };

  Slice* slice_ = nullptr;
  OwnerRef keep_;
  uint64_t bytes_ = 0;
};

CHRONIK_SDK_END
