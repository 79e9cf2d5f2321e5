#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds Toxiproxy, the faulty network of tests/transports, and prints its path; see install_go_tool.sh.
exec "$(dirname "${BASH_SOURCE[0]}")/install_go_tool.sh" toxiproxy \
  github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0
