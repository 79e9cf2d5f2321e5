# SPDX-License-Identifier: Apache-2.0
"""Goal: a broker that cannot start ends by itself with a non-zero exit code and one line that says what is wrong.

Method: the real binary, one obstacle each. What concerns plugin files is in plugins_test.py.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from chronik_process import CHRONIKD, Chronikd

EX_USAGE = 64
EX_CONFIG = 78


class Startup(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="chronik-startup-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)

    def taken_port(self):
        s = socket.socket()
        self.addCleanup(s.close)
        s.bind(("127.0.0.1", 0))
        s.listen()
        return s.getsockname()[1]

    def refused(self, *args, code=EX_CONFIG, words, **flags):
        """Runs chronikd with these arguments; the one error line holds all the words."""
        flags = {"data_dir": self.root / "data", "listen": "127.0.0.1:0", "http_listen": "127.0.0.1:0"} | flags
        command = [CHRONIKD, *args, *(f"--{name.replace('_', '-')}={value}" for name, value in flags.items())]
        env = {k: v for k, v in os.environ.items() if not k.startswith("CHRONIK_")}
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
        self.assertEqual(result.returncode, code, result.stderr)
        errors = [line for line in result.stderr.splitlines() if re.match(r"chronikd: |[EF]\d{8} ", line)]
        self.assertEqual(len(errors), 1, result.stderr)
        for word in words:
            self.assertIn(word, errors[0])

    def config(self, text):
        (self.root / "chronik.toml").write_text(text)
        return f"--config={self.root / 'chronik.toml'}"

    def test_the_kafka_port_is_in_use(self):
        port = self.taken_port()
        self.refused(listen=f"127.0.0.1:{port}", words=[f"127.0.0.1:{port}", "another program has this port"])

    def test_the_http_port_is_in_use(self):
        port = self.taken_port()
        self.refused(http_listen=f"127.0.0.1:{port}", words=["chronik.metrics.prometheus", f"127.0.0.1:{port}", "in use"])

    def test_an_address_that_is_not_this_machines(self):
        self.refused(listen="192.0.2.1:9092", words=["192.0.2.1:9092", "Cannot assign requested address"])

    def test_the_data_directory_cannot_be_made(self):
        (self.root / "file").write_text("")
        self.refused(data_dir=self.root / "file", words=[str(self.root / "file"), "Not a directory", "broker.data_dir"])
        self.refused(data_dir="/proc/chronik", words=["/proc/chronik", "No such file or directory", "broker.data_dir"])

    def test_the_data_directory_is_in_use(self):
        with Chronikd() as running:
            self.refused(data_dir=running.data_dir, words=[str(running.data_dir), "in use by another process"])
            self.assertEqual(running.http("/readyz")[0], 200)

    def test_the_store_forgets_and_nobody_said_that_it_may(self):
        self.refused(self.config('[plugins.log_store]\nplugin = "log_memory"\n'),
                     words=["log_memory", "plugins.allow_volatile_log_store = true"])

    def test_a_plugin_that_is_not_there(self):
        self.refused(self.config('[plugins.log_store]\nplugin = "log_vault"\n'), words=["chronik.toml:2", "log_vault", "log_wal"])

    def test_a_configuration_that_is_not_there_or_wrong(self):
        self.refused("--config=/nonexistent.toml", words=["/nonexistent.toml", "No such file"])
        self.refused(self.config("[broker]\nlissten = 1\n"), words=["chronik.toml:2", "lissten", "'listen'"])

    def test_wrong_flags(self):
        self.refused("--lisen=x", code=EX_USAGE, words=["--lisen"])
        self.refused(listen="nonsense", words=["--listen", "nonsense", "host:port"])

    def test_after_a_failed_start_the_next_one_works(self):
        port = self.taken_port()
        self.refused(listen=f"127.0.0.1:{port}", words=["another program has this port"])
        with Chronikd(data_dir=self.root) as broker:
            self.assertEqual(broker.terminate(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
