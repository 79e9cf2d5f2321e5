// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/brokers/history.h"

#include <algorithm>

#include "kernel/base/endian.h"
#include "kernel/records/batch.h"
#include "kernel/records/record.h"

namespace chronik::sim::brokers {

std::vector<uint8_t> ValueOf(uint64_t number) {
  constexpr uint64_t kSpread = 0x9e3779b97f4a7c15u;
  const uint64_t mixed = number * kSpread >> 32;
  const size_t size = 8 + (mixed % 40 == 0 ? 6000 : mixed % 300);
  std::vector<uint8_t> value(size, static_cast<uint8_t>(number));
  StoreLittle(value.data(), number);
  return value;
}

std::string History::Name(GroupId group, Offset offset) const {
  return "group " + std::to_string(group.value) + ", offset " + std::to_string(offset.value) + ": ";
}

void History::OnProducerId(ProducerId id) {
  if (!producer_ids_.insert(id).second) violate_("producer id " + std::to_string(id.value) + " was given twice");
}

uint64_t History::NewRecord(GroupId group, uint64_t producer) {
  sent_[++last_number_] = {group, producer, partitions_[group].next_sequence[producer]++};
  return last_number_;
}

void History::OnLeader(GroupId group, NodeId by, const broker::LeaderInfo& leader) {
  if (leader.leader != by) return;  // it led when it took the request, and does not any more
  const auto [known, added] = partitions_[group].leaders.try_emplace(leader.epoch, by);
  if (!added && known->second != by) {
    violate_("group " + std::to_string(group.value) + ": brokers " + std::to_string(known->second.value) + " and " +
             std::to_string(by.value) + " both led at epoch " + std::to_string(leader.epoch));
  }
}

void History::OnAcked(GroupId group, const std::vector<uint64_t>& numbers, Offset base, NodeId by,
                      const broker::LeaderInfo& leader) {
  Partition& p = partitions_[group];
  OnLeader(group, by, leader);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const Offset offset = base + static_cast<int64_t>(i);
    ++acked_records_;
    const auto [known, added] = p.acked.try_emplace(numbers[i], offset);
    if (!added && known->second != offset)
      violate_(Name(group, offset) + "acknowledged, and at offset " + std::to_string(known->second.value) + " before");
    const auto read = p.place.find(numbers[i]);
    if (read != p.place.end() && read->second != offset)
      violate_(Name(group, offset) + "acknowledged, and read at offset " + std::to_string(read->second.value));
    const auto other = p.log.find(offset);
    if (other != p.log.end() && other->second != numbers[i])
      violate_(Name(group, offset) + "acknowledged, and another record was read there");
  }
  // One that does not lead any more has acknowledged at an earlier epoch than it names.
  const Offset end = base + static_cast<int64_t>(numbers.size());
  Offset& known_end = p.known.acked_ends[leader.epoch];
  known_end = std::max(known_end, end);
}

Known History::known(GroupId group) const {
  const auto found = partitions_.find(group);
  return found == partitions_.end() ? Known{} : found->second.known;
}

Offset History::OnRead(GroupId group, NodeId at, uint64_t boot, Offset from, const Known& before,
                       const broker::FetchOutcome& outcome) {
  Partition& p = partitions_[group];
  if (outcome.leader.leader == at) {
    OnLeader(group, at, outcome.leader);
    for (const auto& [epoch, end] : before.acked_ends) {
      if (epoch <= outcome.leader.epoch && end > outcome.high_watermark) {
        violate_(Name(group, outcome.high_watermark) + "is the high watermark at broker " + std::to_string(at.value) +
                 ", which leads at epoch " + std::to_string(outcome.leader.epoch) + ", and what ends at " +
                 std::to_string(end.value) + " was acknowledged at epoch " + std::to_string(epoch));
      }
    }
  }
  const auto shown = before.high_watermarks.find(boot);
  if (shown != before.high_watermarks.end() && outcome.high_watermark < shown->second) {
    violate_(Name(group, outcome.high_watermark) + "the high watermark of broker " + std::to_string(at.value) +
             " went back from " + std::to_string(shown->second.value));
  }
  Offset& high_watermark = p.known.high_watermarks[boot];
  high_watermark = std::max(high_watermark, outcome.high_watermark);
  const Bytes bytes = outcome.records.Flatten();
  Offset next = from;
  bool first = true;
  for (ByteView rest = bytes.view(); !rest.empty();) {
    const auto batch = records::BatchView::Parse(rest);
    if (!batch.ok() || !batch->crc_matches()) {
      violate_(Name(group, next) + "what was read is no record batch");
      return next;
    }
    if (first ? batch->base_offset() > from || batch->last_offset() < from : batch->base_offset() != next)
      violate_(Name(group, next) + "a batch that begins at " + std::to_string(batch->base_offset().value) + " follows");
    if (batch->next_offset() > outcome.high_watermark) violate_(Name(group, next) + "read beyond the high watermark");
    first = false;
    auto records = records::RecordIterator::Open(*batch, 1 << 20);
    while (records.ok()) {
      const auto more = records->Next();
      if (!more.ok()) violate_(Name(group, next) + "a batch that cannot be read");
      if (!more.ok() || !*more) break;
      OnRecord(group, records->offset(), records->record().value.value_or(ByteView{}));
    }
    next = batch->next_offset();
    rest = rest.subspan(batch->size());
  }
  return next;
}

void History::OnRecord(GroupId group, Offset offset, ByteView value) {
  ++read_records_;
  Partition& p = partitions_[group];
  const uint64_t number = value.size() < 8 ? 0 : LoadLittle<uint64_t>(value.data());
  const auto sent = sent_.find(number);
  const std::vector<uint8_t> whole = ValueOf(number);
  if (sent == sent_.end() || sent->second.group != group ||
      !std::equal(value.begin(), value.end(), whole.begin(), whole.end()))
    return violate_(Name(group, offset) + "a record that nobody sent there");
  const auto [known, added] = p.log.try_emplace(offset, number);
  if (known->second != number) return violate_(Name(group, offset) + "two reads give different records");
  if (!added) return;
  const auto [place, first] = p.place.try_emplace(number, offset);
  if (!first)
    return violate_(Name(group, offset) + "a record that is at offset " + std::to_string(place->second.value) + " too");
  const auto acked = p.acked.find(number);
  if (acked != p.acked.end() && acked->second != offset)
    violate_(Name(group, offset) + "a record that was acknowledged at offset " + std::to_string(acked->second.value));
}

void History::CheckComplete(GroupId group, Offset end) {
  Partition& p = partitions_[group];
  if (p.log.size() != static_cast<size_t>(end.value))
    violate_(Name(group, end) + "of so many offsets " + std::to_string(p.log.size()) + " were read");
  for (const auto& [number, offset] : p.acked) {
    if (!p.place.contains(number)) return violate_(Name(group, offset) + "an acknowledged record is lost");
  }
  std::map<uint64_t, uint64_t> next;
  for (const auto& [offset, number] : p.log) {
    const Sent& sent = sent_.at(number);
    if (sent.sequence != next[sent.producer]++)
      return violate_(Name(group, offset) + "record " + std::to_string(sent.sequence) + " of producer " +
                      std::to_string(sent.producer) + " out of order");
  }
}

}  // namespace chronik::sim::brokers
