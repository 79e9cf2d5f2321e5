// SPDX-License-Identifier: Apache-2.0
// Objects as files of a directory: written aside, synced, renamed into place. FORMAT.md has the bytes of a file.
#pragma once

#include <optional>
#include <string>

#include <chronik/sdk/blocking_sink.h>

#include "plugins/snapshot_local/tree.h"

namespace chronik_snapshot_local {

class LocalStore final : public chronik::sdk::ObjectStore {
 public:
  static constexpr uint64_t kReadBytes = 1 << 20;

  explicit LocalStore(chronik::sdk::Host& host);

  Limits GetLimits() const override;
  void Open() override;
  std::unique_ptr<chronik::sdk::ObjectWriter> Put(const std::string& key, uint64_t size_hint,
                                                  std::stop_token stop) override;
  std::unique_ptr<chronik::sdk::ObjectReader> Get(const std::string& key, uint64_t offset, uint64_t size,
                                                  std::stop_token stop) override;
  void List(const std::string& prefix, const Each& each, std::stop_token stop) override;
  void Remove(const std::string& key, std::stop_token stop) override;

 private:
  chronik::sdk::Host& host_;
  const std::string directory_;
  std::optional<Tree> tree_;
};

}  // namespace chronik_snapshot_local
