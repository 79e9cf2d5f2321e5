// SPDX-License-Identifier: Apache-2.0
#include "kernel/api/fetch_session.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace chronik::api {
namespace {

constexpr int32_t kFinalEpoch = -1;   // close the session, if any
constexpr int32_t kInitialEpoch = 0;  // open one

void AddPartitions(const protocol::FetchRequest& request, FetchSession& session) {
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      const auto [at, added] = session.partitions.try_emplace({topic.topic, topic.topic_id, partition.partition});
      at->second.request = partition;
      if (added) session.MoveToEnd(at->second);
    }
  }
}

}  // namespace

std::vector<std::pair<FetchKey, protocol::FetchRequest::FetchPartition>> FetchSession::InTurn() const {
  std::vector<const std::pair<const FetchKey, FetchedPartition>*> rows;
  rows.reserve(partitions.size());
  for (const auto& row : partitions) rows.push_back(&row);
  std::ranges::sort(rows, {}, [](const auto* row) { return row->second.turn; });
  std::vector<std::pair<FetchKey, protocol::FetchRequest::FetchPartition>> out;
  out.reserve(rows.size());
  for (const auto* row : rows) out.emplace_back(row->first, row->second.request);
  return out;
}

FetchSessionCache::Begun FetchSessionCache::Begin(const protocol::FetchRequest& request, bool by_id, Instant now) {
  using enum protocol::KafkaError;
  if (request.session_epoch == kFinalEpoch || request.session_epoch == kInitialEpoch) {
    sessions_.erase(request.session_id);
    auto session = std::make_shared<FetchSession>();
    session->by_id = by_id;
    AddPartitions(request, *session);
    if (request.session_epoch == kInitialEpoch && !session->partitions.empty() && MakeRoom(now)) {
      session->id = next_id_;
      next_id_ = next_id_ == std::numeric_limits<int32_t>::max() ? 1 : next_id_ + 1;
      session->last_used = now;
      sessions_[session->id] = session;
    }
    return {kNone, std::move(session), false};
  }
  const auto found = sessions_.find(request.session_id);
  if (found == sessions_.end()) return {kFetchSessionIdNotFound, nullptr, false};
  FetchSession& session = *found->second;
  if (request.session_epoch != session.next_epoch) return {kInvalidFetchSessionEpoch, nullptr, false};
  if (session.by_id != by_id) return {kFetchSessionTopicIdError, nullptr, false};
  session.next_epoch = session.next_epoch == std::numeric_limits<int32_t>::max() ? 1 : session.next_epoch + 1;
  session.last_used = now;
  for (const auto& topic : request.forgotten_topics_data) {
    for (const int32_t partition : topic.partitions) session.partitions.erase({topic.topic, topic.topic_id, partition});
  }
  AddPartitions(request, session);
  const FetchSessionPtr used = found->second;
  if (session.partitions.empty()) {
    sessions_.erase(found);
    session.id = 0;
  }
  return {kNone, used, true};
}

// A full cache gives up the session that has been idle longest, if that was long; otherwise the client goes without
// one.
bool FetchSessionCache::MakeRoom(Instant now) {
  if (sessions_.size() < sessions_max_) return true;
  const auto oldest = std::min_element(sessions_.begin(), sessions_.end(), [](const auto& a, const auto& b) {
    return a.second->last_used < b.second->last_used;
  });
  if (oldest == sessions_.end() || now - oldest->second->last_used < kIdleBeforeEviction) return false;
  sessions_.erase(oldest);
  return true;
}

}  // namespace chronik::api
