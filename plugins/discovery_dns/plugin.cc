// SPDX-License-Identifier: Apache-2.0
// The plugin's face.
#include <chronik/sdk/discovery.h>

#include "plugins/discovery_dns/dns_discovery.h"
#include "plugins/discovery_dns/options.h"

namespace chronik_discovery_dns {
namespace {

constexpr chronik::sdk::PluginInfo kInfo{
    .id = "chronik.discovery.dns",
    .version = "1.0.0",
    .vendor = "chronik",
    .license = "Apache-2.0",
    .url = "",
    .options = kOptions,
};

}  // namespace
}  // namespace chronik_discovery_dns

CHRONIK_DISCOVERY_PLUGIN(chronik_discovery_dns::DnsDiscovery, chronik_discovery_dns::kInfo);
