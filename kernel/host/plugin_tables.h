// SPDX-License-Identifier: Apache-2.0
// Which functions a plugin must have, in its descriptor and in each interface's table.
#pragma once

#include <chronik/all.h>

namespace chronik::host {

// The first required slot that is NULL, or NULL.
const char* MissingSlot(const chr_plugin& descriptor);
const char* MissingSlot(const chr_log_store& table);
const char* MissingSlot(const chr_transport& table);
const char* MissingSlot(const chr_discovery& table);
const char* MissingSlot(const chr_snapshot_sink& table);
const char* MissingSlot(const chr_metrics_exporter& table);

}  // namespace chronik::host
