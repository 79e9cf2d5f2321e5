# SPDX-License-Identifier: Apache-2.0
"""Goal: both transports keep their promises on a network that somebody else's program makes bad.
Method: the tests Faults.* of the conformance kit, plain and under TLS, through Toxiproxy: latency, bandwidth, slow close,
limited data, resets, silence and refused connections. Skips where Toxiproxy is not installed;
tests/peers/install_toxiproxy.sh does that."""

import http.client
import os
import pathlib
import subprocess
import tempfile
import unittest

import chronik_process

PEERS = pathlib.Path(os.environ.get("CHRONIK_PEERS", pathlib.Path.home() / ".cache/chronik-peers"))
SOURCE = pathlib.Path(os.environ.get("CHRONIK_SOURCE", pathlib.Path(__file__).parents[2]))
KIT = chronik_process.BUILD / "bin/chronik-transport-conformance"
OPTIONS = ["idle_timeout=3s", "connect_timeout=3s", "reconnect_backoff_min=10ms", "reconnect_backoff_max=200ms",
           "max_queued_bytes=4MiB"]


class ToxiproxyTest(unittest.TestCase):
    def setUp(self):
        programs = sorted(PEERS.glob("toxiproxy-v*"))
        if not programs:
            self.skipTest(f"no toxiproxy in {PEERS}; tests/peers/install_toxiproxy.sh builds it")
        [port] = chronik_process.free_ports(1)
        self.api = f"127.0.0.1:{port}"
        server = subprocess.Popen([programs[0], "-host", "127.0.0.1", "-port", str(port)], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def answers():
            connection = http.client.HTTPConnection(self.api, timeout=5)
            try:
                connection.request("GET", "/version")
                return connection.getresponse().status == 200
            except OSError:
                return False
            finally:
                connection.close()
        chronik_process.wait_until(answers, 30, f"{programs[0].name} answers")

    def expect_pass(self, plugin, *more):
        options = [word for option in [*OPTIONS, *more] for word in ("--option", option)]
        run = subprocess.run([KIT, "--plugin", chronik_process.BUILD / f"lib/chronik/plugins/{plugin}.so", *options,
                              "--toxiproxy", self.api, "--gtest_filter=*Faults*"],
                             capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(run.returncode, 0, (run.stdout + run.stderr)[-5000:])

    def expect_pass_under_tls(self, plugin):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([SOURCE / "sdk/conformance/transport/make_certificates.sh", folder], check=True)
            self.expect_pass(plugin, "tls=required", f"tls_ca_file={folder}/ca.pem", f"tls_cert_file={folder}/node.pem",
                             f"tls_key_file={folder}/node.key")

    def test_transport_tcp(self):
        self.expect_pass("transport_tcp")

    def test_transport_tcp_under_tls(self):
        self.expect_pass_under_tls("transport_tcp")

    def test_transport_thrift(self):
        self.expect_pass("transport_thrift")

    def test_transport_thrift_under_tls(self):
        self.expect_pass_under_tls("transport_thrift")


if __name__ == "__main__":
    unittest.main()
