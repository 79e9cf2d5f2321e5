#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The last line of `tools/dev test`: how many tests passed, failed and were skipped, those inside each program counted.

usage: count_tests.py LastTest.log      of ctest; ends with 1 if a test failed
"""

import pathlib
import re
import sys

PROGRAM = re.compile(r"^\d+/\d+ Test: (?P<name>.*?)\n(?P<body>.*?)^-{10,}\nTest (?P<verdict>\w+)", re.DOTALL | re.MULTILINE)
GTEST = {"passed": r"\[  PASSED  \] (\d+) test", "skipped": r"\[  SKIPPED \] (\d+) test", "failed": r"\[  FAILED  \] (\d+) test"}
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_VERDICT = re.compile(r"^(?:OK|FAILED)(?: \(([\w ,=]+)\))?$", re.MULTILINE)


def number(pattern, text):
    return sum(int(found) for found in re.findall(pattern, text))


def count(body, verdict):
    """(passed, failed, skipped) of one program's output; a program without countable tests is one test."""
    ran = UNITTEST_RAN.search(body)
    if "[  PASSED  ]" in body or "[  FAILED  ]" in body:
        passed, failed, skipped = (number(GTEST[kind], body) for kind in ("passed", "failed", "skipped"))
    elif ran:
        found = UNITTEST_VERDICT.findall(body)
        details = dict(part.strip().split("=") for part in (found[-1] if found else "").split(",") if "=" in part)
        failed = int(details.get("failures", 0)) + int(details.get("errors", 0))
        skipped = int(details.get("skipped", 0))
        passed = int(ran.group(1)) - failed - skipped
    else:
        passed, failed, skipped = int(verdict == "Passed"), 0, int(verdict in ("Skipped", "NotRun"))
    if verdict not in ("Passed", "Skipped") and failed == 0 and skipped == 0:
        failed = 1  # it crashed, or took too long, before it could say so itself
    return passed, failed, skipped


def main():
    log = pathlib.Path(sys.argv[1]).read_text(errors="replace")
    totals = [0, 0, 0]
    for program in PROGRAM.finditer(log):
        totals = [a + b for a, b in zip(totals, count(program["body"], program["verdict"]))]
    print("\n{} passed, {} failed, {} skipped".format(*totals))
    sys.exit(1 if totals[1] or sum(totals) == 0 else 0)


if __name__ == "__main__":
    main()
