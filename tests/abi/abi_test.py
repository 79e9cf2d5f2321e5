# SPDX-License-Identifier: Apache-2.0
"""Goal: no change of the headers that a released minor version forbids goes unnoticed, and what it allows goes through.

Method: the two gates of interfaces/frozen, static assertions and abidiff, on today's headers and on copies that are changed
in one place each.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("CHRONIK_SOURCE", pathlib.Path(__file__).parents[2]))
FROZEN = SOURCE / "interfaces/frozen"
HEADERS = SOURCE / "interfaces/chronik"
sys.path.insert(0, str(FROZEN))
import freeze  # noqa: E402

STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
HAVE_ABIDIFF = shutil.which("abidiff") is not None


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120)


class Gates(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="chronik-abi-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)

    def changed(self, header, old, new):
        """A copy of interfaces/ in which `old`, which is there once, reads `new`."""
        copy = self.root / "interfaces"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(HEADERS, copy / "chronik")
        path = copy / "chronik" / header
        text = path.read_text()
        self.assertEqual(text.count(old), 1, f"{header}: {old}")
        path.write_text(text.replace(old, new))
        return copy

    def assertions_hold(self, interfaces, minor="0"):
        return run("cc", *freeze.compile_flags(interfaces, minor), *STRICT, FROZEN / "1_0.c")

    def abidiff(self, interfaces):
        return run("abidiff", FROZEN / "1_0.abi", freeze.probe(self.root, interfaces))

    def expect_noticed(self, interfaces, by_assertions=True, by_abidiff=True):
        result = self.assertions_hold(interfaces)
        self.assertEqual(result.returncode == 0, not by_assertions, result.stderr)
        if by_assertions:
            self.assertRegex(result.stderr, "frozen since 1.0|redefined|undeclared|no member")
        if HAVE_ABIDIFF:
            result = self.abidiff(interfaces)
            self.assertEqual(result.returncode == 0, not by_abidiff, result.stdout)


class Today(Gates):
    def test_the_headers_keep_what_1_0_promised(self):
        result = self.assertions_hold(SOURCE / "interfaces")
        self.assertEqual(result.returncode, 0, result.stderr)

    @unittest.skipUnless(HAVE_ABIDIFF, "abidiff is not installed (Debian: abigail-tools): the baseline is NOT compared")
    def test_abidiff_finds_no_difference_to_1_0(self):
        result = self.abidiff(SOURCE / "interfaces")
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_every_header_stands_alone_in_c_and_in_cxx(self):
        for header in HEADERS.glob("*.h"):
            source = self.root / "alone"
            source.write_text(f"#include <chronik/{header.name}>\n")
            for language in (["gcc", "-x", "c", "-std=c11", "-Wpadded"], ["g++", "-x", "c++", "-std=c++17"],
                             ["g++", "-x", "c++", "-std=c++20"]):
                result = run(*language, *STRICT, f"-I{SOURCE}/interfaces", source)
                self.assertEqual(result.returncode, 0, f"{language} {header.name}: {result.stderr}")


class Forbidden(Gates):
    def test_two_slots_change_places(self):
        terms = "chr_status (*terms)(void* self, chr_log_group* group, chr_log_term* out, size_t cap, size_t* count) CHR_NX;"
        read = "chr_status (*read)(void* self, chr_log_group* group, const chr_log_read* what, chr_log_slice* out) CHR_NX;"
        interfaces = self.changed("log_store.h", terms, "@")
        path = interfaces / "chronik/log_store.h"
        path.write_text(path.read_text().replace(read, terms).replace("@", read))
        self.expect_noticed(interfaces)

    def test_a_member_is_narrowed(self):
        self.expect_noticed(self.changed("log_store.h", "uint64_t max_groups;", "uint32_t max_groups;"))

    def test_a_frozen_struct_grows(self):
        old = "  uint64_t last_index; /* last durable index of the group after this operation; 0 on failure and for a barrier */"
        self.expect_noticed(self.changed("log_store.h", old, old + "\n  uint64_t first_index;"))

    def test_an_argument_changes_its_type(self):
        old = "(*submit)(void* self, uint32_t lane,"
        self.expect_noticed(self.changed("log_store.h", old, "(*submit)(void* self, uint64_t lane,"))

    def test_a_slot_goes(self):
        self.expect_noticed(self.changed("discovery.h", "  chr_status (*refresh)(void* self) CHR_NX;\n", ""))

    def test_a_slot_is_put_in_the_middle(self):
        old = "  chr_status (*refresh)(void* self) CHR_NX;\n"
        self.expect_noticed(self.changed("discovery.h", old, "  chr_status (*forget)(void* self) CHR_NX;\n" + old))

    def test_a_status_is_renumbered(self):  # macros leave no trace that abidiff could see
        self.expect_noticed(self.changed("abi.h", "CHR_E_TIMEOUT -9", "CHR_E_TIMEOUT -19"), by_abidiff=False)

    def test_an_id_changes(self):
        self.expect_noticed(self.changed("transport.h", '"chronik.transport/1"', '"chronik.transport/2"'), by_abidiff=False)

    def test_an_opaque_type_is_exchanged(self):
        # void* and chr_log_group* are as wide; only the types differ.
        old = "void (*close_group)(void* self, chr_log_group* group) CHR_NX;"
        self.expect_noticed(self.changed("log_store.h", old, "void (*close_group)(void* self, void* group) CHR_NX;"))

    def test_a_struct_behind_a_pointer_changes(self):
        self.expect_noticed(self.changed("transport.h", "(*on_end)(void* ctx, chr_status status, chr_str message)",
                                         "(*on_end)(void* ctx, chr_str message, chr_status status)"))


class Allowed(Gates):
    def test_a_slot_at_the_end_in_the_next_minor(self):
        old = "  /* --- end of 1.0: append below, never reorder --- */\n} chr_discovery;"
        new = old.replace("} ", "#if CHR_TARGET_MINOR >= 1\n  chr_status (*forget)(void* self) CHR_NX;\n#endif\n} ")
        interfaces = self.changed("discovery.h", old, new)
        self.expect_noticed(interfaces, by_assertions=False, by_abidiff=False)
        as_next_minor = self.assertions_hold(interfaces, minor="1")
        self.assertEqual(as_next_minor.returncode, 0, as_next_minor.stderr)

    def test_a_new_status_and_a_new_flag(self):
        old = "#define CHR_ERR_RETRYABLE 1u\n"
        interfaces = self.changed("abi.h", old, old + "#define CHR_ERR_LATER 2u\n#define CHR_E_LATER -18\n")
        self.expect_noticed(interfaces, by_assertions=False, by_abidiff=False)

    def test_until_the_release_freezing_again_gives_the_same(self):
        text = freeze.assertions("1_0")
        self.assertEqual(text.splitlines(), (FROZEN / "1_0.c").read_text().splitlines(),
                         "interfaces/frozen/README.md says when to run freeze.py")


class Rules(unittest.TestCase):
    """interfaces/ABI.md: numbered without gaps, nothing left out, nothing cited that is not there."""

    TABLES = {"PLG": ["chr_plugin"], "HOST": ["chr_host", "chr_host_log", "chr_host_metrics", "chr_host_config", "chr_host_mem",
                                              "chr_host_task"],
              "LS": ["chr_log_store", "chr_log_sink"], "TR": ["chr_transport", "chr_transport_sink", "chr_stream_events"],
              "DI": ["chr_discovery", "chr_discovery_sink"], "SS": ["chr_snapshot_sink", "chr_get_events"],
              "ME": ["chr_metrics_exporter", "chr_metrics_source", "chr_metrics_visitor"]}
    RULE = re.compile(r"^- \*\*(GEN|PLG|HOST|LS|TR|DI|SS|ME)-(\d+)\*\* (.+)$", re.MULTILINE)
    CITED = re.compile(r"\b(?:GEN|PLG|HOST|LS|TR|DI|SS|ME)-\d+\b")

    def setUp(self):
        self.rules = self.RULE.findall((SOURCE / "interfaces/ABI.md").read_text())

    def test_are_numbered_without_gaps(self):
        for area in ("GEN", *self.TABLES):
            numbers = [int(number) for name, number, _ in self.rules if name == area]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)), area)
            self.assertTrue(numbers, area)

    def test_name_every_function_of_every_table(self):
        _, structs = freeze.declarations()
        for area, tables in self.TABLES.items():
            text = " ".join(rule for name, _, rule in self.rules if name == area)
            for table in tables:
                for name, of_type in structs[table]:
                    if "(*)" in of_type:
                        self.assertIn(f"`{name}`", text, f"{area} says nothing of {table}.{name}")

    def test_whatever_is_cited_exists(self):
        known = {f"{area}-{number}" for area, number, _ in self.rules}
        for folder in ("interfaces", "sdk", "kernel", "plugins", "tests", "docs"):
            for path in (SOURCE / folder).rglob("*"):
                if path.is_file() and path.suffix in (".h", ".cc", ".c", ".rs", ".md", ".py") and "peers" not in path.parts:
                    unknown = set(self.CITED.findall(path.read_text(errors="replace"))) - known
                    self.assertFalse(unknown, path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
