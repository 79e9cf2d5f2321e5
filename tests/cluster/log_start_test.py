# SPDX-License-Identifier: Apache-2.0
"""Goal: what retention took away is away on every node, and a node that missed it is told by a snapshot. Method: three
brokers that look for old records all the time, one of which is stopped while its log is cut off elsewhere."""

import unittest

import confluent_kafka
import confluent_kafka.admin

from chronik_process import wait_until
from cluster_nodes import Cluster, ClusterTest, Writer, admin, read_records

RETENTION_BYTES = 200_000
OPTIONS = 'replication_factor = 3\n[broker]\nlog_retention_check_interval = "100ms"\nfetch_from_followers = true\n'


def local(node, topic):
    """What a node says of its own replica of partition 0."""
    status, answer = admin(node, "GET", f"/v1/partitions?topic={topic}")
    return answer["partitions"][0].get("local", {}) if status == 200 else {}


def snapshots(node):
    """How many this node has pulled."""
    lines = [line for line in node.http("/metrics")[1].splitlines() if line.startswith("chronik_raft_snapshot_count")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


class Retention(ClusterTest):
    def write(self, cluster, topic, messages):
        """Of 1 KB each; the offset of the last one."""
        producer = confluent_kafka.Producer({"bootstrap.servers": cluster.addresses, "acks": "all", "linger.ms": 0,
                                             "enable.idempotence": True, "batch.size": 20_000, "log_level": 0})
        offsets = []

        def delivered(error, message):
            self.assertIsNone(error)
            offsets.append(message.offset())
        for i in range(messages):
            producer.produce(topic, (b"%d " % i).ljust(1000, b"x"), partition=0, on_delivery=delivered)
            producer.poll(0)
        producer.flush(60)
        self.assertEqual(len(offsets), messages)
        return max(offsets)

    def test_a_node_that_missed_what_was_deleted_pulls_a_snapshot_and_serves_the_rest(self):
        with Cluster(more=OPTIONS) as cluster:
            client = confluent_kafka.admin.AdminClient({"bootstrap.servers": cluster.addresses, "log_level": 0})
            new = confluent_kafka.admin.NewTopic("t", 1, 3, config={"retention.bytes": str(RETENTION_BYTES)})
            client.create_topics([new], operation_timeout=20)["t"].result(30)
            self.write(cluster, "t", 100)
            leader = cluster.leaders("t", 1)[0]
            away = leader % 3 + 1
            wait_until(lambda: local(cluster.nodes[away], "t").get("high_watermark") == 100, 20, "all follow")
            seen_until = local(cluster.nodes[away], "t")["last_index"]
            cluster.nodes[away].kill()
            last = self.write(cluster, "t", 3000)
            others = [n for i, n in cluster.nodes.items() if i != away]
            for node in others:
                wait_until(lambda: local(node, "t")["first_index"] > seen_until + 1, 20, "its log is cut off")
            cluster.nodes[away].start()
            wait_until(lambda: local(cluster.nodes[away], "t").get("high_watermark") == last + 1, 30, "it has caught up")
            self.assertGreaterEqual(snapshots(cluster.nodes[away]), 1)
            kept = wait_until(lambda: self.same_everywhere(cluster), 20, "all nodes agree on where the log starts")
            self.assertGreaterEqual((last + 1 - kept) * 1000, RETENTION_BYTES - 50_000)
            self.assertLess((last + 1 - kept) * 1000, 2 * RETENTION_BYTES)

            # It leads, and serves clients what is left and nothing else.
            status, answer = admin(cluster.nodes[leader], "POST", "/v1/partitions/t/0/transfer", {"to": away})
            self.assertEqual(status, 200, answer)
            wait_until(lambda: cluster.leaders("t", away)[0] == away, 10, "it leads")
            offsets = [offset for offset, _, _ in read_records(cluster.nodes[away].address, "t")]
            self.assertEqual(offsets, list(range(kept, last + 1)))

    def same_everywhere(self, cluster):
        starts = {local(node, "t").get("log_start_offset") for node in cluster.nodes.values()}
        return starts.pop() if len(starts) == 1 else None

    def test_writers_and_readers_go_on_while_their_log_is_cut_off(self):
        with Cluster(more=OPTIONS) as cluster:
            client = confluent_kafka.admin.AdminClient({"bootstrap.servers": cluster.addresses, "log_level": 0})
            new = confluent_kafka.admin.NewTopic("t", 1, 3, config={"retention.bytes": "20000"})
            client.create_topics([new], operation_timeout=20)["t"].result(30)
            writer = Writer(cluster.addresses, "t", size=500)
            consumer = confluent_kafka.Consumer({"bootstrap.servers": cluster.addresses, "group.id": "unused",
                                                 "enable.auto.commit": False, "enable.auto.offset.store": False,
                                                 "auto.offset.reset": "earliest", "log_level": 0})
            consumer.assign([confluent_kafka.TopicPartition("t", 0, 0)])
            offsets = []

            def read():
                for message in consumer.consume(1000, 0.5):
                    if not message.error():
                        offsets.append(message.offset())
                return len(offsets) > 1000 and local(cluster.nodes[1], "t")["log_start_offset"] > 500
            wait_until(read, 60, "1,000 messages are read and half of them are gone")
            consumer.close()
            writer.stop()
            self.assertEqual(writer.failed, [])
            self.assertEqual(offsets, sorted(set(offsets)))


if __name__ == "__main__":
    unittest.main()
