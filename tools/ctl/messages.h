// SPDX-License-Identifier: Apache-2.0
// `chronikctl produce` and `chronikctl consume`, over the Kafka protocol.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/ctl/command.h"

namespace chronik::ctl {

struct ProduceOptions {
  std::string topic;
  int32_t partition = -1;  // -1: by the key, else any
  std::string acks = "all";
  std::string key_separator;  // empty: lines have no key
};
// A message for each line of standard input.
int Produce(const Globals& globals, const ProduceOptions& options);

struct ConsumeOptions {
  std::string topic;
  std::vector<int32_t> partitions;  // empty: all
  std::string from = "beginning";   // or "end", or an offset
  int64_t count = 0;                // 0: until the end
  bool follow = false;              // the end is not the end
  bool keys = false;                // text: key and value, separated by a tab
};
int Consume(const Globals& globals, const ConsumeOptions& options);

}  // namespace chronik::ctl
