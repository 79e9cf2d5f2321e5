#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""snapshot_s3 beside curl against the same versitygw in the same run: put and get objects of 64 and 256 MiB, best of three.
Prints a table of Markdown for docs/benchmarks.md. usage: PYTHONPATH=tests tests/bench/s3_bench.py
Both sign with SigV4 and leave the payload unsigned; curl sends one request, the plugin parts of its default size."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "sinks"))

import chronik_process
import s3_test

BENCH = chronik_process.BUILD / "bin/chronik-snapshot-sink-bench"
SIZES_MIB = (64, 256)


def best_of_curl(*arguments):
    """The shortest of three runs, in seconds."""
    keys = s3_test.KEYS
    command = ["curl", "-sS", "--fail", "--aws-sigv4", "aws:amz:us-east-1:s3",
               "--user", f"{keys['AWS_ACCESS_KEY_ID']}:{keys['AWS_SECRET_ACCESS_KEY']}",
               "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "-H", "Expect:", *arguments]
    times = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run(command, check=True, timeout=300)
        times.append(time.monotonic() - began)
    return min(times)


def figures_of_curl(address):
    """{("put", 64): seconds, ...}"""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for mib in SIZES_MIB:
            source = pathlib.Path(folder) / f"{mib}"
            source.write_bytes(os.urandom(1 << 20) * mib)
            url = f"http://{address}/chronik/curl-{mib}"
            figures["put", mib] = best_of_curl("-o", "/dev/null", "-T", str(source), url)
            figures["get", mib] = best_of_curl("-o", "/dev/null", "-r", f"0-{(mib << 20) - 1}", url)
    return figures


def figures_of_plugin(address):
    run = subprocess.run([BENCH, "--plugin", s3_test.PLUGIN, "--option", f"endpoint=http://{address}", "--option",
                          "bucket=chronik"], env={**os.environ, **s3_test.KEYS}, capture_output=True, text=True,
                         timeout=600, check=False)
    if run.returncode != 0:
        sys.exit(run.stdout + run.stderr)
    words = [line.split() for line in run.stdout.splitlines()]
    return {(what, int(mib)): float(seconds) for what, mib, seconds in words}


def main():
    case = s3_test.S3Test()
    try:
        address = case.versitygw()  # curl 7.88 does not sign uploads as MinIO wants it
        plugin, curl = figures_of_plugin(address), figures_of_curl(address)
    finally:
        case.doCleanups()
    print("| versitygw | snapshot_s3 | curl | ratio |\n|---|---|---|---|")
    for (what, mib), seconds in sorted(plugin.items()):
        print(f"| {what} {mib} MiB | {mib / seconds:.0f} MiB/s | {mib / curl[what, mib]:.0f} MiB/s |"
              f" {curl[what, mib] / seconds:.2f} |")


if __name__ == "__main__":
    main()
