#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the C++ codecs of the Kafka protocol from the schemata (schema.py describes their form).

  generate.py SCHEMA DIR -> DIR/<api>.h, DIR/<api>.cc: structs, Decode, Encode
"""
import pathlib
import sys

from cpp import (CPP_TYPES, FILE_TOP, Text, describe_versions, element_type, guarded, member_default, member_type,
                 value_type, version_condition)
from schema import VARIABLE_TYPES, Api

# ---- header ----

def declare_members(out, message, struct):
    for field in struct.fields:
        note = (describe_versions(struct, field) + field.about).strip()
        if note:
            out.comment(note)
        out.add(f"{member_type(message, field)} {field.name}{member_default(message, field)};")


def declare_struct(out, message, struct):
    out.open(f"struct {struct.name}")
    declare_members(out, message, struct)
    out.add()
    out.add("void Decode(Reader& reader, int16_t version);")
    out.add("void Encode(Writer& writer, int16_t version) const;")
    out.add(f"friend bool operator==(const {struct.name}&, const {struct.name}&) = default;")
    out.close("};")


def declare_message(out, message):
    api = message.api
    out.comment(api.about if message.direction == "Request" else f"Answers {api.name}Request.")
    out.open(f"struct {message.name}")
    out.add(f'static constexpr const char* kName = "{message.name}";')
    out.add(f"static constexpr int16_t kApiKey = {api.key};")
    out.add(f"static constexpr int16_t kLowestVersion = {api.versions.low};")
    out.add(f"static constexpr int16_t kHighestVersion = {api.versions.high};")
    out.add(f"static constexpr bool IsFlexible(int16_t version) {{ return version >= {api.flexible.low}; }}")
    for struct in message.structs:
        out.add()
        declare_struct(out, message, struct)
    out.add()
    declare_members(out, message, message.root)
    out.add()
    out.add("Status Decode(Reader& reader, int16_t version);")
    out.add("void Encode(Writer& writer, int16_t version) const;")
    out.add(f"friend bool operator==(const {message.name}&, const {message.name}&) = default;")
    out.close("};")


def write_header(api, directory):
    out = Text()
    out.add(FILE_TOP.format(api.stem + ".json") + "#pragma once\n")
    out.add("#include <cstdint>\n#include <optional>\n#include <string>\n#include <vector>\n")
    out.add('#include "kernel/base/bytes.h"\n#include "kernel/base/ids.h"\n#include "kernel/base/result.h"\n')
    out.add("namespace chronik::protocol {\n\nclass Reader;\nclass Writer;\n")
    for message in api.messages:
        declare_message(out, message)
        out.add()
    out.add("}  // namespace chronik::protocol")
    out.save(directory / f"{api.stem}.h")


# ---- source ----

def decode_value(out, message, field, target, nullable):
    """Reads one value into `target`; a nullable one into its optional."""
    prefix = "Nullable" if nullable else ""
    if field.is_array:
        size = message.element_wire_bytes_min(field)
        element = element_type(message, field)
        out.open(f"reader.Read{prefix}Array({target}, encoding, {size}, [&]({element}& element)")
        decode_element(out, field, field.type if field.struct is None else "struct", "element", "")
        out.close("});")
    elif nullable and field.kind == "struct":
        out.open("if (reader.ReadInt<int8_t>() < 0)")
        out.add(f"{target}.reset();")
        out.depth -= 1
        out.open("} else")
        out.add(f"{target}.emplace().Decode(reader, version);")
        out.close()
    else:
        decode_element(out, field, field.kind, target, prefix)


def decode_element(out, field, kind, target, prefix):
    if kind == "struct":
        out.add(f"{target}.Decode(reader, version);")
    elif kind == "records" or kind == "bytes":
        decode_bytes(out, field, target, prefix)
    elif kind == "string":
        out.add(f"{target} = reader.Read{prefix}String(encoding);")
    elif kind in ("bool", "float64", "uuid"):
        out.add(f"{target} = reader.Read{kind.capitalize()}();")
    else:
        out.add(f"{target} = reader.ReadInt<{CPP_TYPES[kind]}>();")


def decode_bytes(out, field, target, prefix):
    if not field.in_chain:
        return out.add(f"{target} = reader.Read{prefix}Bytes(encoding);")
    if not prefix:
        return out.add(f"{target}.Append(reader.ReadBytes(encoding));")
    out.add(f"{target}.reset();")
    out.add(f"if (std::optional<Bytes> bytes = reader.ReadNullableBytes(encoding)) {target}.emplace().Append(*bytes);")
    return None


def decode_field(out, message, field):
    if not field.nullable:
        return decode_value(out, message, field, field.name, False)
    return guarded(out, version_condition(field.nullable, field.versions),
                   lambda: decode_value(out, message, field, field.name, True),
                   lambda: decode_value(out, message, field, field.name + ".emplace()", False))


def decode_tagged_fields(out, message, struct):
    tagged = [f for f in struct.fields if f.tag is not None]
    if not tagged:
        out.add("if (encoding == Encoding::kFlexible) reader.SkipTaggedFields();")
        return
    out.open("if (encoding == Encoding::kFlexible)")
    out.open("reader.ReadTaggedFields([&](uint32_t tag)")
    for field in tagged:
        tests = [f"tag == {field.tag}", version_condition(field.versions, message.api.flexible & struct.scope)]
        out.open(f"if ({' && '.join(t for t in tests if t)})")
        decode_field(out, message, field)
        out.add("return true;")
        out.close()
    out.add("return false;")
    out.close("});")
    out.close()


def decode_body(out, message, struct):
    out.add(f"const Encoding encoding = EncodingOf(version);")
    for field in struct.fields:
        if field.tag is None:
            guarded(out, version_condition(field.versions, struct.scope),
                    lambda field=field: decode_field(out, message, field))
    decode_tagged_fields(out, message, struct)


def encode_value(out, message, field, value, writer="writer"):
    if field.is_array:
        out.add(f"{writer}.WriteArrayCount({value}.size(), encoding);")
        element = element_type(message, field)
        reference = f"const {element}&" if field.struct or field.type in VARIABLE_TYPES else element
        out.open(f"for ({reference} element : {value})")
        encode_element(out, field.type if field.struct is None else "struct", "element", writer)
        out.close()
    else:
        encode_element(out, field.kind, value, writer)


def encode_element(out, kind, value, writer):
    if kind == "struct":
        out.add(f"{value}.Encode({writer}, version);")
    elif kind in ("records", "bytes"):
        out.add(f"{writer}.WriteBytes({value}, encoding);")
    elif kind == "string":
        out.add(f"{writer}.WriteString({value}, encoding);")
    elif kind in ("bool", "float64", "uuid"):
        out.add(f"{writer}.Write{kind.capitalize()}({value});")
    else:
        out.add(f"{writer}.WriteInt<{CPP_TYPES[kind]}>({value});")


def encode_null(out, field, writer):
    """Null; in versions without it, empty."""
    if field.kind == "struct":
        return out.add(f"{writer}.WriteInt<int8_t>(-1);")
    what = {"array": "Array", "string": "NullableString", "records": "Bytes", "bytes": "Bytes"}[field.kind]
    may_be_null = version_condition(field.nullable, field.versions)
    null = f"{writer}.WriteNullableString(std::nullopt, encoding);" if what == "NullableString" else \
        f"{writer}.WriteNull{what}(encoding);"
    empty = {"array": f"{writer}.WriteArrayCount(0, encoding);", "string": f'{writer}.WriteString("", encoding);'}.get(
        field.kind, f"{writer}.WriteBytes(Bytes(), encoding);")
    return guarded(out, may_be_null, lambda: out.add(null), lambda: out.add(empty))


def encode_field(out, message, field, writer="writer"):
    if not field.nullable:
        return encode_value(out, message, field, field.name, writer)
    out.open(f"if ({field.name})")
    if field.kind == "struct":
        out.add(f"{writer}.WriteInt<int8_t>(1);")
    is_object = field.is_array or field.kind == "struct"
    encode_value(out, message, field, f"(*{field.name})" if is_object else f"*{field.name}", writer)
    out.depth -= 1
    out.open("} else")
    encode_null(out, field, writer)
    out.close()
    return None


def differs_from_default(message, field):
    if field.nullable:
        return f"!{field.name} || !{field.name}->empty()" if field.default == "empty" else f"{field.name}.has_value()"
    if field.kind in ("array", "string", "bytes", "records"):
        return f"!{field.name}.empty()"
    if field.kind in ("struct", "uuid"):
        return f"!({field.name} == {value_type(message, field)}())"
    if field.kind == "bool":
        return f"!{field.name}" if field.default else field.name
    return f"{field.name} != {member_default(message, field).removeprefix(' = ')}"


def encode_tagged_fields(out, message, struct):
    tagged = [f for f in struct.fields if f.tag is not None]
    if not tagged:
        out.add("if (encoding == Encoding::kFlexible) writer.WriteUnsignedVarint(0);")
        return
    out.open("if (encoding == Encoding::kFlexible)")
    for field in tagged:
        exists = version_condition(field.versions, message.api.flexible & struct.scope)
        tests = [exists, f"({differs_from_default(message, field)})"]
        out.add(f"const bool has_{field.name} = {' && '.join(t for t in tests if t)};")
    out.add(f"writer.WriteUnsignedVarint({' + '.join(f'uint32_t(has_{f.name})' for f in tagged)});")
    for field in tagged:
        out.open(f"if (has_{field.name})")
        out.add("Writer value;")
        encode_field(out, message, field, "value")
        out.add(f"writer.WriteTaggedField({field.tag}, std::move(value));")
        out.close()
    out.close()


def encode_body(out, message, struct):
    out.add("const Encoding encoding = EncodingOf(version);")
    for field in struct.fields:
        if field.tag is None:
            guarded(out, version_condition(field.versions, struct.scope),
                    lambda field=field: encode_field(out, message, field))
    encode_tagged_fields(out, message, struct)


def define_struct(out, message, struct):
    name = f"{message.name}::{struct.name}"
    out.open(f"void {name}::Decode(Reader& reader, [[maybe_unused]] int16_t version)")
    decode_body(out, message, struct)
    out.close()
    out.add()
    out.open(f"void {name}::Encode(Writer& writer, [[maybe_unused]] int16_t version) const")
    encode_body(out, message, struct)
    out.close()
    out.add()


def define_message(out, message):
    for struct in message.structs:
        define_struct(out, message, struct)
    name = message.name
    out.open(f"Status {name}::Decode(Reader& reader, int16_t version)")
    out.add("if (version < kLowestVersion || version > kHighestVersion) return UnsupportedVersion(kName, version);")
    out.add(f"*this = {name}();")
    decode_body(out, message, message.root)
    out.add("return reader.status();")
    out.close()
    out.add()
    out.open(f"void {name}::Encode(Writer& writer, int16_t version) const")
    out.add("CHRONIK_CHECK(version >= kLowestVersion && version <= kHighestVersion) << kName << ' ' << version;")
    encode_body(out, message, message.root)
    out.close()
    out.add()


def assert_memory_factor(out, message, struct):
    for field in struct.fields:
        if field.is_array:
            element = element_type(message, field)
            element = f"{message.name}::{element}" if field.struct else element
            wire_bytes = message.element_wire_bytes_min(field)
            out.add(f"static_assert(sizeof({element}) <= {wire_bytes} * kDecodedBytesPerWireByte);")


def write_source(api, directory):
    out = Text()
    out.add(FILE_TOP.format(api.stem + ".json") + f'#include "kernel/protocol/generated/{api.stem}.h"\n')
    out.add('#include "kernel/protocol/reader.h"\n#include "kernel/protocol/writer.h"\n')
    out.add("namespace chronik::protocol {\nnamespace {\n")
    for message in api.messages:
        for struct in [*message.structs, message.root]:
            assert_memory_factor(out, message, struct)
    out.add()
    if api.flexible.low == api.versions.low:
        out.add("constexpr Encoding EncodingOf(int16_t) { return Encoding::kFlexible; }")
    else:
        out.open("constexpr Encoding EncodingOf(int16_t version)")
        out.add(f"return version >= {api.flexible.low} ? Encoding::kFlexible : Encoding::kClassic;")
        out.close()
    out.add("\n}  // namespace\n")
    for message in api.messages:
        define_message(out, message)
    out.add("}  // namespace chronik::protocol")
    out.save(directory / f"{api.stem}.cc")


def main(arguments):
    if len(arguments) != 2:
        raise SystemExit(__doc__)
    api, directory = Api(arguments[0]), pathlib.Path(arguments[1])
    write_header(api, directory)
    write_source(api, directory)


if __name__ == "__main__":
    main(sys.argv[1:])
