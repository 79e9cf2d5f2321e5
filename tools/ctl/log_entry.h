// SPDX-License-Identifier: Apache-2.0
// One entry of a log for `chronikctl log`: what it says, and whether it can be so.
#pragma once

#include <json/value.h>

#include <optional>
#include <string>

#include "kernel/log/entry.h"

namespace chronik::ctl {

// Raft's fields and, of data, those of the Kafka batch header; `with_records`: keys and values too.
Json::Value DescribeEntry(const log::Entry& entry, bool with_records);
// The same on one line, records on lines of their own.
std::string EntryLine(const Json::Value& entry);

// The place where a log's next entry belongs.
struct Expected {
  LogIndex index;
  Term term;  // at least
  Offset base_offset;
};

// What is wrong with an entry, and with its place; nullopt: nothing. A batch is decompressed and all its records are
// parsed. `is_metadata`: its commands are those of the metadata group.
std::optional<std::string> WhatIsDamaged(const log::Entry& entry, const Expected& expected, bool is_metadata);

}  // namespace chronik::ctl
