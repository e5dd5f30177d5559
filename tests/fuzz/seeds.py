#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""First inputs for the fuzz targets, made of what Kafka wrote: golden bytes of its messages, its disks, its settings.

usage: seeds.py BUILD_DIRECTORY DIRECTORY       one directory a target is made below it
"""
import hashlib
import pathlib
import re
import sys
import tarfile

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
LARGEST = 4096
FILE_CHOICES = {".index": 0, ".timeindex": 1, ".txnindex": 2, "quorum-state": 3, ".checkpoint": 4, "meta.properties": 5,
                "-checkpoint": 7, ".snapshot": 8, "leader-epoch-checkpoint": 9, ".properties": 10}
SEGMENT_KINDS = {".index": 5, ".timeindex": 6, ".txnindex": 7, ".snapshot": 8, ".log": 12,
                 "partition.metadata": 13, "leader-epoch-checkpoint": 14}


def schema_places(build):
    """Name of a schema -> its place among all, as draw.c counts them."""
    tables = (build / "src/wire/tables.c").read_text()
    rows = re.findall(r'^    \{ "(\w+)", (?:-?\d+, (?:LISTENER|0)|RECORDS_)', tables, re.M)
    return {name: place for place, name in enumerate(rows)}


def golden_lines():
    """(folder, name, half, version - the oldest one, bytes, how many versions)"""
    for path in sorted(GOLDEN.glob("facts/*/*")):
        if path.parent.name == "live":
            continue
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        for half in ("request", "response", "key", "value"):
            mine = [(int(line[1]), bytes.fromhex(line[3])) for line in lines if line[0] == half]
            least = min((version for version, _ in mine), default=0)
            for version, data in mine:
                yield path.parent.name, path.name, half, version - least, data


def codec_seeds(build):
    places = schema_places(build)
    for _, name, half, version, data in golden_lines():
        if len(data) <= LARGEST and name in places:
            number = places[name] * 2 + (half in ("response", "value"))
            yield number.to_bytes(2, "big") + bytes([version * 2]) + data


def node_seeds(build):
    """Each golden request as a frame; the last three of an API one after the other."""
    places, apis = schema_places(build), {}
    for folder, name, half, version, data in golden_lines():
        if folder == "apis" and half == "request" and len(data) <= LARGEST // 4 and name in places:
            apis.setdefault(name, []).append((version, data))
    for name, requests in apis.items():
        last = max(version for version, _ in requests)
        steps = [bytes([3, places[name], last - version]) + len(data).to_bytes(2, "big") + data for version, data in requests]
        yield from steps[-6:]
        yield b"".join(steps[-3:])


def disk_files():
    """(directory, name, bytes) of every file of the golden disks."""
    for disk in ("clean", "killed", "trimmed"):
        with tarfile.open(GOLDEN / "disks" / (disk + ".tar.xz")) as tar:
            for member in tar:
                if member.isfile():
                    path = pathlib.PurePath(member.name)
                    yield disk + "/" + str(path.parent), path.name, tar.extractfile(member).read()


def choice_of(name, choices):
    return next((choice for suffix, choice in choices.items() if name.endswith(suffix)), None)


def trimmed(data):
    """Without the zeros of a preallocated file."""
    return data.rstrip(b"\0") + b"\0" * 8 if data.endswith(b"\0" * 16) else data


def batches_of(data):
    at = 0
    while len(data) - at >= 61:
        size = 12 + int.from_bytes(data[at + 8:at + 12], "big")
        yield data[at:at + size]
        at += size


def varint(data, at):
    """(zig-zag number, place behind it)"""
    bits = shift = 0
    while True:
        byte, at, shift = data[at], at + 1, shift + 7
        bits |= (byte & 127) << (shift - 7)
        if byte < 128:
            return bits >> 1 ^ -(bits & 1), at


def records_of(batch):
    """(key, value or None) of a batch that is not compressed."""
    at = 61
    for _ in range(int.from_bytes(batch[57:61], "big")):
        size, at = varint(batch, at)
        end, at, parts = at + size, at + 1, []
        for _ in range(2):
            _, at = varint(batch, at)
        for _ in range(2):
            size, at = varint(batch, at)
            parts.append(batch[at:at + size] if size >= 0 else None)
            at += max(size, 0)
        at = end
        yield parts


def coordinator_steps(data):
    """A partition of __consumer_offsets as steps of the target: each record, and the end of each transaction."""
    for batch in batches_of(data):
        is_control, producer = batch[22] & 0x20, 1 + batch[50] % 3 if batch[22] & 0x10 else 0
        for key, value in records_of(batch):
            if is_control:
                yield bytes([4 + 16 * producer, key[3]])
            elif len(key) < 256 and len(value or b"") < 256:
                tail = b"\0" if value is None else bytes([1, len(value)]) + value
                yield bytes([3 + 16 * producer, len(key)]) + key + tail


def coordinator_seeds(data):
    piece = b""
    for step in coordinator_steps(data):
        if len(piece) + len(step) > 1024:
            yield piece
            piece = b""
        piece += step
    yield piece


def disk_seeds():
    """(target, input)"""
    partitions = {}
    for directory, name, data in disk_files():
        data = trimmed(data)
        choice = choice_of(name, dict(reversed(FILE_CHOICES.items())))
        if choice is not None and len(data) <= LARGEST:
            yield "files", bytes([choice]) + data
        kind = choice_of(name, SEGMENT_KINDS)
        if kind is not None and len(data) <= 2 * LARGEST:
            size = len(data).to_bytes(2, "big") if kind < 13 else bytes([len(data) % 256])
            partitions.setdefault(directory, []).append(bytes([kind]) + size + data)
        if name.endswith(".log") and "__consumer_offsets" in directory:
            for piece in coordinator_seeds(data):
                yield "coordinator", piece
        if name.endswith(".log"):
            for batch in list(batches_of(data))[:6]:
                if len(batch) <= LARGEST:
                    yield "batch", bytes([0, 0]) + batch
                    yield "batch", bytes([2, batch[22] & 7, 0, 16]) + batch[61:]
    for parts in partitions.values():
        yield "segment", b"\x37" + b"\x00" * 3 + b"".join(parts)


def settings_seeds():
    yield bytes([0, 0]) + (GOLDEN / "disks/server.properties").read_bytes()
    yield bytes([0, 0]) + b"process.roles=broker,controller\nnode.id=1\nlisteners=A://:1,B://[::1]:2\n" \
        b"listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\ncontroller.listener.names=B\n" \
        b"controller.quorum.voters=1@localhost:2\nadvertised.listeners=A://h:3\nlog.dirs=/a,/b\n"
    for words in ([b"log.dirs=/x", b"KAFKA_NUM_PARTITIONS=3"], [b"node.id=2", b"STROM_SHARDS=2", b"log.retention.hours=1"]):
        yield bytes([0, len(words)]) + b"".join(bytes([len(word)]) + word for word in words)
    for table in range(6):
        for value in (b"1", b"-1", b"true", b"delete,compact", b"1e3", b"zstd", b"9223372036854775807"):
            yield bytes([1, table, 0, 7]) + value
    for name, value in ((b"cleanup.policy", b"compact"), (b"retention.ms", b"1x"), (b"no.such", b"")):
        yield bytes([2, len(name)]) + name + value
    yield bytes([3]) + b"127.0.0.1:5,host:2147483647"
    yield bytes([4]) + b'{"partition":1,"timestamp":5,"key":"k","value_base64":"AAEC","headers":[["a","b"],["c",null]]}'
    for place in (b"-5", b"12", b"2026-01-02T03:04:05Z", b"beginning"):
        yield bytes([5]) + place


def main():
    build, out = (pathlib.Path(word) for word in sys.argv[1:])
    seeds = [("codec", data) for data in codec_seeds(build)] + list(disk_seeds())
    seeds += [("node", data) for data in node_seeds(build)]
    seeds += [("settings", data) for data in settings_seeds()]
    for target, data in seeds:
        directory = out / target
        directory.mkdir(parents=True, exist_ok=True)
        (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)


if __name__ == "__main__":
    main()
