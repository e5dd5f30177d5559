# SPDX-License-Identifier: Apache-2.0
"""Record batches from a description, right or wrong on purpose, and back.

A description is a number (so many plain records), or {"hex": ...}, or an object, or a list of these:
  records    a number, or a list of {"key", "value", "times": how often the value is repeated, "timestamp", "headers": [[name, value]], and to be wrong: "offset_delta", "attributes",
             "tail": hex added inside, "size": the record's length as told}
  codec      none gzip snappy lz4 zstd
  producer_id, producer_epoch, sequence
  header     fields of the batch header that are told otherwise: base length epoch magic crc attributes last_delta base_ts max_ts pid pepoch
             seq count (the CRC is computed after, unless it is given)
  payload    hex: stands for the (compressed) records;  payload_tail: hex after them;  tail: hex after the batch
"""
import struct

import kafka_wire as wire

FORM = {"base": "q", "length": "i", "epoch": "i", "magic": "b", "crc": "I", "attributes": "h", "last_delta": "i", "base_ts": "q",
        "max_ts": "q", "pid": "q", "pepoch": "h", "seq": "i", "count": "i"}
TIME = 1700000000000


def part(data):
    return wire.varint(-1) if data is None else wire.varint(len(data.encode())) + data.encode()


def record(one, delta, base_ts):
    body = struct.pack(">b", one.get("attributes", 0)) + wire.varint(one["timestamp"] - base_ts) + wire.varint(one.get("offset_delta", delta))
    value = one.get("value", "v")
    body += part(one.get("key", "k")) + part(value and value * one.get("times", 1)) + wire.varint(one.get("header_count", len(one.get("headers", []))))
    for name, value in one.get("headers", []):
        body += part(name) + part(value)
    body += bytes.fromhex(one.get("tail", ""))
    return wire.varint(one.get("size", len(body))) + body


def batch(wish):
    if "hex" in wish:
        return bytes.fromhex(wish["hex"])
    given = wish.get("records", 1)
    given = [{} for _ in range(given)] if isinstance(given, int) else given
    given = [{"timestamp": TIME + i, **one} for i, one in enumerate(given)]
    codec, base_ts = wire.CODECS.index(wish.get("codec", "none")), given[0]["timestamp"] if given else TIME
    payload = wire.compress(codec, b"".join(record(one, i, base_ts) for i, one in enumerate(given)))
    payload = bytes.fromhex(wish["payload"]) if "payload" in wish else payload
    payload += bytes.fromhex(wish.get("payload_tail", ""))
    head = {"base": 0, "length": len(payload) + 49, "epoch": -1, "magic": 2, "crc": None, "attributes": codec, "last_delta": len(given) - 1,
            "base_ts": base_ts, "max_ts": max([one["timestamp"] for one in given], default=TIME), "pid": wish.get("producer_id", -1),
            "pepoch": wish.get("producer_epoch", -1), "seq": wish.get("sequence", -1), "count": len(given)}
    head.update(wish.get("header", {}))
    names = list(FORM)
    pack = lambda part: struct.pack(">" + "".join(FORM[name] for name in part), *(head[name] for name in part))
    covered = pack(names[5:]) + payload
    if head["crc"] is None:
        head["crc"] = wire.crc32c(covered)
    return pack(names[:5]) + covered + bytes.fromhex(wish.get("tail", ""))


def build(wish):
    if wish is None:
        return None
    if isinstance(wish, list):
        return b"".join(build(one) for one in wish)
    return batch({"records": wish} if isinstance(wish, int) else wish)


def show(data):
    """The bytes of a records field as a list, one entry a batch; sizes of compressed payloads are the codec's own affair."""
    if data is None:
        return None
    out, at = [], 0
    for one in wire.batches(data):
        at += one.size
        if one.magic != 2:
            out.append({"magic": one.magic, "bytes": one.data.hex()})
            continue
        head = {name: getattr(one, name) for name in ("base", "epoch", "magic", "attributes", "last_delta", "base_ts", "max_ts", "pid", "pepoch",
                                                      "seq", "count")}
        try:
            found = [[at, offset - one.base, key and key.hex(), value and value.hex(), [[name, v and v.hex()] for name, v in headers]]
                     for offset, at, key, value, headers in one.records()]
        except Exception:  # noqa: BLE001 - taken as they are: a case may store what cannot be read
            found = one.data[wire.Batch.SIZE:].hex()
        out.append({**head, "whole": one.whole(), "records": found})
    return out + ([f"{len(data) - at} bytes of a cut batch"] if at != len(data) else [])
