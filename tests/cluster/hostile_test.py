# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever arrives on the Kafka port, the broker lives, stays small, says so in few lines, and goes on serving.

Method: raw sockets against the real process; its resident memory and its log are looked at after each attack.
"""

import os
import random
import socket
import struct
import subprocess
import time
import unittest

from chronik_process import UNDER_TSAN, Chronikd, wait_until

ALLOWED_GROWTH_KIB = 48 * 1024  # far below what the attacks ask for, each in its own way
REFUSAL = " closed: "           # what the one line about a closed connection holds
SMALL = """
[broker]
max_request_memory = "16MiB"
max_request_memory_per_connection = "16MiB"
socket_request_max_bytes = "16MiB"
"""


def request(key, version, body, correlation=1):
    header = struct.pack(">hhih", key, version, correlation, -1)
    return struct.pack(">i", len(header) + len(body)) + header + body


def fetch(topic, max_bytes, offset=0):
    """Fetch v4 of partition 0, without waiting."""
    return request(1, 4, struct.pack(">iiiib", -1, 0, 1, max_bytes, 0) + struct.pack(">ih", 1, len(topic)) + topic.encode() +
                   struct.pack(">iiqi", 1, 0, offset, max_bytes))


class Hostile(unittest.TestCase):
    def setUp(self):
        self.start()

    def start(self, config=None):
        self.broker = Chronikd(config=config)
        self.broker.__enter__()
        self.addCleanup(self.broker.__exit__, None, None, None)
        self.begin()

    def begin(self):
        self.assert_serves(grown_at_most=None)  # the topic is there, buffers are warm
        self.rss_before = self.broker.rss_kib()
        self.began = time.monotonic()
        self.lines_before = self.broker.log.count(REFUSAL)

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.broker.port), timeout=20)
        self.addCleanup(s.close)
        return s

    def attack(self, sent):
        """Sends bytes that end the connection, and waits for that."""
        with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as s:
            try:
                s.sendall(sent)
                while s.recv(65536):
                    pass
            except (ConnectionResetError, BrokenPipeError):
                pass

    def assert_serves(self, grown_at_most=ALLOWED_GROWTH_KIB):
        self.assertIsNone(self.broker.process.poll(), self.broker.log[-3000:])
        subprocess.run(["kcat", "-b", self.broker.address, "-P", "-t", "alive"], input=b"yes\n", check=True, timeout=20)
        if grown_at_most is not None and not UNDER_TSAN:  # its shadow memory is no memory of ours
            self.assertLess(self.broker.rss_kib() - self.rss_before, grown_at_most)

    def assert_few_lines(self):
        """At least one line about what was closed, and no more than one a second."""
        lines = self.broker.log.count(REFUSAL) - self.lines_before
        self.assertGreaterEqual(lines, 1)
        self.assertLessEqual(lines, time.monotonic() - self.began + 2)

    def refusals(self):
        for line in self.broker.http("/metrics")[1].splitlines():
            if line.startswith("chronik_connections_refused_total"):
                return float(line.split()[-1])
        raise AssertionError("no such metric")

    def test_http_is_recognised_in_the_log(self):
        self.attack(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: "it looks like HTTP" in self.broker.log, 5, "a log line about HTTP")
        self.assert_serves()

    def test_a_tls_hello_is_recognised_in_the_log(self):
        self.attack(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(32))
        wait_until(lambda: "it looks like TLS" in self.broker.log, 5, "a log line about TLS")
        self.assert_serves()

    def test_random_bytes(self):
        rng = random.Random(7)
        for _ in range(300):
            with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as s:
                try:
                    s.sendall(rng.randbytes(rng.randrange(1, 2000)))
                except (ConnectionResetError, BrokenPipeError):
                    pass
        self.assert_serves()
        self.assert_few_lines()

    def test_random_bodies_behind_every_header(self):
        rng = random.Random(11)
        for key in (0, 1, 2, 3, 10, 18, 19, 20, 22, 23, 32, 37, 60):
            with socket.create_connection(("127.0.0.1", self.broker.port), timeout=20) as s:
                for version in range(14):
                    try:
                        s.sendall(request(key, version, rng.randbytes(rng.randrange(200))))
                    except (ConnectionResetError, BrokenPipeError):
                        break
        self.assert_serves()

    def test_huge_and_negative_lengths_are_refused_without_memory(self):
        for _ in range(20):
            for length in (0x7fffffff, -1, -0x80000000, 0, 5, 101 << 20):
                self.attack(struct.pack(">i", length) + b"\0" * 16)
        self.assertEqual(self.refusals(), 120)
        self.assert_serves()
        self.assert_few_lines()

    def test_many_half_requests_cost_what_arrived_of_them(self):
        sockets = [self.connect() for _ in range(200)]
        for s in sockets:
            s.sendall(struct.pack(">i", 100 << 20) + b"\0" * 20)
        self.assert_serves()

    def test_half_requests_that_do_arrive_stay_below_the_total(self):
        self.start(SMALL)
        sockets = [self.connect() for _ in range(20)]
        for s in sockets:
            s.setblocking(False)
            left = memoryview(struct.pack(">i", 15 << 20) + bytes(14 << 20))
            try:
                while left:
                    left = left[s.send(left):]
            except BlockingIOError:
                pass  # it is held back: as it should be, sooner or later
        self.assert_serves(grown_at_most=64 * 1024)  # 280 MiB were sent

    def test_a_request_that_drips_is_closed(self):
        # The unit tests of kernel/server show the rule; this is the real time that the broker gives.
        s = self.connect()
        s.settimeout(2)
        s.sendall(struct.pack(">i", 1000) + b"\0\x03\0\x01")
        end = time.monotonic() + 60
        closed = False
        while not closed and time.monotonic() < end:
            try:
                s.sendall(b"x")
                closed = s.recv(1) == b""
            except TimeoutError:
                pass
            except (ConnectionResetError, BrokenPipeError):
                closed = True
        self.assertTrue(closed)
        wait_until(lambda: "half a request" in self.broker.log, 5, "a log line about it")
        self.assert_few_lines()
        self.assert_serves()

    def test_huge_counts_inside_a_request_are_refused(self):
        for key, version, body in (
                (3, 1, struct.pack(">i", 0x7fffffff)),                                # Metadata: topics
                (0, 7, struct.pack(">hhii", -1, -1, 1000, 0x7ffffff0)),               # Produce: topics
                (1, 4, struct.pack(">iiiibi", -1, 100, 1, 1000, 0, 0x7fffffff)),      # Fetch: topics
                (2, 1, struct.pack(">ii", -1, 0x7fffffff)),                           # ListOffsets: topics
                (19, 2, struct.pack(">i", 0x7fffffff)),                               # CreateTopics: topics
                (3, 9, b"\0" + b"\xff\xff\xff\xff\x0f")):                             # Metadata, compact: 2^32 - 2 topics
            self.attack(request(key, version, body))
        self.assertEqual(self.refusals(), 6)
        self.assert_serves()
        self.assert_few_lines()

    def test_unknown_apis_and_versions_are_closed_but_a_newer_api_versions_is_answered(self):
        for key, version in ((999, 0), (3, 99), (-5, 0)):
            self.attack(request(key, version, b""))
        s = self.connect()
        s.sendall(request(18, 99, b"\0" * 8, correlation=77))
        size = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))[0]
        answer = s.recv(size, socket.MSG_WAITALL)
        self.assertEqual(struct.unpack(">ih", answer[:6]), (77, 35))
        self.assert_serves()
        self.assert_few_lines()

    def test_a_client_that_never_reads_does_not_grow_the_broker(self):
        line = os.urandom(400000).hex().encode() + b"\n"
        subprocess.run(["kcat", "-b", self.broker.address, "-P", "-t", "big"], input=line * 40, check=True, timeout=60)
        self.broker.restart()  # nothing is cached: each answer is read from the disk into memory of its own, 30 MiB
        self.begin()
        s = self.connect()
        s.setblocking(False)
        asked = fetch("big", 50 << 20)
        sent = 0
        try:
            for _ in range(20000):
                sent += s.send(asked)
        except BlockingIOError:
            pass
        self.assertGreater(sent, 64 * len(asked))
        for _ in range(5):  # long enough for many answers
            self.assert_serves(grown_at_most=110 * 1024)


if __name__ == "__main__":
    unittest.main(verbosity=2)
