# SPDX-License-Identifier: Apache-2.0
"""Goal: unmodified Kafka clients are members of consumer groups: they share partitions, take over from each other, and go
on where the group had come to after a broker was killed.

Method: kafka-python, confluent-kafka and kcat against the release binary; one node, then three with the coordinator killed.
"""

import subprocess
import sys
import threading
import unittest

import confluent_kafka
import confluent_kafka.admin
import kafka

from chronik_process import Chronikd, wait_until
from cluster_nodes import Cluster, ClusterTest

CONFIG = '[groups]\ninitial_rebalance_delay = "100ms"\noffsets_topic_partitions = 5\n'
PARTITIONS = 4


def produce(address, first, count):
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "log_level": 0})
    failed = []
    for i in range(first, first + count):
        producer.produce("t", str(i).encode(), partition=i % PARTITIONS, on_delivery=lambda e, m: failed.append(e) if e else None)
    assert producer.flush(60) == 0 and not failed, failed


def create_topic(address):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": address, "log_level": 0})
    admin.create_topics([confluent_kafka.admin.NewTopic("t", PARTITIONS)], operation_timeout=20)["t"].result(30)


class Member:
    """A consumer of group "g" that commits what it has seen, in a thread of its own."""

    def __init__(self, address):
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": address, "group.id": "g", "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "session.timeout.ms": 6000, "heartbeat.interval.ms": 200, "reconnect.backoff.max.ms": 200, "log_level": 0})
        self.consumer.subscribe(["t"])
        self.seen, self.committed, self.stopping = [], set(), False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping:
            message = self.consumer.poll(0.1)
            if message is None or message.error():
                continue
            self.seen.append(message.value())
            try:
                self.consumer.commit(message, asynchronous=False)
                self.committed.add(message.value())
            except confluent_kafka.KafkaException:
                pass  # it will be seen again, by whoever has the partition

    @property
    def partitions(self):
        return sorted(p.partition for p in self.consumer.assignment())

    def leave(self):
        self.stopping = True
        self.thread.join(30)
        self.consumer.close()


def numbers(first, count):
    return {str(i).encode() for i in range(first, first + count)}


class OneNode(unittest.TestCase):
    def test_two_members_share_the_partitions_and_one_takes_over(self):
        with Chronikd(config=CONFIG) as broker:
            create_topic(broker.address)
            first, second = Member(broker.address), Member(broker.address)
            wait_until(lambda: len(first.partitions) == len(second.partitions) == PARTITIONS // 2, 30, "two partitions each")
            self.assertEqual(sorted(first.partitions + second.partitions), list(range(PARTITIONS)))
            produce(broker.address, 0, 40)
            wait_until(lambda: first.committed | second.committed == numbers(0, 40), 30, "all is committed")
            second.leave()
            wait_until(lambda: first.partitions == list(range(PARTITIONS)), 30, "the first one has all")
            produce(broker.address, 40, 40)
            wait_until(lambda: first.committed >= numbers(40, 40), 30, "all is committed by the one that is left")
            self.assertEqual(len(first.seen) + len(second.seen), 80, "nothing is seen twice")
            first.leave()

    def test_a_killed_broker_keeps_members_and_offsets(self):
        with Chronikd(config=CONFIG) as broker:
            create_topic(broker.address)
            member = Member(broker.address)
            produce(broker.address, 0, 40)
            wait_until(lambda: member.committed == numbers(0, 40), 30, "all is committed")
            broker.restart()
            produce(broker.address, 40, 40)
            wait_until(lambda: member.committed == numbers(0, 80), 60, "it goes on")
            self.assertEqual(len(member.seen), 80, "nothing is seen twice")
            member.leave()

    def test_a_stop_does_not_wait_for_members_that_wait(self):
        with Chronikd(config='[groups]\ninitial_rebalance_delay = "60s"\n[broker]\nshutdown_timeout = "60s"\n') as broker:
            create_topic(broker.address)
            member = Member(broker.address)
            admin = kafka.KafkaAdminClient(bootstrap_servers=broker.address)
            wait_until(lambda: [g.state for g in admin.describe_consumer_groups(["g"])] == ["PreparingRebalance"], 20, "it joins")
            admin.close()
            self.assertEqual(broker.terminate(within=20), 0)
            member.stopping = True

    def test_kafka_python_commits_and_goes_on_from_there(self):
        with Chronikd(config=CONFIG) as broker:
            create_topic(broker.address)
            produce(broker.address, 0, 40)
            # A process of its own: its threads would outlive the test.
            program = ("import kafka, sys\n"
                       "c = kafka.KafkaConsumer('t', bootstrap_servers=sys.argv[1], group_id='py', auto_offset_reset='earliest',\n"
                       "                        enable_auto_commit=False)\n"
                       "seen = []\n"
                       "while len(seen) < 40:\n"
                       "    for records in c.poll(1000).values():\n"
                       "        seen += [r.value.decode() for r in records]\n"
                       "c.commit()\n"
                       "c.close()\n"
                       "print(' '.join(sorted(seen)))\n")
            for first in (0, 40):
                done = subprocess.run([sys.executable, "-c", program, broker.address], capture_output=True, timeout=60, text=True)
                self.assertEqual(set(done.stdout.split()), {n.decode() for n in numbers(first, 40)}, done.stderr)
                produce(broker.address, 40, 40) if first == 0 else None

    def test_kcat_consumes_in_a_group(self):
        with Chronikd(config=CONFIG) as broker:
            create_topic(broker.address)
            produce(broker.address, 0, 40)
            kcat = subprocess.run(["kcat", "-b", broker.address, "-G", "kcat", "-e", "-q", "-X", "auto.offset.reset=earliest", "t"],
                                  capture_output=True, timeout=60)
            self.assertEqual(set(kcat.stdout.split()), numbers(0, 40), kcat.stderr)

    def test_an_admin_lists_describes_and_deletes_groups(self):
        with Chronikd(config=CONFIG) as broker:
            create_topic(broker.address)
            member = Member(broker.address)
            produce(broker.address, 0, 4)
            wait_until(lambda: member.committed == numbers(0, 4), 30, "all is committed")
            admin = kafka.KafkaAdminClient(bootstrap_servers=broker.address)
            self.assertEqual(admin.list_consumer_groups(), [("g", "consumer")])
            described = admin.describe_consumer_groups(["g"])[0]
            self.assertEqual((described.state, len(described.members)), ("Stable", 1))
            offsets = admin.list_consumer_group_offsets("g")
            self.assertEqual({tp.partition: o.offset for tp, o in offsets.items()}, {p: 1 for p in range(PARTITIONS)})
            member.leave()
            self.assertIs(admin.delete_consumer_groups(["g"])[0][1], kafka.errors.NoError)
            self.assertEqual(admin.list_consumer_groups(), [])
            admin.close()


class ThreeNodes(ClusterTest):
    def test_a_group_outlives_its_coordinator(self):
        with Cluster(more=CONFIG) as cluster:
            cluster.create("t", PARTITIONS)
            first, second = Member(cluster.addresses), Member(cluster.addresses)
            wait_until(lambda: len(first.partitions) == len(second.partitions) == PARTITIONS // 2, 60, "two partitions each")
            produce(cluster.addresses, 0, 40)
            wait_until(lambda: first.committed | second.committed == numbers(0, 40), 60, "all is committed")
            internal = cluster.partitions("__consumer_offsets", 1)
            self.assertEqual({len(p.replicas) for p in internal.values()}, {3})
            coordinator = internal[ord("g") % len(internal)].leader
            cluster.nodes[coordinator].kill()
            produce(cluster.addresses, 40, 40)
            wait_until(lambda: first.committed | second.committed == numbers(0, 80), 60, "the group goes on")
            first.leave()
            second.leave()


if __name__ == "__main__":
    unittest.main()
