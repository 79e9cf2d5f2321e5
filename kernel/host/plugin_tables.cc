// SPDX-License-Identifier: Apache-2.0
#include "kernel/host/plugin_tables.h"

#include <initializer_list>
#include <utility>

namespace chronik::host {
namespace {

using Slot = std::pair<bool, const char*>;

const char* FirstMissing(std::initializer_list<Slot> slots) {
  for (const auto& [present, name] : slots) {
    if (!present) return name;
  }
  return nullptr;
}

}  // namespace

const char* MissingSlot(const chr_plugin& t) {
  return FirstMissing({
      {t.create != nullptr, "create"},
      {t.start != nullptr, "start"},
      {t.stop != nullptr, "stop"},
      {t.destroy != nullptr, "destroy"},
  });
}

const char* MissingSlot(const chr_log_store& t) {
  return FirstMissing({
      {t.caps != nullptr, "caps"},
      {t.list_groups != nullptr, "list_groups"},
      {t.open_group != nullptr, "open_group"},
      {t.close_group != nullptr, "close_group"},
      {t.destroy_group != nullptr, "destroy_group"},
      {t.submit != nullptr, "submit"},
      {t.bounds != nullptr, "bounds"},
      {t.terms != nullptr, "terms"},
      {t.read != nullptr, "read"},
      {t.checkpoint != nullptr, "checkpoint"},
      {t.stats != nullptr, "stats"},
  });
}

const char* MissingSlot(const chr_transport& t) {
  return FirstMissing({
      {t.caps != nullptr, "caps"},
      {t.bound_address != nullptr, "bound_address"},
      {t.set_peer != nullptr, "set_peer"},
      {t.remove_peer != nullptr, "remove_peer"},
      {t.send != nullptr, "send"},
      {t.resume != nullptr, "resume"},
      {t.stream_open != nullptr, "stream_open"},
      {t.stream_write != nullptr, "stream_write"},
      {t.stream_credit != nullptr, "stream_credit"},
      {t.stream_close != nullptr, "stream_close"},
  });
}

const char* MissingSlot(const chr_discovery& t) {
  return FirstMissing({
      {t.refresh != nullptr, "refresh"},
  });
}

const char* MissingSlot(const chr_snapshot_sink& t) {
  return FirstMissing({
      {t.caps != nullptr, "caps"},
      {t.put_begin != nullptr, "put_begin"},
      {t.put_write != nullptr, "put_write"},
      {t.put_commit != nullptr, "put_commit"},
      {t.put_abort != nullptr, "put_abort"},
      {t.get != nullptr, "get"},
      {t.get_credit != nullptr, "get_credit"},
      {t.get_close != nullptr, "get_close"},
      {t.list != nullptr, "list"},
      {t.remove != nullptr, "remove"},
  });
}

const char* MissingSlot(const chr_metrics_exporter& t) {
  return FirstMissing({
      {t.bound_address != nullptr, "bound_address"},
  });
}

}  // namespace chronik::host
