# SPDX-License-Identifier: Apache-2.0
"""Goal: a cluster whose network or nodes fail acks nothing that it can lose, has one history, and serves again when the
fault has gone. (S3, S9, S14, S15, S25)

Method: real processes in network namespaces between which packets get lost or delayed (faulty_network.py; those tests skip
where the kernel does not let us), kill -9 and SIGTERM under load, librdkafka with idempotence.
CHRONIK_TEST_LONG: more rounds, and the tests that take minutes.
"""

import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
import unittest

import faulty_network
from chronik_process import BUILD, SLOWDOWN, wait_until
from cluster_nodes import Cluster, ClusterTest, Writer, admin, read_all, read_records
from faulty_network import NetworkCluster

LONG = bool(os.environ.get("CHRONIK_TEST_LONG"))
NODES = [1, 2, 3]
at_length = unittest.skipUnless(LONG, "only with CHRONIK_TEST_LONG; another test of this kind runs always")
QUICK = "[raft.advanced]\nreplica_lag_max_ms = 700\n"


class FaultTest(ClusterTest):
    def leader(self, cluster, through, but=(-1,)):
        """Of partition 0 of "t"; not one of `but`."""
        def known():
            leader = cluster.leaders("t", through)[0]
            return leader if leader not in (-1, *but) else None
        return wait_until(known, 20, "a leader")

    @staticmethod
    def epoch(cluster, through):
        return admin(cluster.nodes[through], "GET", "/v1/partitions?topic=t")[1]["partitions"][0]["epoch"]

    @staticmethod
    def await_more(writers, count=100):
        before = [len(w.acked) for w in writers]
        wait_until(lambda: all(len(w.acked) > n + count for w, n in zip(writers, before)), 60, "messages flow")

    @staticmethod
    def log_of(node):
        """The entries of partition 0 of "t" in the log of a node that does not run."""
        dump = subprocess.run([BUILD / "bin/chronikctl", "--data-dir", node.data_dir, "--format", "json", "log", "dump",
                               "--topic", "t", "--partition", "0", "--records"], env=node.env, stdout=subprocess.PIPE,
                              check=True)
        return [json.loads(line) for line in dump.stdout.splitlines()]

    def check_histories(self, cluster, writer):
        """Every replica, asked as the leader, tells the same, and all that was acked; their logs are equal. Kills the nodes."""
        self.await_in_sync(cluster, "t", 1, NODES)
        told = {}
        for node in NODES:
            wait_until(lambda n=node: admin(cluster.nodes[n], "POST", "/v1/partitions/t/0/transfer", {"to": n})[0] == 200, 30,
                       f"node {node} leads")
            told[node] = read_records(cluster.nodes[node].address, "t")
        self.assertEqual(told[1], told[2])
        self.assertEqual(told[1], told[3])
        self.assertEqual([offset for offset, _, _ in told[1]], list(range(len(told[1]))))
        self.assertEqual(writer.failed, [])
        self.check_exactly(writer.acked, [value for _, _, value in told[1]])
        for node in NODES:
            cluster.nodes[node].kill()
        logs = [self.log_of(cluster.nodes[node]) for node in NODES]
        common = min(len(log) for log in logs)  # the last ones may lack what was not committed yet: no data
        self.assertEqual(logs[0][:common], logs[1][:common])
        self.assertEqual(logs[0][:common], logs[2][:common])
        last = logs[0][common - 1]
        self.assertEqual(last["base_offset"] + last["offset_count"], len(told[1]))
        return [value for _, _, value in told[1]]


class Partitions(FaultTest):
    """Nodes that do not hear each other; clients reach all of them."""

    def setUp(self):
        if faulty_network.why_not:
            self.skipTest(f"no network namespaces with TUN devices here: {faulty_network.why_not}")

    def test_a_leader_that_is_cut_off_acks_nothing_and_all_logs_agree_afterwards(self):
        with NetworkCluster(more=QUICK) as cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            self.await_more([writer])
            old = self.leader(cluster, 1)
            cluster.network.cut_off(old)
            cut = time.monotonic()
            # Clients that reach no other node: at once, and when the node has noticed.
            attempts = [self.produce_where_only(cluster, old, f"at once {i}") for i in range(3)]
            new = self.leader(cluster, old % 3 + 1, but=(-1, old))
            self.await_more([writer])
            attempts += [self.produce_where_only(cluster, old, f"later {i}") for i in range(3)]
            for attempt in attempts:
                said = attempt.communicate(timeout=30)[0]
                self.assertNotEqual(attempt.returncode, 0, said)
            self.await_more([writer])
            cluster.network.heal()
            self.await_in_sync(cluster, "t", new, NODES)
            self.await_more([writer])
            writer.stop()
            print(f"{len(writer.acked)} acked, gap {writer.longest_gap(cut - 0.05):.2f} s")
            self.assertEqual([v for v in self.check_histories(cluster, writer) if not v.isdigit()], [])
            self.assertLess(writer.longest_gap(cut), 5 * SLOWDOWN)

    @staticmethod
    def produce_where_only(cluster, node, value):
        """kcat in the namespace of `node`, with acks=all."""
        attempt = subprocess.Popen(
            cluster.network.prefix(node) + ["kcat", "-P", "-b", cluster.nodes[node].address, "-t", "t", "-p", "0",
                                            "-X", "acks=all", "-X", "message.timeout.ms=3000"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        attempt.stdin.write(value)
        attempt.stdin.close()
        attempt.stdin = None
        return attempt

    @at_length
    def test_a_follower_that_is_cut_off_is_not_missed_and_catches_up(self):
        with NetworkCluster(more=QUICK) as cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            self.await_more([writer])
            leader = self.leader(cluster, 1)
            epoch, follower = self.epoch(cluster, leader), leader % 3 + 1
            cut = time.monotonic()
            cluster.network.cut_off(follower)
            self.await_in_sync(cluster, "t", leader, sorted(set(NODES) - {follower}))
            self.await_more([writer], 1000)
            cluster.network.heal()
            self.await_in_sync(cluster, "t", leader, NODES)
            self.assertEqual(self.epoch(cluster, leader), epoch, "a needless election")
            writer.stop()
            print(f"gap {writer.longest_gap(cut):.2f} s")
            self.assertLess(writer.longest_gap(cut), 1 * SLOWDOWN)
            self.check_histories(cluster, writer)

    def check_one_way(self, lost):
        """`lost(leader, other)` is the path whose packets get lost."""
        with NetworkCluster(more=QUICK) as cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            self.await_more([writer])
            leader = self.leader(cluster, 1)
            begin = time.monotonic()
            for other in set(NODES) - {leader}:
                cluster.network.set_path(*lost(leader, other), loss=1.0)
            self.leader(cluster, leader % 3 + 1, but=(-1, leader))
            self.await_more([writer])
            cluster.network.heal()
            self.await_more([writer])
            writer.stop()
            print(f"gap {writer.longest_gap(begin):.2f} s")
            self.assertLess(writer.longest_gap(begin), 8 * SLOWDOWN)
            self.check_histories(cluster, writer)

    def test_a_leader_that_nobody_hears_is_replaced(self):
        self.check_one_way(lambda leader, other: (leader, other))

    @at_length
    def test_a_leader_that_hears_nobody_is_replaced(self):
        self.check_one_way(lambda leader, other: (other, leader))

    def test_a_follower_half_a_second_away_leaves_the_isr_and_returns(self):
        with NetworkCluster(more=QUICK) as cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            self.await_more([writer])
            leader = self.leader(cluster, 1)
            epoch, follower = self.epoch(cluster, leader), leader % 3 + 1
            begin = time.monotonic()
            cluster.network.set_all(follower, delay=0.5)
            wait_until(lambda: follower not in cluster.partitions("t", leader)[0].isrs, 30, "it left the ISR")
            self.await_more([writer], 500)
            self.assertNotIn(follower, cluster.partitions("t", leader)[0].isrs)
            cluster.network.heal()
            self.await_in_sync(cluster, "t", leader, NODES)
            self.assertEqual(self.epoch(cluster, leader), epoch, "a needless election")
            writer.stop()
            print(f"gap {writer.longest_gap(begin):.2f} s")
            self.assertLess(writer.longest_gap(begin), 1 * SLOWDOWN)
            self.check_histories(cluster, writer)

    def test_a_tenth_of_all_packets_lost_elects_nobody(self):
        with NetworkCluster() as cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            self.await_more([writer])
            leader = self.leader(cluster, 1)
            epoch = self.epoch(cluster, leader)
            begin = time.monotonic()
            for node in NODES:
                cluster.network.set_all(node, loss=0.1)
            seconds = 60 if LONG else 6
            wait_until(lambda: writer.times[-1] > begin + seconds, seconds + 20, "messages flow")
            self.assertEqual((self.leader(cluster, leader), self.epoch(cluster, leader)), (leader, epoch))
            cluster.network.heal()
            writer.stop()
            acked = sum(t > begin for t in writer.times)
            print(f"{acked} acked in {seconds} s, gap {writer.longest_gap(begin):.2f} s")
            self.check_histories(cluster, writer)


class Deaths(FaultTest):
    """Processes that are killed and told to stop."""

    def test_two_of_three_killed_refuse_writes_and_lose_nothing(self):
        with Cluster(more=QUICK) as cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            self.await_more([writer])
            leader = self.leader(cluster, 1)
            others = sorted(set(NODES) - {leader})
            for node in others:
                cluster.nodes[node].kill()
            attempt = subprocess.run(["kcat", "-P", "-b", cluster.nodes[leader].address, "-t", "t", "-p", "0", "-X", "acks=all",
                                      "-X", "retries=0", "-X", "message.timeout.ms=5000"], input="alone", text=True,
                                     capture_output=True, timeout=30, check=False)
            self.assertNotEqual(attempt.returncode, 0)
            # In flight when the leader gave up; before that; after that; much later, when the broker sends clients elsewhere.
            self.assertRegex(attempt.stderr, "Request timed out|Not enough in-sync replicas|Not leader for partition|Disconnected")
            for node in others:
                cluster.nodes[node].start(30)
            self.await_more([writer])
            writer.stop()
            self.check_histories(cluster, writer)

    @at_length
    def test_each_node_told_to_stop_in_turn_fails_no_write(self):
        with Cluster(more=QUICK) as cluster:
            cluster.create("t", 3)
            writers = [Writer(cluster.addresses, "t", p) for p in range(3)]
            self.await_more(writers)
            gaps = []
            for node in NODES:
                stopped = time.monotonic()
                self.assertEqual(cluster.nodes[node].terminate(), 0)
                self.await_more(writers, 300)
                cluster.nodes[node].start(30)
                self.await_in_sync(cluster, "t", node % 3 + 1, NODES)
                gaps.append(max(w.longest_gap(stopped) for w in writers))
            for p, writer in enumerate(writers):
                writer.stop()
                self.assertEqual(writer.failed, [])
                self.check_exactly(writer.acked, read_all(cluster.addresses, "t", p))
            print("gaps", [f"{gap * 1000:.0f} ms" for gap in gaps])
            self.assertLess(max(gaps), 1.0 * SLOWDOWN)

    def test_two_of_three_restarted_at_once_again_and_again_serve_again_in_bounded_memory(self):
        with Cluster(more=QUICK + '[plugins.log_store]\ntail_memory = "4MiB"\n') as cluster:
            cluster.create("t", 3)
            writers = [Writer(cluster.addresses, "t", p, size=1000) for p in range(3)]
            self.await_more(writers)
            for round_ in range(10 if LONG else 2):
                both = random.sample(NODES, 2)
                for node in both:
                    cluster.nodes[node].kill()
                for node in both:
                    cluster.nodes[node].start(60)
                self.await_more(writers, 300)
                self.await_in_sync(cluster, "t", both[0], NODES)
                rss = [cluster.nodes[node].rss_kib() // 1024 for node in NODES]
                print(f"round {round_}: {sum(len(w.acked) for w in writers)} acked, RSS {rss} MiB")
                self.assertLess(max(rss), 300 * SLOWDOWN)
            for p, writer in enumerate(writers):
                writer.stop()
                self.assertEqual(writer.failed, [])
                self.check_exactly(writer.acked, read_all(cluster.addresses, "t", p))

    @at_length
    def test_thirty_leaders_killed_under_load_cost_no_acked_message_and_no_long_gap(self):
        with Cluster() as cluster:
            cluster.create("t")
            writer = Writer(cluster.addresses, "t")
            gaps = []
            for round_ in range(30):
                self.await_more([writer])
                leader = self.leader(cluster, round_ % 3 + 1)
                killed = time.monotonic()
                cluster.nodes[leader].kill()
                self.await_more([writer])
                gaps.append(writer.longest_gap(killed - 0.05))
                cluster.nodes[leader].start(30)
                self.await_in_sync(cluster, "t", leader, NODES)
            print(f"{len(writer.acked)} acked, gaps: median {statistics.median(gaps) * 1000:.0f} ms, "
                  f"worst {max(gaps) * 1000:.0f} ms")
            writer.stop()
            self.check_histories(cluster, writer)
            self.assertLess(statistics.median(gaps), 1.0 * SLOWDOWN)
            self.assertLess(max(gaps), 3.0 * SLOWDOWN)


class Disks(FaultTest):
    """A disk that fails nothing and completes nothing."""

    def hang(self, node, ends):
        """From now on each fdatasync of the node waits, until what is returned ends; at the latest with `ends`, as a
        broker cannot even be killed meanwhile."""
        errors = open(self.enterContext(tempfile.TemporaryDirectory()) + "/strace", "w+")
        self.addCleanup(errors.close)
        tracer = subprocess.Popen(["strace", "-f", "-p", str(node.process.pid), "-o", "/dev/null", "-e",
                                   "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:delay_enter=600000000"], stderr=errors)
        ends.callback(tracer.wait)
        ends.callback(tracer.kill)

        def said():
            errors.seek(0)
            return errors.read()
        wait_until(lambda: "attached" in said() or tracer.poll() is not None, 20, "strace traces the node")
        if "attached" not in said():
            self.skipTest(f"strace may not trace a broker here, disks that hang are NOT covered: {said().strip()}")
        return tracer

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_a_leader_whose_disk_hangs_hands_over_and_follows_when_it_works_again(self):
        timeout = 0.5 * SLOWDOWN
        settings = f"[raft]\nelection_timeout_ms = {timeout * 1000:.0f}\nheartbeat_interval_ms = {timeout * 100:.0f}\n"
        with Cluster(more=settings + QUICK) as cluster, contextlib.ExitStack() as ends:
            cluster.create("t", 3)
            writers = [Writer(cluster.addresses, "t", p) for p in range(3)]
            self.await_more(writers)
            stalled = self.leader(cluster, 1)
            others = sorted(set(NODES) - {stalled})
            leads = [p for p, leader in cluster.leaders("t", stalled).items() if leader == stalled]
            hung = time.monotonic()
            tracer = self.hang(cluster.nodes[stalled], ends)
            self.leader(cluster, others[0], but=(-1, stalled))
            print(f"another leader {time.monotonic() - hung:.2f} s after the disk hung")
            # What the disk does not have is acked by the others, and a topic needs no disk of this node.
            self.await_in_sync(cluster, "t", others[0], others)
            cluster.create("meanwhile", 3, others[1])
            self.await_more(writers, 300)
            tracer.kill()
            tracer.wait(20)
            healed = time.monotonic()
            self.await_in_sync(cluster, "t", others[0], NODES)
            print(f"in sync {time.monotonic() - healed:.2f} s after the disk worked again")
            gaps = [writer.longest_gap(hung) for writer in writers]
            print("gaps", [f"{gap * 1000:.0f} ms" for gap in gaps], "it led", leads)
            # It counts for a majority again.
            cluster.nodes[others[0]].kill()
            self.await_more(writers)
            cluster.nodes[others[0]].start(30)
            for writer in writers:
                writer.stop()
            self.check_histories(cluster, writers[0])
            # Four timeouts until it takes the disk for broken, and two of an election, should the one it chose not win.
            self.assertLess(max(gaps), 6 * timeout + 1 * SLOWDOWN)


if __name__ == "__main__":
    faulty_network.enter()
    unittest.main(verbosity=2)
