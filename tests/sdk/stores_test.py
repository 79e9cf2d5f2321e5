# SPDX-License-Identifier: Apache-2.0
"""Goal: the two stores of sdk/examples write the same file, as their README says; so the format is one that can be described,
not what one program happens to do.

Method: one data directory, a broker on it with one store, then with the other, and back.
"""

import pathlib
import subprocess
import tempfile
import unittest

import chronik_process

EXAMPLES = chronik_process.BUILD / "lib/chronik/examples"
RUST = EXAMPLES / "store_rust.so"


class Stores(unittest.TestCase):
    @unittest.skipUnless(RUST.exists(), "store_rust is not built (no rustc): the format is NOT compared")
    def test_each_reads_what_the_other_wrote(self):
        with tempfile.TemporaryDirectory(prefix="chronik-stores-") as root:
            written = []
            for store in ("store_c", "store_rust", "store_c"):
                plugins = chronik_process.plugins_with(EXAMPLES / f"{store}.so")
                config = f'[plugins.log_store]\nplugin = "{store}"\ncompact_bytes = "64KiB"\n'
                with chronik_process.Chronikd(["--plugin-dir", str(plugins)], config, root) as broker:
                    if written:
                        self.assertEqual(self.read(broker), written, store)
                    new = [f"{store}-{len(written) + i}" for i in range(200)]
                    self.kcat(broker, "-P", "-X", "acks=all", input="\n".join(new))
                    written += new
                    self.assertEqual(broker.terminate(), 0)

    def read(self, broker):
        return self.kcat(broker, "-C", "-o", "beginning", "-e", "-q").splitlines()

    @staticmethod
    def kcat(broker, *args, **more):
        return subprocess.run(["kcat", "-b", broker.address, "-t", "both", *args], check=True, capture_output=True,
                              text=True, timeout=60, **more).stdout


if __name__ == "__main__":
    unittest.main(verbosity=2)
