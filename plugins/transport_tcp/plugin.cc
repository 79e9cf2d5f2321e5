// SPDX-License-Identifier: Apache-2.0
// The plugin's face.
#include <chronik/sdk/transport.h>

#include "plugins/transport_tcp/transport.h"

namespace chronik_transport_tcp {
namespace {

constexpr chronik::sdk::PluginInfo kInfo{
    .id = "chronik.transport.tcp",
    .version = "1.0.0",
    .vendor = "chronik",
    .license = "Apache-2.0",
    .url = "",
    .options = kOptions,
};

}  // namespace
}  // namespace chronik_transport_tcp

CHRONIK_TRANSPORT_PLUGIN(chronik_transport_tcp::TcpTransport, chronik_transport_tcp::kInfo);
