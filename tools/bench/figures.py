#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the figures of docs/benchmarks.md and prints them as a Markdown table: a broker of its own, every workload of
chronik-bench in three runs (the median is shown, all are printed to stderr), each next to the disk's own fdatasync
figures of the same minute. Run it on a quiet machine: tools/bench/figures.py [directory on the disk to measure]
"""

import json
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests"))
import chronik_process  # noqa: E402

RUNS = 3
BENCH = chronik_process.BUILD / "bin/chronik-bench"


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def produce_request(topic):
    """Produce v3, acks=-1: one record of an empty value to partition 0."""
    record = bytes([0, 0, 0, 1, 0, 0])  # attributes, deltas, no key, empty value, no headers
    record = bytes([len(record) * 2]) + record
    tail = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + record
    batch = struct.pack(">qiibI", 0, 9 + len(tail), -1, 2, crc32c(tail)) + tail
    name = topic.encode()
    body = struct.pack(">hhiih", -1, -1, 5000, 1, len(name)) + name + struct.pack(">iii", 1, 0, len(batch)) + batch
    header = struct.pack(">hhih", 0, 3, 1, 4) + b"figs"
    return struct.pack(">i", len(header + body)) + header + body


def acked(port, request, topic):
    """Whether one try was answered without an error."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(request)
            answer = b""
            while len(answer) < 4 or len(answer) < 4 + struct.unpack_from(">i", answer)[0]:
                answer += s.recv(4096) or b""
            return struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(topic) + 4 + 4)[0] == 0
    except OSError:
        return False


def start_to_first_ack(topic):
    """Milliseconds from exec of chronikd, on a data directory with that topic, to the first acked message."""
    with chronik_process.Chronikd() as broker:
        bench(broker, "produce", "--messages", "1000", "--topic", topic)
        broker.terminate()
        request = produce_request(topic)
        begin = time.monotonic()
        broker.process = subprocess.Popen(broker.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                          env=broker.env, start_new_session=True)
        while not acked(broker.port, request, topic):
            assert broker.process.poll() is None and time.monotonic() < begin + 20, "no message was acked"
            time.sleep(0.0005)
        return (time.monotonic() - begin) * 1e3


def bench(broker, workload, *flags):
    command = [str(BENCH), workload, "--brokers", broker.address, "--broker_pid", str(broker.process.pid), *flags]
    out = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    print(json.dumps(json.loads(out)), file=sys.stderr)
    return json.loads(out)


def median(runs, *path):
    values = []
    for run in runs:
        for key in path:
            run = run[key]
        values.append(run)
    return statistics.median(values)


def throughput(broker, probe, workload, partitions, messages, size):
    runs = []
    for run in range(RUNS):
        topic = f"{workload}-{partitions}-{size}-{run}"
        flags = ["--partitions", str(partitions), "--messages", str(messages), "--size", str(size), "--topic", topic]
        if workload == "consume":
            bench(broker, "produce", *flags)
        runs.append(bench(broker, workload, *flags, *probe))
    gib = messages * size / 2**30
    disk = [f"{median(runs, 'disk_4k_fdatasync', p):.2f}" for p in ("p50_ms", "p99_ms")]
    return (f"| {workload} {messages:,} x {size} B, {partitions} partition{'s' * (partitions > 1)} "
            f"| {median(runs, 'messages_per_second') / 1e3:,.0f} k msg/s, {median(runs, 'mb_per_second'):.0f} MB/s "
            f"| {median(runs, 'broker_cpu_seconds'):.2f} s ({median(runs, 'broker_cpu_seconds') / gib:.1f} s/GiB) "
            f"| {median(runs, 'broker_rss_mib'):.0f} MiB | {' / '.join(disk)} ms |")


def latency(broker, probe):
    runs = [bench(broker, "latency", "--rate", "1000", "--seconds", "10", *probe) for _ in range(RUNS)]
    rows = []
    for name, key in (("ack, from due", "ack_from_due"), ("end to end, from due", "end_to_end_from_due"),
                      ("disk: 4 KiB write + fdatasync at that rate", "disk_4k_fdatasync_at_rate")):
        rows.append(f"| {name} | " + " | ".join(f"{median(runs, key, p):.2f}" for p in ("p50_ms", "p99_ms", "p99_9_ms"))
                    + " |")
    ratio = median(runs, "ack_from_due", "p99_ms") / median(runs, "disk_4k_fdatasync_at_rate", "p99_ms")
    rows.append(f"\nAck p99 is {ratio:.1f} x the disk's own.")
    return rows


def main():
    where = tempfile.mkdtemp(prefix="chronik-figures-", dir=sys.argv[1] if len(sys.argv) > 1 else None)
    probe = ["--probe_dir", where]
    with chronik_process.Chronikd(data_dir=where) as broker:
        idle = broker.rss_kib() / 1024
        print("| workload | rate | broker CPU | RSS | disk fdatasync p50 / p99 |\n|---|---|---|---|---|")
        for workload in ("produce", "consume"):
            for messages, size in ((1_000_000, 100), (200_000, 1024)):
                for partitions in (1, 6):
                    print(throughput(broker, probe, workload, partitions, messages, size), flush=True)
        print("\n| at 1,000 msg/s, acks=all | p50 ms | p99 ms | p99.9 ms |\n|---|---|---|---|")
        print("\n".join(latency(broker, probe)), flush=True)
    first = [start_to_first_ack(f"first-{run}") for run in range(5)]
    print(f"\nRSS idle {idle:.1f} MiB. Start to first ack, median of {len(first)}: {statistics.median(first):.0f} ms.")


if __name__ == "__main__":
    main()
