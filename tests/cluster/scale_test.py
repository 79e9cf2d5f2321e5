# SPDX-License-Identifier: Apache-2.0
"""Goal: hundreds of partitions are as quiet, as quick to get a new leader, and as quick to follow again as a few. (S3, S5, S6)

Method: three nodes, 300 partitions of three replicas, kill -9 of one node, its leaders awaited and every partition written to.
"""

import os
import pathlib
import random
import time
import unittest

import confluent_kafka

from broker_metrics import total
from chronik_process import SLOWDOWN, UNDER_TSAN, wait_until
from cluster_nodes import Cluster, ClusterTest

PARTITIONS = 300
IDLE_S = 5
NEW_LEADERS_WITHIN_S = 2
FOLLOWS_WITHIN_S = 5


class Scale(ClusterTest):
    def test_three_hundred_partitions_rest_in_peace_and_outlive_a_node(self):
        with Cluster() as cluster:
            nodes = list(cluster.nodes.values())
            begin = time.monotonic()
            cluster.create("t", PARTITIONS)
            wait_until(lambda: self.led(nodes) == PARTITIONS, 20, "all have leaders")
            print(f"{PARTITIONS} partitions of three replicas created and led after {time.monotonic() - begin:.2f} s")
            if not UNDER_TSAN:  # a node that is slow to stand for election leaves it to another
                self.assertEqual([self.led([node]) for node in nodes], [PARTITIONS / 3] * 3)
            self.await_in_sync(cluster, "t", 1, [1, 2, 3])
            self.check_idle(nodes)
            self.write_to_each(cluster)
            self.check_death(cluster)

    @staticmethod
    def led(nodes):
        return total(nodes, "chronik_raft_leader_count")

    def check_idle(self, nodes):
        elections = total(nodes, "chronik_raft_election_count")
        processor = sum(map(self.processor_seconds, nodes))
        time.sleep(IDLE_S)  # nothing is what must happen meanwhile
        self.assertEqual(total(nodes, "chronik_raft_election_count"), elections, "an election without a cause")
        used = sum(map(self.processor_seconds, nodes)) - processor
        print(f"idle: {used / IDLE_S / len(nodes) * 100:.1f} % of a processor a node, RSS {[n.rss_kib() // 1024 for n in nodes]} MiB")

    @staticmethod
    def processor_seconds(node):
        fields = pathlib.Path(f"/proc/{node.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def write_to_each(self, cluster):
        """One message to every partition; how long that takes."""
        failed, acked = [], []
        producer = confluent_kafka.Producer({
            "bootstrap.servers": cluster.addresses, "acks": "all", "enable.idempotence": True, "linger.ms": 0,
            "retry.backoff.ms": 20, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0})
        begin = time.monotonic()
        for p in range(PARTITIONS):
            producer.produce("t", b"x" * 100, partition=p,
                             on_delivery=lambda error, message: (failed if error else acked).append(message.partition()))
        producer.flush(30)
        self.assertEqual((failed, sorted(acked)), ([], list(range(PARTITIONS))))
        return time.monotonic() - begin

    def check_death(self, cluster):
        gone = random.choice(list(cluster.nodes))
        others = [node for number, node in cluster.nodes.items() if number != gone]
        through = gone % 3 + 1
        cluster.nodes[gone].kill()
        killed = time.monotonic()
        for number in set(cluster.nodes) - {gone}:
            wait_until(lambda n=number: not {-1, gone} & set(cluster.leaders("t", n).values()), 20, "all have living leaders")
        took = time.monotonic() - killed
        self.assertEqual(self.led(others), PARTITIONS)
        print(f"node {gone} killed: both others know {PARTITIONS / 3:.0f} new leaders after {took:.2f} s, "
              f"every partition took a message within {self.write_to_each(cluster):.2f} s more")
        self.assertLess(took, NEW_LEADERS_WITHIN_S * SLOWDOWN)
        cluster.nodes[gone].start(30)
        started = time.monotonic()
        wait_until(lambda: total([cluster.nodes[gone]], "chronik_raft_follower_count") + self.led([cluster.nodes[gone]]) ==
                   PARTITIONS, 20, "the node that is back takes part in all")
        wait_until(lambda: total(others, "chronik_raft_follower_lag_entries") == 0, 20, "it has everything")
        self.await_in_sync(cluster, "t", through, [1, 2, 3])
        took = time.monotonic() - started
        print(f"in sync in all {took:.2f} s after its start")
        self.assertLess(took, FOLLOWS_WITHIN_S * SLOWDOWN)


if __name__ == "__main__":
    unittest.main(verbosity=2)
