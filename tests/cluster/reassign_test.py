# SPDX-License-Identifier: Apache-2.0
"""Partitions move and leaders are elected as a client asks over the wire (KIP-455, KIP-460), while messages flow.

Method: a real cluster; frames built by hand, as Debian's Kafka clients for Python have none of these requests.
"""

import itertools
import socket
import struct
import unittest

from chronik_process import wait_until
from cluster_nodes import Cluster, ClusterTest, Writer, read_all

INVALID_REPLICA_ASSIGNMENT, PREFERRED_LEADER_NOT_AVAILABLE, ELECTION_NOT_NEEDED, NO_REASSIGNMENT_IN_PROGRESS = 39, 80, 84, 85
TIMEOUT_MS = 20000
correlation = itertools.count(1)


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def string(text):
    return varint(len(text) + 1) + text.encode()


def array(items):
    return varint(0) if items is None else varint(len(items) + 1) + b"".join(items)


def nodes(ids):
    return array(None if ids is None else [struct.pack(">i", i) for i in ids])


class Answer:
    """The body of a flexible response."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        size = struct.calcsize(form)
        self.at += size
        return struct.unpack(form, self.data[self.at - size:self.at])[0]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(">B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def string(self):
        size = self.varint() - 1
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def array(self, item):
        return [item() for _ in range(self.varint() - 1)]

    def nodes(self):
        return self.array(lambda: self.take(">i"))

    def tags(self):
        assert self.varint() == 0

    def end(self):
        self.tags()
        assert self.at == len(self.data), f"{len(self.data) - self.at} bytes are left"


def ask(node, key, version, body):
    """Sends a request with a flexible header; the response behind its header."""
    frame = struct.pack(">hhih", key, version, next(correlation), 4) + b"test" + b"\0" + body
    with socket.create_connection((node.host, node.port), timeout=60) as connection:
        connection.sendall(struct.pack(">i", len(frame)) + frame)
        stream = connection.makefile("rb")
        size, = struct.unpack(">i", stream.read(4))
        answer = Answer(stream.read(size))
    answer.take(">i")  # correlation id
    answer.tags()
    answer.take(">i")  # throttle time
    return answer


def reassign(node, moves, version=1):
    """`moves`: replicas, or None, by (topic, partition), one topic's at a time. Codes by the same."""
    by_topic = {}
    for (topic, partition), replicas in moves.items():
        by_topic.setdefault(topic, []).append(struct.pack(">i", partition) + nodes(replicas) + b"\0")
    topics = [string(topic) + array(partitions) + b"\0" for topic, partitions in by_topic.items()]
    answer = ask(node, 45, version, struct.pack(">i", TIMEOUT_MS) + (b"\1" if version else b"") + array(topics) + b"\0")
    if version:
        assert answer.take(">?")
    assert (answer.take(">h"), answer.string()) == (0, None)
    codes = {}

    def partition(topic):
        number, code, message = answer.take(">i"), answer.take(">h"), answer.string()
        assert (code != 0) == (message is not None)
        codes[topic, number] = code
        answer.tags()

    def topic():
        name = answer.string()
        answer.array(lambda: partition(name))
        answer.tags()
    answer.array(topic)
    answer.end()
    return codes


def reassignments(node):
    """What moves, by (topic, partition): replicas, those added, those removed."""
    answer = ask(node, 46, 0, struct.pack(">i", TIMEOUT_MS) + array(None) + b"\0")
    assert (answer.take(">h"), answer.string()) == (0, None)
    found = {}

    def partition(topic):
        number = answer.take(">i")
        found[topic, number] = (answer.nodes(), answer.nodes(), answer.nodes())
        answer.tags()

    def topic():
        name = answer.string()
        answer.array(lambda: partition(name))
        answer.tags()
    answer.array(topic)
    answer.end()
    return found


def elect(node, topics):
    """Preferred leaders of `topics` (partitions by name; None: of all). Codes by (topic, partition)."""
    asked = None if topics is None else [string(topic) + nodes(numbers) + b"\0" for topic, numbers in topics.items()]
    answer = ask(node, 43, 2, b"\0" + array(asked) + struct.pack(">i", TIMEOUT_MS) + b"\0")
    assert answer.take(">h") == 0
    codes = {}

    def partition(topic):
        number = answer.take(">i")
        codes[topic, number] = answer.take(">h")
        answer.string()
        answer.tags()

    def topic():
        name = answer.string()
        answer.array(lambda: partition(name))
        answer.tags()
    answer.array(topic)
    answer.end()
    return codes


class Reassignment(ClusterTest):
    def test_partitions_move_and_are_called_off_while_messages_flow(self):
        with Cluster(size=4) as cluster:
            cluster.create("t", 2, replicas=3)
            asked = cluster.nodes[1]
            before = {p: list(found.replicas) for p, found in cluster.partitions("t", 1).items()}
            spare = {p: ({1, 2, 3, 4} - set(replicas)).pop() for p, replicas in before.items()}
            writers = [Writer(cluster.addresses, "t", p) for p in before]
            wait_until(lambda: min(len(w.acked) for w in writers) > 100, 30, "messages flow")
            self.assertEqual(reassignments(asked), {})
            self.assertEqual(reassign(asked, {("t", 0): None, ("t", 1): [1, 9], ("t", 7): [1], ("x", 0): [1]}),
                             {("t", 0): NO_REASSIGNMENT_IN_PROGRESS, ("t", 1): INVALID_REPLICA_ASSIGNMENT, ("t", 7): 3,
                              ("x", 0): 3})
            self.assertEqual(reassign(asked, {("t", 1): []}, version=0), {("t", 1): INVALID_REPLICA_ASSIGNMENT})

            # Through any node; the first replica goes, the new one is the preferred leader.
            target = [spare[0]] + before[0][1:]
            self.assertEqual(reassign(cluster.nodes[4], {("t", 0): target}), {("t", 0): 0})
            wait_until(lambda: sorted(cluster.partitions("t", 1)[0].replicas) == sorted(target), 60, "it has moved")
            wait_until(lambda: sorted(cluster.partitions("t", 1)[0].isrs) == sorted(target), 60, "all are in sync")
            self.assertEqual(reassignments(asked), {})
            led = wait_until(lambda: self.settled(cluster.leaders("t", 1)), 30, "leaders")
            expected = ELECTION_NOT_NEEDED if led[0] == target[0] else 0
            self.assertEqual(elect(asked, {"t": [0]}), {("t", 0): expected})
            wait_until(lambda: cluster.leaders("t", 1)[0] == target[0], 10, "it leads")
            self.assertEqual(elect(cluster.nodes[2], {"t": [0, 9]}), {("t", 0): ELECTION_NOT_NEEDED, ("t", 9): 3})

            # To a node that is away: under way for as long as nobody calls it off.
            away = spare[1]
            cluster.nodes[away].kill()
            asked = cluster.nodes[before[1][0]]
            moved = before[1][:2] + [away]
            self.assertEqual(reassign(asked, {("t", 1): moved}), {("t", 1): 0})
            self.assertEqual(reassignments(asked), {("t", 1): (moved + before[1][2:], [away], before[1][2:])})
            self.assertEqual(reassign(asked, {("t", 1): None}), {("t", 1): 0})
            self.assertEqual(reassignments(asked), {})
            self.assertEqual(reassign(asked, {("t", 1): None}), {("t", 1): NO_REASSIGNMENT_IN_PROGRESS})
            self.assertEqual(list(cluster.partitions("t", before[1][0])[1].replicas)[:3], before[1])

            # Where the preferred leader is the one that is away.
            if away == target[0]:
                self.assertEqual(elect(asked, {"t": [0]}), {("t", 0): PREFERRED_LEADER_NOT_AVAILABLE})
                self.assertEqual(elect(asked, None), {("t", 0): PREFERRED_LEADER_NOT_AVAILABLE})
            cluster.nodes[away].start(30)
            for p, writer in enumerate(writers):
                writer.stop()
                self.assertEqual(writer.failed, [])
                self.check_exactly(writer.acked, read_all(cluster.addresses, "t", p))

    def test_preferred_leaders_come_back_when_they_are_asked_for(self):
        with Cluster() as cluster:
            cluster.create("t", 3)
            preferred = {p: found.replicas[0] for p, found in cluster.partitions("t", 1).items()}
            gone = preferred[0]
            other = gone % 3 + 1
            cluster.nodes[gone].kill()
            wait_until(lambda: gone not in (self.settled(cluster.leaders("t", other)) or {0: gone}).values(), 30, "others lead")
            self.assertEqual(elect(cluster.nodes[other], {"t": [0]}), {("t", 0): PREFERRED_LEADER_NOT_AVAILABLE})
            cluster.nodes[gone].start(30)
            self.await_in_sync(cluster, "t", other, [1, 2, 3])
            codes = wait_until(lambda: self.all_done(elect(cluster.nodes[other], None)), 30, "it leads what it led")
            self.assertEqual(codes, {("t", p): 0 for p, node in preferred.items() if node == gone})
            wait_until(lambda: cluster.leaders("t", other) == preferred, 10, "everybody knows")
            self.assertEqual(elect(cluster.nodes[other], None), {})

    @staticmethod
    def all_done(codes):
        """Nothing, while the preferred leader has not said yet that it is in sync."""
        return codes if set(codes.values()) == {0} else None


if __name__ == "__main__":
    unittest.main(verbosity=2)
