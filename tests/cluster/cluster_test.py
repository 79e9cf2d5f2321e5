# SPDX-License-Identifier: Apache-2.0
"""Goal: three brokers are one cluster that real clients use: it forms in any order, takes topics and messages through any
node, loses nothing that was acked and doubles nothing when leaders die, and takes nodes back. (S3, S6, S9, S11, S13)

Method: real processes on loopback, kill -9, librdkafka with idempotence, kcat.
"""

import random
import subprocess
import time
import unittest

import confluent_kafka

from chronik_process import SLOWDOWN, UNDER_TSAN, Chronikd, wait_until
from cluster_nodes import Cluster, ClusterTest, Writer, read_all


class ThreeNodes(ClusterTest):
    def test_any_node_takes_topics_and_messages_and_leaders_are_spread(self):
        with Cluster() as cluster:
            for through in cluster.nodes:
                cluster.create(f"topic-{through}", 9, through)
            for through in cluster.nodes:
                leaders = wait_until(lambda t=through: self.settled(cluster.leaders("topic-1", t)), 10, "leaders everywhere")
                if not UNDER_TSAN:  # a node that is slow to stand for election leaves it to another
                    self.assertEqual(sorted(list(leaders.values()).count(node) for node in cluster.nodes), [3, 3, 3])
            for through, node in cluster.nodes.items():
                subprocess.run(["kcat", "-P", "-b", node.address, "-t", "topic-1", "-p", "4", "-X", "acks=all"],
                               input=f"through {through}".encode(), check=True)
            self.assertEqual(read_all(cluster.nodes[2].address, "topic-1", 4), [b"through 1", b"through 2", b"through 3"])

    def test_five_nodes_lead_ten_partitions_two_each_and_survive_two_deaths(self):
        with Cluster(size=5) as cluster:
            cluster.create("t", 10, 5)
            leaders = wait_until(lambda: self.settled(cluster.leaders("t", 3)), 10, "leaders")
            self.assertEqual(sorted(list(leaders.values()).count(node) for node in cluster.nodes), [2, 2, 2, 2, 2])
            writer = Writer(cluster.addresses, "t")
            wait_until(lambda: len(writer.acked) > 100, 30, "messages flow")
            replicas = cluster.partitions("t", 1)[0].replicas
            away = [node for node in cluster.nodes if node not in replicas]
            for node in (leaders[0], away[0]):  # a majority of the partition and of the metadata is left
                cluster.nodes[node].kill()
            killed = time.monotonic()
            wait_until(lambda: writer.times[-1] > killed + 2, 30, "messages flow without two of five")
            writer.stop()
            self.assertEqual(writer.failed, [])
            self.check_exactly(writer.acked, read_all(cluster.addresses, "t"))

    def test_killed_leaders_cost_no_acked_message_and_no_long_gap(self):
        with Cluster() as cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            gaps = []
            for round_ in range(3):
                before = len(writer.acked)
                wait_until(lambda b=before: len(writer.acked) > b + 100, 30, "messages flow")
                living = [i for i, node in cluster.nodes.items() if node.process.poll() is None]
                leader = wait_until(lambda: self.settled(cluster.leaders("t", living[0])), 10, "a leader")[0]
                killed = time.monotonic()
                cluster.nodes[leader].kill()
                before = len(writer.acked)
                wait_until(lambda b=before: len(writer.acked) > b + 100, 30, f"messages flow without node {leader}")
                gaps.append(writer.longest_gap(killed - 0.05))
                cluster.nodes[leader].start(30)
            writer.stop()
            print(f"{len(writer.acked)} acked, gaps {[f'{gap * 1000:.0f} ms' for gap in gaps]}")
            self.assertEqual(writer.failed, [])
            self.check_exactly(writer.acked, read_all(cluster.addresses, "t"))
            self.assertLess(max(gaps), 2.0 * SLOWDOWN, "S3: a new leader in less than two seconds")

    def test_partitions_that_others_lead_do_not_notice(self):
        with Cluster() as cluster:
            cluster.create("t", 3)
            leaders = wait_until(lambda: self.settled(cluster.leaders("t", 1)), 10, "leaders")
            writers = {p: Writer(cluster.addresses, "t", p) for p in leaders}
            wait_until(lambda: min(len(w.acked) for w in writers.values()) > 300, 30, "messages flow everywhere")
            killed = time.monotonic()
            cluster.nodes[leaders[0]].kill()
            wait_until(lambda: all(w.times[-1] > killed + 2 for w in writers.values()), 30, "all go on")
            for writer in writers.values():
                writer.stop()
            for p, writer in writers.items():
                self.assertEqual(writer.failed, [])
                self.check_exactly(writer.acked, read_all(cluster.addresses, "t", p))
                if leaders[p] != leaders[0]:
                    self.assertLess(writer.longest_gap(killed), 1.0 * SLOWDOWN, f"partition {p}, led by node {leaders[p]}")

    def test_a_consumer_is_sent_to_the_follower_in_its_rack_and_gets_everything_from_it(self):
        with Cluster(more="[broker]\nfetch_from_followers = true\n", racks=True) as cluster:
            cluster.create("t")
            leader = wait_until(lambda: self.settled(cluster.leaders("t", 1)), 10, "a leader")[0]
            near = leader % 3 + 1
            payload, count = 10_000, 500
            subprocess.run(["kcat", "-P", "-b", cluster.addresses, "-t", "t", "-p", "0", "-X", "acks=all"], check=True,
                           input=b"\n".join(b"%06d" % i + b"x" * payload for i in range(count)))
            wait_until(lambda: sorted(cluster.partitions("t", leader)[0].isrs) == [1, 2, 3], 20, "all are in sync")
            sent = lambda node: float(cluster.nodes[node].http("/metrics")[1].split("\nchronik_sent_bytes_total ")[1].split()[0])
            before = {node: sent(node) for node in cluster.nodes}
            values = read_all(cluster.addresses, "t", more={"client.rack": f"r{near}", "max.partition.fetch.bytes": 100_000})
            self.assertEqual([value[:6] for value in values], [b"%06d" % i for i in range(count)])
            from_near, from_leader = sent(near) - before[near], sent(leader) - before[leader]
            self.assertGreater(from_near, payload * count * 0.9, f"the leader sent {from_leader}")
            self.assertLess(from_leader, payload * count * 0.2)

    def test_a_node_that_was_away_learns_what_happened(self):
        with Cluster() as cluster:
            cluster.create("before")
            away = random.choice(list(cluster.nodes))
            through = away % 3 + 1
            self.assertEqual(cluster.nodes[away].terminate(), 0)
            cluster.create("meanwhile", 3, through)
            subprocess.run(["kcat", "-P", "-b", cluster.addresses, "-t", "meanwhile", "-p", "0", "-X", "acks=all"],
                           input=b"while it was away", check=True)
            cluster.nodes[away].start(30)
            wait_until(lambda: self.settled(cluster.leaders("meanwhile", away)), 20, "it knows the new topic's leaders")
            self.assertEqual(read_all(cluster.nodes[away].address, "meanwhile", 0), [b"while it was away"])
            # It holds the data, too: with another node gone it is needed for every ack.
            cluster.nodes[through].kill()
            writer = Writer(cluster.addresses, "meanwhile", 1)
            wait_until(lambda: len(writer.acked) > 50, 30, "two of three are enough")
            writer.stop()
            self.check_exactly(writer.acked, read_all(cluster.addresses, "meanwhile", 1))

    def test_a_node_that_is_told_to_stop_hands_over_first(self):
        with Cluster() as cluster:
            cluster.create("t", 3)
            wait_until(lambda: self.settled(cluster.leaders("t", 1)), 10, "leaders")
            writers = [Writer(cluster.addresses, "t", p) for p in range(3)]
            wait_until(lambda: min(len(w.acked) for w in writers) > 200, 30, "messages flow")
            stopped = time.monotonic()
            self.assertEqual(cluster.nodes[2].terminate(), 0)
            wait_until(lambda: all(w.times[-1] > stopped + 3 for w in writers), 30, "all go on")
            for p, writer in enumerate(writers):
                writer.stop()
                self.assertEqual(writer.failed, [])
                self.check_exactly(writer.acked, read_all(cluster.nodes[1].address, "t", p))
            gaps = [writer.longest_gap(stopped) for writer in writers]
            print("gaps", [f"{gap * 1000:.0f} ms" for gap in gaps])
            self.assertLess(max(gaps), 1.0 * SLOWDOWN)

    def test_all_killed_at_once_come_back_with_everything(self):
        with Cluster() as cluster:
            cluster.create("t", 3)
            writers = [Writer(cluster.addresses, "t", p) for p in range(3)]
            wait_until(lambda: min(len(w.acked) for w in writers) > 200, 30, "messages flow")
            for node in cluster.nodes.values():
                node.kill()
            cluster.start(random.sample(list(cluster.nodes), 3))
            counts = [len(w.acked) for w in writers]
            wait_until(lambda: all(len(w.acked) > n + 50 for w, n in zip(writers, counts)), 60, "messages flow again")
            for p, writer in enumerate(writers):
                writer.stop()
                self.check_exactly(writer.acked, read_all(cluster.addresses, "t", p))


class Startup(unittest.TestCase):
    def test_a_lone_node_says_for_whom_it_waits_and_gives_up(self):
        cluster = Cluster(more='join_timeout = "7s"\n')
        node = cluster.nodes[2]
        with self.assertRaises(AssertionError):
            node.start(20)
        self.assertNotEqual(node.process.returncode, 0)
        self.assertIn("1 of its 3 founders are connected, 2 are needed; missing: node 1, node 3", node.log)
        self.assertIn("too few of its voters are there", node.log)
        cluster.__exit__(None, None, None)

    def test_two_nodes_are_enough_to_begin_with(self):
        cluster = Cluster()
        try:
            cluster.start([3, 1])
            with self.assertRaisesRegex(confluent_kafka.KafkaException, "replication factor 3 with 2 brokers"):
                cluster.create("too-many-replicas", 1, 3)
            cluster.create("t", 1, 3, replicas=2)
            cluster.nodes[2].start(30)
            wait_until(lambda: cluster.leaders("t", 2)[0] != -1, 20, "the third one knows the topic")
        finally:
            cluster.__exit__(None, None, None)

    def test_another_nodes_data_directory_is_refused_untouched(self):
        with Cluster() as cluster:
            cluster.nodes[3].kill()
            other = Chronikd(args=["--cluster-config", str(cluster.config), "--node-id", "2"],
                             data_dir=cluster.nodes[3].root)
            with self.assertRaises(AssertionError):
                other.start()
            self.assertIn("belongs to node 3, and this is node 2", other.log)
            cluster.nodes[3].start(30)


if __name__ == "__main__":
    unittest.main(verbosity=2)
