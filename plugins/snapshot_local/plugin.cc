// SPDX-License-Identifier: Apache-2.0
// The plugin's face: its options.
#include <chronik/sdk/blocking_sink.h>

#include "plugins/snapshot_local/local_store.h"

namespace chronik_snapshot_local {
namespace {

constexpr chr_option kOptions[] = {
    {"directory", "path", "", nullptr,
     "Where the objects are kept; created if it is missing. Empty: the plugin's folder below broker.data_dir. Several "
     "brokers may share one on a common mount.",
     0},
    {"threads", "int", "4", "1..64", "Threads that read and write; each blocks on the disk.", 0},
    {"open_puts", "int", "64", "1..10000", "Objects that may be written at a time; each holds a file open.", 0},
};

constexpr chronik::sdk::PluginInfo kInfo{
    .id = "chronik.snapshot.local",
    .version = "1.0.0",
    .vendor = "chronik",
    .license = "Apache-2.0",
    .url = "",
    .options = kOptions,
};

using Sink = chronik::sdk::BlockingSink<LocalStore>;

}  // namespace
}  // namespace chronik_snapshot_local

CHRONIK_SNAPSHOT_SINK_PLUGIN(chronik_snapshot_local::Sink, chronik_snapshot_local::kInfo);
