// SPDX-License-Identifier: Apache-2.0
#include "kernel/raft/progress.h"

#include <algorithm>

namespace chronik::raft {

namespace {

constexpr uint8_t kBeatsPerLogRead = 3;

}  // namespace

void Inflight::FreeThrough(LogIndex match) {
  while (!sent_.empty() && sent_.front().last <= match) {
    bytes_ -= sent_.front().bytes;
    sent_.pop_front();
  }
}

void Inflight::Clear() {
  sent_.clear();
  bytes_ = 0;
}

void Progress::SentEntries(LogIndex last, uint64_t bytes) {
  next_ = last + 1;
  inflight_.Add(last, bytes);
}

bool Progress::ResumeProbe() {
  if (probe_sent_ && reads_log_ && ++beats_waited_ < kBeatsPerLogRead) return false;
  probe_sent_ = false;
  return true;
}

void Progress::BecomeProbe() {
  state_ = State::kProbe;
  next_ = match_ + 1;
  probe_sent_ = false;
  inflight_.Clear();
}

void Progress::BecomeSnapshot() {
  state_ = State::kSnapshot;
  probe_sent_ = false;
  inflight_.Clear();
}

bool Progress::Accepted(LogIndex match) {
  const bool news = match > match_;
  if (match < match_) return false;                                   // an old answer, overtaken
  if (!news && probing() && probe_sent_ && reads_log_) return false;  // to a repetition of what was answered before
  match_ = match;
  next_ = std::max(next_, match + 1);
  inflight_.FreeThrough(match);
  accepted_since_beat = true;
  if (state_ != State::kReplicate) {
    state_ = State::kReplicate;
    probe_sent_ = false;
    next_ = match + 1;
  }
  return news;
}

bool Progress::Refused(LogIndex rejected, LogIndex hint) {
  if (state_ == State::kSnapshot) return false;
  if (state_ == State::kReplicate) {
    if (rejected <= match_) return false;
    BecomeProbe();
    return true;
  }
  if (rejected != next_ - 1) return false;
  // A follower that agrees there and refuses all the same cannot take the entries (its offsets drifted). There is
  // nothing else to try; probe_sent_ stays, which leaves one attempt per heartbeat.
  if (hint >= rejected) return false;
  const LogIndex next = std::max(hint, match_) + 1;
  if (next >= next_) return false;
  next_ = next;
  probe_sent_ = false;
  return true;
}

}  // namespace chronik::raft
