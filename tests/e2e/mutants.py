# SPDX-License-Identifier: Apache-2.0
"""Requests that are almost right: the golden requests of every API, cut and bent. A frame here is without its length."""
import os
import re
import struct
import sys

import node

sys.path.insert(0, os.path.join(node.ROOT, "tests", "twin"))
import message  # noqa: E402

GOLDEN = os.path.join(node.ROOT, "tests", "golden", "facts", "apis")
SCHEMAS = os.path.join(node.ROOT, "schemas", "apis")


def schemas():
    """{key: (name, first flexible version or None)}"""
    found = {}
    for name in sorted(os.listdir(SCHEMAS)):
        with open(os.path.join(SCHEMAS, name), encoding="utf-8") as file:
            text = file.read()
        key = re.search(r"^api (\d+) ", text, re.M)
        request = re.search(r"^request +versions .*$", text, re.M)
        if key and request:
            flexible = re.search(r"flexible (\d+)\+", request.group())
            found[int(key.group(1))] = (name, int(flexible.group(1)) if flexible else None)
    return found


def header(key, version, flexible, client=b"mutant"):
    return struct.pack(">hhi", key, version, 77) + struct.pack(">h", len(client)) + client + (b"\0" if flexible else b"")


def golden(served, part="request"):
    """[(key, version, frame)] for every line of the served versions; of responses the frame is what a broker would send."""
    frames = []
    for key, (name, flexible_from) in schemas().items():
        if key not in served:
            continue
        with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
            for line in file:
                kind, version, _, data = line.split("\t")[:4]
                version = int(version)
                if kind != part or not served[key][0] <= version <= served[key][1]:
                    continue
                flexible = flexible_from is not None and version >= flexible_from
                head = header(key, version, flexible) if part == "request" else struct.pack(">i", 77) + (b"\0" if flexible else b"")
                frames.append((key, version, head + bytes.fromhex(data)))
    return frames


def string_places(half, version, shape, values):
    """(container, key) of each string that is there."""
    for field in sum(half.fields(version, shape), []):
        held = values.get(field.name)
        if held is None or (field.kind != "string" and not field.is_struct()):
            continue
        for container, key in [(held, at) for at in range(len(held))] if field.array else [(values, field.name)]:
            if field.is_struct():
                yield from string_places(half, version, field.shape, container[key])
            elif container[key] is not None:
                yield container, key


def longest(served):
    """The golden requests of the first and the last version with one string after the other, and then with all of them, and the client's name,
    as long as a string may be: an answer or a record that repeats one beside other words has no room for them."""
    longest = "x" * 32767
    for key, version, frame in golden(served):
        if version not in served[key] or unregisters(frame):
            continue
        name, flexible_from = schemas()[key]
        half, flexible = message.Api(name).request, flexible_from is not None and version >= flexible_from
        values = half.decode(version, frame[len(header(key, version, flexible)):])
        places = list(string_places(half, version, half.root, values))
        for container, at in places:
            was, container[at] = container[at], longest
            yield header(key, version, flexible) + half.encode(version, values)
            container[at] = was
        yield header(key, version, flexible, longest.encode()) + half.encode(version, values)
        for container, at in places:
            container[at] = longest
        yield header(key, version, flexible, longest.encode()) + half.encode(version, values)


def truncations(frame):
    return (frame[:size] for size in range(len(frame)))


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def unregisters(frame):
    """A true wish (UnregisterBroker of node 1), which is granted: the only node would lead nothing until its next start."""
    return frame[:2] == struct.pack(">h", 64) and struct.pack(">i", 1) in frame[8:]


def lies(frame):
    return (lie for lie in every_lie(frame) if not unregisters(lie))


def every_lie(frame):
    """Every place that may hold a length, in every width that lengths have, says null, nothing, the most, and one more than remains. Places that
    hold something else are bent along with them."""
    for at in range(8, len(frame)):
        for form, size in ((">h", 2), (">i", 4)):
            if at + size <= len(frame):
                remains = len(frame) - at - size
                for value in (-1, 0, (1 << (8 * size - 1)) - 1, remains + 1):
                    yield frame[:at] + struct.pack(form, value) + frame[at + size:]
        end = at + 1
        while end < len(frame) and frame[end - 1] & 0x80:
            end += 1
        for value in (0, 1, 0xFFFFFFFF, len(frame) - end + 2):             # compact lengths count one more; 0 is null
            yield frame[:at] + uvarint(value) + frame[end:]
        yield frame[:at] + b"\xff" * 6 + frame[end:]                       # a varint that does not end


def bent(frame, random):
    """A few bytes changed, or a piece left out, doubled, or moved; nothing is left of what would be granted to the harm of all."""
    data = bytearray(frame)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        how, at = random.randrange(6), random.randrange(len(data))
        piece = data[at:at + random.randrange(1, 9)]
        if how < 2:
            data[at] ^= 1 << random.randrange(8)
        elif how == 2:
            data[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        elif how == 3 and len(data) > len(piece):
            del data[at:at + len(piece)]
        elif how == 4:
            data[at:at] = piece * random.choice((1, 1, 50))
        else:
            data[at:at + 4] = struct.pack(">i", random.choice((-1, 0, 1, 0x7FFFFFFF, -0x80000000, len(data), 1 << 20)))
    return b"" if unregisters(bytes(data)) else bytes(data)
