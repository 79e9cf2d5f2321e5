#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what spans all schemata: the table of APIs, and for the tests a list of all messages and random values.

  generate_index.py DIR SCHEMA... -> DIR/api_keys.h, DIR/all_messages.h, DIR/random_messages.h, DIR/random_messages.cc
"""
import pathlib
import sys

from cpp import FILE_TOP, Text, element_type, guarded, version_condition
from schema import Api

# ---- random values ----

def fill_field(out, message, field):
    target = field.name
    if field.nullable:
        condition = version_condition(field.nullable, field.versions)
        null = f"!(({condition}) && random.Null())" if condition else "!random.Null()"
        out.open(f"if (message.{target}.reset(); {null})")
        fill_value(out, message, field, f"message.{target}.emplace()")
        out.close()
    else:
        fill_value(out, message, field, f"message.{target}")


def fill_value(out, message, field, target):
    call = "FillRandom({}, version, random);" if field.struct else "random.Fill({});"
    if field.is_array:
        element = element_type(message, field)
        element = f"{message.name}::{element}" if field.struct else element
        out.open(f"random.FillArray({target}, [&]({element}& element)")
        out.add(call.format("element"))
        out.close("});")
    else:
        out.add(call.format(target))


def fill_struct(out, message, struct, name, linkage):
    out.open(f"{linkage}void FillRandom({name}& message, [[maybe_unused]] int16_t version, RandomValues& random)")
    for field in struct.fields:
        guarded(out, version_condition(field.versions, struct.scope),
                lambda field=field: fill_field(out, message, field))
    out.close()
    out.add()


def write_random_messages(apis, directory):
    out = Text()
    out.add(FILE_TOP.format("*.json") + '#include "kernel/protocol/generated/random_messages.h"\n')
    out.add("namespace chronik::protocol {\n")
    for message in [message for api in apis for message in api.messages]:
        for struct in message.structs:
            fill_struct(out, message, struct, f"{message.name}::{struct.name}", "static ")
        fill_struct(out, message, message.root, message.name, "")
    out.add("}  // namespace chronik::protocol")
    out.save(directory / "random_messages.cc")


# ---- index ----

def write_api_keys(apis, directory):
    out = Text()
    out.add(FILE_TOP.format("*.json") + "#pragma once\n\n#include <array>\n#include <cstdint>\n")
    out.add("namespace chronik::protocol {\n")
    out.add("// The APIs that this build has a codec for; what is advertised is for the handler table to say.")
    out.open("enum class ApiKey : int16_t")
    for api in apis:
        out.add(f"k{api.name} = {api.key},")
    out.close("};")
    out.add()
    out.open("struct ApiCodec")
    out.add("ApiKey key;")
    out.add("const char* name;")
    out.add("int16_t lowest_version;")
    out.add("int16_t highest_version;")
    out.add("int16_t first_flexible_version;")
    out.close("};")
    out.add()
    out.open(f"inline constexpr std::array<ApiCodec, {len(apis)}> kApiCodecs{{")
    out.lines[-1] = out.lines[-1].removesuffix(" {") + "{"
    for api in apis:
        out.add(f'{{ApiKey::k{api.name}, "{api.name}", {api.versions.low}, {api.versions.high}, {api.flexible.low}}},')
    out.close("}};")
    out.add("\n}  // namespace chronik::protocol")
    out.save(directory / "api_keys.h")


def write_all_messages(apis, directory):
    out = Text()
    out.add(FILE_TOP.format("*.json") + "// Every message at once, for tests and tools.\n#pragma once\n")
    out.add("#include <type_traits>\n")
    for api in sorted(apis, key=lambda a: a.stem):
        out.add(f'#include "kernel/protocol/generated/{api.stem}.h"')
    out.add("\nnamespace chronik::protocol {\n")
    for direction in ("Request", "Response"):
        out.add(f"// Calls visit(std::type_identity<T>) for each {direction.lower()}.")
        out.add("template <class Visitor>")
        out.open(f"void ForEach{direction}(Visitor&& visit)")
        for api in apis:
            out.add(f"visit(std::type_identity<{api.name}{direction}>());")
        out.close()
        out.add()
    out.add("}  // namespace chronik::protocol")
    out.save(directory / "all_messages.h")


def declare_random_messages(apis, directory):
    out = Text()
    out.add(FILE_TOP.format("*.json"))
    out.lines[-1] += "// Fills the fields that exist in a version; the others keep their defaults.\n#pragma once\n"
    out.add('#include "kernel/protocol/generated/all_messages.h"\n#include "kernel/protocol/random_values.h"\n')
    out.add("namespace chronik::protocol {\n")
    for api in apis:
        for message in api.messages:
            out.add(f"void FillRandom({message.name}& message, int16_t version, RandomValues& random);")
    out.add("\n}  // namespace chronik::protocol")
    out.save(directory / "random_messages.h")


def main(arguments):
    if len(arguments) < 2:
        raise SystemExit(__doc__)
    directory = pathlib.Path(arguments[0])
    apis = sorted((Api(path) for path in arguments[1:]), key=lambda api: api.key)
    if len({api.key for api in apis}) != len(apis):
        raise SystemExit("two schemata with one api_key")
    for write in (write_api_keys, write_all_messages, declare_random_messages, write_random_messages):
        write(apis, directory)


if __name__ == "__main__":
    main(sys.argv[1:])
