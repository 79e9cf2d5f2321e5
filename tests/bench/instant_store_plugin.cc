// SPDX-License-Identifier: Apache-2.0
// The store of the benchmark as a shared object, as chronikd would load it.
#include "tests/bench/instant_store.h"

namespace {

constexpr chronik::sdk::PluginInfo kInfo{.id = "chronik.log.instant",
                                         .version = "0.1.0",
                                         .vendor = "chronik",
                                         .license = "Apache-2.0",
                                         .url = "",
                                         .options = {}};

}  // namespace

CHRONIK_LOG_STORE_PLUGIN(chronik_bench::InstantStore<chronik::sdk::LogSink>, kInfo);
