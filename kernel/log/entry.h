// SPDX-License-Identifier: Apache-2.0
// An entry of a log with its bytes.
#pragma once

#include <cstdint>

#include "kernel/base/bytes.h"
#include "kernel/raft/types.h"

namespace chronik::log {

struct Entry {
  raft::EntryMeta meta;
  int64_t max_timestamp = -1;  // largest record timestamp in ms; -1 where there is none
  Bytes body;                  // immutable from here on
};

}  // namespace chronik::log
