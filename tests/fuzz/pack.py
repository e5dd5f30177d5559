#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A corpus as one file: inputs one after the other, each behind its size in four bytes, in order of size.

usage: pack.py pack DIRECTORY FILE | unpack FILE DIRECTORY | add FILE INPUT...
"""
import hashlib
import pathlib
import sys


def write(pack, inputs):
    inputs = sorted(set(inputs), key=lambda data: (len(data), data))
    pathlib.Path(pack).write_bytes(b"".join(len(data).to_bytes(4, "big") + data for data in inputs))


def read(pack):
    data, at = pathlib.Path(pack).read_bytes(), 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        yield data[at + 4:at + 4 + size]
        at += 4 + size


def unpack(pack, directory):
    """Under the names that libFuzzer gives."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for data in read(pack):
        (directory / hashlib.sha1(data).hexdigest()).write_bytes(data)


def files(directory):
    return [path.read_bytes() for path in pathlib.Path(directory).iterdir()]


if __name__ == "__main__":
    verb, *words = sys.argv[1:] or [""]
    if verb == "pack" and len(words) == 2:
        write(words[1], files(words[0]))
    elif verb == "unpack" and len(words) == 2:
        unpack(*words)
    elif verb == "add" and len(words) > 1:
        write(words[0], list(read(words[0])) + [pathlib.Path(word).read_bytes() for word in words[1:]])
    else:
        sys.exit(__doc__)
