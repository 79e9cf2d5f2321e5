#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What partitions cost that nobody uses: a cluster of three nodes on loopback gets a topic of so many partitions, three
replicas each, rests, and is restarted. Prints a Markdown table, a row per number of partitions: CPU of each node at
rest, resident memory above that of the same cluster without the topic, how long creating took, and how long a restarted
node took until it had caught up. Run it on a quiet machine:

    tools/bench/groups.py [--seconds N] [partitions ...]
"""

import argparse
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests"))
import cluster_nodes  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(node):
    fields = pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_kib(node):
    status = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def calm(nodes, seconds):
    """Waits until the nodes use about the same from one period to the next, at most a minute."""
    before, used = [cpu_seconds(n) for n in nodes], None
    for _ in range(int(60 / seconds) + 1):
        time.sleep(seconds)
        now = [cpu_seconds(n) for n in nodes]
        last, used = used, sum(now) - sum(before)
        before = now
        if last is not None and abs(used - last) <= 0.02 + 0.1 * last:
            return


def at_rest(nodes, seconds):
    """Of each node: share of a core in percent, resident KiB."""
    calm(nodes, 3)
    before = [cpu_seconds(n) for n in nodes]
    time.sleep(seconds)
    return [((cpu_seconds(n) - b) / seconds * 100, resident_kib(n)) for n, b in zip(nodes, before)]


def follows(topic, node):
    """Whether every replica of the node has a leader and all that is committed."""
    status, answer = cluster_nodes.admin(node, "GET", f"/v1/partitions?topic={topic}")
    return status == 200 and all(p["leader"] and p.get("local", {}).get("commit_index", 0) > 0 and
                                 p["local"]["applied_index"] == p["local"]["last_index"] for p in answer["partitions"])


def restart(cluster, topic):
    """Seconds from the start of node 3 until it serves, and until all its replicas have a leader and what is committed."""
    node = cluster.nodes[3]
    node.terminate()
    begin = time.monotonic()
    node.start(120)
    serving = time.monotonic() - begin
    cluster_nodes.wait_until(lambda: follows(topic, node), 300, "all replicas follow")
    return serving, time.monotonic() - begin


def measure(partitions, seconds):
    with cluster_nodes.Cluster() as cluster:
        nodes = list(cluster.nodes.values())
        empty = at_rest(nodes, seconds)
        begin = time.monotonic()
        cluster.create("many", partitions)
        created = time.monotonic() - begin
        full = at_rest(nodes, seconds)  # nobody has asked for a list of them, which takes memory that is kept
        serving, caught_up = restart(cluster, "many")
    cpu = [f[0] for f in full]
    each = statistics.mean(f[1] - e[1] for f, e in zip(full, empty)) / partitions
    print(f"| {partitions:,} | {statistics.mean(e[0] for e in empty):.2f} % | {statistics.mean(cpu):.2f} % (max {max(cpu):.2f} %) "
          f"| {each:.1f} KiB | {created:.2f} s | {serving:.2f} s / {caught_up:.2f} s |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("partitions", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--seconds", type=int, default=15)
    arguments = parser.parse_args()
    print("| partitions | CPU of an empty node | CPU of a node at rest | memory per replica | created "
          "| restarted node serves / follows in all |\n|---|---|---|---|---|---|")
    for partitions in arguments.partitions:
        measure(partitions, arguments.seconds)


if __name__ == "__main__":
    main()
