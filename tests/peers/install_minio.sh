#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds MinIO, the second S3 server of the tests of snapshot_s3, stricter about signatures; see install_go_tool.sh.
exec "$(dirname "${BASH_SOURCE[0]}")/install_go_tool.sh" minio \
  github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
