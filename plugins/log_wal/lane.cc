// SPDX-License-Identifier: Apache-2.0
#include "plugins/log_wal/lane.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "plugins/log_wal/mutation.h"
#include "plugins/log_wal/store.h"

namespace chronik_log_wal {
namespace {

constexpr uint64_t kGrowBytes = 256ull << 10;  // of a file that was not prepared, at a time

}  // namespace

Lane::~Lane() { Stop(); }

int Lane::Start() {
  const Outcome opened = Rotate(0);
  if (opened.status < 0) return EIO;
  thread_ = Thread([this] { Run(); });
  return 0;
}

void Lane::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

chr_status Lane::Enqueue(Operation operation) {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    const uint64_t inflight = inflight_bytes_.load(std::memory_order_relaxed);
    if (inflight > 0 && inflight + operation.bytes > store_.options().inflight_bytes_max) {
      want_writable_ = true;
      return CHR_E_BUSY;
    }
    inflight_bytes_.fetch_add(operation.bytes, std::memory_order_relaxed);
    wake = queue_.empty();
    queue_.push_back(std::move(operation));
  }
  if (wake) wake_.notify_one();
  return CHR_PENDING;
}

void Lane::EnqueueOwn(Operation operation) {
  {
    const std::scoped_lock lock(mutex_);
    inflight_bytes_.fetch_add(operation.bytes, std::memory_order_relaxed);
    queue_.push_back(std::move(operation));
  }
  wake_.notify_one();
}

void Lane::Run() {
  for (;;) {
    std::vector<Operation> round = TakeRound();
    if (round.empty()) break;
    Outcome outcome{CHR_E_FATAL, "an earlier write failed for good"};
    if (!store_.fatal()) outcome = Write(round);
    ApplyRound(round, outcome.status);
    CompleteRound(round, outcome.message);
  }
  if (unsynced_ && !store_.fatal()) (void)Sync();
}

// Waits for work; empty at the end.
std::vector<Lane::Operation> Lane::TakeRound() {
  std::unique_lock lock(mutex_);
  while (queue_.empty() && !stopping_) {
    if (!unsynced_ || store_.fatal()) {
      wake_.wait(lock);
      continue;
    }
    // sync = "interval": nothing new came, but what came before still waits for its sync.
    if (wake_.wait_for(lock, std::chrono::nanoseconds(store_.options().sync_interval_ns)) == std::cv_status::timeout) {
      lock.unlock();
      (void)Sync();
      lock.lock();
    }
  }
  std::vector<Operation> round;
  ++round_;
  uint64_t bytes = 0;
  while (!queue_.empty() && (round.empty() || bytes + queue_.front().bytes <= kRoundBytesMax)) {
    Operation& next = queue_.front();
    if (next.group) {
      // What a truncation records depends on where the group stands then, so what precedes it has to be applied first.
      // (Another lane's round of the same number ends this one for nothing, which does no harm.)
      const bool follows = !round.empty() && next.group->last_round == round_;
      if (follows && next.has_record && next.record.type == RecordType::kTruncatePrefix) break;
      next.group->last_round = round_;
    }
    bytes += next.bytes;
    round.push_back(std::move(next));
    queue_.pop_front();
  }
  return round;
}

// The base offset at which a prefix ends is part of the record; inside a segment it has to be read, whose path this
// gives.
int Lane::FindOffset(Operation& operation, std::string* path) {
  Group& group = *operation.group;
  Record& record = operation.record;
  SegmentPtr segment;
  {
    const std::scoped_lock lock(group.mutex);
    record.prev_term = group.TermAt(record.index - 1).value_or(group.state.prev_term);
    if (record.index < group.state.first_index) return 0;  // gone already
    if (const auto known = group.OffsetOf(record.index, &segment)) {
      record.offset = *known;
      return 0;
    }
  }
  if (!segment) return EBADMSG;
  SegmentReader reader;
  Row row;
  *path = segment->path;
  if (const int error = reader.Open(store_.fs(), *segment)) return error;
  if (const int error = reader.ReadRow(record.index, &row)) return error;
  record.offset = row.meta.base_offset;
  return 0;
}

// Trouble of one group stays with that group.
chr_status Lane::Prepare(Operation& operation, std::string* message) {
  Group& group = *operation.group;
  if (group.failed.load()) return CHR_E_CANCELLED;
  if (operation.record.type != RecordType::kTruncatePrefix) return CHR_OK;
  std::string path;
  const int error = FindOffset(operation, &path);
  if (error == 0) return CHR_OK;
  group.failed.store(true);
  const bool damaged = error == EBADMSG;
  *message = "group " + std::to_string(group.id) + ": reading " + path + ": " +
             (damaged ? "it is damaged" : std::strerror(error));
  return damaged ? CHR_E_CORRUPT : CHR_E_IO;
}

namespace {

// With sync = "interval" an append that only adds may be lost in a power cut. Everything else may not: once it is
// applied the flusher changes or deletes files that only the record accounts for.
bool MustSync(const Lane::Operation& operation) {
  if (!operation.has_record) return true;
  const std::scoped_lock lock(operation.group->mutex);
  return !operation.group->OnlyGrowsBy(operation.record);
}

}  // namespace

Lane::Outcome Lane::Write(std::vector<Operation>& round) {
  FrameBuilder frame;
  bool must_sync = store_.options().sync_always;
  std::string message;
  for (Operation& operation : round) {
    if (operation.has_record) operation.status = Prepare(operation, &message);
    if (operation.status < 0) continue;
    must_sync = must_sync || MustSync(operation);
    if (operation.has_record) frame.Add(operation.record);
  }
  if (frame.record_count() > 0) {
    if (Outcome written = WriteFrame(frame); written.status < 0) return written;
    for (const Operation& operation : round) {
      if (operation.has_record && operation.status >= 0) file_.groups.insert(operation.group->id);
    }
  }
  if (unsynced_ && (must_sync || store_.host().NowNs() - synced_at_ns_ >= store_.options().sync_interval_ns))
    if (!CHRONIK_MUTANT(completes_before_fsync)) (void)Sync();
  if (store_.fatal()) return {CHR_E_FATAL, "the journal cannot be synced"};
  return {CHR_OK, message};
}

Lane::Outcome Lane::WriteFrame(FrameBuilder& frame) {
  const uint64_t bytes = frame.padded_bytes();
  if (position_ + bytes > file_.size) {
    const Outcome rotated = Rotate(bytes);
    if (rotated.status < 0) return rotated;
  }
  // A file that was not prepared grows, by more than is needed now, so that the next syncs have it easier. A full disk
  // is met here, where it is not fatal.
  if (position_ + bytes > file_.zeroed) {
    const uint64_t end = std::min(file_.size, position_ + bytes + kGrowBytes);
    if (const int error = file_.ZeroUpTo(end)) return Failed("extending the journal", error);
  }
  FrameHeader header;
  header.file_id = file_.header.file_id;
  header.sequence = frame_sequence_;
  header.durable_sequence = durable_sequence_;
  header.order = store_.NextOrder();
  std::vector<iovec> parts = frame.Finish(header);
  if (const int error = file_.file->WriteAt(position_, parts)) {
    store_.SetFatal("writing " + file_.path + ": " + std::strerror(error));
    return {CHR_E_FATAL, "the journal cannot be written"};
  }
  position_ += bytes;
  ++frame_sequence_;
  unsynced_ = true;
  store_.counters().Add(store_.counters().written_bytes, static_cast<double>(bytes));
  if (position_ >= file_.size / 4 && !std::exchange(file_.asked_for_next, true)) store_.pool().PrepareSoon();
  return {CHR_OK, {}};
}

int Lane::Sync() {
  const uint64_t start = store_.host().NowNs();
  const int error = file_.file->SyncData();
  synced_at_ns_ = store_.host().NowNs();
  if (error != 0) {
    // The kernel may have dropped the pages and marked them clean: trying again would lie.
    store_.SetFatal("fdatasync of " + file_.path + ": " + std::strerror(error));
    return error;
  }
  unsynced_ = false;
  durable_sequence_ = frame_sequence_ - 1;
  store_.NoteSync(synced_at_ns_ - start);
  return 0;
}

void Lane::CollectStates(FrameBuilder* states, std::set<uint64_t>* groups) {
  for (const auto& [id, state] : store_.StatesOfLane(id_)) {
    Record record;
    record.type = RecordType::kState;
    record.group = id;
    record.state = state;
    groups->insert(id);
    states->Add(record);
  }
}

// A new file begins with what older files said of every group of this lane, so that they may be dropped.
Lane::Outcome Lane::Rotate(uint64_t frame_bytes) {
  if (unsynced_ && Sync() != 0) return {CHR_E_FATAL, "the journal cannot be synced"};
  if (file_) {
    if (const int error = store_.AwaitFlusher(id_)) {
      if (store_.fatal()) return {CHR_E_FATAL, "an earlier write failed for good"};
      return {CHR_E_NO_SPACE,
              std::string("the journal is full and segments cannot be written: ") + std::strerror(error)};
    }
  }
  // Taken before the states are read: the record of a group that moves away meanwhile comes after them.
  const uint64_t order = store_.NextOrder();
  FrameBuilder states;
  JournalFile next;
  CollectStates(&states, &next.groups);
  const uint64_t start_bytes = kFileHeaderBytes + (states.record_count() > 0 ? states.padded_bytes() : 0);
  next.header = {store_.NextFileId(), store_.run(), id_, file_sequence_ + 1, frame_sequence_};
  next.size = start_bytes + frame_bytes;
  int error = store_.pool().Take(&next, !file_);
  if (error == 0) error = next.ZeroUpTo(std::min(next.size, start_bytes + frame_bytes + kGrowBytes));
  if (error != 0) {
    (void)store_.fs().Remove(next.path);
    return Failed("creating " + next.path, error);
  }
  if (Outcome started = WriteFileStart(&next, states, start_bytes, order); started.status < 0) return started;
  if (states.record_count() > 0) ++frame_sequence_;
  durable_sequence_ = frame_sequence_ - 1;
  store_.mark().Note({{store_.run(), id_}, durable_sequence_});
  ++file_sequence_;
  if (file_) {
    store_.RetireJournalFile(std::move(file_));
  }
  file_ = std::move(next);
  position_ = start_bytes;
  return {CHR_OK, {}};
}

// Header and states are on disk before the file gets a name that recovery looks at: it never meets a half-made file,
// nor a recycled one in its old identity.
Lane::Outcome Lane::WriteFileStart(JournalFile* next, FrameBuilder& states, uint64_t start_bytes, uint64_t order) {
  const std::string header = EncodeFileHeader(next->header);
  int error = next->file->WriteAt(0, header.data(), header.size());
  if (error == 0 && start_bytes > kFileHeaderBytes) {
    std::vector<iovec> parts =
        states.Finish({next->header.file_id, frame_sequence_, frame_sequence_ - 1, order, 0, 0, 0});
    error = next->file->WriteAt(kFileHeaderBytes, parts);
  }
  if (error == 0) error = next->file->SyncData();
  const std::string name = store_.journal_directory() + "/" + JournalFileName(next->header);
  if (error == 0) error = store_.fs().Rename(next->path, name);
  if (error == 0 && !CHRONIK_MUTANT(journal_name_not_synced))
    error = store_.fs().SyncDirectory(store_.journal_directory());
  if (error != 0) {
    store_.SetFatal("starting " + name + ": " + std::strerror(error));
    return {CHR_E_FATAL, "the journal cannot be written"};
  }
  next->path = name;
  return {CHR_OK, {}};
}

Lane::Outcome Lane::Failed(const std::string& what, int error) {
  if (error == ENOSPC || error == EDQUOT) return {CHR_E_NO_SPACE, what + ": " + std::strerror(error)};
  if (error == EBADMSG) return {CHR_E_CORRUPT, what + ": a checksum does not hold"};
  store_.SetFatal(what + ": " + std::strerror(error));
  return {CHR_E_FATAL, what + ": " + std::strerror(error)};
}

void Lane::ApplyRound(std::vector<Operation>& round, chr_status outcome) {
  int64_t tail_bytes = 0;
  for (Operation& operation : round) {
    if (!operation.group) {
      operation.status = outcome;
      continue;
    }
    Group& group = *operation.group;
    if (outcome < 0 && operation.status >= 0) {
      const bool first = !group.failed.exchange(true);
      operation.status = first || outcome == CHR_E_FATAL ? outcome : CHR_E_CANCELLED;
    }
    if (operation.status < 0 && operation.record.type == RecordType::kDestroy) {
      const std::scoped_lock lock(group.mutex);
      group.destroying = false;
    }
    if (operation.status < 0 || !operation.has_record) continue;
    {
      const std::scoped_lock lock(group.mutex);
      if (!group.OnlyGrowsBy(operation.record)) {
        store_.mark().Note({{store_.run(), id_}, durable_sequence_});
        if (operation.record.type != RecordType::kLeave) group.changed_at = durable_sequence_;
      }
      tail_bytes -= group.tail_bytes;
      group.Apply(operation.record);
      tail_bytes += group.tail_bytes;
      operation.last_index = group.state.last_index;
    }
    if (operation.record.type == RecordType::kDestroy) store_.Destroyed(operation.group);
  }
  store_.AddTailBytes(tail_bytes);
}

void Lane::CompleteRound(std::vector<Operation>& round, const std::string& message) {
  std::vector<chr_log_cqe> cqes;
  cqes.reserve(round.size());
  uint64_t bytes = 0;
  for (const Operation& operation : round) {
    bytes += operation.bytes;
    if (operation.done.fn == nullptr) cqes.push_back({operation.tag, operation.last_index, operation.status, 0});
  }
  store_.NoteCompleted(cqes.size());
  bool writable = false;
  {
    const std::scoped_lock lock(mutex_);
    inflight_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    writable = std::exchange(want_writable_, false);
  }
  // Before the completions: whoever hears of the last one may submit again and must see that nothing is in flight.
  for (Operation& operation : round) {
    if (operation.group) operation.group->in_flight.fetch_sub(1);
  }
  const chr_log_sink& sink = store_.sink();
  const chr_str why{message.data(), message.size()};
  if (!cqes.empty()) sink.on_complete(sink.ctx, id_, cqes.data(), cqes.size(), why);
  for (const Operation& operation : round) {
    if (operation.done.fn != nullptr) operation.done.fn(operation.done.ctx, operation.done.tag, operation.status, why);
  }
  if (writable) sink.on_writable(sink.ctx, id_);
}

}  // namespace chronik_log_wal
