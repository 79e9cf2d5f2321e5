// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/store_rig.h"

#include <chrono>
#include <set>
#include <sstream>
#include <utility>

namespace chronik_log_wal {

int64_t LogImage::next_offset() const {
  return entries.empty() ? first_offset : entries.back().base_offset + entries.back().offset_count;
}

void LogImage::Append(const std::vector<LogEntry>& added) {
  exists = true;
  for (const LogEntry& entry : added) {
    entries.resize(entry.index - first_index);
    entries.push_back(entry);
  }
}

void LogImage::TruncatePrefix(uint64_t index) {
  exists = true;
  if (index <= first_index) return;
  const size_t count = index - first_index;
  const LogEntry last_gone = entries[count - 1];
  entries.erase(entries.begin(), entries.begin() + static_cast<long>(count));
  first_index = index;
  prev_term = last_gone.term;
  first_offset = last_gone.base_offset + last_gone.offset_count;
}

void LogImage::Reset(uint64_t index, uint64_t prev, int64_t offset) {
  exists = true;
  entries.clear();
  first_index = index;
  prev_term = prev;
  first_offset = offset;
}

std::string Describe(const LogImage& i) {
  std::string out = i.exists ? "[" : "absent [";
  out += std::to_string(i.first_index) + ".." + std::to_string(i.last_index()) + " prev " +
         std::to_string(i.prev_term) + " offset " + std::to_string(i.first_offset) + " term " + std::to_string(i.term) +
         " vote " + std::to_string(i.vote) + " commit " + std::to_string(i.commit) +
         (i.checkpoint ? " checkpoint " + std::to_string(i.checkpoint->size()) : "") + "] terms";
  for (const LogEntry& e : i.entries) out += " " + std::to_string(e.term) + ":" + std::to_string(e.payload.size());
  return out;
}

std::string Difference(const LogImage& found, const LogImage& wanted) {
  std::string out;
  const auto differs = [&](const std::string& what, const auto& a, const auto& b) {
    if (a == b || !out.empty()) return;
    std::ostringstream text;
    text << what << ' ' << a << " instead of " << b;
    out = text.str();
  };
  differs("exists", found.exists, wanted.exists);
  differs("first index", found.first_index, wanted.first_index);
  differs("last index", found.last_index(), wanted.last_index());
  differs("previous term", found.prev_term, wanted.prev_term);
  differs("first offset", found.first_offset, wanted.first_offset);
  differs("term", found.term, wanted.term);
  differs("vote", found.vote, wanted.vote);
  differs("commit", found.commit, wanted.commit);
  differs("checkpoint present", found.checkpoint.has_value(), wanted.checkpoint.has_value());
  if (out.empty() && found.checkpoint != wanted.checkpoint) out = "the checkpoint's bytes";
  for (size_t i = 0; out.empty() && i < wanted.entries.size(); ++i) {
    const LogEntry& a = found.entries[i];
    const LogEntry& b = wanted.entries[i];
    const std::string entry = "entry " + std::to_string(b.index) + ": ";
    differs(entry + "index", a.index, b.index);
    differs(entry + "term", a.term, b.term);
    differs(entry + "base offset", a.base_offset, b.base_offset);
    differs(entry + "timestamp", a.max_timestamp, b.max_timestamp);
    differs(entry + "offset count", a.offset_count, b.offset_count);
    differs(entry + "kind", a.kind, b.kind);
    differs(entry + "size", a.payload.size(), b.payload.size());
    if (out.empty() && a.payload != b.payload) out = entry + "the payload's bytes";
  }
  return out;
}

FakeHost::FakeHost() {
  host_ = {
      sizeof host_, CHR_ABI_EPOCH, this, "test", "0", [](const chr_host* host, const char* id) noexcept -> const void* {
        const std::string name = id;
        if (name == CHR_HOST_LOG_1) return &Of(host).log_;
        if (name == CHR_HOST_TASK_1) return &Of(host).task_;
        if (name == CHR_HOST_CONFIG_1) return &Of(host).config_;
        return nullptr;
      }};
  log_.struct_size = sizeof log_;
  log_.enabled = [](const chr_host*, int32_t) noexcept { return 0; };
  log_.write = [](const chr_host*, int32_t, chr_str, const char*, int32_t) noexcept {};
  log_.fatal = [](const chr_host* host, chr_status, chr_str why) noexcept {
    std::function<void()> hook;
    {
      const std::scoped_lock lock(Of(host).mutex_);
      Of(host).fatal_.emplace_back(why.data, why.size);
      hook = Of(host).on_fatal_;
    }
    if (hook) hook();
  };
  task_.struct_size = sizeof task_;
  task_.mono_ns = [](const chr_host*) noexcept {
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  };
  task_.wall_ns = task_.mono_ns;
  task_.post_blocking = [](const chr_host* host, void (*fn)(void*) noexcept, void* arg) noexcept -> chr_status {
    const std::scoped_lock lock(Of(host).mutex_);
    Of(host).tasks_.push_back([fn, arg] { fn(arg); });
    Of(host).wake_.notify_one();
    return CHR_OK;
  };
  thread_ = std::thread([this] { Work(); });
}

FakeHost::~FakeHost() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::vector<std::string> FakeHost::fatal_reports() {
  const std::scoped_lock lock(mutex_);
  return fatal_;
}

void FakeHost::OnFatal(std::function<void()> hook) {
  const std::scoped_lock lock(mutex_);
  on_fatal_ = std::move(hook);
}

void FakeHost::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

Options SmallOptions() {
  Options options;
  options.directory = "/data";
  options.journal_file_bytes = 64 << 10;
  options.segment_bytes = 16 << 10;
  options.tail_bytes_max = 24 << 10;
  options.flush_retry_ns = 1'000'000;
  return options;
}

namespace {

std::vector<LogEntry> CopyOut(const chr_log_slice& slice) {
  std::vector<LogEntry> out;
  for (size_t i = 0; i < slice.count; ++i) {
    const chr_log_entry& e = slice.entries[i];
    std::string payload;
    for (uint32_t b = 0; b < e.buf_count; ++b) payload.append(static_cast<const char*>(e.bufs[b].data), e.bufs[b].size);
    out.push_back({e.index, e.term, e.base_offset, e.max_timestamp, e.offset_count, e.kind, std::move(payload)});
  }
  if (slice.owner != nullptr) slice.owner->release(slice.owner);
  return out;
}

}  // namespace

StoreRig::StoreRig(std::shared_ptr<FaultyDisk> disk, Options options) : StoreRig(disk->Mount(), std::move(options)) {}

StoreRig::StoreRig(std::unique_ptr<FileSystem> fs, Options options)
    : store_(std::make_unique<Store>(HostView(host_.get()), std::move(fs), std::move(options))) {
  sink_.struct_size = sizeof sink_;
  sink_.ctx = this;
  sink_.on_complete = [](void* ctx, uint32_t, const chr_log_cqe* cqes, size_t count, chr_str) noexcept {
    auto* self = static_cast<StoreRig*>(ctx);
    const std::scoped_lock lock(self->mutex_);
    for (size_t i = 0; i < count; ++i) self->completed_[cqes[i].tag] = cqes[i].status;
    self->arrived_.notify_all();
  };
  sink_.on_writable = [](void*, uint32_t) noexcept {};
  sink_.on_read = [](void* ctx, uint32_t, uint64_t tag, chr_status status, chr_log_slice slice, chr_str) noexcept {
    auto* self = static_cast<StoreRig*>(ctx);
    const std::scoped_lock lock(self->mutex_);
    self->reads_[tag] = {status, CopyOut(slice)};
    self->arrived_.notify_all();
  };
}

StoreRig::~StoreRig() { Stop(); }

Failure StoreRig::Start() { return store_->Start(&sink_); }

void StoreRig::Stop() {
  if (!store_) return;
  while (!handles_.empty()) Close(handles_.begin()->first);
  store_->Stop();
  store_.reset();
}

Failure StoreRig::Open(uint64_t id, uint32_t lane, bool create) {
  chr_log_group* handle = nullptr;
  chr_log_bounds bounds{};
  bounds.struct_size = sizeof bounds;
  Failure opened = store_->OpenGroup(id, lane, create, &handle, &bounds);
  if (opened.ok()) handles_[id] = handle;
  return opened;
}

void StoreRig::Close(uint64_t id) {
  store_->CloseGroup(handles_.at(id));
  handles_.erase(id);
}

chr_status StoreRig::Destroy(uint64_t id) {
  const uint64_t tag = next_tag_++;
  const Failure started =
      store_->DestroyGroup(id, {[](void* ctx, uint64_t done_tag, chr_status status, chr_str) noexcept {
                                  auto* self = static_cast<StoreRig*>(ctx);
                                  const std::scoped_lock lock(self->mutex_);
                                  self->completed_[done_tag] = status;
                                  self->arrived_.notify_all();
                                },
                                this, tag});
  return started.status == CHR_PENDING ? Wait(tag) : started.status;
}

std::vector<uint64_t> StoreRig::Groups() {
  std::vector<uint64_t> ids;
  store_->ListGroups(&ids);
  return ids;
}

uint64_t StoreRig::Submit(uint32_t lane, chr_log_op op) {
  op.tag = next_tag_++;
  size_t accepted = 0;
  refused_ = store_->Submit(lane, &op, 1, &accepted);
  return refused_ == CHR_PENDING ? op.tag : 0;
}

uint64_t StoreRig::Append(uint64_t id, const std::vector<LogEntry>& entries, const chr_hard_state* hard_state) {
  std::vector<chr_buf> bufs;
  bufs.reserve(entries.size());
  std::vector<chr_log_entry> raw;
  for (const LogEntry& e : entries) {
    bufs.push_back({e.payload.data(), e.payload.size(), nullptr});
    raw.push_back({e.index, e.term, e.base_offset, e.max_timestamp, e.offset_count, e.kind, 1, 0, &bufs.back()});
  }
  chr_log_op op{};
  op.opcode = CHR_LOG_APPEND;
  op.group = handles_.at(id);
  op.entries = raw.data();
  op.entry_count = raw.size();
  op.hard_state = hard_state;
  return Submit(op.group->lane, op);
}

uint64_t StoreRig::TruncatePrefix(uint64_t id, uint64_t index) {
  chr_log_op op{};
  op.opcode = CHR_LOG_TRUNCATE_PREFIX;
  op.group = handles_.at(id);
  op.index = index;
  return Submit(op.group->lane, op);
}

uint64_t StoreRig::Reset(uint64_t id, uint64_t index, uint64_t term, int64_t offset) {
  chr_log_op op{};
  op.opcode = CHR_LOG_RESET;
  op.group = handles_.at(id);
  op.index = index;
  op.term = term;
  op.offset = offset;
  return Submit(op.group->lane, op);
}

uint64_t StoreRig::Checkpoint(uint64_t id, const std::string& blob) {
  chr_log_op op{};
  op.opcode = CHR_LOG_CHECKPOINT;
  op.group = handles_.at(id);
  op.blob = {blob.data(), blob.size(), nullptr};
  return Submit(op.group->lane, op);
}

uint64_t StoreRig::Barrier(uint32_t lane) {
  chr_log_op op{};
  op.opcode = CHR_LOG_BARRIER;
  return Submit(lane, op);
}

chr_status StoreRig::Wait(uint64_t tag) {
  if (tag == 0) return refused_;
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [&] { return completed_.contains(tag); });
  return completed_[tag];
}

std::optional<chr_status> StoreRig::Completed(uint64_t tag) {
  const std::scoped_lock lock(mutex_);
  const auto found = completed_.find(tag);
  return found == completed_.end() ? std::nullopt : std::optional(found->second);
}

bool StoreRig::WaitAll() {
  std::set<uint32_t> lanes;
  for (const auto& [id, handle] : handles_) lanes.insert(handle->lane);
  bool held = true;
  for (const uint32_t lane : lanes) held = Wait(Barrier(lane)) == CHR_OK && held;
  return held;
}

chr_status StoreRig::Read(uint64_t id, uint32_t by, int64_t key, uint64_t end, uint64_t max_bytes, uint32_t max_entries,
                          std::vector<LogEntry>* out) {
  const uint64_t tag = next_tag_++;
  const chr_log_read what{sizeof what, by, key, end, max_bytes, max_entries, 0, tag};
  chr_log_slice slice{};
  const chr_status status = store_->Read(handles_.at(id), what, &slice);
  if (status != CHR_PENDING) {
    *out = CopyOut(slice);
    return status;
  }
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [&] { return reads_.contains(tag); });
  *out = std::move(reads_[tag].entries);
  const chr_status answer = reads_[tag].status;
  reads_.erase(tag);
  return answer;
}

chr_status StoreRig::ReadImage(uint64_t id, LogImage* out) {
  *out = {};
  chr_log_group* const handle = handles_.at(id);
  chr_log_bounds b{};
  b.struct_size = sizeof b;
  {
    const std::scoped_lock lock(handle->group->mutex);
    handle->group->FillBounds(&b);
    out->exists = handle->group->exists;
  }
  out->first_index = b.first_index;
  out->prev_term = b.prev_term;
  out->first_offset = b.first_offset;
  out->term = b.hard_state.term;
  out->vote = b.hard_state.vote;
  out->commit = b.hard_state.commit;
  while (out->last_index() < b.last_index) {
    std::vector<LogEntry> part;
    const auto from = static_cast<int64_t>(out->last_index() + 1);
    if (const chr_status status = Read(id, CHR_LOG_BY_INDEX, from, b.last_index + 1, 5000, 0, &part); status != CHR_OK)
      return status;
    if (part.empty()) {
      trouble_ = "nothing at " + std::to_string(from) + ", last index " + std::to_string(b.last_index);
      return CHR_E_INTERNAL;
    }
    out->entries.insert(out->entries.end(), part.begin(), part.end());
  }
  if (out->last_term() != b.last_term || out->next_offset() != b.next_offset) {
    trouble_ = "the bounds say last term " + std::to_string(b.last_term) + ", next offset " +
               std::to_string(b.next_offset) + "; read " + Describe(*out);
    return CHR_E_INTERNAL;
  }
  chr_buf blob{};
  const Failure read = store_->Checkpoint(handle, &blob);
  if (read.ok()) {
    out->checkpoint = std::string(static_cast<const char*>(blob.data), blob.size);
    if (blob.owner != nullptr) blob.owner->release(blob.owner);
  }
  return read.ok() || read.status == CHR_E_NOT_FOUND ? CHR_OK : read.status;
}

std::string PayloadOf(uint64_t seed, size_t size) {
  std::string out(size, '\0');
  uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
  for (char& c : out) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    c = static_cast<char>(x);
  }
  return out;
}

std::vector<LogEntry> Continue(const LogImage& image, size_t count, size_t payload_bytes, uint64_t term) {
  std::vector<LogEntry> out;
  int64_t offset = image.next_offset();
  for (size_t i = 0; i < count; ++i) {
    const uint64_t index = image.last_index() + 1 + i;
    const auto records = static_cast<uint32_t>(index % 3);
    out.push_back({index, std::max(term, image.last_term()), offset,
                   records == 0 ? -1 : static_cast<int64_t>(index * 10), records, records == 0 ? 7u : 1u,
                   PayloadOf(index * 31 + term, payload_bytes)});
    offset += records;
  }
  return out;
}

}  // namespace chronik_log_wal
