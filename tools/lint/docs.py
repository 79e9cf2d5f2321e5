#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the documents against what they describe: the folders in README.md, the packages in docs/dependencies.md, the links
between documents; and docs/configuration.md and docs/chronikctl.md against the programs that generate them, where those are
built.

usage: docs.py [--chronikd BINARY] [--chronikctl BINARY] [--fix] [--root ROOT]      --fix writes the generated documents
"""

import argparse
import pathlib
import re
import subprocess

import tree

FOLDER_ROW = re.compile(r"^\|\s*`([\w./-]+)/`\s*\|")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)\s]*)?\)")
MANUAL = pathlib.Path("docs/configuration.md")
CTL_MANUAL = pathlib.Path("docs/chronikctl.md")


def check_readme(root):
    """README.md has a table of the top folders: all there are, and no other."""
    readme = root / "README.md"
    if not readme.is_file():
        yield "README.md:1: is missing"
        return
    rows = {}
    for number, line in enumerate(readme.read_text().splitlines(), 1):
        row = FOLDER_ROW.match(line)
        if row:
            rows[row.group(1)] = number
    for folder, number in rows.items():
        if not (root / folder).is_dir():
            yield f"README.md:{number}: there is no folder {folder}/"
    for folder in sorted({path.parts[0] for path in tree.files("", root=root) if len(path.parts) > 1}):
        if folder not in rows and f"{folder}/run" not in readme.read_text():
            yield f"README.md:1: its table of folders lacks `{folder}/`"


def check_packages(root):
    """Every package that is installed has a reason in docs/dependencies.md, and nothing else has."""
    packages = root / "tools/packages.txt"
    reasons = root / "docs/dependencies.md"
    wanted = {line.strip() for line in packages.read_text().splitlines() if line.strip() and not line.startswith("#")}
    given = set()
    for line in reasons.read_text().splitlines():
        if line.startswith("| `"):
            given |= set(re.findall(r"`([^`]+)`", line.split("|")[1]))
    for name in sorted(wanted - given):
        yield f"docs/dependencies.md:1: says nothing of the package {name} in tools/packages.txt"
    for name in sorted(given - wanted):
        yield f"docs/dependencies.md:1: names {name}, which tools/packages.txt does not install"


def check_links(root):
    for path in tree.files(".md", root=root):
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            for target, _ in LINK.findall(line):
                if "://" not in target and not (root / path.parent / target).exists():
                    yield f"{path}:{number}: links to {target}, which does not exist"


def check_generated(root, document, program, argument, fix):
    run = subprocess.run([program.resolve(), argument], capture_output=True, text=True, check=True, env={})
    if fix:
        (root / document).write_text(run.stdout)
    if not (root / document).is_file() or (root / document).read_text() != run.stdout:
        yield f"{document}:1: differs from {program.name} {argument}; tools/lint/docs.py --fix --{program.name} BINARY mends it"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chronikd", type=pathlib.Path)
    parser.add_argument("--chronikctl", type=pathlib.Path)
    parser.add_argument("--fix", action="store_true")
    parser.add_argument("--root", type=pathlib.Path, default=tree.ROOT)
    arguments = parser.parse_args()
    problems = [*check_readme(arguments.root), *check_packages(arguments.root), *check_links(arguments.root)]
    if arguments.chronikd:
        problems += check_generated(arguments.root, MANUAL, arguments.chronikd, "--generate-config-docs", arguments.fix)
    if arguments.chronikctl:
        problems += check_generated(arguments.root, CTL_MANUAL, arguments.chronikctl, "generate-docs", arguments.fix)
    tree.finish("docs", problems)


if __name__ == "__main__":
    main()
