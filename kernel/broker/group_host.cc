// SPDX-License-Identifier: Apache-2.0
#include "kernel/broker/group_host.h"

#include <algorithm>
#include <utility>

#include "kernel/base/endian.h"
#include "kernel/base/log.h"
#include "kernel/metadata/topic_name.h"
#include "kernel/records/batch.h"
#include "kernel/records/builder.h"
#include "kernel/records/record.h"

namespace chronik::broker {
namespace {

using groups::GroupError;

constexpr uint32_t kReplayChunkBytes = 1 << 20;
constexpr size_t kDecompressedBytesMax = 256 << 20;
constexpr std::chrono::milliseconds kReadAgainAfter{100};

// The code units of UTF-16, as Java's strings have them; what is no UTF-8 counts as its bytes.
uint32_t HashCode(const std::string& text) {
  uint32_t hash = 0;
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i]);
    const size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    uint32_t point = length == 1 ? first : first & (0x7Fu >> length);
    for (size_t k = 1; k < length && i + k < text.size(); ++k)
      point = point << 6 | (static_cast<uint8_t>(text[i + k]) & 0x3Fu);
    i += length;
    if (point < 0x10000) {
      hash = hash * 31 + point;
    } else {
      hash = hash * 31 + (0xD800u + ((point - 0x10000) >> 10));
      hash = hash * 31 + (0xDC00u + ((point - 0x10000) & 0x3FFu));
    }
  }
  return hash;
}

// Vigna's splitmix64: a bijection whose values look random.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::optional<groups::Topics::Topic> ToTopic(const metadata::TopicPtr& topic) {
  if (!topic) return std::nullopt;
  return groups::Topics::Topic{topic->id, topic->name, static_cast<int32_t>(topic->partitions.size())};
}

// The key of a control record: version, then 0 for an abort and 1 for a commit.
std::optional<bool> IsCommit(ByteView key) {
  if (key.size() < 2 * sizeof(int16_t)) return std::nullopt;
  return LoadBig<int16_t>(key.data() + sizeof(int16_t)) == 1;
}

Bytes ToBatch(const groups::Append& append, WallTime now) {
  records::BatchBuilder builder;
  for (const groups::EncodedRecord& record : append.records) {
    builder.Add(now, AsBytes(record.key), record.value ? std::optional(AsBytes(*record.value)) : std::nullopt);
  }
  return builder.Build();
}

}  // namespace

PartitionId OffsetsPartition(const std::string& group, size_t count) {
  const auto hash = static_cast<int32_t>(HashCode(group));
  const int32_t positive = hash == INT32_MIN ? 0 : std::abs(hash);
  return PartitionId(positive % static_cast<int32_t>(count));
}

std::optional<groups::Topics::Topic> ImageTopics::Find(const std::string& name) const {
  return ToTopic(image_->FindTopic(name));
}

std::optional<groups::Topics::Topic> ImageTopics::Find(const TopicId& id) const {
  return ToTopic(image_->FindTopic(id));
}

std::vector<std::string> ImageTopics::Names() const {
  std::vector<std::string> names;
  image_->ForEachTopic([&names](const metadata::TopicPtr& topic) {
    if (!metadata::IsInternalTopic(topic->name)) names.push_back(topic->name);
  });
  return names;
}

int64_t ImageTopics::Version() const { return static_cast<int64_t>(image_->version()); }

GroupHost::GroupHost(Executor& executor, const metadata::ImagePtr& image, Partition& partition, groups::Options options,
                     uint64_t seed)
    : executor_(executor), topics_(image), partition_(&partition), options_(std::move(options)), seed_(seed) {}

// ---- which life it has ----

void GroupHost::OnReady() {
  if (partition_ != nullptr && (state_ == State::kIdle || state_ == State::kUnreadable)) Load();
}

void GroupHost::OnLeadershipLost() { Fail(GroupError::kNotCoordinator, State::kIdle); }

void GroupHost::Stop() {
  Fail(GroupError::kNotCoordinator, State::kIdle);
  partition_ = nullptr;
}

// All that is in the log counts, also what is not committed yet: what an earlier life of the coordinator appended may
// still become it.
void GroupHost::Load() {
  state_ = State::kLoading;
  ++life_;
  committed_ = 0;
  coordinator_ = std::make_unique<groups::Coordinator>(options_, topics_, [this] { return MakeUuid(); });
  next_ = partition_->log_start_offset();
  end_ = partition_->replica().log_end_offset();
  executor_.Post([self = shared_from_this(), life = life_] { self->ReadMore(life); });
}

void GroupHost::ReadMore(uint64_t life) {
  if (life != life_ || state_ != State::kLoading) return;
  // A restart of the replica may have taken an end back that was never on disk.
  if (next_ >= std::min(end_, partition_->replica().log_end_offset())) return Serve();
  FetchItem item;
  item.partition = partition_->ref();
  item.offset = next_;
  item.max_bytes = kReplayChunkBytes;
  const replica::DataLimit limit{kReplayChunkBytes, true};
  FetchOutcome read;
  if (partition_->Fetch(item, limit, read)) return OnRead(life, read);
  partition_->FetchCold(item, limit, std::move(read), [self = shared_from_this(), life](const FetchOutcome& outcome) {
    self->OnRead(life, outcome);
  });
}

void GroupHost::OnRead(uint64_t life, const FetchOutcome& read) {
  if (life != life_ || state_ != State::kLoading) return;
  if (read.error || read.records.empty()) return RetryLater(life);  // or not committed yet
  const Bytes batches = read.records.Flatten();
  if (const Status replayed = Replay(batches); !replayed.ok()) {
    CHRONIK_LOG(kError) << kOffsetsTopic << '-' << partition_->ref().partition.value << " at offset " << next_.value
                        << " cannot be read, its groups are not served: " << replayed.error();
    return Fail(GroupError::kCoordinatorNotAvailable, State::kUnreadable);
  }
  executor_.Post([self = shared_from_this(), life] { self->ReadMore(life); });
}

void GroupHost::RetryLater(uint64_t life) {
  timer_ = executor_.Schedule(kReadAgainAfter, [self = shared_from_this(), life] {
    if (life != self->life_) return;
    self->timer_ = 0;
    self->ReadMore(life);
  });
}

Status GroupHost::Replay(ByteView batches) {
  while (!batches.empty()) {
    const auto batch = records::BatchView::Parse(batches);
    if (!batch.ok()) return batch.error();
    CHRONIK_RETURN_IF_ERROR(ReplayBatch(*batch));
    next_ = batch->next_offset();
    batches = batches.subspan(batch->size());
  }
  return {};
}

Status GroupHost::ReplayBatch(const records::BatchView& batch) {
  auto it = records::RecordIterator::Open(batch, kDecompressedBytesMax);
  if (!it.ok()) return it.error();
  for (;;) {
    const auto more = it->Next();
    if (!more.ok()) return more.error();
    if (!*more) return {};
    const records::RecordView& record = it->record();
    if (!record.key) return Error{ErrorCode::kCorrupt, "a record without a key"};
    if (batch.is_control()) {
      const auto commit = IsCommit(*record.key);
      if (!commit) return Error{ErrorCode::kCorrupt, "a malformed control record"};
      coordinator_->ReplayMarker(batch.producer_id(), *commit);
    } else if (batch.is_transactional()) {
      CHRONIK_RETURN_IF_ERROR(coordinator_->ReplayTransactional(batch.producer_id(), *record.key, record.value));
    } else {
      CHRONIK_RETURN_IF_ERROR(coordinator_->Replay(*record.key, record.value));
    }
  }
}

void GroupHost::Serve() {
  state_ = State::kServing;
  coordinator_->Start(Now());
  SetTimer();
}

// ---- requests ----

void GroupHost::Ask(const groups::Request& request, Callback<groups::Response> done) {
  switch (state_) {
    case State::kIdle: return done(groups::Refused(request, GroupError::kNotCoordinator));
    case State::kLoading: return done(groups::Refused(request, GroupError::kCoordinatorLoadInProgress));
    case State::kUnreadable: return done(groups::Refused(request, GroupError::kCoordinatorNotAvailable));
    case State::kServing: break;
  }
  const uint64_t token = ++last_token_;
  asked_.emplace(token, std::move(done));
  Step(token, request);
}

void GroupHost::TopicsDeleted(const std::vector<std::string>& topics) {
  if (state_ == State::kServing) Step(0, groups::TopicsDeleted{topics});
}

void GroupHost::Step(uint64_t token, const groups::Request& request) {
  groups::Output output;
  coordinator_->Step(token, request, Now(), &output);
  CarryOut(std::move(output));
}

void GroupHost::CarryOut(groups::Output output) {
  // Held first: an append that fails at once answers them, too.
  for (groups::Reply& reply : output.replies) {
    const uint64_t after = reply.after;
    held_.emplace(after, std::move(reply));
  }
  const uint64_t life = life_;
  for (const groups::Append& append : output.appends) {
    Append(append);
    if (life != life_) return;  // it failed
  }
  Release();
  SetTimer();
}

// Nothing begins a transaction in this release, so that no append belongs to one.
void GroupHost::Append(const groups::Append& append) {
  CHRONIK_CHECK(!append.producer && !append.marker) << "an append of a transaction";
  partition_->Produce(ToBatch(append, executor_.WallNow()), Acks::kAll, true,
                      [self = shared_from_this(), life = life_, sequence = append.sequence](ProduceOutcome outcome) {
                        if (life == self->life_) self->OnAppended(sequence, outcome.error);
                      });
}

void GroupHost::OnAppended(uint64_t sequence, const std::optional<Error>& error) {
  if (!error) {
    committed_ = std::max(committed_, sequence);
    return Release();
  }
  const bool leads = partition_->replica().is_ready();
  CHRONIK_LOG(kWarn) << kOffsetsTopic << '-' << partition_->ref().partition.value
                     << ": an append failed, the coordinator begins again: " << *error;
  Fail(leads ? GroupError::kCoordinatorNotAvailable : GroupError::kNotCoordinator, State::kIdle);
  if (leads) Load();
}

void GroupHost::Release() {
  while (!held_.empty() && held_.begin()->first <= committed_) {
    groups::Reply reply = std::move(held_.begin()->second);
    held_.erase(held_.begin());
    Answer(reply.token, std::move(reply.response));
  }
}

void GroupHost::Answer(uint64_t token, groups::Response response) {
  const auto found = asked_.find(token);
  if (found == asked_.end()) return;
  Callback<groups::Response> done = std::move(found->second);
  asked_.erase(found);
  done(std::move(response));
}

void GroupHost::Fail(GroupError error, State next) {
  ++life_;
  state_ = next;
  CancelTimer();
  groups::Output inside;
  if (coordinator_) coordinator_->Abandon(error, &inside);
  coordinator_.reset();
  for (auto& [after, reply] : std::exchange(held_, {})) Answer(reply.token, groups::Failed(reply.response, error));
  for (groups::Reply& reply : inside.replies) Answer(reply.token, std::move(reply.response));
  CHRONIK_CHECK(asked_.empty()) << "a group request has no answer";
}

// ---- time ----

void GroupHost::SetTimer() {
  if (state_ != State::kServing) return;
  const std::optional<Instant> due = coordinator_->next_deadline();
  if (timer_ != 0 && due == timer_due_) return;
  CancelTimer();
  timer_due_ = due;
  if (!due) return;
  const Duration delay = std::max(Duration(0), *due - executor_.Now());
  timer_ = executor_.Schedule(delay, [self = shared_from_this(), life = life_] {
    if (life != self->life_) return;
    self->timer_ = 0;
    self->Step(0, groups::Tick{});
  });
}

void GroupHost::CancelTimer() {
  if (timer_ != 0) executor_.Cancel(std::exchange(timer_, 0));
  timer_due_.reset();
}

// Members outlive this object: what it hands out after a restart must differ, hence the leader epoch.
std::string GroupHost::MakeUuid() {
  constexpr const char* kDigits = "0123456789abcdef";
  const uint64_t epoch = partition_->replica().soft_state().term.value;
  uint64_t bits = Mix(seed_ ^ Mix(epoch));
  std::string text;
  for (int half = 0; half < 2; ++half) {
    bits = Mix(bits ^ ++uuids_);
    for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[bits >> shift & 0xF];
  }
  for (const size_t dash : {8u, 13u, 18u, 23u}) text.insert(dash, 1, '-');
  return text;
}

}  // namespace chronik::broker
