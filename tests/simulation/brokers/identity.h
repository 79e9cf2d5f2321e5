// SPDX-License-Identifier: Apache-2.0
// What chronikd keeps as identity.json (kernel/main/identity.h), on a simulated disk: a file beside, synced, renamed,
// the directory synced. A crash leaves the old life or the new one; a lost disk leaves none.
#pragma once

#include "kernel/base/result.h"
#include "kernel/broker/broker.h"
#include "plugins/log_wal/file_system.h"

namespace chronik::sim::brokers {

// On a simulated thread. One that is not there is made, durably.
Result<broker::Life> ReadOrMakeLife(chronik_log_wal::FileSystem& files, uint64_t fresh_incarnation);
Status WriteLife(chronik_log_wal::FileSystem& files, const broker::Life& life);

}  // namespace chronik::sim::brokers
