# SPDX-License-Identifier: Apache-2.0
"""Goal: snapshot_s3 keeps the rules of its interface on real S3 servers, also when they ask to slow down.
Method: the conformance kit against versitygw and MinIO, and once more through a proxy that answers 503 to every fourth
request. Skips where a server is not installed; tests/peers/install_versitygw.sh and install_minio.sh do that."""

import http.client
import http.server
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import chronik_process

PEERS = pathlib.Path(os.environ.get("CHRONIK_PEERS", pathlib.Path.home() / ".cache/chronik-peers"))
KIT = chronik_process.BUILD / "bin/chronik-snapshot-sink-conformance"
PLUGIN = chronik_process.BUILD / "lib/chronik/plugins/snapshot_s3.so"
KEYS = {"AWS_ACCESS_KEY_ID": "test-access-key", "AWS_SECRET_ACCESS_KEY": "test-secret-key"}


class Throttle(http.server.BaseHTTPRequestHandler):
    """Forwards to `upstream`, as it is but for every fourth request, which gets a 503."""

    protocol_version = "HTTP/1.1"
    upstream = ""
    lock = threading.Lock()
    seen = 0
    refused = 0

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with Throttle.lock:
            Throttle.seen += 1
            refuse = Throttle.seen % 4 == 0
            Throttle.refused += refuse
        if refuse:
            return self.reply(503, {}, b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>")
        connection = http.client.HTTPConnection(Throttle.upstream, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return self.reply(answer.status, dict(answer.getheaders()), content)

    def reply(self, status, headers, content):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

    def log_message(self, *arguments):
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that gives up resets its connection


class S3Test(unittest.TestCase):
    def serve(self, pattern, command, environment):
        programs = sorted(PEERS.glob(pattern))
        if not programs:
            self.skipTest(f"no {pattern} in {PEERS}; tests/peers/install_*.sh builds it")
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        (pathlib.Path(folder) / "chronik").mkdir()  # the bucket
        [port] = chronik_process.free_ports(1)
        address = f"127.0.0.1:{port}"
        server = subprocess.Popen([programs[0], *command(address, folder)], env={**os.environ, **environment},
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def answers():
            try:
                connection = http.client.HTTPConnection(address, timeout=5)
                connection.request("GET", "/")
                return connection.getresponse().status < 500
            except OSError:
                return False
        chronik_process.wait_until(answers, 60, f"{programs[0].name} answers")
        return address

    def versitygw(self):
        return self.serve("versitygw-*", lambda address, folder: ["--port", address, "--quiet", "posix", folder],
                          {"ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"],
                           "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"]})

    def minio(self):
        return self.serve("minio-*", lambda address, folder: ["server", "--quiet", "--address", address, folder],
                          {"MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"],
                           "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"]})

    def run_kit(self, address, *more, keys=KEYS):
        run = subprocess.run([KIT, "--plugin", PLUGIN, "--option", f"endpoint=http://{address}", "--option",
                              "bucket=chronik", "--option", "part_bytes=5MiB", *more],
                             env={**os.environ, **keys}, capture_output=True, text=True, timeout=500, check=False)
        return run.returncode, run.stdout + run.stderr

    def expect_pass(self, address, *more):
        status, output = self.run_kit(address, *more)
        self.assertEqual(status, 0, output[-5000:])

    def test_versitygw_keeps_the_rules(self):
        # Its posix backend takes an object's attributes and its bytes one after the other: a reader beside a writer may get
        # the old checksum with the new bytes. MinIO keeps that rule.
        self.expect_pass(self.versitygw(), "--crash-rounds", "5", "--gtest_filter=-Put.ReplacesAtOnceUnderReaders:Crash.*")

    def test_minio_keeps_the_rules(self):
        self.expect_pass(self.minio(), "--crash-rounds", "5")

    def test_throttling_is_never_fatal(self):
        Throttle.upstream = self.versitygw()
        proxy = QuietServer(("127.0.0.1", 0), Throttle)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        self.expect_pass(f"127.0.0.1:{proxy.server_port}", "--gtest_filter=Get.*:Put.*:Keys.*-*Thousands*")
        self.assertGreater(Throttle.refused, 20)

    def test_a_wrong_secret_is_refused_with_names(self):
        for server in (self.versitygw, self.minio):
            began = time.monotonic()
            status, output = self.run_kit(server(), "--gtest_filter=Put.AnAbortLeaves*",
                                          keys={**KEYS, "AWS_SECRET_ACCESS_KEY": "wrong"})
            self.assertNotEqual(status, 0)
            self.assertIn("s3://chronik/kit/", output)
            self.assertIn("HTTP 403 SignatureDoesNotMatch", output)
            self.assertNotIn("wrong", output)
            self.assertLess(time.monotonic() - began, 30, "a refusal is not tried again")


if __name__ == "__main__":
    unittest.main()
