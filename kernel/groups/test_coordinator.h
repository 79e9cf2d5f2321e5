// SPDX-License-Identifier: Apache-2.0
// A coordinator with a clock and a log of its own for tests. Everything that it appends is committed at once, unless a
// test holds it back. After every step a second coordinator replays what was appended, and must hold the same.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/groups/coordinator.h"

namespace chronik::groups {

using namespace std::chrono_literals;

class TestTopics : public Topics {
 public:
  void Set(const std::string& name, int32_t partitions) {
    Topic& topic = topics_[name];
    if (topic.name.empty()) topic.id.bytes[0] = ++last_id_;
    topic.name = name;
    topic.partitions = partitions;
    ++version_;
  }
  void Remove(const std::string& name) {
    topics_.erase(name);
    ++version_;
  }
  std::optional<Topic> Find(const std::string& name) const override {
    const auto found = topics_.find(name);
    return found == topics_.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<Topic> Find(const TopicId& id) const override {
    for (const auto& [name, topic] : topics_) {
      if (topic.id == id) return topic;
    }
    return std::nullopt;
  }
  std::vector<std::string> Names() const override {
    std::vector<std::string> names;
    for (const auto& [name, topic] : topics_) names.push_back(name);
    return names;
  }
  int64_t Version() const override { return version_; }

 private:
  std::map<std::string, Topic> topics_;
  uint8_t last_id_ = 0;
  int64_t version_ = 1;
};

class TestCoordinator {
 public:
  explicit TestCoordinator(Options options = {}) : options_(options) { Begin(); }

  // ---- requests ----
  // The answer, which must come at once.
  template <class ReplyType, class RequestType>
  ReplyType Ask(const RequestType& request) {
    const uint64_t token = Send(request);
    const std::optional<Response> response = Take(token);
    EXPECT_TRUE(response.has_value()) << "no answer";
    return response ? std::get<ReplyType>(*response) : ReplyType{};
  }
  uint64_t Send(const Request& request) {
    const uint64_t token = ++last_token_;
    Step(token, request);
    return token;
  }
  std::optional<Response> Take(uint64_t token) {
    const auto found = answers_.find(token);
    if (found == answers_.end()) return std::nullopt;
    std::optional<Response> response(std::move(found->second));
    answers_.erase(found);
    return response;
  }
  template <class ReplyType>
  std::optional<ReplyType> TakeAs(uint64_t token) {
    const std::optional<Response> response = Take(token);
    return response ? std::optional(std::get<ReplyType>(*response)) : std::nullopt;
  }
  void Tell(const Request& request) { Step(0, request); }

  // ---- time ----
  // Ticks at every deadline on the way, as a driver does.
  void Advance(Duration duration) {
    const Instant end = now_.mono + duration;
    while (true) {
      const std::optional<Instant> due = coordinator_->next_deadline();
      if (!due || *due > end) break;
      MoveTo(std::max(*due, now_.mono));
      Step(0, Tick{});
      const std::optional<Instant> next = coordinator_->next_deadline();
      ASSERT_TRUE(!next || *next > now_.mono) << "a deadline that a tick does not settle";
    }
    MoveTo(end);
  }
  Now now() const { return now_; }

  // ---- the log ----
  void HoldCommits() { holding_ = true; }
  void Commit() {
    holding_ = false;
    committed_ = appended_;
    Deliver();
  }
  // The partition moves: what was not committed is lost, another coordinator replays.
  void Fail(GroupError error = GroupError::kNotCoordinator) {
    Output last;
    coordinator_->Abandon(error, &last);
    for (Reply& reply : last.replies) answers_[reply.token] = std::move(reply.response);
    for (Reply& reply : held_) answers_[reply.token] = Failed(reply.response, error);
    held_.clear();
    log_.resize(committed_);
    Begin();
  }
  const std::vector<Append>& log() const { return log_; }
  // The records of the last append, decoded.
  std::vector<Record> LastRecords() const {
    std::vector<Record> records;
    for (const EncodedRecord& r : log_.back().records) records.push_back(Decoded(r));
    return records;
  }
  static Record Decoded(const EncodedRecord& r) {
    const auto decoded = DecodeRecord(AsBytes(r.key), r.value ? std::optional(AsBytes(*r.value)) : std::nullopt);
    EXPECT_TRUE(decoded.ok() && decoded->has_value());
    return **decoded;
  }
  Coordinator& coordinator() { return *coordinator_; }
  bool checks_replay = true;
  TestTopics topics;

 private:
  std::unique_ptr<Coordinator> Make() {
    return std::make_unique<Coordinator>(options_, topics, [this] { return "u" + std::to_string(++last_uuid_); });
  }

  static void Replay(Coordinator& to, const Append& append) {
    if (append.marker) return to.ReplayMarker(*append.producer, append.marker->commit);
    for (const EncodedRecord& r : append.records) {
      const auto value = r.value ? std::optional(AsBytes(*r.value)) : std::nullopt;
      const Status done = append.producer ? to.ReplayTransactional(*append.producer, AsBytes(r.key), value)
                                          : to.Replay(AsBytes(r.key), value);
      ASSERT_TRUE(done.ok()) << done.error();
    }
  }

  void Begin() {
    coordinator_ = Make();
    shadow_ = Make();
    settled_.clear();
    appended_ = committed_ = 0;
    for (const Append& append : log_) {
      Replay(*coordinator_, append);
      Replay(*shadow_, append);
    }
    log_at_start_ = committed_ = appended_ = log_.size();
    coordinator_->Start(now_);
    Check();
  }

  void Step(uint64_t token, const Request& request) {
    Output output;
    coordinator_->Step(token, request, now_, &output);
    for (Append& append : output.appends) {
      ASSERT_EQ(append.sequence, log_.size() - log_at_start_ + 1);
      Replay(*shadow_, append);
      log_.push_back(std::move(append));
    }
    appended_ = log_.size();
    if (!holding_) committed_ = appended_;
    for (Reply& reply : output.replies) held_.push_back(std::move(reply));
    Deliver();
    if (checks_replay) Check();
  }

  void Deliver() {
    std::vector<Reply> still;
    for (Reply& reply : held_) {
      if (reply.after + log_at_start_ > committed_ && reply.after != 0) {
        still.push_back(std::move(reply));
      } else {
        EXPECT_FALSE(answers_.contains(reply.token)) << "two answers";
        answers_[reply.token] = std::move(reply.response);
      }
    }
    held_ = std::move(still);
  }

  // A group that is rebalancing is, to who replays, what it last was.
  void Check() {
    std::map<std::string, std::string> live = coordinator_->DurableState();
    const std::map<std::string, std::string> replayed = shadow_->DurableState();
    for (auto& [key, value] : live) {
      if (value == "rebalancing" && settled_.contains(key)) value = settled_[key];
    }
    std::erase_if(live, [](const auto& entry) { return entry.second == "rebalancing"; });
    EXPECT_EQ(live, replayed);
    settled_ = std::move(live);
  }

  void MoveTo(Instant instant) {
    wall_rest_ += instant - now_.mono;
    const auto ms = std::chrono::floor<Milliseconds>(wall_rest_);
    now_.wall += ms;
    wall_rest_ -= ms;
    now_.mono = instant;
  }

  const Options options_;
  Now now_{Instant(1h), WallTime(Milliseconds(1700000000000))};
  Duration wall_rest_{0};
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<Coordinator> shadow_;
  std::map<std::string, std::string> settled_;
  std::vector<Append> log_;
  size_t log_at_start_ = 0;
  size_t appended_ = 0;
  size_t committed_ = 0;
  bool holding_ = false;
  std::vector<Reply> held_;
  std::map<uint64_t, Response> answers_;
  uint64_t last_token_ = 0;
  uint64_t last_uuid_ = 0;
};

// ---- requests as clients send them ----

// A subscription of the "consumer" protocol, version 1.
inline std::string Subscription(const std::vector<std::string>& topics) {
  std::string bytes("\0\1\0\0\0", 5);
  bytes.push_back(static_cast<char>(topics.size()));
  for (const std::string& topic : topics) {
    bytes.push_back('\0');
    bytes.push_back(static_cast<char>(topic.size()));
    bytes += topic;
  }
  return bytes + std::string("\xff\xff\xff\xff\0\0\0\0", 8);
}

inline JoinGroup JoinOf(const std::string& member, std::vector<std::string> protocols = {"range"}) {
  JoinGroup join;
  join.group = "g";
  join.member = member;
  join.client = {"client", "/host"};
  join.session_timeout = 10s;
  join.rebalance_timeout = 30s;
  join.protocol_type = "consumer";
  for (const std::string& protocol : protocols) join.protocols.push_back({protocol, Subscription({"t"})});
  return join;
}

inline JoinGroup StaticJoinOf(const std::string& instance, const std::string& member = "") {
  JoinGroup join = JoinOf(member);
  join.instance = instance;
  return join;
}

inline OffsetCommit CommitOf(const std::string& topic, int32_t partition, int64_t offset) {
  OffsetCommit commit;
  commit.group = "g";
  commit.topics = {{topic, {{partition, offset, 3, "m"}}}};
  return commit;
}

inline OffsetFetch FetchOf(const std::string& topic, int32_t partition, bool require_stable = false) {
  OffsetFetch fetch;
  fetch.group = "g";
  fetch.require_stable = require_stable;
  fetch.topics = {{topic, {partition}}};
  return fetch;
}

}  // namespace chronik::groups
