// SPDX-License-Identifier: Apache-2.0
// The plugin's face.
#include <chronik/sdk/transport.h>

#include "plugins/transport_thrift/transport.h"

namespace chronik_transport_thrift {
namespace {

constexpr chronik::sdk::PluginInfo kInfo{
    .id = "chronik.transport.thrift",
    .version = "1.0.0",
    .vendor = "chronik",
    .license = "Apache-2.0",
    .url = "",
    .options = kOptions,
};

}  // namespace
}  // namespace chronik_transport_thrift

CHRONIK_TRANSPORT_PLUGIN(chronik_transport_thrift::ThriftTransport, chronik_transport_thrift::kInfo);
