# SPDX-License-Identifier: Apache-2.0
"""A cluster of real brokers on loopback, and clients that write to it and read everything back.

CHRONIK_TEST_TRANSPORT: the plugin that carries the messages between the nodes.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import socket
import tempfile
import threading
import time
import unittest

import confluent_kafka
import confluent_kafka.admin

from chronik_process import Chronikd, free_ports, wait_until

TRANSPORT = os.environ.get("CHRONIK_TEST_TRANSPORT", "transport_tcp")


class Cluster:
    """Nodes 1 to `size`, which share one configuration file."""

    def __init__(self, size=3, more="", racks=False):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="chronik-cluster-"))
        self.more, self.racks, self.peers, self.nodes = more, racks, [], {}
        addresses = self.free_addresses(range(1, size + 1))
        for number, (client, rpc) in addresses.items():
            self.peers.append(self.peer(number, client, rpc))
        self.config = self.write_config("cluster.toml")
        for number, (client, _) in addresses.items():
            self.nodes[number] = self.make_node(number, client, self.config)

    def free_addresses(self, numbers):
        """By node: where clients and where the other nodes are to reach it."""
        ports = free_ports(2 * len(numbers))
        return {number: (f"127.0.0.1:{ports.pop()}", f"127.0.0.1:{ports.pop()}") for number in numbers}

    def peer(self, number, client, rpc):
        rack = f', rack = "r{number}"' if self.racks else ""
        return f'{{ id = {number}, addr = "{client}", rpc_addr = "{rpc}"{rack} }}'

    def write_config(self, name):
        config = self.root / name
        config.write_text("[cluster]\nenabled = true\n" + self.more +
                          "[cluster.peers]\nnodes = [\n  " + ",\n  ".join(self.peers) + "\n]\n" +
                          f'[plugins.transport]\nplugin = "{TRANSPORT}"\n')
        return config

    def make_node(self, number, client, config):
        (self.root / str(number)).mkdir()
        node = Chronikd(args=["--cluster-config", str(config), "--node-id", str(number)], data_dir=self.root / str(number))
        node.host, port = client.split(":")
        node.port = int(port)
        return node

    def add_node(self):
        """One more, not started yet, that knows the others; they are not told of it."""
        number = len(self.nodes) + 1
        client, rpc = self.free_addresses([number])[number]
        self.peers.append(self.peer(number, client, rpc))
        self.nodes[number] = self.make_node(number, client, self.write_config(f"cluster-{number}.toml"))
        return number

    @property
    def addresses(self):
        return ",".join(node.address for node in self.nodes.values())

    def start(self, order=None):
        order = order or list(self.nodes)
        with concurrent.futures.ThreadPoolExecutor(len(order)) as pool:
            for started in [pool.submit(self.nodes[i].start, 30) for i in order]:
                started.result()

    def create(self, topic, partitions=1, through=None, replicas=-1):
        admin = confluent_kafka.admin.AdminClient(
            {"bootstrap.servers": self.nodes[through].address if through else self.addresses, "log_level": 0})
        new = confluent_kafka.admin.NewTopic(topic, partitions, replicas)
        admin.create_topics([new], operation_timeout=20)[topic].result(30)

    def partitions(self, topic, through):
        """By number: what one node's metadata says of them (leader, replicas, isrs)."""
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.nodes[through].address, "log_level": 0})
        return admin.list_topics(topic, timeout=10).topics[topic].partitions

    def leaders(self, topic, through):
        """By partition, as one node tells it; -1 where there is none."""
        found = self.partitions(topic, through)
        return {p: found[p].leader for p in sorted(found)}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exc_type, exc, trace):
        for i, node in self.nodes.items():
            if exc_type is not None:
                print(f"--- node {i}, last lines of its log\n" + "\n".join(node.log.splitlines()[-25:]))
            if node.process is not None and node.process.poll() is None:
                node.kill()
        shutil.rmtree(self.root, ignore_errors=True)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def admin(node, method, path, body=None):
    """What the admin endpoint of a node answers: status, JSON."""
    connection = UnixConnection(node.root / "data" / "admin.sock")
    try:
        connection.request(method, path, json.dumps(body) if body else None)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


class ClusterTest(unittest.TestCase):
    """What tests of clusters check and wait for."""

    def check_exactly(self, acked, seen):
        self.assertEqual(len(seen), len(set(seen)), "a message is there twice")
        self.assertEqual(set(acked) - set(seen), set(), "an acked message is lost")

    @staticmethod
    def await_in_sync(cluster, topic, through, nodes):
        return wait_until(lambda: all(sorted(p.isrs) == nodes for p in cluster.partitions(topic, through).values()), 60,
                          f"nodes {nodes} are in sync")

    @staticmethod
    def settled(leaders):
        return leaders if -1 not in leaders.values() else None


class Writer:
    """An idempotent producer that writes numbered messages to one partition until it is stopped."""

    def __init__(self, addresses, topic, partition=0, size=0):
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": addresses, "acks": "all", "enable.idempotence": True, "linger.ms": 0,
            "message.timeout.ms": 60000, "retry.backoff.ms": 20, "topic.metadata.refresh.fast.interval.ms": 20,
            # Its default is up to 10 s after some failures within 10 s: nodes that die again and again are known to it as bad.
            "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0})
        self.topic, self.partition, self.size = topic, partition, size
        self.acked, self.times, self.failed = [], [], []
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)  # a test that fails does not stop it
        self.thread.start()

    def delivered(self, error, message):
        if error:
            self.failed.append(str(error))
        else:
            self.acked.append(message.value())
            self.times.append(time.monotonic())

    def run(self):
        number = 0
        while not self.stopping:
            value = b"%d" % number
            self.producer.produce(self.topic, value.ljust(self.size), partition=self.partition, on_delivery=self.delivered)
            number += 1
            self.producer.poll(0.002)
        self.producer.flush(60)

    def stop(self):
        self.stopping = True
        self.thread.join()

    def longest_gap(self, since):
        times = [since] + [t for t in self.times if t > since]
        return max(b - a for a, b in zip(times, times[1:]))


def read_records(addresses, topic, partition=0, more=()):
    """All of a partition: offset, timestamp, value."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": addresses, "group.id": "unused", "enable.auto.commit": False,
                                         "enable.auto.offset.store": False, "enable.partition.eof": True, "log_level": 0,
                                         **dict(more)})
    consumer.assign([confluent_kafka.TopicPartition(topic, partition, confluent_kafka.OFFSET_BEGINNING)])
    records = []
    while True:
        message = consumer.poll(30)
        if message is None:
            raise AssertionError("silence")
        if message.error():
            if message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                consumer.close()
                return records
            continue
        records.append((message.offset(), message.timestamp(), message.value()))


def read_all(addresses, topic, partition=0, more=()):
    return [value for _, _, value in read_records(addresses, topic, partition, more)]
