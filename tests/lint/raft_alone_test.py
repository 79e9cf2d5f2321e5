# SPDX-License-Identifier: Apache-2.0
"""Goal: kernel/raft and what runs its tests stand alone: no Asio, glog, threads, clocks, files or sockets, not even by way
of a header of another folder. (tools/lint/layers.py sees direct includes only.)

Method: the compiler names the headers that each source reads; nm names the functions that the libraries call. Needs a
build: CHRONIK_BUILD.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import unittest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("CHRONIK_BUILD", ROOT / "build/release"))

OWN_FOLDERS = re.compile(r"^(kernel/raft|kernel/base|interfaces|tests/scenario)/")
FOREIGN_HEADER = re.compile(r"/(boost|asio|glog|gflags)/|/c\+\+/\d+/(thread|mutex|shared_mutex|condition_variable|future)$")
FOREIGN_CALL = re.compile(
    r"boost::|google::|pthread_create|pthread_mutex|std::thread|std::mutex|std::condition_variable|_clock::now|"
    r"^(clock_gettime|gettimeofday|time|rand|getrandom|open|openat|fopen|socket|connect|send|recv|fsync|fdatasync|"
    r"read|write|pread|pwrite|sleep|usleep|nanosleep)(@|$)|std::random_device|std::basic_[io]?fstream")


def foreign_headers(rule):
    """Of a make rule as -M prints it: the headers of this project in other folders, and of what is not allowed at all."""
    for path in rule.replace("\\\n", " ").split(":", 1)[1].split():
        path = pathlib.PurePath(os.path.normpath(path))
        if path.is_relative_to(ROOT):
            if not OWN_FOLDERS.match(str(path.relative_to(ROOT))):
                yield str(path)
        elif FOREIGN_HEADER.search(str(path)):
            yield str(path)


def foreign_calls(symbols):
    return sorted({line for line in symbols.splitlines() if FOREIGN_CALL.search(line.strip())})


class Alone(unittest.TestCase):
    def sources(self):
        """(file, entry of compile_commands.json) of the library: its tests include gtest, which includes much."""
        for entry in json.loads((BUILD / "compile_commands.json").read_text()):
            path = pathlib.Path(entry["file"])
            if path.parent == ROOT / "kernel/raft" and not path.name.endswith(("_test.cc", "test_cluster.cc")):
                yield path, entry

    def test_headers(self):
        checked = 0
        for path, entry in self.sources():
            command = shlex.split(entry["command"])
            command = [word for word in command[:command.index("-o")] if "ccache" not in word]
            while command[0] in ("cmake", "/usr/bin/cmake", "-E", "env") or "=" in command[0]:
                command.pop(0)
            rule = subprocess.run([*command, "-M", str(path)], cwd=entry["directory"], capture_output=True, text=True,
                                  check=True).stdout
            self.assertEqual(list(foreign_headers(rule)), [], path.name)
            checked += 1
        self.assertGreater(checked, 5, "compile_commands.json lacks kernel/raft")

    def test_calls(self):
        for library in ("libchronik_raft.a", "libchronik_raft_test_cluster.a"):
            symbols = subprocess.run(["nm", "-C", "-u", "--format=just-symbols", str(BUILD / "lib" / library)],
                                     capture_output=True, text=True, check=True).stdout
            self.assertIn("operator new", symbols, library)
            self.assertEqual(foreign_calls(symbols), [], library)


class Finds(unittest.TestCase):
    def test_what_it_is_for(self):
        rule = f"a.o: {ROOT}/kernel/raft/raft.h {ROOT}/kernel/base/ids.h \\\n /usr/include/c++/12/vector"
        self.assertEqual(list(foreign_headers(rule)), [])
        for header in (f"{ROOT}/kernel/log/log.h", "/usr/include/boost/asio.hpp", "/usr/include/glog/logging.h",
                       "/usr/include/c++/12/thread"):
            self.assertEqual(list(foreign_headers(f"{rule} {header}")), [header])
        for call in ("pthread_create@GLIBC_2.34", "clock_gettime", "std::chrono::_V2::steady_clock::now()",
                     "google::LogMessage::stream()", "boost::asio::io_context::run()", "fdatasync"):
            self.assertEqual(foreign_calls(f"operator new(unsigned long)\n{call}\nmemmove\n"), [call])


if __name__ == "__main__":
    unittest.main()
