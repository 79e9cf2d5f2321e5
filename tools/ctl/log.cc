// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/log.h"

#include <iostream>

#include "tools/ctl/log_entry.h"
#include "tools/ctl/offline_store.h"
#include "tools/ctl/output.h"

namespace chronik::ctl {
namespace {

constexpr size_t kProblemsMax = 100;  // of one log

metadata::ImagePtr ImageOf(OfflineStore& store) {
  auto image = store.ReadMetadata();
  if (!image.ok()) throw Failure(kDamaged, "the metadata group's log: " + image.error().message);
  return *std::move(image);
}

GroupId Find(OfflineStore& store, const LogSelector& selector) {
  if (selector.group != 0) return GroupId(selector.group);
  const metadata::TopicPtr topic = ImageOf(store)->FindTopic(selector.topic);
  if (!topic) throw Failure(kNotFound, "this node's metadata has no topic '" + selector.topic + "'");
  if (selector.partition >= static_cast<int32_t>(topic->partitions.size()))
    throw Failure(kNotFound, "topic '" + selector.topic + "' has no partition " + std::to_string(selector.partition));
  return topic->partitions[static_cast<size_t>(selector.partition)].group;
}

log::OpenedGroup OpenOrThrow(OfflineStore& store, GroupId group) {
  auto opened = store.Open(group);
  if (opened.ok()) return *std::move(opened);
  if (opened.error().code == ErrorCode::kNotFound)
    throw Failure(kNotFound, "this node has no log of group " + std::to_string(group.value));
  throw Failure(opened.error().code == ErrorCode::kCorrupt ? kDamaged : kFailed, opened.error().message);
}

// "orders-3", "__meta", or "" if the metadata does not know it.
std::string NameOf(const metadata::MetadataImage& image, GroupId group) {
  if (group == kMetaGroup) return "__meta";
  const auto member = image.FindGroup(group);
  const metadata::TopicPtr topic = member ? image.FindTopic(member->topic) : nullptr;
  return topic ? topic->name + "-" + std::to_string(member->partition.value) : "";
}

void AddProblem(Json::Value* out, const std::string& problem) {
  if ((*out)["problems"].size() < kProblemsMax) (*out)["problems"].append(problem);
}

// Behind an entry that cannot be read the check goes on; what follows has to be right in itself.
Status VerifyEntries(OfflineStore& store, GroupId group, Expected* expected, Json::Value* out) {
  bool gap = false;
  for (;;) {
    const Status read = store.ForEach(expected->index, [&](const log::Entry& entry) {
      if (gap) *expected = {expected->index, entry.meta.term, entry.meta.base_offset};
      gap = false;
      const auto damage = WhatIsDamaged(entry, *expected, group == kMetaGroup);
      if (damage) AddProblem(out, "entry " + std::to_string(entry.meta.index.value) + ": " + *damage);
      *expected = {entry.meta.index + 1, entry.meta.term, entry.meta.next_offset()};
      return true;
    });
    if (read.ok() || read.error().code != ErrorCode::kCorrupt || (*out)["problems"].size() >= kProblemsMax) return read;
    AddProblem(out, read.error().message);
    ++expected->index;
    gap = true;
  }
}

Json::Value Verify(OfflineStore& store, GroupId group) {
  Json::Value out;
  out["group"] = Json::UInt64(group.value);
  out["problems"] = Json::Value(Json::arrayValue);
  const auto opened = store.Open(group);
  if (!opened.ok()) {
    if (opened.error().code == ErrorCode::kNotFound)
      throw Failure(kNotFound, "this node has no log of group " + std::to_string(group.value));
    AddProblem(&out, opened.error().message);
    return out;
  }
  const log::Bounds& bounds = opened->bounds;
  out["first_index"] = Json::UInt64(bounds.first_index.value);
  out["last_index"] = Json::UInt64(bounds.last_index.value);
  out["log_start_offset"] = Json::Int64(bounds.first_offset.value);
  out["log_end_offset"] = Json::Int64(bounds.next_offset.value);
  Expected expected{bounds.first_index, bounds.previous.term, bounds.first_offset};
  const Status read = VerifyEntries(store, group, &expected, &out);
  if (!read.ok()) {
    AddProblem(&out, read.error().message);
  } else if (out["problems"].empty() &&
             (expected.index != bounds.last_index + 1 || expected.base_offset != bounds.next_offset)) {
    AddProblem(&out, "the log ends at index " + std::to_string(expected.index.value - 1) + ", offset " +
                         std::to_string(expected.base_offset.value) + ", and the store says otherwise");
  }
  return out;
}

void PrintVerified(const Json::Value& log) {
  const Json::Value& problems = log["problems"];
  const std::string name = log["name"].asString();
  std::cout << "group " << log["group"].asUInt64() << (name.empty() ? "" : " (" + name + ")") << ": ";
  if (log.isMember("first_index")) {
    std::cout << "entries " << log["first_index"].asUInt64() << ".." << log["last_index"].asUInt64() << ", offsets "
              << log["log_start_offset"].asInt64() << ".." << log["log_end_offset"].asInt64() << ", ";
  }
  std::cout << (problems.empty() ? "ok" : "DAMAGED") << "\n";
  for (const Json::Value& problem : problems) std::cout << "  " << problem.asString() << "\n";
}

}  // namespace

int LogDump(const Globals& globals, const DumpOptions& options) {
  if (options.log.group == 0 && (options.log.topic.empty() || options.log.partition < 0))
    throw Failure(kUsage, "which log? --topic and --partition, or --group");
  OfflineStore store(globals);
  const log::OpenedGroup opened = OpenOrThrow(store, Find(store, options.log));
  uint64_t count = 0;
  const Status read = store.ForEach(LogIndex(options.from), [&](const log::Entry& entry) {
    const Json::Value described = DescribeEntry(entry, options.records);
    if (globals.json()) {
      PrintJsonLine(described);
    } else {
      std::cout << EntryLine(described) << "\n";
    }
    return ++count != options.count;
  });
  if (!read.ok()) throw Failure(read.error().code == ErrorCode::kCorrupt ? kDamaged : kFailed, read.error().message);
  return kOk;
}

int LogVerify(const Globals& globals, const LogSelector& selector) {
  if (selector.topic.empty() != (selector.partition < 0)) throw Failure(kUsage, "--topic and --partition go together");
  OfflineStore store(globals);
  const bool all = selector.group == 0 && selector.topic.empty();
  const std::vector<GroupId> groups = all ? store.Groups() : std::vector<GroupId>{Find(store, selector)};
  // Damaged metadata costs the names, not the look at the rest.
  const auto image = store.ReadMetadata();
  Json::Value out;
  out["logs"] = Json::Value(Json::arrayValue);
  bool damaged = false;
  for (const GroupId group : groups) {
    Json::Value verified = Verify(store, group);
    verified["name"] = NameOf(image.ok() ? **image : *metadata::MetadataImage::Empty(), group);
    damaged |= !verified["problems"].empty();
    if (!globals.json()) PrintVerified(verified);
    out["logs"].append(std::move(verified));
  }
  out["damaged"] = damaged;
  if (globals.json()) PrintJson(out);
  return damaged ? kDamaged : kOk;
}

}  // namespace chronik::ctl
