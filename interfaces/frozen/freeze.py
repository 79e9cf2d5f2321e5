#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes down what the headers of interfaces/chronik promise: <minor>.c, static assertions, and <minor>.abi, the baseline of
abidiff. README.md says when. Standard library, a C compiler, and abidw for the second.

usage: freeze.py 1_0
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
INTERFACES = HERE.parent
HEADERS = ("abi", "host", "plugin", "log_store", "transport", "discovery", "snapshot_sink", "metrics_exporter")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
STRUCT = re.compile(r"(?:typedef )?struct (\w+) \{(.*?)\}( \w+)?;", re.DOTALL)
MACRO = re.compile(r"^#define (CHR_\w+)[ \t]+(\S.*)$", re.MULTILINE)
FUNCTION_POINTER = re.compile(r"^(.*?\(\*)(\w+)(\)\s*\(.*\))$", re.DOTALL)
LATER = re.compile(r"^#if CHR_TARGET_MINOR >= (\d+)\n(.*?)^#endif\n", re.DOTALL | re.MULTILINE)
FIELD = re.compile(r"^(.*?[\s*])(\w+)(\[\w+\])?$", re.DOTALL)
# Plumbing of the language, not of the ABI.
NOT_FROZEN = {"CHR_C_BEGIN", "CHR_C_END", "CHR_NX", "CHR_EXPORT", "CHR_HAS", "CHR_TARGET_MINOR"}


def declarations(interfaces=INTERFACES, minor="0"):
    """(macros, structs) as that minor version sees them: [(name, text)], {struct: [(field, type or "" for an array)]}."""
    macros, structs = [], {}
    for header in HEADERS:
        text = COMMENT.sub(" ", (interfaces / f"chronik/{header}.h").read_text()).replace("\\\n", " ")
        text = LATER.sub(lambda part: part[2] if int(part[1]) <= int(minor) else "", text)
        macros += [(name, " ".join(value.split())) for name, value in MACRO.findall(text) if name not in NOT_FROZEN]
        for name, body, _ in STRUCT.findall(re.sub(r"^#.*$", "", text, flags=re.MULTILINE)):
            structs[name] = [field(declaration) for declaration in body.split(";") if declaration.strip()]
    return macros, structs


def field(declaration):
    text = " ".join(declaration.replace("CHR_NX", " ").split())
    pointer = FUNCTION_POINTER.match(text)
    if pointer:
        return pointer.group(2), pointer.group(1) + pointer.group(3)
    plain = FIELD.match(text)
    if not plain:
        raise SystemExit(f"freeze.py does not understand '{text}'")
    return plain.group(2), "" if plain.group(3) else plain.group(1).strip()


def compile_flags(interfaces, minor):
    return ["-std=c11", f"-I{interfaces}", f"-DCHR_TARGET_MINOR={minor}"]


def measure(expressions, interfaces, minor):
    """The values of integer expressions over the headers."""
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch, "measure.c")
        lines = "".join(f'  printf("%lld\\n", (long long)({e}));\n' for e in expressions)
        source.write_text(f"#include <chronik/all.h>\n#include <stdio.h>\nint main(void) {{\n{lines}}}\n")
        subprocess.run(["cc", *compile_flags(interfaces, minor), "-o", f"{scratch}/measure", source], check=True)
        return subprocess.run([f"{scratch}/measure"], check=True, capture_output=True, text=True).stdout.split()


def assertions(version, interfaces=INTERFACES):
    """The text of <minor>.c."""
    minor = version.split("_")[1]
    macros, structs = declarations(interfaces, minor)
    numbers = [name for name, value in macros if not value.startswith('"')]
    members = [(struct, name) for struct, fields in structs.items() for name, _ in fields]
    values = iter(measure(numbers + [f"sizeof({struct})" for struct in structs] +
                          [f"{what}" for struct, name in members
                           for what in (f"offsetof({struct}, {name})", f"sizeof((({struct}*)0)->{name})")],
                          interfaces, minor))
    number_of = {name: next(values) for name in numbers}
    size_of = {struct: next(values) for struct in structs}
    out = [f"""/* SPDX-License-Identifier: Apache-2.0
 * What version {version.replace("_", ".")} of the ABI promises, held against today's headers. Written by freeze.py and never edited; README.md. */
#include <chronik/all.h>

#define IS(condition) _Static_assert(condition, "frozen since {version.replace("_", ".")}; see interfaces/frozen/README.md")
#define AT(type, field, offset, size) IS(offsetof(type, field) == (offset) && sizeof(((type*)0)->field) == (size))
#define SLOT(type, field, offset, size, ...) \\
  AT(type, field, offset, size);            \\
  IS(_Generic(((type*)0)->field, __VA_ARGS__: 1, default: 0))
"""]
    for name, value in macros:
        # A second definition must be the same, or the compiler complains.
        out.append(f"IS({name} == {number_of[name]});" if name in number_of else f"#define {name} {value}")
    for struct, fields in structs.items():
        grows = fields[0][0] == "struct_size"
        out.append(f"\n/* {struct}: {'may grow at its end' if grows else 'frozen'} */")
        out.append(f"IS(sizeof({struct}) {'>=' if grows else '=='} {size_of[struct]});")
        for name, of_type in fields:
            where = f"{struct}, {name}, {next(values)}, {next(values)}"
            out.append(f"SLOT({where}, {of_type});" if of_type else f"AT({where});")
    return "\n".join(out) + "\n"


def probe(out, interfaces=INTERFACES, minor="0"):
    """Builds a library that mentions every struct, for abidw and abidiff; returns its path in the folder `out`."""
    _, structs = declarations(interfaces, minor)
    source = out / "abi_probe.c"
    source.write_text("#include <chronik/all.h>\n" + "".join(f"{s} probe_{s};\n" for s in structs))
    library = out / "abi_probe.so"
    subprocess.run(["cc", *compile_flags(interfaces, minor), "-g", "-O0", "-fPIC", "-shared",
                    "-o", library, source], check=True, cwd=out)
    return library


def main():
    if len(sys.argv) != 2 or not re.fullmatch(r"\d+_\d+", sys.argv[1]):
        sys.exit(__doc__)
    version = sys.argv[1]
    (HERE / f"{version}.c").write_text(assertions(version))
    print(f"wrote {version}.c")
    if not shutil.which("abidw"):
        sys.exit(f"abidw is not installed (Debian: abigail-tools): {version}.abi is as it was")
    with tempfile.TemporaryDirectory() as scratch:
        library = probe(pathlib.Path(scratch), minor=version.split("_")[1])
        subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs",
                        "--out-file", HERE / f"{version}.abi", library], check=True)
    print(f"wrote {version}.abi")


if __name__ == "__main__":
    main()
