// SPDX-License-Identifier: Apache-2.0
// The logs in a data directory that no broker uses, read through the store plugin that its configuration names.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/base/ids.h"
#include "kernel/base/result.h"
#include "kernel/log/log_store.h"
#include "kernel/metadata/image.h"
#include "tools/ctl/command.h"

namespace chronik::ctl {

class OfflineStore {
 public:
  // Starts the store, which recovers as at a broker's start. Failure: kInUse if a broker holds the directory, kDamaged
  // if the store finds it damaged, kNotFound if there is none.
  explicit OfflineStore(const Globals& globals);
  ~OfflineStore();
  OfflineStore(const OfflineStore&) = delete;
  OfflineStore& operator=(const OfflineStore&) = delete;

  std::vector<GroupId> Groups();
  // Open until the next Open. kNotFound if it is not there.
  Result<log::OpenedGroup> Open(GroupId group);
  // Entries of the open group from `from` on, in order, until the end or until `visit` says no more (false).
  Status ForEach(LogIndex from, const std::function<bool(const log::Entry&)>& visit);

  // The metadata as far as this node's log of it goes, also where that is not known to be committed. Without a
  // metadata group: empty.
  Result<metadata::ImagePtr> ReadMetadata();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chronik::ctl
