# SPDX-License-Identifier: Apache-2.0
"""Goal: whatever arrives on the Kafka port, the broker lives, stays small and goes on serving.

Method: raw sockets against the real process; its resident memory and its log are looked at.
"""

import os
import random
import socket
import struct
import subprocess
import unittest

from chronik_process import Chronikd, wait_until

ALLOWED_GROWTH_KIB = 48 * 1024


def request(key, version, body, correlation=1):
    header = struct.pack(">hhih", key, version, correlation, -1)
    return struct.pack(">i", len(header) + len(body)) + header + body


class Hostile(unittest.TestCase):
    def setUp(self):
        self.broker = Chronikd()
        self.broker.__enter__()
        self.addCleanup(self.broker.__exit__, None, None, None)
        self.rss_before = self.broker.rss_kib()

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.broker.port), timeout=10)
        self.addCleanup(s.close)
        return s

    def assert_closed(self, s):
        try:
            while s.recv(65536):
                pass
        except ConnectionResetError:
            pass

    def assert_serves(self):
        self.assertIsNone(self.broker.process.poll(), self.broker.log[-3000:])
        subprocess.run(["kcat", "-b", self.broker.address, "-P", "-t", "alive"], input=b"yes\n", check=True, timeout=20)
        self.assertLess(self.broker.rss_kib() - self.rss_before, ALLOWED_GROWTH_KIB)

    def test_foreign_protocols_are_recognised_in_the_log(self):
        for bytes_sent, words in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS")):
            s = self.connect()
            s.sendall(bytes_sent)
            self.assert_closed(s)
            wait_until(lambda: words in self.broker.log, 5, f"a log line about {words}")
            # Such lines are limited to one a second.
            second = __import__("time").monotonic() + 1.1
            wait_until(lambda: __import__("time").monotonic() > second, 5, "the next second")
        self.assert_serves()

    def test_random_bytes(self):
        rng = random.Random(7)
        for _ in range(300):
            s = socket.create_connection(("127.0.0.1", self.broker.port), timeout=10)
            s.sendall(rng.randbytes(rng.randrange(1, 2000)))
            s.close()
        self.assert_serves()

    def test_huge_and_negative_lengths_are_refused_without_memory(self):
        for length in (0x7fffffff, -1, 0, 5, 101 << 20):
            s = self.connect()
            s.sendall(struct.pack(">i", length) + b"\0" * 16)
            self.assert_closed(s)
        self.assert_serves()

    def test_many_half_frames_cost_little(self):
        sockets = [self.connect() for _ in range(200)]
        for s in sockets:
            s.sendall(struct.pack(">i", 100 << 20) + b"\0" * 20)
        self.assert_serves()

    def test_huge_counts_inside_a_request_are_refused(self):
        # Metadata v1, 2^31-1 topics; Produce v7 with as many partitions; Fetch v4.
        for key, version, body in ((3, 1, struct.pack(">i", 0x7fffffff)), (0, 7, struct.pack(">hhii", -1, -1, 1000, 0x7ffffff0)),
                                   (1, 4, struct.pack(">iiiibi", -1, 100, 1, 1000, 0, 0x7fffffff))):
            s = self.connect()
            s.sendall(request(key, version, body))
            self.assert_closed(s)
        self.assert_serves()

    def test_unknown_apis_and_versions_are_closed_but_a_newer_api_versions_is_answered(self):
        for key, version in ((999, 0), (3, 99), (-5, 0)):
            s = self.connect()
            s.sendall(request(key, version, b""))
            self.assert_closed(s)
        s = self.connect()
        s.sendall(request(18, 99, b"\0" * 8, correlation=77))
        size = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))[0]
        answer = s.recv(size, socket.MSG_WAITALL)
        self.assertEqual(struct.unpack(">ih", answer[:6]), (77, 35))
        self.assert_serves()

    def test_a_client_that_never_reads_does_not_grow_the_broker(self):
        subprocess.run(["kcat", "-b", self.broker.address, "-P", "-t", "big"], input=os.urandom(200000).hex().encode() + b"\n", check=True,
                       timeout=30)
        s = self.connect()
        s.setblocking(False)
        fetch = request(1, 4, struct.pack(">iiiib", -1, 0, 1, 50 << 20, 0) + struct.pack(">ih", 1, 3) + b"big" +
                        struct.pack(">iiqi", 1, 0, 0, 50 << 20))
        sent = 0
        try:
            for _ in range(20000):
                sent += s.send(fetch)
        except BlockingIOError:
            pass
        self.assertGreater(sent, 0)
        self.assert_serves()


if __name__ == "__main__":
    unittest.main(verbosity=2)
