// SPDX-License-Identifier: Apache-2.0
#include "kernel/config/config.h"

namespace chronik::config {

std::string ProblemText(std::string_view where, std::string_view name, std::string_view what) {
  std::string out;
  if (!where.empty()) out.append(where).append(": ");
  if (!name.empty()) out.append(name).append(": ");
  return out.append(what);
}

Config::Config(std::vector<Entry> entries) : entries_(std::move(entries)) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    const bool inserted = index_.emplace(entries_[i].spec.name(), i).second;
    CHRONIK_CHECK(inserted) << entries_[i].spec.name() << " twice";
  }
}

const Entry* Config::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

}  // namespace chronik::config
