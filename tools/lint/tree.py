# SPDX-License-Identifier: Apache-2.0
"""What the checks share: the repository's own files, and how a problem is reported."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(*suffixes, root=ROOT):
    """Every file of the repository with one of these suffixes, as a path relative to `root`: what git tracks or would; in
    an unpacked archive, all but build/ and what begins with a dot, .ci/ excepted."""
    git = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
                         capture_output=True, text=True, check=False)
    if git.returncode == 0:
        names = {pathlib.Path(name) for name in git.stdout.split("\0") if name}
    else:
        names = {path.relative_to(root) for path in root.rglob("*")}
        names = {name for name in names if name.parts[0] == ".ci" or
                 (name.parts[0] != "build" and not any(part.startswith(".") for part in name.parts))}
    return sorted(name for name in names if name.name.endswith(tuple(suffixes)) and (root / name).is_file())


def finish(check, problems):
    """Prints `problems` ("file:line: what") and ends the program: 0 if there are none."""
    for problem in problems:
        print(problem)
    print(f"{check}: {len(problems)} problem{'' if len(problems) == 1 else 's'}" if problems else f"{check}: ok")
    sys.exit(1 if problems else 0)
