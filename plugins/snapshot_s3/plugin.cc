// SPDX-License-Identifier: Apache-2.0
// The plugin's face.
#include "plugins/snapshot_s3/options.h"
#include "plugins/snapshot_s3/s3_store.h"

namespace chronik_snapshot_s3 {
namespace {

constexpr chronik::sdk::PluginInfo kInfo{
    .id = "chronik.snapshot.s3",
    .version = "1.0.0",
    .vendor = "chronik",
    .license = "Apache-2.0",
    .url = "",
    .options = kOptions,
};

using Sink = chronik::sdk::BlockingSink<S3Store>;

}  // namespace
}  // namespace chronik_snapshot_s3

CHRONIK_SNAPSHOT_SINK_PLUGIN(chronik_snapshot_s3::Sink, chronik_snapshot_s3::kInfo);
