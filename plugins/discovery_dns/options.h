// SPDX-License-Identifier: Apache-2.0
// The plugin's options.
#pragma once

#include <chronik/plugin.h>

namespace chronik_discovery_dns {

inline constexpr chr_option kOptions[] = {
    {"nodes", "string", "", nullptr,
     "What is reported until the DNS has answered once, as 1@host:port,2@host:port. Filled in from [cluster.peers]; "
     "may "
     "be empty.",
     0},
    {"service", "string", nullptr, nullptr,
     "Full name of the SRV records, like _chronik._tcp.brokers.default.svc.cluster.local.", 0},
    {"servers", "string", "", nullptr, "Name servers, as address:port,address:port. Empty: those of /etc/resolv.conf.",
     0},
    {"refresh_min", "duration", "1s", "1ms..24h",
     "The DNS is not asked more often, whatever the TTL; also the pause after a failure.", 0},
    {"refresh_max", "duration", "60s", "1ms..24h", "The DNS is asked at least as often, whatever the TTL.", 0},
    {"timeout", "duration", "1s", "1ms..60s",
     "How long a server may take at the first try; doubled with each further one.", 0},
    {"retries", "int", "2", "0..10", "Further tries, of each server, before a question counts as failed.", 0},
    {"node_id", "enum:ordinal,none", "ordinal", nullptr,
     "How the target of a record tells its node id: by the number at the end of its first label (chronik-2.brokers is "
     "2), "
     "or not at all.",
     0},
    {"ordinal_base", "int", "1", "0..1000000000",
     "Added to that number. The pods of a StatefulSet count from 0 and node ids from 1, hence 1.", 0},
};

}  // namespace chronik_discovery_dns
