# SPDX-License-Identifier: Apache-2.0
"""Goal: a seed is one run, bit for bit, whatever the compiler's flags: the trace hashes of release, debug and sanitizer
builds are equal.

Method: chronik-sim of every build of these sources runs the same seeds. A build that is older than the sources is left out;
with fewer than two the test is skipped, unless the builds are named (`same_hash_test.py release debug asan`).
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
BUILDS = ROOT / "build"
SEEDS = "1..24"
SKIPPED = 77


def newest_source():
    return max(path.stat().st_mtime for folder in ("interfaces", "kernel", "plugins/log_wal", "sdk/include", "tests/simulation")
               for path in (ROOT / folder).rglob("*") if path.suffix in (".cc", ".h"))


def program(build):
    return BUILDS / build / "bin/chronik-sim"


def builds():
    if len(sys.argv) > 1:
        return sys.argv[1:]
    since = newest_source()
    return [build for build in ("release", "debug", "asan", "tsan")
            if program(build).exists() and program(build).stat().st_mtime >= since]


def hash_of(build):
    command = [program(build), "--seeds", SEEDS, "--jobs", str(os.cpu_count())]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return re.search(r"hash ([0-9a-f]{16})", output).group(1)


def main():
    compared = builds()
    if len(compared) < 2:
        print(f"SKIPPED: only {len(compared)} build of these sources has a chronik-sim; `.ci/run all` compares three")
        return SKIPPED
    hashes = {build: hash_of(build) for build in compared}
    for build, value in hashes.items():
        print(f"{build:8} seeds {SEEDS}: hash {value}")
    if len(set(hashes.values())) > 1:
        print("FAILED: the same seeds ran differently")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
