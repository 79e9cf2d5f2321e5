#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refuses what grows out of hand or gets lost: long files and functions, files without the SPDX line, sources that no
CMakeLists.txt builds, folders that do not say what they are for.

usage: size.py [ROOT]
"""

import ast
import pathlib
import re
import sys

import tree

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
SPDX = "SPDX-License-Identifier: Apache-2.0"
CODE = (".h", ".cc", ".c")

# In one pass, so that a quote in a comment or a comment in a string misleads nobody.
NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\\\s]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|'
    r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*", re.DOTALL | re.MULTILINE)
# What may stand between a parameter list's ')' and the body's '{'.
FUNCTION_TAIL = re.compile(
    r"[)\]]\s*((const|noexcept(\s*\([^()]*\))?|override|final|mutable|volatile|try|&&?|CHR_NX|requires\b[^{;]*|"
    r"->\s*[\w:<>,\s*&]+)\s*)*$")
MEMBER_INITIALISERS = re.compile(r"\)\s*(noexcept\s*)?:\s*[\w:<>,\s]+[({]")
TYPE_HEAD = re.compile(r"\b(namespace|class|struct|union|enum)\b[^()]*$|\bextern\s*$|\bextern\s+\"\"\s*$")


def blank(text):
    """`text` with comments, strings and preprocessor lines emptied; the line numbers stay."""
    return NOISE.sub(lambda m: ('""' if m.group().startswith(('"', "R")) else "") + "\n" * m.group().count("\n"), text)


def opens_function(head):
    """Is a '{' after this text the beginning of a function's body?"""
    if re.search(r"[=,(]\s*$", head):
        return False
    if MEMBER_INITIALISERS.search(head):  # Foo() : a_(1), b_{2} { - the body's brace follows a closed initialiser
        return head.endswith((")", "}"))
    return bool(FUNCTION_TAIL.search(head))


def functions(text):
    """(first line, lines) of every function body of C or C++; a lambda counts with the function around it."""
    code = blank(text)
    stack = []  # of (kind, first line, where its head began), kind: "type", "function", "other"
    head_begin, line = 0, 1
    depth_of_function = 0
    lines_before = [0] * (len(code) + 1)
    for position, character in enumerate(code):
        lines_before[position + 1] = lines_before[position] + (character == "\n")
    for position, character in enumerate(code):
        if character == "{":
            head = code[head_begin:position].strip()
            begin = head_begin + len(code[head_begin:position]) - len(code[head_begin:position].lstrip())
            line = lines_before[begin] + 1
            if depth_of_function == 0 and TYPE_HEAD.search(head):
                kind = "type"
            elif depth_of_function == 0 and opens_function(head):
                kind = "function"
            else:
                kind = "other"
            depth_of_function += kind == "function"
            stack.append((kind, line, head_begin))
            if kind != "other":
                head_begin = position + 1
        elif character == "}" and stack:
            kind, line, began = stack.pop()
            if kind == "function":
                depth_of_function -= 1
                yield line, lines_before[position] + 2 - line
            # A brace of an initialiser is part of the head it stands in: Foo() : a_{1} { ... }.
            head_begin = began if kind == "other" else position + 1
        elif character == ";" and not (stack and stack[-1][0] == "other"):
            head_begin = position + 1


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def check_file(path, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield f"{path}:1: {len(lines)} lines; at most {FILE_LINES_MAX}, split it by reason to change"
    if not any(SPDX in line for line in lines[:2]):
        yield f"{path}:1: the first line must be 'SPDX-License-Identifier: Apache-2.0' in a comment"
    measured = python_functions(text) if path.suffix == ".py" else functions(text) if path.suffix in CODE else ()
    for number, length in measured:
        if length > FUNCTION_LINES_MAX:
            yield f"{path}:{number}: a function of {length} lines; at most {FUNCTION_LINES_MAX}"


def names_file(cmake_text, path):
    """Does a CMakeLists.txt name this file: as it is, or as the pair of x and ${name}.c in a loop?"""
    words = set(re.findall(r"[\w${}.-]+", re.sub(r"(?m)#.*", "", cmake_text)))
    in_loop = re.compile(r"\$\{\w+\}" + re.escape(path.suffix) + "$")
    return path.name in words or (path.stem in words and any(in_loop.match(word) for word in words))


def check_built(root, path):
    """A source, or a test in Python, must be named in a CMakeLists.txt of its folder or of one above."""
    for folder in path.parents:
        lists = [root / folder / "CMakeLists.txt"] + ([root / "cmake/Chronik.cmake"] if folder == pathlib.Path() else [])
        if any(name.is_file() and names_file(name.read_text(), path) for name in lists):
            return
    yield f"{path}:1: no CMakeLists.txt names this file"


def check_folder(root, folder):
    """A folder of code says what it is for: in README.md, in the first comment of its CMakeLists.txt, or in its parent's."""
    if (root / folder / "README.md").is_file():
        return
    own = root / folder / "CMakeLists.txt"
    if own.is_file():
        if not own.read_text().startswith("# "):
            yield f"{folder}/CMakeLists.txt:1: begins with a comment that says what the folder is for"
        return
    for parent in folder.parents:
        for name in ("README.md", "CMakeLists.txt"):
            around = root / parent / name
            if around.is_file() and re.search(rf"\b{re.escape(folder.name)}\b", around.read_text()):
                return
    yield f"{folder}:1: has neither README.md nor CMakeLists.txt to say what it is for"


def check(root, paths):
    problems = []
    for path in paths:
        problems += check_file(path, (root / path).read_text(errors="replace"))
        if path.suffix in (".cc", ".c") or path.name.endswith("_test.py"):
            problems += check_built(root, path)
    for folder in sorted({path.parent for path in paths} - {pathlib.Path()}):
        problems += check_folder(root, folder)
    return problems


if __name__ == "__main__":
    top = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else tree.ROOT
    found = tree.files(*CODE, ".py", ".sh", root=top)
    scripts = [pathlib.Path(name) for name in (".ci/run", "tools/dev") if (top / name).is_file()]
    tree.finish("size", check(top, found + scripts))
