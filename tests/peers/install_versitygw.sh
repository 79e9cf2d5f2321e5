#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds versitygw, the S3 server that the tests of snapshot_s3 talk to, and prints its path; see install_go_tool.sh.
exec "$(dirname "${BASH_SOURCE[0]}")/install_go_tool.sh" versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0
