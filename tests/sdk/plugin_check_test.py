# SPDX-License-Identifier: Apache-2.0
"""Goal: chronik-plugin-check names the rule that a plugin breaks, survives whatever the plugin does, and ends with the exit
code that its --help documents.

Method: plugins in order, and the fixtures that each break one rule.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from chronik_process import BUILD

SOURCE = pathlib.Path(__file__).parents[2]
CHECK = BUILD / "bin/chronik-plugin-check"
FIXTURES = BUILD / "test/plugins"
PLUGINS = BUILD / "lib/chronik/plugins"


class PluginCheck(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="chronik-check-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)

    def check(self, plugin, *flags, options=None):
        """(exit code, the report as JSON)"""
        report = self.root / "report.json"
        report.unlink(missing_ok=True)
        if options:
            (self.root / "config.json").write_text(json.dumps(options))
            flags += ("--config", self.root / "config.json")
        result = subprocess.run([CHECK, plugin, "--level", "quick", "--json", report, *flags], capture_output=True,
                                text=True, timeout=300)
        self.assertTrue(report.exists(), result.stderr)
        return result.returncode, json.loads(report.read_text())

    def broken(self, report):
        """Rules that it says are broken."""
        return {rule for check in report["checks"] if check["outcome"] == "broken" for rule in check["rules"]}

    def expect_broken(self, plugin, *rules, **more):
        code, report = self.check(plugin, **more)
        self.assertEqual(code, 1, report)
        self.assertEqual(report["verdict"], "broken")
        self.assertLessEqual(set(rules), self.broken(report), report)
        return report


class InOrder(PluginCheck):
    def test_every_kind_of_plugin_passes_with_its_own_kit(self):
        for plugin, title in (("log_memory", "log store"), ("discovery_static", "discovery"),
                              ("snapshot_local", "snapshot sink"), ("metrics_prometheus", "metrics exporter")):
            with self.subTest(plugin):
                code, report = self.check(PLUGINS / f"{plugin}.so")
                self.assertEqual(code, 0, [c for c in report["checks"] if c["outcome"] != "kept"])
                self.assertTrue(any(check["name"].startswith(title) for check in report["checks"]))

    def test_options_come_from_the_configuration(self):
        code, report = self.check(PLUGINS / "log_memory.so", options={"max_inflight_bytes": "1MiB"})
        self.assertEqual(code, 0, report)
        code, report = self.check(PLUGINS / "log_memory.so", options={"no_such_key": 1})
        self.assertEqual(code, 2, report)
        self.assertIn("no_such_key", report["checks"][-1]["text"])

    def test_what_cannot_be_checked_ends_with_2(self):
        for arguments in ([], ["--level", "huge", "x.so"], [self.root / "missing.so"], ["x.so", "--colour", "red"]):
            self.assertEqual(subprocess.run([CHECK, *arguments], capture_output=True, timeout=60).returncode, 2, arguments)


class Broken(PluginCheck):
    def test_the_file_is_looked_at_before_its_code_runs(self):
        for fixture in ("fixture_two_symbols", "fixture_no_symbol", "fixture_future_epoch"):
            report = self.expect_broken(FIXTURES / f"{fixture}.so", "PLG-1")
            self.assertTrue(all(check["name"].startswith("elf:") for check in report["checks"]), fixture)
        text = self.root / "text.so"
        text.write_text("no ELF")
        self.expect_broken(text, "GEN-1")

    def test_how_it_was_linked(self):
        for flag in ("-Wl,-z,execstack", "-Wl,-rpath,/tmp"):
            plugin = self.root / "linked.so"
            subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{SOURCE}/interfaces", flag, "-o", plugin,
                            SOURCE / "tests/fixtures/plugins/fixture_store.c"], check=True, capture_output=True)
            self.expect_broken(plugin, "PLG-15")

    def test_its_descriptor(self):
        for fault, rule in (("epoch", "PLG-2"), ("no_descriptor", "PLG-1"), ("descriptor_size", "GEN-6"),
                            ("descriptor_slot", "GEN-6"), ("no_id", "PLG-1"), ("major", "PLG-3"), ("table_size", "GEN-6"),
                            ("table_slot", "GEN-6"), ("option_key", "PLG-4"), ("option_type", "PLG-4"),
                            ("option_default", "PLG-4"), ("option_twice", "PLG-4"), ("interface_twice", "PLG-3")):
            with self.subTest(fault):
                self.expect_broken(FIXTURES / f"fixture_bad_{fault}.so", rule)
        self.expect_broken(FIXTURES / "fixture_unresolved.so", "PLG-13")
        self.expect_broken(FIXTURES / "fixture_throws.so", "PLG-6")

    def test_its_completions(self):
        for lie, rule in (("twice", "LS-17"), ("inline", "LS-17"), ("wrong_lane", "LS-17"), ("unknown_submit", "LS-7"),
                          ("accepted", "LS-7")):
            with self.subTest(lie):
                self.expect_broken(FIXTURES / "fixture_liar.so", rule, options={"lie": lie})

    def test_what_its_exporter_does(self):
        kit = BUILD / "bin/chronik-metrics-exporter-conformance"
        for lie, test, rule in (("no_escape", "Scrape.Escapes*", "ME-9"), ("no_infinity", "Scrape.Shows*", "ME-9"),
                                ("always_healthy", "Health.Follows*", "ME-9"), ("refused_is_fine", "Scrape.That*", "ME-10"),
                                ("visit_in_start", "Scrape.Empty*:Health.*", "ME-7"), ("visit_after_stop", "Health.*", "ME-7"),
                                ("leave_thread", "Lifecycle.StartsAndStops*", "PLG-8"), ("nameless", "Address.*", "ME-8"),
                                ("no_nul", "Address.*", "ME-5"), ("write_beyond", "Address.*", "GEN-5")):
            with self.subTest(lie):
                result = subprocess.run([kit, "--plugin", FIXTURES / "fixture_exporter.so", "--option", f"lie={lie}",
                                         f"--gtest_filter={test}"], capture_output=True, text=True, timeout=100)
                self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
                self.assertIn(rule, result.stdout)


class Crashing(PluginCheck):
    def test_a_crash_is_a_failure_of_the_test_it_happened_in(self):
        for lie in ("crash_start", "crash_call"):
            with self.subTest(lie):
                report = self.expect_broken(FIXTURES / "fixture_liar.so", options={"lie": lie})
                texts = [check["text"] for check in report["checks"] if check["outcome"] == "broken"]
                self.assertTrue(any("signal 11" in text for text in texts), texts)

    def test_a_hang_ends_with_the_timeout(self):
        code, report = self.check(FIXTURES / "fixture_liar.so", "--timeout", "3", options={"lie": "hang_start"})
        self.assertEqual(code, 1, report)
        self.assertIn("did not end in time", [c["text"] for c in report["checks"] if c["outcome"] == "broken"][0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
