// SPDX-License-Identifier: Apache-2.0
#include "kernel/log/test_log_store.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "kernel/base/invariant.h"

namespace chronik::log {
namespace {

// Keeps the entries of a read and their bytes until the last reference goes.
struct SliceOwner : chr_owner {
  SliceOwner() : chr_owner{&Retain, &Release} {}
  static void Retain(chr_owner* owner) noexcept { ++static_cast<SliceOwner*>(owner)->references; }
  static void Release(chr_owner* owner) noexcept {
    auto* slice = static_cast<SliceOwner*>(owner);
    if (--slice->references == 0) delete slice;
  }
  std::atomic<int> references{1};
  std::vector<chr_log_entry> entries;
  std::vector<chr_buf> bufs;
  std::vector<Bytes> bodies;
};

}  // namespace

const chr_log_store& TestLogStore::table() {
  static constexpr chr_log_store kTable{
      .struct_size = sizeof(chr_log_store),
      .reserved = 0,
      .caps = [](void*, chr_log_caps* out) noexcept -> chr_status {
        *out = {sizeof *out, CHR_LOG_CAP_DURABLE, 1 << 30, 1 << 30, 1 << 24, 1 << 20, 64, 0};
        return CHR_OK;
      },
      .list_groups =
          [](void* self, void (*each)(void*, uint64_t) CHR_NX, void* ctx, chr_error*) noexcept {
            for (const auto& [id, group] : Self(self).groups_) each(ctx, id);
            return chr_status{CHR_OK};
          },
      .open_group = [](void* self, uint64_t id, uint32_t lane, int32_t create, chr_log_group** out,
                       chr_log_bounds* bounds, chr_error*) noexcept -> chr_status {
        if (create == 0 && !Self(self).groups_.contains(id)) return CHR_E_NOT_FOUND;
        Group& group = Self(self).groups_[id];
        if (std::exchange(group.open, true)) return CHR_E_EXISTS;
        group.lane = lane;
        *out = reinterpret_cast<chr_log_group*>(&group);
        FillBounds(group, *bounds);
        return CHR_OK;
      },
      .close_group =
          [](void*, chr_log_group* group) noexcept {
            CHRONIK_CHECK(Of(group).open && Of(group).in_flight == 0) << "closed with operations in flight";
            Of(group).open = false;
          },
      .destroy_group = [](void* self, uint64_t id, chr_done) noexcept -> chr_status {
        CHRONIK_CHECK(!Self(self).IsOpen(id)) << "destroyed while open";
        Self(self).groups_.erase(id);
        return CHR_OK;
      },
      .submit = &Submit,
      .bounds = [](void*, chr_log_group* group, chr_log_bounds* out) noexcept -> chr_status {
        FillBounds(Of(group), *out);
        return CHR_OK;
      },
      .terms = &Terms,
      .read = &Read,
      .checkpoint = [](void*, chr_log_group* group, chr_buf* out, chr_error*) noexcept -> chr_status {
        const Bytes& blob = Of(group).checkpoint;
        if (blob.empty()) return CHR_E_NOT_FOUND;
        *out = blob.abi();
        out->owner->retain(out->owner);
        return CHR_OK;
      },
      .stats = nullptr};
  return kTable;
}

void TestLogStore::FillBounds(const Group& group, chr_log_bounds& out) {
  out.first_index = group.first_index;
  out.last_index = group.end_index() - 1;
  out.prev_term = group.prev_term;
  out.last_term = group.entries.empty() ? group.prev_term : group.entries.back().header.term;
  for (const Stored& entry : group.entries) out.bytes += entry.body.size();
  out.first_offset = group.first_offset;
  out.next_offset = group.first_offset;
  for (const Stored& entry : group.entries) out.next_offset = entry.header.base_offset + entry.header.offset_count;
  out.hard_state = group.hard_state;
}

chr_status TestLogStore::Terms(void*, chr_log_group* group, chr_log_term* out, size_t cap, size_t* count) noexcept {
  *count = 0;
  uint64_t last = 0;
  for (const Stored& entry : Of(group).entries) {
    if (entry.header.term == std::exchange(last, entry.header.term)) continue;
    if (*count < cap) out[*count] = {entry.header.term, entry.header.index, entry.header.base_offset};
    ++*count;
  }
  return CHR_OK;
}

chr_status TestLogStore::Submit(void* self, uint32_t lane, const chr_log_op* ops, size_t count,
                                size_t* accepted) noexcept {
  for (size_t i = 0; i < count; ++i) {
    const chr_log_op& op = ops[i];
    Operation operation{op.opcode, &Of(op.group), op.tag, op.index, op.term, op.offset, {}, std::nullopt, Bytes()};
    CHRONIK_CHECK(operation.group->open && operation.group->lane == lane) << "a group's operation on a foreign lane";
    for (uint64_t e = 0; e < op.entry_count; ++e) {
      const chr_log_entry& entry = op.entries[e];
      CHRONIK_CHECK(entry.buf_count == 1) << "the kernel keeps each payload in one piece";
      operation.entries.push_back({entry, entry.bufs[0].size == 0 ? Bytes() : Bytes::Share(entry.bufs[0])});
    }
    if (op.hard_state != nullptr) operation.hard_state = *op.hard_state;
    if (op.opcode == CHR_LOG_CHECKPOINT) operation.blob = Bytes::Share(op.blob);
    ++operation.group->in_flight;
    Self(self).disk_.Post([store = &Self(self), lane, operation = std::move(operation)]() mutable {
      store->CarryOut(lane, std::move(operation));
    });
  }
  *accepted = count;
  return CHR_PENDING;
}

void TestLogStore::CarryOut(uint32_t lane, Operation operation) {
  Group& group = *operation.group;
  chr_status status = group.cancelling ? CHR_E_CANCELLED : failure_;
  if (status == CHR_OK && !operation.entries.empty()) status = entry_failure_;
  group.cancelling |= status < 0;
  if (status >= 0 && operation.opcode == CHR_LOG_CHECKPOINT) group.checkpoint = operation.blob;
  if (status >= 0 && operation.opcode == CHR_LOG_APPEND) {
    ++appends_;
    if (operation.hard_state) group.hard_state = *operation.hard_state;
    for (Stored& entry : operation.entries) {
      CHRONIK_CHECK(entry.header.index >= group.first_index && entry.header.index <= group.end_index())
          << "entry " << entry.header.index << " leaves a gap after " << group.end_index() - 1;
      group.entries.resize(entry.header.index - group.first_index);
      group.entries.push_back(std::move(entry));
    }
  }
  if (status >= 0 && operation.opcode == CHR_LOG_RESET)
    Begin(group, operation.index, operation.term, operation.offset, group.entries.size());
  if (status >= 0 && operation.opcode == CHR_LOG_TRUNCATE_PREFIX && operation.index > group.first_index) {
    CHRONIK_CHECK(operation.index <= group.end_index()) << "cut off beyond the end";
    const auto gone = static_cast<size_t>(operation.index - group.first_index);
    const chr_log_entry& last = group.entries[gone - 1].header;
    Begin(group, operation.index, last.term, last.base_offset + static_cast<int64_t>(last.offset_count), gone);
  }
  if (--group.in_flight == 0) group.cancelling = false;
  const chr_log_cqe done{operation.tag, status < 0 ? 0 : group.end_index() - 1, status, 0};
  sink_.on_complete(sink_.ctx, lane, &done, 1, chr_str{});
}

void TestLogStore::Begin(Group& group, uint64_t first, uint64_t previous_term, int64_t offset, size_t gone) {
  group.first_index = first;
  group.prev_term = previous_term;
  group.first_offset = offset;
  group.entries.erase(group.entries.begin(), group.entries.begin() + static_cast<std::ptrdiff_t>(gone));
}

uint64_t TestLogStore::FirstMatch(const Group& group, const chr_log_read& what) {
  uint64_t largest = 0;
  for (const Stored& entry : group.entries) {
    const chr_log_entry& e = entry.header;
    if (e.index >= what.end_index) break;
    const bool data = e.offset_count > 0;
    if (what.by == CHR_LOG_BY_INDEX && e.index == static_cast<uint64_t>(what.key)) return e.index;
    if (what.by == CHR_LOG_BY_OFFSET && data && e.base_offset + e.offset_count > what.key) return e.index;
    if (what.by == CHR_LOG_BY_TIMESTAMP && data && e.max_timestamp >= what.key) return e.index;
    if (what.by != CHR_LOG_BY_MAX_TIMESTAMP || !data) continue;
    if (largest == 0 || e.max_timestamp > group.entries[largest - group.first_index].header.max_timestamp)
      largest = e.index;
  }
  return largest == 0 ? what.end_index : largest;
}

chr_log_slice TestLogStore::Slice(const Group& group, const chr_log_read& what) {
  auto* slice = new SliceOwner();
  uint64_t bytes = 0;
  for (uint64_t i = FirstMatch(group, what); i < std::min(what.end_index, group.end_index()); ++i) {
    const Stored& entry = group.entries[i - group.first_index];
    bytes += entry.body.size();
    if (!slice->entries.empty() && bytes > what.max_bytes) break;
    slice->entries.push_back(entry.header);
    slice->bodies.push_back(entry.body);
    if (slice->entries.size() == what.max_entries) break;
  }
  for (const Bytes& body : slice->bodies) slice->bufs.push_back(body.abi());
  for (size_t i = 0; i < slice->entries.size(); ++i) slice->entries[i].bufs = &slice->bufs[i];
  return {slice->entries.data(), slice->entries.size(), slice};
}

chr_status TestLogStore::Read(void* self, chr_log_group* group, const chr_log_read* what, chr_log_slice* out) noexcept {
  TestLogStore& store = Self(self);
  ++store.reads_;
  if (!store.reads_pend_) {
    if (store.read_failure_ == CHR_OK) *out = Slice(Of(group), *what);
    return store.read_failure_;
  }
  CHRONIK_CHECK(Of(group).open) << "read from a closed group";
  Task answer = [&store, group, read = *what] {
    CHRONIK_CHECK(Of(group).open) << "a group was closed while it was read";
    const chr_status status = store.read_failure_;
    store.sink_.on_read(store.sink_.ctx, Of(group).lane, read.tag, status,
                        status == CHR_OK ? Slice(Of(group), read) : chr_log_slice{}, chr_str{});
  };
  store.reads_held_ ? store.held_reads_.push_back(std::move(answer)) : store.disk_.Post(std::move(answer));
  return CHR_PENDING;
}

void TestLogStore::HoldReads() { reads_pend_ = reads_held_ = true; }

void TestLogStore::LetReadsGo() {
  reads_held_ = false;
  for (Task& answer : std::exchange(held_reads_, {})) disk_.Post(std::move(answer));
}

}  // namespace chronik::log
