#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses an include that LAYERS does not allow, a cycle in LAYERS, and what pure folders must not use.

usage: layers.py [ROOT]
"""

import fnmatch
import pathlib
import re
import sys

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
TEST_FILE = re.compile(r"^test_|(_test|_fuzz|_bench|_test_support)\.(cc|h|c)$")
COMMENT_OR_STRING = re.compile(r'//.*|/\*.*?\*/|"(?:\\.|[^"\\])*"')

# Headers and calls with a side effect, or whose result depends on more than the arguments.
IMPURE_HEADER = re.compile(
    r"^(boost/|asio|glog/|gflags/|unistd\.h|fcntl\.h|poll\.h|pthread\.h|sys/|netinet/|arpa/|netdb\.h|signal\.h|"
    r"thread$|mutex$|shared_mutex$|condition_variable$|future$|stop_token$|semaphore$|latch$|barrier$|"
    r"fstream$|filesystem$|ctime$|time\.h)")
IMPURE_CALL = re.compile(
    r"_clock::now\s*\(|\bstd::random_device\b|\bstd::rand\b|\brand\s*\(|\bgetenv\s*\(|\bfopen\s*\(|"
    r"\bsleep_for\b|\bsleep_until\b|\bgettimeofday\b|\bclock_gettime\b|\bCHRONIK_LOG\b")


class Layers:
    """LAYERS as read: allowed[folder pattern], the same for tests, and the pure folders with their exceptions."""

    def __init__(self, text):
        self.allowed, self.allowed_in_tests, self.pure, self.problems = {}, {}, {}, []
        for number, line in enumerate(text.splitlines(), 1):
            line = line.split("#", 1)[0].strip()
            if line.startswith("pure "):
                folder, _, exceptions = line[len("pure "):].partition(" except ")
                self.pure[folder.strip()] = set(exceptions.split())
            elif ":" in line:
                folder, includes = (part.strip() for part in line.split(":", 1))
                table = self.allowed_in_tests if folder.endswith(" (tests)") else self.allowed
                folder = folder.removesuffix(" (tests)")
                if folder in table:
                    self.problems.append(f"LAYERS:{number}: {folder} stands here twice")
                table[folder] = includes.split()
            elif line:
                self.problems.append(f"LAYERS:{number}: neither 'folder : folders' nor 'pure folder'")

    def owner(self, path):
        """The folder of LAYERS that `path` (of a file or an include) belongs to: the longest that matches, or None."""
        for depth in range(len(path.parents) - 1, 0, -1):
            folder = "/".join(path.parts[:depth])
            if any(fnmatch.fnmatchcase(folder, pattern) and pattern.count("/") == folder.count("/")
                   for pattern in self.allowed):
                return folder
        return None

    def may_include(self, folder, other, is_test):
        rules = list(self._rules(self.allowed, folder))
        if is_test:
            rules += self._rules(self.allowed_in_tests, folder)
        return folder == other or any(fnmatch.fnmatchcase(other, rule) for rule in rules)

    @staticmethod
    def _rules(table, folder):
        for pattern, rules in table.items():
            if fnmatch.fnmatchcase(folder, pattern) and pattern.count("/") == folder.count("/"):
                yield from rules

    def cycle(self):
        """A folder that may include itself by way of others, as the list of the way, or None."""
        def visit(folder, way):
            if folder in way:
                return way[way.index(folder):] + [folder]
            for rule in self._rules(self.allowed, folder):
                for other in self.allowed:
                    # A `*` of a rule means the others on that level, not the folder itself.
                    if other != folder and fnmatch.fnmatchcase(other, rule):
                        found = visit(other, way + [folder])
                        if found:
                            return found
            return None

        for folder in self.allowed:
            found = visit(folder, [])
            if found:
                return found
        return None


def include_owner(layers, bracket, name):
    """The folder that an include names; None for a header of the system or of a library."""
    if bracket == "<":
        if name.startswith("chronik/sdk/"):
            return "sdk"
        return "interfaces" if name.startswith("chronik/") else None
    return layers.owner(pathlib.PurePath(name))


def check_file(layers, root, path):
    folder = layers.owner(path)
    text = (root / path).read_text(errors="replace")
    is_test = bool(TEST_FILE.search(path.name)) or "test" in path.parts[1:-1]
    pure = not is_test and folder in layers.pure and path.name not in layers.pure[folder]
    for number, line in enumerate(text.splitlines(), 1):
        include = INCLUDE.match(line)
        if include:
            bracket, name = include.groups()
            other = include_owner(layers, bracket, name)
            in_root = bracket == '"' and (root / name).is_file()
            if bracket == '"' and "/" in name and other is None and in_root:
                yield f"{path}:{number}: {name} is in no folder of LAYERS"
            elif folder is not None and other is not None and not layers.may_include(folder, other, is_test):
                yield f"{path}:{number}: {folder} may not include {other} ({name}); see LAYERS"
            if pure and bracket == "<" and IMPURE_HEADER.match(name):
                yield f"{path}:{number}: {folder} is pure and may not include <{name}>"
        elif pure:
            call = IMPURE_CALL.search(COMMENT_OR_STRING.sub("", line))
            if call:
                yield f"{path}:{number}: {folder} is pure and may not use {call.group().rstrip('( ')}"
    if folder is None and path.parts[0] in ("kernel", "plugins", "sdk", "interfaces"):
        yield f"{path}:1: this folder is not in LAYERS"


def check(root, paths):
    layers = Layers((root / "LAYERS").read_text())
    problems = list(layers.problems)
    cycle = layers.cycle()
    if cycle:
        problems.append("LAYERS: a cycle: " + " -> ".join(cycle))
    for path in paths:
        problems += check_file(layers, root, path)
    return problems


if __name__ == "__main__":
    top = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else tree.ROOT
    tree.finish("layers", check(top, tree.files(".h", ".cc", ".c", root=top)))
