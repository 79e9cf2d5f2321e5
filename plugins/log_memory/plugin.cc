// SPDX-License-Identifier: Apache-2.0
// What the plugin exports: its name, its options, and MemoryStore as its log store.
#include "plugins/log_memory/memory_store.h"

namespace {

constexpr chr_option kOptions[] = {
    {"max_bytes", "bytes", "256MiB", "64KiB..1024GiB",
     "Memory for all entries and checkpoints. Appends beyond it fail with CHR_E_NO_SPACE until something is truncated.",
     0},
    {"max_entry_bytes", "bytes", "64MiB", "1KiB..1GiB", "Largest payload of one entry.", 0},
    {"max_inflight_bytes", "bytes", "8MiB", "4KiB..1GiB",
     "Per lane: how much may wait to be applied before submit answers CHR_E_BUSY.", 0},
};

constexpr chronik::sdk::PluginInfo kInfo{.id = "chronik.log.memory",
                                         .version = "0.1.0",
                                         .vendor = "chronik",
                                         .license = "Apache-2.0",
                                         .url = "",
                                         .options = kOptions};

}  // namespace

CHRONIK_LOG_STORE_PLUGIN(chronik_log_memory::MemoryStore, kInfo);
