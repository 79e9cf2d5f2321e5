# SPDX-License-Identifier: Apache-2.0
"""The schemata as Python objects, with every rule that a schema must keep.

A schema file describes one API: {"api_key", "name", "versions", "flexible", "about", "request": [field], "response":
[field]}. A field is {"name", "type", "versions", "nullable", "tag", "default", "about", "fields"}; only name and type
are required:
  type      bool, int8/16/32/64, uint16/32, float64, string, uuid, bytes, records, a struct's name; or "[]" and these
  versions  in which the field exists: "3+", "0-12" or "7" (left out: whenever what it stands in does)
  nullable  in which it may be null; a struct: in all of its versions or in none
  tag       number of a tagged field (KIP-482); such a field is written only if it differs from its default
  default   a number or true; "empty" for a nullable field that shall not start as null; else 0, false, "", [], null
  fields    of the struct, where its name appears first; a later field may have the same struct
"flexible" is "none" for an API that has no flexible version.
"""
import json
import re

PRIMITIVE_BYTES = {
    "bool": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint16": 2, "uint32": 4, "float64": 8, "uuid": 16}
VARIABLE_TYPES = ("string", "bytes", "records")
NULLABLE_KINDS = ("string", "bytes", "records", "array", "struct")
SCHEMA_KEYS = {"api_key", "name", "versions", "flexible", "about", "request", "response"}
FIELD_KEYS = {"name", "type", "versions", "nullable", "tag", "default", "about", "fields"}
VERSION_MAX = 32767


class SchemaError(Exception):
    """A schema file breaks a rule; the text names the file and the field."""


class Versions:
    """A closed range of versions; empty if low > high."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    @staticmethod
    def parse(text):
        match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
        if not match:
            raise SchemaError(f"'{text}' is no version range")
        low = int(match[1])
        return Versions(low, VERSION_MAX if match[2] == "+" else int(match[3] or low))

    def __and__(self, other):
        return Versions(max(self.low, other.low), min(self.high, other.high))

    def __bool__(self):
        return self.low <= self.high

    def __contains__(self, version):
        return self.low <= version <= self.high

    def __eq__(self, other):
        return (self.low, self.high) == (other.low, other.high) or (not self and not other)

    def __str__(self):
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


NO_VERSIONS = Versions(1, 0)
NEVER = Versions(VERSION_MAX, VERSION_MAX)  # a first version that no API has


def snake_case(name):
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


class Field:
    def __init__(self, raw, scope):
        unknown = set(raw) - FIELD_KEYS
        if unknown:
            raise SchemaError(f"{raw.get('name')}: unknown keys {sorted(unknown)}")
        self.wire_name = raw["name"]
        self.name = snake_case(raw["name"])
        self.is_array = raw["type"].startswith("[]")
        self.type = raw["type"].removeprefix("[]")
        self.versions = Versions.parse(raw.get("versions", "0+")) & scope
        self.nullable = Versions.parse(raw["nullable"]) & self.versions if "nullable" in raw else NO_VERSIONS
        self.tag = raw.get("tag")
        self.default = raw.get("default")
        self.about = raw.get("about", "")
        self.raw_fields = raw.get("fields")
        self.struct = None  # set by Message, as is in_chain: records of a response, which are spliced in
        self.in_chain = False
        self.check()

    @property
    def kind(self):
        if self.is_array:
            return "array"
        return self.type if self.type in PRIMITIVE_BYTES or self.type in VARIABLE_TYPES else "struct"

    def check(self):
        if not self.versions:
            raise SchemaError(f"{self.wire_name}: exists in no version")
        if self.kind == "struct" and self.nullable not in (NO_VERSIONS, self.versions):
            raise SchemaError(f"{self.wire_name}: nullable in some versions only, which no struct is")
        if self.nullable and self.kind not in NULLABLE_KINDS:
            raise SchemaError(f"{self.wire_name}: a {self.kind} cannot be null")
        number = isinstance(self.default, int) and self.kind in PRIMITIVE_BYTES and self.kind != "uuid"
        if self.default is not None and not number and not (self.default == "empty" and self.nullable):
            raise SchemaError(f"{self.wire_name}: default {self.default!r} does not fit a {self.kind}")


class Struct:
    """Fields, and the versions in which this struct can occur at all."""

    def __init__(self, name, scope, fields):
        self.name, self.scope, self.fields = name, scope, fields
        tags = [f.tag for f in fields if f.tag is not None]
        if tags != list(range(len(tags))):
            raise SchemaError(f"{name}: tags must be 0, 1, 2 ... in the order of the fields")
        if len({f.name for f in fields}) != len(fields):
            raise SchemaError(f"{name}: two fields of one name")

    def wire_bytes_min(self, version, flexible):
        """The smallest encoding of this struct."""
        present = [f for f in self.fields if version in f.versions and f.tag is None]
        return sum(1 if f.kind == "struct" and f.nullable else field_wire_bytes_min(f.kind, f.struct, version, flexible)
                   for f in present) + (1 if flexible else 0)


def field_wire_bytes_min(kind, struct, version, flexible):
    if kind == "struct":
        return struct.wire_bytes_min(version, flexible)
    if kind in PRIMITIVE_BYTES:
        return PRIMITIVE_BYTES[kind]
    return 1 if flexible else 2 if kind == "string" else 4


class Message:
    """A request or a response: its fields, and all structs in it, inner ones first."""

    def __init__(self, api, direction, raw_fields):
        self.api = api
        self.direction = direction  # "Request" or "Response"
        self.name = api.name + direction
        self.structs = []
        self.root = Struct(self.name, api.versions, self._fields(raw_fields, api.versions))

    def _fields(self, raw_fields, scope):
        fields = [Field(raw, scope) for raw in raw_fields]
        for field in fields:
            field.in_chain = field.type == "records" and self.direction == "Response"
            element_is_struct = field.type not in PRIMITIVE_BYTES and field.type not in VARIABLE_TYPES
            if element_is_struct:
                field.struct = self._struct(field)
            elif field.raw_fields is not None:
                raise SchemaError(f"{self.name}.{field.wire_name}: a {field.type} has no fields")
            if field.tag is not None and field.versions.low < self.api.flexible.low:
                raise SchemaError(f"{self.name}.{field.wire_name}: tagged in a version that is not flexible")
        return fields

    def _struct(self, field):
        if field.raw_fields is None:
            for struct in self.structs:
                if struct.name == field.type and struct.scope & field.versions == field.versions:
                    return struct
            raise SchemaError(f"{self.name}.{field.wire_name}: the fields of {field.type} are missing")
        if any(s.name == field.type for s in self.structs):
            raise SchemaError(f"{self.name}: two structs {field.type}")
        struct = Struct(field.type, field.versions, self._fields(field.raw_fields, field.versions))
        self.structs.append(struct)
        return struct

    def element_wire_bytes_min(self, field):
        """Over all versions in which the array exists."""
        kind = field.type if field.struct is None else "struct"
        return min(field_wire_bytes_min(kind, field.struct, v, v in self.api.flexible)
                   for v in range(field.versions.low, field.versions.high + 1))


class Api:
    def __init__(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                raw = json.load(file)
            if set(raw) != SCHEMA_KEYS:
                raise SchemaError(f"needs exactly the keys {sorted(SCHEMA_KEYS)}")
            self.key, self.name, self.about = raw["api_key"], raw["name"], raw["about"]
            self.stem = snake_case(self.name)
            self.versions = Versions.parse(raw["versions"])
            self.flexible = NEVER if raw["flexible"] == "none" else Versions.parse(raw["flexible"])
            self.request = Message(self, "Request", raw["request"])
            self.response = Message(self, "Response", raw["response"])
        except (SchemaError, ValueError, KeyError) as error:
            raise SystemExit(f"{path}: {error!r}") from error
        if not str(path).endswith(f"/{self.stem}.json"):
            raise SystemExit(f"{path}: must be called {self.stem}.json")

    @property
    def messages(self):
        return (self.request, self.response)
