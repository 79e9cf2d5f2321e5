#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gets the jars of jars.txt from Maven Central into build/peers, with Maven, and checks their SHA-256. The wide suite runs
# it (.ci/run all); the tests that compare with Kafka's own library look into that folder and skip where it is empty.
# Exit status 77 and one line where a jar cannot be had; 1 where one is not what it should be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly jars=build/peers
readonly skipped=77

is_right() { # file, sha256
  [[ -f $1 ]] && [[ $(sha256sum "$1" | cut -d' ' -f1) == "$2" ]]
}

fetch() { # coordinates, sha256
  local artifact version file repository
  IFS=: read -r _ artifact version <<<"$1"
  file=$jars/$artifact-$version.jar
  is_right "$file" "$2" && return
  if ! command -v mvn >/dev/null; then
    echo "skipped: $1 is fetched with Maven, which is not here (apt-get install maven)"
    exit $skipped
  fi
  # A repository of its own: whatever the user's holds is neither trusted nor changed.
  repository=$jars/m2
  if ! timeout 300 mvn -q -B -Dmaven.repo.local="$PWD/$repository" dependency:get -Dtransitive=false -Dartifact="$1" \
    >"$jars/maven.log" 2>&1 </dev/null; then
    echo "skipped: Maven could not fetch $1 (no network?); see $jars/maven.log"
    exit $skipped
  fi
  local fetched
  fetched=$(find "$repository" -name "$artifact-$version.jar")
  if ! is_right "$fetched" "$2"; then
    echo "error: $1 does not have the SHA-256 of tests/peers/jars.txt; it is in $fetched" >&2
    exit 1
  fi
  cp "$fetched" "$file"
  rm -r "$repository"
}

mkdir -p "$jars"
while read -r coordinates sha256; do
  [[ $coordinates == '#'* || -z $coordinates ]] || fetch "$coordinates" "$sha256"
done <tests/peers/jars.txt
echo "the jars of tests/peers/jars.txt are in $jars"
