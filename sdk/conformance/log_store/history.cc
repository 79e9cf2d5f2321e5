// SPDX-License-Identifier: Apache-2.0
// What a group shows after a crash, looked up in its history.
#include "sdk/conformance/log_store/history.h"

namespace chronik_conformance {

uint64_t Recovered(Instance& store, uint64_t group_id, uint32_t lane, uint64_t seed, uint64_t completed,
                   uint64_t submitted) {
  const std::string where = "group " + std::to_string(group_id) + ", seed " + std::to_string(seed) + ", completed " +
                            std::to_string(completed) + ", submitted " + std::to_string(submitted);
  History history(seed, group_id);
  history.Skip(completed);
  Group group;
  const chr_status opened = store.TryOpen(group_id, lane, completed == 0, &group);
  if (opened < 0) {
    Breach(where + ": open_group failed with " + std::to_string(opened) + ": " + store.message());
    return completed;
  }
  const Contents contents = store.ReadContents(group);
  const std::string first_difference = Difference(contents, history.log(), true);
  std::string difference = first_difference;
  while (!difference.empty() && history.position() < submitted) {
    history.Next();
    difference = Difference(contents, history.log(), true);
  }
  if (!difference.empty()) {
    Breach(where + ": no position fits; with the completed operations " + first_difference +
           "; with all that were submitted " + difference);
    return completed;
  }
  return history.position();
}

}  // namespace chronik_conformance
