// SPDX-License-Identifier: Apache-2.0
// The checking host: life cycle, groups and reads. Submission and completion are in submission.cc.
#include "sdk/conformance/log_store/instance.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include <gtest/gtest.h>

#include "sdk/conformance/common/plugin_file.h"
#include "sdk/conformance/log_store/in_flight.h"
#include "sdk/conformance/log_store/options.h"

namespace chronik_conformance {

const chr_plugin& ThePlugin() {
  static const chr_plugin plugin = LoadPlugin(Options().plugin);
  return plugin;
}

// A test failure, or in a child process the end of it.
void Breach(const std::string& rule) { ReportBreach(Options(), rule); }

namespace {

const chr_log_store& TheTable() {
  return *static_cast<const chr_log_store*>(RequireInterface(ThePlugin(), CHR_LOG_STORE_1));
}

Entry CopyEntry(const chr_log_entry& entry) {
  Entry copy{entry.index, entry.term, entry.base_offset, entry.max_timestamp, entry.offset_count, entry.kind, {}};
  for (const chr_buf& buf : std::span(entry.bufs, entry.buf_count)) {
    if (buf.owner == nullptr) Breach("LS-26: a payload of a read has no owner");
    copy.payload.append(static_cast<const char*>(buf.data), buf.size);
  }
  return copy;
}

}  // namespace

Instance::Instance(const std::string& data_dir) {
  CreateAndStart(data_dir);
  if (start_status_ < 0) {
    Breach("create or start failed with " + std::to_string(start_status_) + ": " + message_);
    throw std::runtime_error("no instance");
  }
}

Instance::Instance(const std::string& data_dir, MayFail) { CreateAndStart(data_dir); }

// Gives the plugin's other threads time to answer CHR_E_FATAL before the host has heard fatal() (LS-21).
static void BeSlow() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

void Instance::CreateAndStart(const std::string& data_dir) {
  table_ = sdk::CopyIn(TheTable());
  const chr_plugin& plugin = ThePlugin();
  host_ = std::make_unique<sdk::testing::FakeHost>(
      sdk::testing::FakeHostSetup{.option_table = {plugin.options, plugin.option_count},
                                  .options = Options().plugin_options,
                                  .data_dir = data_dir,
                                  .on_fatal = &BeSlow});
  sink_.struct_size = sizeof(sink_);
  sink_.ctx = this;
  sink_.on_complete = [](void* ctx, uint32_t lane, const chr_log_cqe* cqes, size_t count, chr_str) noexcept {
    static_cast<Instance*>(ctx)->Complete(lane, {cqes, count});
  };
  sink_.on_writable = [](void* ctx, uint32_t lane) noexcept {
    auto* me = static_cast<Instance*>(ctx);
    const std::scoped_lock lock(me->mutex_);
    ++me->writable_[lane];
    me->changed_.notify_all();
  };
  sink_.on_read = [](void* ctx, uint32_t, uint64_t tag, chr_status status, chr_log_slice slice, chr_str) noexcept {
    auto* me = static_cast<Instance*>(ctx);
    const std::scoped_lock lock(me->mutex_);
    if (in_call > 0) Breach("GEN-11: on_read from inside a call of the host");
    const auto it = me->reads_.find(tag);
    if (it == me->reads_.end() || it->second) {
      Breach("LS-25: on_read for a read that is not pending");
      return;
    }
    it->second = Answer{status, slice};
    me->changed_.notify_all();
  };
  chr_error err = BlankError();
  start_status_ = Calling([&] { return plugin.create(host_->raw(), CHR_LOG_STORE_1, &self_, &err); });
  if (start_status_ >= 0) {
    DoneWaiter done;
    start_status_ = done.Resolve(Calling([&] { return plugin.start(self_, &sink_, done.Raw(), &err); }));
  }
  message_ = err.message;
  caps_.struct_size = sizeof(caps_);
  if (start_status_ >= 0 && table_.caps(self_, &caps_) < 0) Breach("caps failed");
}

Instance::~Instance() {
  if (self_ != nullptr) {
    try {
      while (!stopped_ && !open_.empty()) {
        Close(open_.begin()->second);
      }
      if (start_status_ >= 0) {
        Stop();
      }
    } catch (const std::exception& e) {
      Breach(std::string("while stopping: ") + e.what());
    }
    Calling([&] { ThePlugin().destroy(self_); });
  }
  host_->CloseTasks();
  if (lent_blocks_.load() != 0) {
    Breach("GEN-17: " + std::to_string(lent_blocks_.load()) + " retained buffers of the host were never released");
  }
  if (host_->live_buffers() != 0) {
    Breach("GEN-17: " + std::to_string(host_->live_buffers()) +
           " buffers of host memory are still alive after destroy");
  }
}

void Instance::Stop(std::chrono::nanoseconds timeout) {
  if (stopped_) {
    return;
  }
  DoneWaiter done;
  const auto timeout_ns = static_cast<uint64_t>(timeout.count());
  const chr_status status = done.Resolve(Calling([&] { return ThePlugin().stop(self_, timeout_ns, done.Raw()); }));
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
  if (status < 0 && host_->fatal() == CHR_OK) {
    Breach("PLG-8: stop failed with " + std::to_string(status));
  }
  if (!outstanding_.empty()) {
    Breach("PLG-8: stop left " + std::to_string(outstanding_.size()) + " accepted operations without a completion");
  }
}

Group Instance::Open(uint64_t id, uint32_t lane) {
  Group group;
  if (const chr_status status = TryOpen(id, lane, true, &group); status < 0) {
    throw std::runtime_error("open_group failed with " + std::to_string(status) + ": " + message_);
  }
  return group;
}

chr_status Instance::TryOpen(uint64_t id, uint32_t lane, bool create, Group* group, chr_log_bounds* bounds) {
  chr_error err = BlankError();
  chr_log_bounds ignored{};
  chr_log_bounds* out = bounds == nullptr ? &ignored : bounds;
  out->struct_size = sizeof(*out);
  chr_log_group* raw = nullptr;
  const chr_status status =
      Calling([&] { return table_.open_group(self_, id, lane, create ? 1 : 0, &raw, out, &err); });
  message_ = err.message;
  if (status >= 0) {
    if (raw == nullptr) Breach("LS-3: open_group succeeded without a group");
    *group = {id, lane, raw};
    open_[raw] = *group;
  }
  return status;
}

void Instance::Close(const Group& group) {
  chr_log_group* const raw = group.raw;  // `group` may be the element of open_
  open_.erase(raw);
  Calling([&] { table_.close_group(self_, raw); });
}

chr_status Instance::Destroy(uint64_t id) {
  DoneWaiter done;
  return done.Resolve(Calling([&] { return table_.destroy_group(self_, id, done.Raw()); }));
}

std::vector<uint64_t> Instance::ListGroups() {
  std::vector<uint64_t> ids;
  chr_error err = BlankError();
  const auto each = [](void* ctx, uint64_t id) noexcept { static_cast<std::vector<uint64_t>*>(ctx)->push_back(id); };
  const chr_status status = Calling([&] { return table_.list_groups(self_, each, &ids, &err); });
  if (status < 0) Breach("list_groups failed with " + std::to_string(status) + ": " + err.message);
  return ids;
}

chr_log_bounds Instance::Bounds(const Group& group) {
  chr_log_bounds bounds{};
  bounds.struct_size = sizeof(bounds);
  const chr_status status = Calling([&] { return table_.bounds(self_, group.raw, &bounds); });
  if (status < 0) Breach("bounds failed with " + std::to_string(status));
  return bounds;
}

std::vector<chr_log_term> Instance::Terms(const Group& group) {
  std::vector<chr_log_term> terms(4);  // small, so that both ways of asking are used
  size_t count = 0;
  for (int round = 0; round < 2; ++round) {
    const chr_status status =
        Calling([&] { return table_.terms(self_, group.raw, terms.data(), terms.size(), &count); });
    if (status < 0) Breach("terms failed with " + std::to_string(status));
    if (count <= terms.size()) break;
    terms.resize(count);
  }
  terms.resize(count);
  return terms;
}

chr_status Instance::ReadSlice(const Group& group, chr_log_read what, chr_log_slice* slice) {
  what.struct_size = sizeof(what);
  {
    const std::scoped_lock lock(mutex_);
    what.tag = next_tag_++;
    reads_[what.tag] = std::nullopt;
  }
  *slice = {};
  chr_status status = Calling([&] { return table_.read(self_, group.raw, &what, slice); });
  std::unique_lock lock(mutex_);
  if (status == CHR_PENDING) {
    if (!changed_.wait_for(lock, kPatience, [&] { return reads_[what.tag].has_value(); })) {
      throw std::runtime_error("a pending read was never answered");
    }
    status = reads_[what.tag]->status;
    *slice = reads_[what.tag]->slice;
  } else if (reads_[what.tag]) {
    Breach("LS-25: on_read for a read that did not return CHR_PENDING");
  }
  reads_.erase(what.tag);
  if ((slice->owner == nullptr) != (slice->count == 0)) {
    Breach("LS-26: a slice has an owner if and only if it has entries");
  }
  return status;
}

ReadAnswer Instance::Read(const Group& group, chr_log_read what) {
  chr_log_slice slice{};
  ReadAnswer answer{ReadSlice(group, what, &slice), {}};
  if (answer.status < 0 && slice.count > 0) {
    Breach("a failed read returned entries");
  }
  for (const chr_log_entry& entry : std::span(slice.entries, slice.count)) {
    answer.entries.push_back(CopyEntry(entry));
  }
  if (slice.owner != nullptr) {
    slice.owner->release(slice.owner);
  }
  return answer;
}

ReadAnswer Instance::ReadRange(const Group& group, uint64_t first, uint64_t end) {
  ReadAnswer all;
  while (first < end) {
    ReadAnswer part = Read(group, ByIndex(first, end, 1 << 20));
    if (part.status < 0 || part.entries.empty()) {
      all.status = part.status < 0 ? part.status : CHR_E_NOT_FOUND;
      break;
    }
    first = part.entries.back().index + 1;
    std::move(part.entries.begin(), part.entries.end(), std::back_inserter(all.entries));
  }
  return all;
}

chr_status Instance::Checkpoint(const Group& group, std::string* blob) {
  chr_buf buf{};
  chr_error err = BlankError();
  const chr_status status = Calling([&] { return table_.checkpoint(self_, group.raw, &buf, &err); });
  if (status >= 0) {
    blob->assign(static_cast<const char*>(buf.data), buf.size);
    if (buf.owner != nullptr) buf.owner->release(buf.owner);
  }
  return status;
}

Contents Instance::ReadContents(const Group& group) {
  Contents contents;
  contents.bounds = Bounds(group);
  contents.terms = Terms(group);
  contents.entries = ReadRange(group, contents.bounds.first_index, contents.bounds.last_index + 1);
  contents.checkpoint_status = Checkpoint(group, &contents.checkpoint);
  return contents;
}

chr_log_read ByIndex(uint64_t first, uint64_t end, uint64_t max_bytes) {
  chr_log_read what{};
  what.by = CHR_LOG_BY_INDEX;
  what.key = static_cast<int64_t>(first);
  what.end_index = end;
  what.max_bytes = max_bytes;
  return what;
}

}  // namespace chronik_conformance
