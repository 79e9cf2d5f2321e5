// SPDX-License-Identifier: Apache-2.0
// `chronikctl topic`, over the Kafka protocol.
#pragma once

#include <string>
#include <vector>

#include "tools/ctl/command.h"

namespace chronik::ctl {

struct NewTopicOptions {
  std::string name;
  int partitions = -1;  // -1: the broker's default
  int replication_factor = -1;
  std::vector<std::string> configs;  // key=value
};

int TopicCreate(const Globals& globals, const NewTopicOptions& options);
int TopicList(const Globals& globals);
int TopicDescribe(const Globals& globals, const std::string& name);
int TopicDelete(const Globals& globals, const std::string& name);

}  // namespace chronik::ctl
