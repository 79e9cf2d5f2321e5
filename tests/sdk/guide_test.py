# SPDX-License-Identifier: Apache-2.0
"""Goal: docs/plugin-guide.md takes a newcomer from nothing to a passing store, and needs nothing but what is installed.

Method: the blocks of the guide are run one after the other in one shell, in an empty home; only the block that installs
runs in the source tree. Afterwards nothing of the out-of-tree build may know where that tree is.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from chronik_process import BUILD, free_ports

SOURCE = pathlib.Path(os.environ.get("CHRONIK_SOURCE", pathlib.Path(__file__).parents[2]))
BLOCK = re.compile(r"^```sh( in-source)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Guide(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="chronik-guide-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)

    def script(self):
        """The guide as one script of bash."""
        text = (SOURCE / "docs/plugin-guide.md").read_text()
        for port, free in zip(("19192", "19193"), free_ports(2)):
            text = text.replace(port, str(free))
        blocks = BLOCK.findall(text)
        self.assertGreaterEqual(len(blocks), 7)
        lines = ["set -e", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
        for in_source, block in blocks:
            lines.append(f"cd {SOURCE if in_source else self.home}")
            lines.append(block.replace("build/release", str(BUILD)) if in_source else block)
        return "\n".join(lines)

    def run_guide(self):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"}
        return subprocess.run(["bash", "-c", self.script()], env=env, capture_output=True, text=True, timeout=550,
                              stdin=subprocess.DEVNULL)

    def test_the_guide_runs_as_it_stands_and_the_build_knows_nothing_of_the_source_tree(self):
        result = self.run_guide()
        output = result.stdout + result.stderr
        self.assertEqual(result.returncode, 0, output[-6000:])
        self.assertIn("100% tests passed", output)
        self.assertIn("id org.example.my_store", output)
        self.assertIn("the configuration is valid", output)
        self.assertIn("\nthrough my own store\n", output)
        self.assertNotIn("CMake Warning", output)
        built = self.home / "my_store/build"
        for path in built.rglob("*"):
            if path.is_file():
                self.assertNotIn(os.fsencode(SOURCE) + b"/", path.read_bytes(), path)
        self.check_plain_build_warns()

    def check_plain_build_warns(self):
        """Without a build type the plugin would be slow; whoever forgets it is told."""
        work = self.home / "my_store"
        result = subprocess.run(["cmake", "-S", work, "-B", self.home / "plain", f"-DCMAKE_PREFIX_PATH={self.home}/chronik"],
                                capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("CMAKE_BUILD_TYPE is empty", result.stderr)

    def test_the_package_refuses_another_major_version(self):
        prefix = self.home / "sdk-only"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix, "--component", "sdk"], check=True,
                       capture_output=True, timeout=60)
        self.assertFalse((prefix / "bin/chronikd").exists())
        for wanted, found in (("1.0", True), ("1.99", False), ("2.0", False)):
            project = self.home / f"wants-{wanted}"
            project.mkdir()
            (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES CXX)\n"
                                                    f"find_package(chronik-sdk {wanted} REQUIRED)\n")
            result = subprocess.run(["cmake", "-S", project, "-B", project / "b", f"-DCMAKE_PREFIX_PATH={prefix}"],
                                    capture_output=True, text=True, timeout=120)
            self.assertEqual(result.returncode == 0, found, f"{wanted}: {result.stderr}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
