#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks into data directories of a stopped broker: batches whole and gapless, indexes in order and pointing at batches, checkpoints
that parse and name offsets that are there. usage: logs.py DIRECTORY...    (also imported: check(directories) -> complaints)"""
import os
import struct
import sys

import kafka_wire as wire

CHECKPOINTS = ["recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint"]


def segment(path, complaints):
    """The positions and batches of one segment."""
    with open(path, "rb") as file:
        data = file.read()
    at, found = 0, {}
    while at < len(data):
        if at + wire.Batch.SIZE > len(data) or struct.unpack_from(">i", data, at + 8)[0] + 12 + at > len(data):
            complaints.append(f"{path}: {len(data) - at} bytes after the last whole batch")
            break
        batch = wire.Batch(data, at)
        if not batch.whole():
            complaints.append(f"{path}: damaged batch at position {at}")
            break
        found[at] = batch
        at += batch.size
    return found


def indexes(path, base, found, complaints):
    for suffix, form in ((".index", ">ii"), (".timeindex", ">qi")):
        name = path[:-4] + suffix
        if not os.path.exists(name):
            continue
        with open(name, "rb") as file:
            data = file.read()
        size, last = struct.calcsize(form), None
        if len(data) % size:
            complaints.append(f"{name}: {len(data)} bytes are no whole entries")
        for at in range(0, len(data) - size + 1, size):
            entry = struct.unpack_from(form, data, at)
            if entry == (0, 0):
                continue                                  # the preallocated rest of an index that was not cut
            if last is not None and (entry[0] <= last[0] or entry[1] < last[1]):
                complaints.append(f"{name}: entry {entry} after {last}")
            last = entry
            if suffix == ".index" and (entry[1] not in found or not found[entry[1]].base <= base + entry[0] <= found[entry[1]].last):
                complaints.append(f"{name}: {entry} points at no such batch")
            if suffix == ".timeindex" and not any(b.base <= base + entry[1] <= b.last for b in found.values()):
                complaints.append(f"{name}: {entry} names an offset that is not there")


def partition(folder, complaints):
    """(first offset, end offset)"""
    first = end = None
    for name in sorted(os.listdir(folder)):
        if name.endswith(".log"):
            base, path = int(name[:-4]), os.path.join(folder, name)
            if end is not None and base != end:
                complaints.append(f"{path}: begins at {base}, the one before ends at {end}")
            found = segment(path, complaints)
            end, first = base, base if first is None else first
            for batch in found.values():
                if batch.base < end:
                    complaints.append(f"{path}: offset {batch.base} after {end}")
                end = batch.last + 1
            indexes(path, base, found, complaints)
    return first, end


def check(directories):
    complaints = []
    for directory in directories:
        ends = {}
        for name in sorted(os.listdir(directory)):
            folder = os.path.join(directory, name)
            if os.path.isdir(folder) and name.rpartition("-")[2].isdigit():
                ends[name] = partition(folder, complaints)
        for name in CHECKPOINTS:
            path = os.path.join(directory, name)
            if not os.path.exists(path):
                continue
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
            if lines[:1] != ["0"] or int(lines[1]) != len(lines) - 2:
                complaints.append(f"{path}: {lines[:2]} and {len(lines)} lines")
                continue
            for line in lines[2:]:
                topic, index, offset = line.rsplit(" ", 2)
                span = ends.get(f"{topic}-{index}")
                if span and span[1] is not None and not 0 <= int(offset) <= span[1]:
                    complaints.append(f"{path}: {line}, but the log ends at {span[1]}")
    return complaints


def main():
    complaints = check(sys.argv[1:])
    print(*complaints, sep="\n")
    print(f"{0 if complaints else 1} passed, {len(complaints)} failed")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
