#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names the C++ files that clang-format-19 would write differently; --fix rewrites them. Says so and ends well where
clang-format-19 is not installed. interfaces/ and other C, laid out by hand, are left out.

usage: format.py [--fix] [FILE...]
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import tree

FORMATTER = "clang-format-19"
BATCH = 20
SHOWN_MAX = 10


def unformatted(paths):
    """The problems of some files, one for the first place in each."""
    run = subprocess.run([FORMATTER, "--dry-run", "--ferror-limit=1", *map(str, paths)], cwd=tree.ROOT,
                         capture_output=True, text=True, check=False)
    marked = [line for line in run.stderr.splitlines() if "-Wclang-format-violations" in line]
    first = {}
    for line in marked:
        first.setdefault(line.split(":", 1)[0], line.split(": ", 1)[0] + ": not as clang-format-19 writes it")
    return list(first.values())


def main():
    fix = "--fix" in sys.argv[1:]
    named = [pathlib.Path(os.path.relpath(name, tree.ROOT)) for name in sys.argv[1:] if name != "--fix"]
    if shutil.which(FORMATTER) is None:
        print(f"format: skipped, {FORMATTER} is not installed")
        return
    paths = named or [path for path in tree.files(".h", ".cc") if path.parts[0] != "interfaces"]
    batches = [paths[i:i + BATCH] for i in range(0, len(paths), BATCH)]
    if fix:
        for batch in batches:
            subprocess.run([FORMATTER, "-i", *map(str, batch)], cwd=tree.ROOT, check=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [problem for found in pool.map(unformatted, batches) for problem in found]
    if len(problems) > SHOWN_MAX:
        problems[SHOWN_MAX:] = [f"... and {len(problems) - SHOWN_MAX} files more"]
    if problems:
        problems.append("tools/lint/format.py --fix mends these")
    tree.finish("format", problems)


if __name__ == "__main__":
    main()
