// SPDX-License-Identifier: Apache-2.0
// The plugin's options.
#pragma once

#include <chronik/plugin.h>

namespace chronik_snapshot_s3 {

inline constexpr chr_option kOptions[] = {
    {"endpoint", "string", nullptr, nullptr,
     "URL of the server, like https://s3.eu-central-1.amazonaws.com; without a path.", 0},
    {"bucket", "string", nullptr, nullptr, "The bucket; it must exist.", 0},
    {"prefix", "string", "", nullptr, "Put in front of every key, like chronik/prod/; one for each cluster.", 0},
    {"region", "string", "us-east-1", nullptr, "The region that requests are signed for.", 0},
    {"addressing", "enum:path,host", "path", nullptr,
     "Where the bucket stands in a URL: in the path, or in front of the host name.", 0},
    {"credentials", "enum:environment,file", "environment", nullptr,
     "Where the keys come from; they never stand in this file.", 0},
    {"access_key_env", "string", "AWS_ACCESS_KEY_ID", nullptr, "Environment variable with the access key.", 0},
    {"secret_key_env", "string", "AWS_SECRET_ACCESS_KEY", nullptr, "Environment variable with the secret key.", 0},
    {"session_token_env", "string", "AWS_SESSION_TOKEN", nullptr,
     "Environment variable with the session token; it may be unset.", 0},
    {"credentials_file", "path", "", nullptr,
     "File in the form of ~/.aws/credentials, read anew for every request, so that keys can be exchanged.", 0},
    {"profile", "string", "default", nullptr, "Section of that file.", 0},
    {"ca_file", "path", "", nullptr, "Certificates that a TLS server is checked against. Empty: the system's.", 0},
    {"part_bytes", "bytes", "8MiB", "5MiB..1GiB",
     "Larger objects are uploaded in parts of this size; 10000 of them are the largest object, and every open put may "
     "hold one in memory.",
     0},
    {"read_bytes", "bytes", "4MiB", "64KiB..256MiB",
     "Asked for at a time when an object is read; every open get may hold so much in memory.", 0},
    {"threads", "int", "4", "1..64", "Requests at a time.", 0},
    {"open_puts", "int", "16", "1..1000", "Objects that may be written at a time.", 0},
    {"connect_timeout", "duration", "5s", "10ms..5m", "For a connection, with TLS.", 0},
    {"stall_timeout", "duration", "30s", "1s..1h", "A request on which nothing moves for so long has failed.", 0},
    {"retry_timeout", "duration", "60s", "0s..24h",
     "How long a request is tried again while the server is away or asks to slow down.", 0},
    {"abandoned_after", "duration", "24h", "0s..720h",
     "Unfinished uploads below the prefix that are older are removed at start. 0s also ends those of other brokers.",
     0},
};

}  // namespace chronik_snapshot_s3
