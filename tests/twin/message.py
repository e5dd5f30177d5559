# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as dictionaries, to and from bytes, for every API in schemas/. Only the parser of the notation is shared with the
build (tools/schemac); the layout rules are written here once more, so that the broker's codec is not trusted to check itself."""
import base64
import importlib.machinery
import importlib.util
import json
import os
import struct

import kafka_wire
import node

FORMS = {"int8": "b", "int16": "h", "int32": "i", "int64": "q", "uint16": "H", "uint32": "I", "float64": "d"}


def load_schemac():
    loader = importlib.machinery.SourceFileLoader("schemac", os.path.join(node.ROOT, "tools", "schemac"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("schemac", loader))
    loader.exec_module(module)
    return module


schemac = load_schemac()


def unsigned_varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def uuid_text(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def default_of(field):
    if field.array:
        return None if field.default == "null" else []
    if field.default == "null":
        return None
    if field.is_struct():
        return None if field.is_pointer() else {}
    if field.default is not None:
        return bool(field.default) if field.kind == "bool" else field.default
    return {"bool": False, "uuid": "A" * 22, "string": "", "bytes": b"", "records": b"", "float64": 0.0}.get(field.kind, 0)


class Message:
    """One half of an API: `request` or `response`. Values are dictionaries by field name; uuids are Kafka's text, bytes are bytes.
    encode() fills what is missing with defaults and drops what the version does not have; a name that no version has is an error."""

    def __init__(self, half):
        self.half, self.root = half, half.root
        self.versions = (half.versions[0], min(half.versions[1], half.unstable_since - 1))

    def flexible(self, version):
        return version >= self.half.flexible_since

    def encode(self, version, values):
        return self.put_struct(version, self.root, values)

    def decode(self, version, data):
        reader = kafka_wire.Reader(data)
        values = self.take_struct(version, self.root, reader)
        if reader.at != len(data):
            raise ValueError(f"{len(data) - reader.at} bytes are left over")
        return values

    def fields(self, version, shape):
        """those of the version, in two lists: as they stand, and tagged"""
        there = [field for field in shape.fields if not field.is_rule and field.since <= version <= field.until]
        tagged = [field for field in there if field.tag >= 0 and self.flexible(version)]
        return [field for field in there if field not in tagged], sorted(tagged, key=lambda field: field.tag)

    # to bytes
    def put_struct(self, version, shape, values):
        unknown = set(values) - {field.name for field in shape.fields}
        if unknown:
            raise KeyError(f"no version has the field {', '.join(sorted(unknown))}")
        plain, tagged = self.fields(version, shape)
        out = b"".join(self.put(version, field, values.get(field.name, default_of(field))) for field in plain)
        if self.flexible(version):
            given = [(field.tag, self.put(version, field, values[field.name])) for field in tagged
                     if field.name in values and values[field.name] != default_of(field)]
            out += unsigned_varint(len(given))
            out += b"".join(unsigned_varint(tag) + unsigned_varint(len(data)) + data for tag, data in given)
        return out

    def put(self, version, field, value):
        if not field.array:
            return self.put_one(version, field, value)
        count = -1 if value is None else len(value)
        head = unsigned_varint(count + 1) if self.flexible(version) else struct.pack(">i", count)
        return head + b"".join(self.put_one(version, field, one) for one in value or [])

    def put_one(self, version, field, value):
        if field.is_struct():
            if not field.is_pointer():
                return self.put_struct(version, field.shape, value)
            return b"\xff" if value is None else b"\x01" + self.put_struct(version, field.shape, value)
        if field.kind == "bool":
            return b"\x01" if value else b"\0"
        if field.kind == "uuid":
            return base64.urlsafe_b64decode(value + "==")
        if field.kind in FORMS:
            return struct.pack(">" + FORMS[field.kind], value)
        data = value.encode() if isinstance(value, str) else value
        size = -1 if data is None else len(data)
        if self.flexible(version) and not field.never_flexible:
            return unsigned_varint(size + 1) + (data or b"")
        return struct.pack(">h" if field.kind == "string" else ">i", size) + (data or b"")

    # from bytes
    def take_struct(self, version, shape, reader):
        plain, tagged = self.fields(version, shape)
        values = {field.name: self.take(version, field, reader) for field in plain}
        if self.flexible(version):
            sections = reader.tags()
            for field in tagged:
                data = sections.pop(field.tag, None)
                values[field.name] = default_of(field) if data is None else self.take(version, field, kafka_wire.Reader(data))
            if sections:
                values["unknown_tags"] = {str(tag): data.hex() for tag, data in sections.items()}
        return values

    def take(self, version, field, reader):
        if not field.array:
            return self.take_one(version, field, reader)
        count = reader.uvarint() - 1 if self.flexible(version) else reader.take("i")
        return None if count < 0 else [self.take_one(version, field, reader) for _ in range(count)]

    def take_one(self, version, field, reader):
        if field.is_struct():
            return None if field.is_pointer() and reader.take("b") < 0 else self.take_struct(version, field.shape, reader)
        if field.kind == "bool":
            return reader.take("b") != 0
        if field.kind == "uuid":
            return uuid_text(reader.raw(16))
        if field.kind in FORMS:
            return reader.take(FORMS[field.kind])
        compact = self.flexible(version) and not field.never_flexible
        data = reader.raw(reader.uvarint() - 1 if compact else reader.take("h" if field.kind == "string" else "i"))
        return data.decode() if data is not None and field.kind == "string" else data


class Api:
    def __init__(self, name):
        schema = schemac.parse_schema(os.path.join(node.ROOT, "schemas", "apis", name))
        self.name, self.key = name, schema.key
        self.request, self.response = Message(schema.halves["request"]), Message(schema.halves["response"])

    def request_head(self, version, correlation, client="twin"):
        tags = b"\0" if self.request.flexible(version) else b""
        return struct.pack(">hhih", self.key, version, correlation, len(client)) + client.encode() + tags

    def response_body(self, version, data):
        """data: after the correlation id"""
        return data[1:] if self.response.flexible(version) and self.name != "api_versions" else data


def load():
    """{name: Api} of every API"""
    return {name: Api(name) for name in sorted(os.listdir(os.path.join(node.ROOT, "schemas", "apis")))}


def agrees(values, printed):
    """printed: as golden lines have it: bytes in base64, and fields at their defaults may be left out"""
    if isinstance(printed, dict):
        return all(agrees(values[name], one) for name, one in printed.items())
    if isinstance(printed, list):
        return len(values) == len(printed) and all(map(agrees, values, printed))
    return (base64.b64encode(values).decode() if isinstance(values, bytes) else values) == printed


def check_golden(apis):
    """Every golden line of Kafka's codec, both ways: this codec is right where it agrees with Kafka's own bytes. Returns how many."""
    count = 0
    for api in apis.values():
        with open(os.path.join(node.ROOT, "tests", "golden", "facts", "apis", api.name), encoding="utf-8") as file:
            for line in file:
                role, version, _, data, text = line.rstrip("\n").split("\t")
                half, data = getattr(api, role), bytes.fromhex(data)
                values = half.decode(int(version), data)
                if half.encode(int(version), values) != data or not agrees(values, json.loads(text)):
                    raise AssertionError(f"{api.name} {role} v{version} is not what Kafka's codec makes of it")
                count += 1
    return count
