#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the installers of servers in Go share. usage: install_go_tool.sh PROGRAM MODULE@VERSION
# Builds a Go program once into $CHRONIK_PEERS (~/.cache/chronik-peers), under a name that carries its version, and prints
# the path of the program. Exit status 77 and one line where that cannot be done: no Go toolchain, or no network.
set -euo pipefail

readonly program=$1 module=$2
readonly skipped=77
readonly folder=${CHRONIK_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/chronik-peers}
readonly installed=$folder/$program-${module##*@}

if [[ ! -x $installed ]]; then
  if ! command -v go >/dev/null; then
    echo "skipped: $program is built with Go, which is not here" >&2
    exit $skipped
  fi
  mkdir -p "$folder"
  # A folder of its own, so that a broken build leaves nothing under the final name.
  building=$(mktemp -d "$folder/building.XXXXXX")
  trap 'rm -rf "$building"' EXIT
  if ! GOBIN=$building GOFLAGS=-mod=mod timeout 1200 nice go install "$module" >"$folder/$program.log" 2>&1 </dev/null; then
    echo "skipped: $module could not be built (no network?); see $folder/$program.log" >&2
    exit $skipped
  fi
  mv "$building"/* "$installed"  # the one program of that module, by whatever name
fi
echo "$installed"
