// SPDX-License-Identifier: Apache-2.0
// Reads of committed data: from the tail cache, or from the store.
#include <algorithm>
#include <utility>

#include "kernel/replica/replica.h"

namespace chronik::replica {

using log::Entry;
using raft::EntryKind;

// Where the state is ahead of the log, what the log holds below applied_ need not be what was committed there.
LogIndex Replica::Readable() const {
  return raft_ ? std::min(applied_.index, raft_->commit_index()) : log_begin_.index;
}

uint64_t Replica::log_bytes() const {
  const auto durable = store_.Reload(handle_);
  return durable.ok() ? durable->bounds.bytes : 0;
}

std::optional<DataRead> Replica::ReadCached(Offset from, DataLimit limit) const {
  DataRead out{{}, from};
  if (from >= high_watermark_) return out;
  const Entry* entry = tail_.Find(from);
  if (entry == nullptr) return std::nullopt;
  const LogIndex readable = Readable();
  for (; entry != nullptr && entry->meta.index <= readable; entry = tail_.At(entry->meta.index + 1)) {
    if (entry->meta.kind != EntryKind::kData) continue;
    const bool first = limit.at_least_one && out.batches.empty();
    if (!first && out.bytes() + entry->body.size() > limit.max_bytes) break;
    out.batches.Append(entry->body);
    out.next = entry->meta.next_offset();
  }
  return out;
}

void Replica::ReadCold(Offset from, DataLimit limit, UniqueFunction<void(Result<DataRead>)> done) {
  CHRONIK_CHECK(!closing_) << "group " << options_.group << " is closing and must not be read";
  ++operations_;
  store_.Read(options_.shard, handle_,
              {.by = log::ReadBy::kOffset,
               .key = from.value,
               .end_index = std::min(Readable(), durable_) + 1,
               .max_bytes = limit.max_bytes},
              [this, from, limit, done = std::move(done)](Result<std::vector<Entry>> entries) mutable {
                if (!entries.ok()) {
                  done(entries.error());
                } else {
                  DataRead out{{}, from};
                  for (Entry& entry : *entries) {
                    if (entry.meta.kind != EntryKind::kData) continue;
                    // A store always gives one entry, however large.
                    if (!limit.at_least_one && out.bytes() + entry.body.size() > limit.max_bytes) break;
                    out.next = entry.meta.next_offset();
                    out.batches.Append(std::move(entry.body));
                  }
                  done(std::move(out));
                }
                OperationDone();
              });
}

void Replica::FindEntry(log::ReadBy by, int64_t key, UniqueFunction<void(Result<std::optional<Entry>>)> done) {
  CHRONIK_CHECK(!closing_) << "group " << options_.group << " is closing and must not be read";
  ++operations_;
  store_.Read(options_.shard, handle_,
              {.by = by, .key = key, .end_index = std::min(Readable(), durable_) + 1, .max_bytes = 1, .max_entries = 1},
              [this, done = std::move(done)](Result<std::vector<Entry>> entries) mutable {
                if (!entries.ok()) {
                  done(entries.error());
                } else if (entries->empty()) {
                  done(std::optional<Entry>());
                } else {
                  done(std::optional<Entry>(std::move(entries->front())));
                }
                OperationDone();
              });
}

}  // namespace chronik::replica
