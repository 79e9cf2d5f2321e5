#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares our schemata with those inside a kafka-clients jar, message by message and version by version: order, types,
nullability, tags and defaults of all fields, version ranges, flexible versions.

  check_against_kafka.py [JAR]

Without JAR the newest one that tests/peers/fetch_kafka_clients.sh fetched, or that is in the local Maven repository, is
taken. Exit status 77 and one line where there is none.
"""
import json
import os
import pathlib
import re
import sys
import zipfile

from schema import Api, Versions, NEVER, NO_VERSIONS

SKIPPED = 77
NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint16", "uint32", "float64")


def find_jar(arguments):
    if arguments:
        return pathlib.Path(arguments[0])
    root = pathlib.Path(__file__).resolve().parents[2]
    home = pathlib.Path(os.environ.get("HOME", "/nonexistent"))
    jars = [*root.glob("build/peers/kafka-clients-[0-9]*.jar"),
            *home.glob(".m2/repository/org/apache/kafka/kafka-clients/*/kafka-clients-[0-9]*.jar")]
    plain = [jar for jar in jars if re.fullmatch(r"kafka-clients-[\d.]+\.jar", jar.name)]
    return max(plain, key=lambda jar: [int(n) for n in re.findall(r"\d+", jar.stem)], default=None)


def parse_versions(text):
    return NO_VERSIONS if text in (None, "none") else Versions.parse(text)


def kafka_messages(jar):
    """(api key, "Request" or "Response") -> the message definition."""
    messages = {}
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"common/message/\w+(Request|Response)\.json", name):
                text = archive.read(name).decode("utf-8")
                message = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
                messages[message["apiKey"], message["type"].capitalize()] = message
    return messages


def kafka_layout(fields, version, structs):
    """What is on the wire in this version: [(name, type, may be null, tag, default, [inner])], tagged fields last."""
    layout = []
    for field in fields:
        if version not in Versions.parse(field["versions"]):
            continue
        tagged = version in parse_versions(field.get("taggedVersions"))
        base = field["type"].removeprefix("[]")
        inner = field.get("fields") or structs.get(base)
        default = field.get("default")
        if base in NUMBERS and base == field["type"]:
            default = kafka_number(default)
        else:
            default = None  # of the rest only null or empty, which our schemata choose for themselves
        layout.append((field["name"], field["type"], version in parse_versions(field.get("nullableVersions")),
                       field["tag"] if tagged else None, default,
                       kafka_layout(inner, version, structs) if inner else None))
    return sort_layout(layout)


def kafka_number(text):
    if text in (None, ""):
        return 0
    if str(text).lower() in ("true", "false"):
        return int(str(text).lower() == "true")
    return int(str(text), 0)


def our_layout(struct, version):
    layout = []
    for field in struct.fields:
        if version in field.versions:
            default = int(field.default or 0) if field.kind in NUMBERS else None
            layout.append((field.wire_name, ("[]" if field.is_array else "") + field.type, version in field.nullable,
                           field.tag, default, our_layout(field.struct, version) if field.struct else None))
    return sort_layout(layout)


def sort_layout(layout):
    return [f for f in layout if f[3] is None] + sorted((f for f in layout if f[3] is not None), key=lambda f: f[3])


def differences(ours, theirs, where):
    for index in range(max(len(ours), len(theirs))):
        if index >= len(ours):
            yield f"{where}: {theirs[index][0]} is missing"
        elif index >= len(theirs):
            yield f"{where}: {ours[index][0]} is not in Kafka's"
        elif ours[index][:5] != theirs[index][:5]:
            yield f"{where}: {ours[index][:5]}, Kafka: {theirs[index][:5]}"
        elif ours[index][5] is not None or theirs[index][5] is not None:
            yield from differences(ours[index][5] or [], theirs[index][5] or [], f"{where}.{ours[index][0]}")


def compare(message, theirs):
    """Yields (is an error, text)."""
    api = message.api
    their_versions = Versions.parse(theirs["validVersions"])
    if api.versions != their_versions:
        newer_kafka = api.versions.low == their_versions.low and api.versions.high < their_versions.high
        yield not newer_kafka, f"{message.name}: versions {api.versions}, Kafka: {their_versions}"
    flexible = theirs["flexibleVersions"]
    if api.flexible.low != (NEVER if flexible == "none" else Versions.parse(flexible)).low:
        yield True, f"{message.name}: flexible from {api.flexible.low}, Kafka: {theirs['flexibleVersions']}"
    structs = {s["name"]: s["fields"] for s in theirs.get("commonStructs", [])}
    for version in range(max(api.versions.low, their_versions.low), min(api.versions.high, their_versions.high) + 1):
        for text in differences(our_layout(message.root, version), kafka_layout(theirs["fields"], version, structs),
                                f"{message.name} v{version}"):
            yield True, text


def main(arguments):
    jar = find_jar(arguments)
    if jar is None:
        print("skipped: no kafka-clients jar here (tests/peers/fetch_kafka_clients.sh gets it)")
        return SKIPPED
    theirs = kafka_messages(jar)
    errors = compared = 0
    for path in sorted((pathlib.Path(__file__).parent.resolve() / "schemata").glob("*.json")):
        for message in Api(path).messages:
            compared += 1
            for is_error, text in compare(message, theirs[message.api.key, message.direction]):
                print("error:" if is_error else "note:", text)
                errors += is_error
    print(f"{compared} messages compared with {jar.name}: {errors} errors")
    return 1 if errors or compared == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
