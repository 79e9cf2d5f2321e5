// SPDX-License-Identifier: Apache-2.0
// Where the admin endpoint listens: a unix socket that its owner alone can open, or loopback TCP.
#pragma once

#include <string>

#include "kernel/base/result.h"
#include "kernel/config/host_port.h"

namespace chronik::admin {

struct ListenSocket {
  int fd = -1;
  bool unix_socket = false;
  std::string address;  // the path, or host:port with the port that was given
};

// Binds with mode 0600. A socket that nobody listens on any more is replaced; one that somebody does is kConfig. Paths
// longer than the 107 bytes of sockaddr_un are fine.
Result<ListenSocket> ListenOnPath(const std::string& path);
// kConfig unless it is a loopback address; port 0 takes a free one.
Result<ListenSocket> ListenOnLoopback(const config::HostPort& address);

}  // namespace chronik::admin
