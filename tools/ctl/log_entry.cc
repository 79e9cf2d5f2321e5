// SPDX-License-Identifier: Apache-2.0
#include "tools/ctl/log_entry.h"

#include <cstdio>
#include <sstream>

#include "kernel/metadata/command.h"
#include "kernel/raft/configuration.h"
#include "kernel/records/record.h"
#include "tools/ctl/bytes_text.h"

namespace chronik::ctl {
namespace {

constexpr size_t kDecompressedMax = 1 << 30;

const char* KindName(raft::EntryKind kind) {
  switch (kind) {
    case raft::EntryKind::kNoop: return "noop";
    case raft::EntryKind::kConfiguration: return "configuration";
    case raft::EntryKind::kData: return "data";
    case raft::EntryKind::kCommand: return "command";
    case raft::EntryKind::kLogStart: return "log_start";
  }
  return "unknown";
}

const char* CommandName(const metadata::Command& command) {
  struct Namer {
    const char* operator()(const metadata::RegisterBroker&) const { return "register_broker"; }
    const char* operator()(const metadata::CreateTopic&) const { return "create_topic"; }
    const char* operator()(const metadata::DeleteTopic&) const { return "delete_topic"; }
    const char* operator()(const metadata::AddPartitions&) const { return "add_partitions"; }
    const char* operator()(const metadata::SetTopicConfigs&) const { return "set_topic_configs"; }
    const char* operator()(const metadata::AllocateProducerIds&) const { return "allocate_producer_ids"; }
    const char* operator()(const metadata::SetClusterId&) const { return "set_cluster_id"; }
    const char* operator()(const metadata::ReassignPartitions&) const { return "reassign_partitions"; }
    const char* operator()(const metadata::FinishReassignment&) const { return "finish_reassignment"; }
    const char* operator()(const metadata::SetBrokerLeaving&) const { return "set_broker_leaving"; }
    const char* operator()(const metadata::RetireBroker&) const { return "retire_broker"; }
  };
  return std::visit(Namer(), command);
}

std::optional<std::string_view> TextOf(std::optional<ByteView> bytes) {
  return bytes ? std::optional(AsText(*bytes)) : std::nullopt;
}

int64_t Milliseconds(WallTime time) { return time.time_since_epoch().count(); }

Json::Value Records(const records::BatchView& batch) {
  Json::Value out(Json::arrayValue);
  auto at = records::RecordIterator::Open(batch, kDecompressedMax);
  if (!at.ok()) return out;
  for (auto next = at->Next(); next.ok() && *next; next = at->Next()) {
    Json::Value& one = out.append(Json::Value());
    one["offset"] = Json::Int64(at->offset().value);
    one["timestamp_ms"] = Json::Int64(Milliseconds(at->timestamp()));
    PutBytes(&one, "key", TextOf(at->record().key));
    PutBytes(&one, "value", TextOf(at->record().value));
    if (at->record().header_count > 0) one["headers"] = at->record().header_count;
  }
  return out;
}

Json::Value Batch(const records::BatchView& batch) {
  char crc[16];
  std::snprintf(crc, sizeof crc, "%08x", batch.crc());
  Json::Value out;
  out["base_offset"] = Json::Int64(batch.base_offset().value);
  out["count"] = batch.record_count();
  out["leader_epoch"] = batch.partition_leader_epoch();
  out["crc"] = crc;
  out["crc_ok"] = batch.crc_matches();
  out["codec"] = batch.codec_known() ? std::string(records::CodecName(batch.codec())) : "unknown";
  out["timestamp_type"] =
      batch.timestamp_type() == records::TimestampType::kLogAppendTime ? "log_append_time" : "create_time";
  out["base_timestamp_ms"] = Json::Int64(Milliseconds(batch.base_timestamp()));
  out["max_timestamp_ms"] = Json::Int64(Milliseconds(batch.max_timestamp()));
  out["producer_id"] = Json::Int64(batch.producer_id().value);
  out["producer_epoch"] = batch.producer_epoch();
  out["base_sequence"] = batch.base_sequence();
  out["transactional"] = batch.is_transactional();
  out["control"] = batch.is_control();
  return out;
}

template <class Ids>
Json::Value Members(const Ids& members) {
  Json::Value out(Json::arrayValue);
  for (const auto& member : members) {
    std::ostringstream text;
    text << member;
    out.append(text.str());
  }
  return out;
}

std::optional<std::string> DamagedBatch(const log::Entry& entry) {
  const auto batch = records::BatchView::Parse(entry.body);
  if (!batch.ok()) return batch.error().message;
  if (batch->size() != entry.body.size()) return "bytes follow the batch";
  if (!batch->crc_matches()) return "the batch's CRC does not match";
  if (batch->base_offset() != entry.meta.base_offset || batch->next_offset() != entry.meta.next_offset())
    return "the batch's offsets are not the entry's";
  if (batch->partition_leader_epoch() != static_cast<int32_t>(entry.meta.term.value))
    return "the batch's leader epoch is not the entry's term";
  auto at = records::RecordIterator::Open(*batch, kDecompressedMax);
  if (!at.ok()) return at.error().message;
  for (;;) {
    const auto next = at->Next();
    if (!next.ok()) return next.error().message;
    if (!*next) return std::nullopt;
  }
}

}  // namespace

Json::Value DescribeEntry(const log::Entry& entry, bool with_records) {
  Json::Value out;
  out["index"] = Json::UInt64(entry.meta.index.value);
  out["term"] = Json::UInt64(entry.meta.term.value);
  out["kind"] = KindName(entry.meta.kind);
  out["bytes"] = Json::UInt64(entry.body.size());
  out["base_offset"] = Json::Int64(entry.meta.base_offset.value);
  out["offset_count"] = entry.meta.offset_count;
  if (entry.meta.kind == raft::EntryKind::kConfiguration) {
    const auto configuration = raft::DecodeConfiguration(entry.body);
    if (!configuration.ok()) return out;
    out["voters"] = Members(configuration->voters);
    out["learners"] = Members(configuration->learners);
    if (configuration->phase == raft::ConfigurationPhase::kStable) return out;
    out["next_voters"] = Members(configuration->next_voters);
    out["next_learners"] = Members(configuration->next_learners);
  } else if (entry.meta.kind == raft::EntryKind::kCommand) {
    const auto command = metadata::DecodeCommand(entry.body);
    out["command"] = command.ok() ? CommandName(*command) : "unreadable";
  } else if (entry.meta.kind == raft::EntryKind::kData) {
    const auto batch = records::BatchView::Parse(entry.body);
    if (!batch.ok()) {
      out["unreadable"] = batch.error().message;
      return out;
    }
    out["batch"] = Batch(*batch);
    if (with_records) out["records"] = Records(*batch);
  }
  return out;
}

std::string EntryLine(const Json::Value& entry) {
  std::ostringstream out;
  out << entry["index"].asUInt64() << "  term " << entry["term"].asUInt64() << "  " << entry["kind"].asString();
  if (entry.isMember("command")) out << " " << entry["command"].asString();
  for (const char* list : {"voters", "learners", "next_voters", "next_learners"}) {
    if (!entry.isMember(list)) continue;
    out << "  " << list << " [";
    for (const Json::Value& member : entry[list]) out << (&member == &entry[list][0] ? "" : " ") << member.asString();
    out << "]";
  }
  if (entry.isMember("unreadable")) out << "  UNREADABLE: " << entry["unreadable"].asString();
  const Json::Value& batch = entry["batch"];
  if (!batch.isNull()) {
    const Json::Int64 base = batch["base_offset"].asInt64();
    out << "  offsets " << base << ".." << base + entry["offset_count"].asInt64() - 1 << "  " << batch["count"].asInt()
        << " records  " << batch["codec"].asString() << "  " << entry["bytes"].asUInt64() << " bytes  crc "
        << batch["crc"].asString() << (batch["crc_ok"].asBool() ? " ok" : " WRONG") << "  epoch "
        << batch["leader_epoch"].asInt() << "  time " << batch["max_timestamp_ms"].asInt64();
    if (batch["producer_id"].asInt64() >= 0) {
      out << "  producer " << batch["producer_id"].asInt64() << "/" << batch["producer_epoch"].asInt() << " seq "
          << batch["base_sequence"].asInt();
    }
  }
  const auto text = [](const Json::Value& record, const std::string& name) {
    if (record.isMember(name + "_base64")) return "base64:" + record[name + "_base64"].asString();
    return record[name].isNull() ? std::string("(null)") : record[name].asString();
  };
  for (const Json::Value& record : entry["records"])
    out << "\n    " << record["offset"].asInt64() << "  " << text(record, "key") << "  " << text(record, "value");
  return out.str();
}

std::optional<std::string> WhatIsDamaged(const log::Entry& entry, const Expected& expected, bool is_metadata) {
  const raft::EntryMeta& meta = entry.meta;
  if (meta.index != expected.index) return "its index should be " + std::to_string(expected.index.value);
  if (meta.term < expected.term) return "its term is less than the one before";
  if (meta.base_offset != expected.base_offset)
    return "its base offset is " + std::to_string(meta.base_offset.value) + " and should be " +
           std::to_string(expected.base_offset.value);
  if (meta.kind != raft::EntryKind::kData && meta.offset_count != 0) return "it holds no data and takes offsets";
  if (meta.kind == raft::EntryKind::kData) return DamagedBatch(entry);
  if (meta.kind == raft::EntryKind::kConfiguration) {
    const auto configuration = raft::DecodeConfiguration(entry.body);
    if (!configuration.ok()) return configuration.error().message;
  }
  if (meta.kind == raft::EntryKind::kCommand && is_metadata) {
    const auto command = metadata::DecodeCommand(entry.body);
    if (!command.ok()) return command.error().message;
  }
  return std::nullopt;
}

}  // namespace chronik::ctl
