# SPDX-License-Identifier: Apache-2.0
"""How a schema looks in C++: types, defaults, conditions on the version, and indented text."""
import textwrap

CPP_TYPES = {
    "bool": "bool", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t", "uint16": "uint16_t",
    "uint32": "uint32_t", "float64": "double", "uuid": "TopicId", "string": "std::string", "bytes": "Bytes"}
FILE_TOP = ("// SPDX-License-Identifier: Apache-2.0\n"
            "// Written by the generator in kernel/protocol from schemata/{}. Do not edit.\n")


class Text:
    """Lines with indentation."""

    def __init__(self):
        self.lines, self.depth = [], 0

    def add(self, line=""):
        self.lines.append("  " * self.depth + line if line else "")

    def comment(self, text):
        for line in textwrap.wrap(text, 116 - 2 * self.depth):
            self.add("// " + line)

    def open(self, line):
        self.add(line + " {")
        self.depth += 1

    def close(self, end="}"):
        self.depth -= 1
        self.add(end)

    def save(self, path):
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")


def element_type(message, field):
    if field.struct is not None:
        return field.type
    if field.type == "records":  # requests hold slices of the frame; responses chains that are spliced in
        return "ByteChain" if field.in_chain else "Bytes"
    return CPP_TYPES[field.type]


def value_type(message, field):
    element = element_type(message, field)
    return f"std::vector<{element}>" if field.is_array else element


def member_type(message, field):
    return f"std::optional<{value_type(message, field)}>" if field.nullable else value_type(message, field)


def member_default(message, field):
    if field.default == "empty":
        return f" = {value_type(message, field)}()"
    if field.kind == "bool":
        return " = true" if field.default else " = false"
    if isinstance(field.default, int):
        if field.kind == "int64" and abs(field.default) >= 2**31:
            return f" = INT64_C({field.default})"
        return f" = {field.default}" if field.default != -2**31 else " = INT32_MIN"
    return " = 0" if field.kind in CPP_TYPES and field.kind not in ("uuid", "string", "bytes") else ""


def describe_versions(struct, field):
    notes = []
    if field.versions != struct.scope:
        notes.append(open_ended(field.versions, struct.scope))
    if field.nullable and field.nullable != field.versions:
        notes.append("nullable in " + open_ended(field.nullable, struct.scope))
    if field.tag is not None:
        notes.append(f"tag {field.tag}")
    return f"[{', '.join(notes)}] " if notes else ""


def open_ended(versions, scope):
    return f"v{versions.low}+" if versions.high == scope.high else f"v{versions}"


def version_condition(versions, scope):
    """The C++ test that a version of `scope` lies in `versions`; empty if all do."""
    tests = []
    if versions.low > scope.low:
        tests.append(f"version >= {versions.low}")
    if versions.high < scope.high:
        tests.append(f"version <= {versions.high}")
    return " && ".join(tests)


def guarded(out, condition, emit, otherwise=None):
    if not condition:
        return emit()
    out.open(f"if ({condition})")
    emit()
    if otherwise:
        out.depth -= 1
        out.open("} else")
        otherwise()
    out.close()
    return None
