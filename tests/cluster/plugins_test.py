# SPDX-License-Identifier: Apache-2.0
"""Goal: an operator sees which plugins there are, and is told in one line what is wrong with one and what to do.

Method: the real binary on a copy of the plugin directory that is then damaged.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from chronik_process import BUILD, CHRONIKD


class Plugins(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="chronik-plugins-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.plugins = self.root / "plugins"
        shutil.copytree(BUILD / "lib/chronik/plugins", self.plugins)
        self.plugins.chmod(0o755)

    def chronikd(self, *args):
        env = {k: v for k, v in os.environ.items() if not k.startswith("CHRONIK_")}
        return subprocess.run([CHRONIKD, "--plugin-dir", self.plugins, "--data-dir", self.root / "data", *args],
                              capture_output=True, text=True, timeout=30, env=env)

    def refused(self, result, *words):
        self.assertNotEqual(result.returncode, 0)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertFalse((self.root / "data").exists(), "nothing may be touched before the refusal")

    def test_list_shows_path_id_version_and_interfaces(self):
        result = self.chronikd("--list-plugins")
        self.assertEqual(result.returncode, 0, result.stderr)
        for name, identity, interface in (("log_wal", "chronik.log.wal", "chronik.log_store/1"),
                                          ("log_memory", "chronik.log.memory", "chronik.log_store/1"),
                                          ("metrics_prometheus", "chronik.metrics.prometheus", "chronik.metrics_exporter/1")):
            self.assertRegex(result.stdout, rf"{re.escape(str(self.plugins))}/{name}\.so\n\s+id {identity}, version \S+.*\n\s+sha256 [0-9a-f]{{64}}\n\s+interface {interface}")

    def test_a_missing_plugin_is_named_with_what_is_there(self):
        (self.plugins / "log_wal.so").rename(self.plugins / "log_vault.so")
        self.refused(self.chronikd("--check-config"), "plugins.log_store.plugin", "log_wal", "log_vault", "log_memory")

    def test_a_corrupt_plugin_is_refused(self):
        whole = (self.plugins / "log_wal.so").read_bytes()
        (self.plugins / "log_wal.so").write_bytes(whole[:5000])
        self.refused(self.chronikd("--check-config"), "log_wal.so")
        self.assertNotEqual(self.chronikd("--list-plugins").returncode, 0)

    def test_a_pinned_plugin_is_the_only_one_that_is_loaded(self):
        pin = hashlib.sha256((self.plugins / "log_wal.so").read_bytes()).hexdigest()
        self.assertIn(f"sha256 {pin}", self.chronikd("--list-plugins").stdout)
        config = self.root / "pins.toml"
        text = f'[plugins.log_store]\nsha256 = "{pin}"\n'
        config.write_text(text)
        self.assertEqual(self.chronikd("--check-config", "--config", config).returncode, 0)
        config.write_text("[plugins]\nrequire_pin = true\n" + text)
        self.refused(self.chronikd("--check-config", "--config", config), "plugins.metrics_exporter", "require_pin")
        config.write_text(text)
        with open(self.plugins / "log_wal.so", "ab") as file:
            file.write(b"\0")
        self.refused(self.chronikd("--check-config", "--config", config), "log_wal.so", pin, "pinned")

    def test_a_world_writable_directory_or_file_is_refused(self):
        self.plugins.chmod(0o777)
        self.refused(self.chronikd("--check-config"), "writable", "chmod")
        self.plugins.chmod(0o755)
        (self.plugins / "log_wal.so").chmod(0o666)
        self.refused(self.chronikd("--check-config"), "log_wal.so", "writable")

    def test_every_plugin_exports_one_symbol_and_links_nothing_of_the_kernel(self):
        for plugin in sorted(self.plugins.glob("*.so")):
            symbols = subprocess.run(["nm", "-D", "--defined-only", plugin], capture_output=True, text=True, check=True).stdout
            self.assertEqual([line.split()[-1] for line in symbols.splitlines()], ["chronik_plugin_main_v1"], plugin.name)
            dynamic = subprocess.run(["readelf", "-d", plugin], capture_output=True, text=True, check=True).stdout
            needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
            self.assertFalse([n for n in needed if "chronik" in n or "glog" in n or "gflags" in n], plugin.name)
        kernel = subprocess.run(["readelf", "-d", CHRONIKD], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("log_", "".join(re.findall(r"\(NEEDED\).*\[(.*)\]", kernel)).replace("libglog", ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
