# SPDX-License-Identifier: Apache-2.0
"""Goal: what becomes of a broker whose plugin misbehaves is what interfaces/ABI.md says: it refuses the plugin before it
touches anything, or goes down with it, or names what it did in one line and goes on.

Method: the real binary with fixture plugins, one fault each, beside its own plugins.
"""

import functools
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from chronik_process import BUILD, Chronikd, wait_until

SOURCE = pathlib.Path(__file__).parents[2]
FIXTURES = BUILD / "test/plugins"
EX_CONFIG = 78


@functools.cache
def plugin_directory():
    """Its own plugins, the fixtures, and what was kept of 1.0."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="chronik-misbehaving-"))
    unittest.addModuleCleanup(shutil.rmtree, directory, ignore_errors=True)
    for plugin in [*(BUILD / "lib/chronik/plugins").glob("*.so"), *FIXTURES.glob("*.so")]:
        shutil.copy(plugin, directory)
    shutil.copy(SOURCE / "tests/fixtures/frozen/1_0/store_c.so", directory / "store_of_1_0.so")
    for plugin in directory.iterdir():
        plugin.chmod(0o644)
    return directory


class Misbehaving(unittest.TestCase):
    def broker(self, kind, plugin, checks="report", **options):
        """A Chronikd with that plugin and these of its options."""
        lines = [f"[plugins.{kind}]", f'plugin = "{plugin}"', *(f'{key} = "{value}"' for key, value in options.items())]
        if kind == "log_store":
            lines = ["[plugins]", "allow_volatile_log_store = true", *lines]
        broker = Chronikd(args=["--plugin-dir", str(plugin_directory()), "--check-plugins", checks], config="\n".join(lines))
        self.addCleanup(broker.__exit__, None, None, None)
        return broker

    def exporter(self, lie, checks="report"):
        return self.broker("metrics_exporter", "fixture_exporter", checks, lie=lie)

    def run_to_its_end(self, broker, within=60):
        """(exit code, its lines of severity error or worse)"""
        result = subprocess.run(broker.command(), capture_output=True, text=True, timeout=within, env=broker.env,
                                errors="replace")
        return result.returncode, [line for line in result.stderr.splitlines() if re.match(r"chronikd: |[EF]\d{8} ", line)]

    def expect_refused(self, broker, *words):
        """It does not start, and the one line about it has these words."""
        code, errors = self.run_to_its_end(broker)
        self.assertEqual(code, EX_CONFIG, errors)
        self.assertEqual(len(errors), 1, errors)
        for word in words:
            self.assertIn(word, errors[0])
        self.assertNotIn("did you mean", errors[0], "it is there")


class Refused(Misbehaving):
    def test_before_anything_is_touched_with_what_to_do(self):
        for fixture, *words in (
                ("fixture_future_epoch", "epoch"), ("fixture_bad_epoch", "epoch 1"),
                ("fixture_bad_major", "chronik.metrics_exporter/9", "chronik.metrics_exporter/1"),
                ("fixture_bad_table_size", "8 bytes"), ("fixture_bad_descriptor_size", "bytes"),
                ("fixture_bad_table_slot", "bound_address"), ("fixture_bad_descriptor_slot", "stop"),
                ("fixture_no_symbol", "chronik_plugin_main_v1"), ("fixture_two_symbols", "symbol"),
                ("fixture_unresolved", "undefined symbol", "get a build of it"), ("fixture_bad_no_descriptor", "descriptor"),
                ("fixture_bad_option_type", "option"), ("no_such_plugin", "available: ")):
            with self.subTest(fixture):
                broker = self.broker("metrics_exporter", fixture)
                self.expect_refused(broker, "plugins.metrics_exporter", f"'{fixture}'", *words)
                self.assertFalse(broker.data_dir.exists(), "nothing may be touched before the refusal")

    def test_of_another_interface(self):
        self.expect_refused(self.broker("metrics_exporter", "log_memory"), "log_memory", "chronik.metrics_exporter")

    def test_a_plugin_that_throws_in_create(self):
        self.expect_refused(self.broker("metrics_exporter", "fixture_throws"), "chronik.fixture.throws", "the constructor threw")

    def test_a_plugin_that_fails_to_start(self):
        self.expect_refused(self.exporter("refuse_start"), "chronik.fixture.exporter", "it does not want to start")

    def test_a_plugin_that_starts_with_a_status_that_is_none(self):
        self.expect_refused(self.exporter("unknown_status"), "chronik.fixture.exporter", "-99")


class Minor(Misbehaving):
    def test_the_plugins_kept_of_1_0_run(self):
        with self.broker("log_store", "store_of_1_0", "full") as broker:
            self.assertEqual(broker.http("/livez")[0], 200)
            self.assertEqual(broker.terminate(), 0, broker.log)

    def test_a_plugin_of_the_next_minor_version_loads(self):
        broker = self.broker("log_store", "fixture_next_minor")
        result = subprocess.run([*broker.command(), "--check-config"], capture_output=True, text=True, timeout=60,
                                env=broker.env)
        self.assertEqual(result.returncode, 0, result.stderr)


class Crashing(Misbehaving):
    def test_the_broker_goes_down_with_it(self):
        for kind, fixture, lie in (("metrics_exporter", "fixture_exporter", "crash_start"),
                                   ("log_store", "fixture_liar", "crash_start")):
            with self.subTest(kind):
                code, _ = self.run_to_its_end(self.broker(kind, fixture, lie=lie))
                self.assertEqual(code, -signal.SIGSEGV)

    def test_in_the_middle_of_its_work_too(self):
        with self.exporter("crash_scrape") as broker:
            self.assertEqual(broker.http("/metrics")[0], 0)
            self.assertEqual(broker.process.wait(30), -signal.SIGSEGV)


class Hanging(Misbehaving):
    def test_in_start_the_broker_never_gets_ready(self):
        broker = self.exporter("hang_start")
        with self.assertRaisesRegex(AssertionError, "broker ready"):
            broker.start(ready_within=3)
        self.assertIsNone(broker.process.poll(), "it waits for its plugin")

    def test_in_stop_the_instance_is_given_up(self):
        with self.exporter("hang_stop") as broker:
            begin = time.monotonic()
            self.assertEqual(broker.terminate(within=40), 0, broker.log)
            self.assertGreaterEqual(time.monotonic() - begin, 10, "it was given the time that it was told")
            self.assertRegex(broker.log, r"W\d{8} .*plugin chronik.fixture.exporter did not stop in time")


class Lying(Misbehaving):
    def expect_named(self, broker, rule, call):
        line = f"PLUGIN_MISBEHAVING: plugin chronik.fixture.exporter broke rule {rule} in {call}: "
        wait_until(lambda: line in broker.log, 10, f"{line} in\n{broker.log}")

    def test_at_level_report_it_is_named_counted_and_the_broker_goes_on(self):
        for lie, rule, call in (("visit_in_start", "ME-7", "visit"), ("no_nul", "ME-5", "bound_address"),
                                ("write_beyond", "GEN-5", "bound_address")):
            with self.subTest(lie), self.exporter(lie) as broker:
                self.expect_named(broker, rule, call)
                series = f'chronik_plugin_violations_total{{plugin="chronik.fixture.exporter",rule="{rule}",}} '
                self.assertIn(series, broker.http("/metrics")[1])
                self.assertEqual(broker.terminate(), 0, broker.log)

    def test_after_stop_it_does_not_reach_the_broker(self):
        with self.exporter("visit_after_stop") as broker:
            self.assertEqual(broker.terminate(), 0, broker.log)
            self.expect_named(broker, "ME-7", "visit")

    def test_at_level_full_the_broker_aborts(self):
        code, errors = self.run_to_its_end(self.exporter("visit_in_start", "full"))
        self.assertEqual(code, -signal.SIGABRT, errors)
        self.assertTrue(any("broke rule ME-7 in visit" in line for line in errors), errors)

    def test_a_log_store_that_completes_twice(self):
        code, errors = self.run_to_its_end(self.broker("log_store", "fixture_liar", "full", lie="twice"))
        self.assertEqual(code, -signal.SIGABRT, errors)
        self.assertTrue(any("broke rule LS-17 in on_complete: an operation completed twice" in line for line in errors), errors)

    def test_a_log_store_that_answers_nonsense_at_start(self):
        code, errors = self.run_to_its_end(self.broker("log_store", "fixture_liar", lie="no_group"))
        self.assertEqual(code, EX_CONFIG, errors)
        self.assertTrue(any("broke rule LS-3 in open_group" in line for line in errors), errors)


if __name__ == "__main__":
    unittest.main(verbosity=2)
