# SPDX-License-Identifier: Apache-2.0
"""Kafka's protocol by hand, for the tests only: a second opinion that shares no code with the broker nor with a client library.

One blocking connection; Produce v7, Fetch v11, Metadata v8, CreateTopics v4, DeleteTopics v3, ApiVersions v0 (the last versions
before the flexible ones), DeleteRecords v1, ListOffsets v7, Metadata v12 and ApiVersions v3 among those; record batches v2 in all codecs. The codecs come from the system's libraries through ctypes."""
import base64
import ctypes
import ctypes.util
import gzip
import socket
import struct
import time
import zlib

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
ERRORS = {1: "OFFSET_OUT_OF_RANGE", 3: "UNKNOWN_TOPIC_OR_PARTITION", 5: "LEADER_NOT_AVAILABLE", 6: "NOT_LEADER_OR_FOLLOWER", 36: "TOPIC_ALREADY_EXISTS",
          56: "KAFKA_STORAGE_ERROR"}


def library(name):
    return ctypes.CDLL(ctypes.util.find_library(name) or f"lib{name}.so")


def crc32c(data, _state={}):
    if "isal" not in _state:
        _state["isal"] = library("isal")
        _state["isal"].crc32_iscsi.restype = ctypes.c_uint32
        _state["isal"].crc32_iscsi.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint32]
    return ~_state["isal"].crc32_iscsi(bytes(data), len(data), 0xFFFFFFFF) & 0xFFFFFFFF


# codecs ---------------------------------------------------------------------------------------------------------------------

def snappy_raw(data):
    lib = library("snappy")
    size = ctypes.c_size_t()
    if lib.snappy_uncompressed_length(data, ctypes.c_size_t(len(data)), ctypes.byref(size)):
        raise ValueError("snappy length")
    out = ctypes.create_string_buffer(max(1, size.value))
    if lib.snappy_uncompress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size)):
        raise ValueError("snappy data")
    return out.raw[:size.value]


def snappy(data):
    if not data.startswith(b"\x82SNAPPY\x00"):
        return snappy_raw(data)
    at, out = 16, []
    while at < len(data):
        size, = struct.unpack_from(">i", data, at)
        out.append(snappy_raw(data[at + 4:at + 4 + size]))
        at += 4 + size
    return b"".join(out)


def lz4(data):
    lib = library("lz4")
    context = ctypes.c_void_p()
    lib.LZ4F_createDecompressionContext(ctypes.byref(context), 100)
    lib.LZ4F_decompress.restype = ctypes.c_size_t
    out, at, chunk = [], 0, ctypes.create_string_buffer(1 << 18)
    while at < len(data):
        made, used = ctypes.c_size_t(len(chunk)), ctypes.c_size_t(len(data) - at)
        code = lib.LZ4F_decompress(context, chunk, ctypes.byref(made), data[at:], ctypes.byref(used), None)
        if code > (1 << 63):
            raise ValueError("lz4 data")
        out.append(chunk.raw[:made.value])
        at += used.value
        if used.value == 0 and made.value == 0:
            break
    lib.LZ4F_freeDecompressionContext(context)
    return b"".join(out)


class ZstdBuffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t)]


def zstd(data):
    lib = library("zstd")
    lib.ZSTD_createDStream.restype = ctypes.c_void_p
    lib.ZSTD_decompressStream.restype = ctypes.c_size_t
    stream = ctypes.c_void_p(lib.ZSTD_createDStream())
    source, chunk = ctypes.create_string_buffer(data, len(data)), ctypes.create_string_buffer(1 << 18)
    given, out = ZstdBuffer(ctypes.cast(source, ctypes.c_void_p), len(data), 0), []
    while True:
        made = ZstdBuffer(ctypes.cast(chunk, ctypes.c_void_p), len(chunk), 0)
        code = lib.ZSTD_decompressStream(stream, ctypes.byref(made), ctypes.byref(given))
        if code > (1 << 63):
            raise ValueError("zstd data")
        out.append(chunk.raw[:made.position])
        if given.position == len(data) and made.position < len(chunk):
            break
    lib.ZSTD_freeDStream(stream)
    return b"".join(out)


def decompress(codec, data):
    data = bytes(data)
    return {NONE: lambda d: d, GZIP: lambda d: zlib.decompress(d, 31), SNAPPY: snappy, LZ4: lz4, ZSTD: zstd}[codec](data)


def compress(codec, data):
    """What a client would make: frames for lz4 and zstd, Kafka's framed form for snappy."""
    if codec == GZIP:
        return gzip.compress(data)
    if codec == SNAPPY:
        lib, size = library("snappy"), ctypes.c_size_t()
        lib.snappy_max_compressed_length.restype = ctypes.c_size_t
        size.value = lib.snappy_max_compressed_length(ctypes.c_size_t(len(data)))
        out = ctypes.create_string_buffer(size.value)
        lib.snappy_compress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size))
        return b"\x82SNAPPY\x00" + struct.pack(">iii", 1, 1, size.value) + out.raw[:size.value]
    if codec == LZ4:
        lib = library("lz4")
        lib.LZ4F_compressFrameBound.restype = lib.LZ4F_compressFrame.restype = ctypes.c_size_t
        blocks = ctypes.create_string_buffer(struct.pack("=IIIIQIIiII12x", 4, 1, 0, 0, 0, 0, 0, 0, 0, 0))     # 64 KiB, independent
        bound = lib.LZ4F_compressFrameBound(ctypes.c_size_t(len(data)), blocks)
        out = ctypes.create_string_buffer(bound)
        made = lib.LZ4F_compressFrame(out, ctypes.c_size_t(bound), data, ctypes.c_size_t(len(data)), blocks)
        return out.raw[:made]
    if codec == ZSTD:
        lib = library("zstd")
        lib.ZSTD_compressBound.restype = lib.ZSTD_compress.restype = ctypes.c_size_t
        bound = lib.ZSTD_compressBound(ctypes.c_size_t(len(data)))
        out = ctypes.create_string_buffer(bound)
        made = lib.ZSTD_compress(out, ctypes.c_size_t(bound), data, ctypes.c_size_t(len(data)), 3)
        return out.raw[:made]
    return data


# record batches -------------------------------------------------------------------------------------------------------------

def varint(value):
    value = (value << 1) ^ (value >> 63)
    return uvarint(value & ((1 << 64) - 1))


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def raw(self, size):
        if size < 0:
            return None
        if self.at + size > len(self.data):
            raise ValueError("cut short")
        self.at += size
        return bytes(self.data[self.at - size:self.at])

    def string(self):
        found = self.raw(self.take("h"))
        return None if found is None else found.decode()

    def array(self, one):
        return [one() for _ in range(self.take("i"))]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)


    # the flexible versions' forms
    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def compact_string(self):
        found = self.raw(self.uvarint() - 1)
        return None if found is None else found.decode()

    def compact_array(self, one):
        return [one() for _ in range(self.uvarint() - 1)]

    def tags(self):
        return {self.uvarint(): self.raw(self.uvarint()) for _ in range(self.uvarint())}


class Batch:
    """The header of a batch as it stands, and its records when asked for."""
    SIZE = 61

    def __init__(self, data, at=0):
        (self.base, self.length, self.epoch, self.magic, self.crc, self.attributes, self.last_delta, self.base_ts, self.max_ts, self.pid,
         self.pepoch, self.seq, self.count) = struct.unpack_from(">qiibIhiqqqhii", data, at)
        self.size = self.length + 12
        self.data = bytes(data[at:at + self.size])
        self.codec, self.log_append = self.attributes & 7, bool(self.attributes & 8)
        self.transactional, self.control = bool(self.attributes & 16), bool(self.attributes & 32)
        self.last = self.base + self.last_delta

    def whole(self):
        return len(self.data) == self.size and self.magic == 2 and crc32c(self.data[21:]) == self.crc

    def records(self):
        """[(offset, timestamp, key, value, [(header name, value)])]"""
        reader, out = Reader(decompress(self.codec, self.data[Batch.SIZE:])), []
        for _ in range(self.count):
            reader.varint()
            reader.take("b")
            timestamp, offset = self.base_ts + reader.varint(), self.base + reader.varint()
            key, value = reader.raw(reader.varint()), reader.raw(reader.varint())
            headers = [(reader.raw(reader.varint()).decode(), reader.raw(reader.varint())) for _ in range(reader.varint())]
            out.append((offset, self.max_ts if self.log_append else timestamp, key, value, headers))
        return out


def batches(data):
    """All whole batches in the bytes of a fetch or of a segment; a cut last one is left out."""
    at, out = 0, []
    while at + Batch.SIZE <= len(data):
        size = struct.unpack_from(">i", data, at + 8)[0] + 12
        if size < Batch.SIZE or at + size > len(data):
            break
        out.append(Batch(data, at))
        at += size
    return out


def batch(records, codec=NONE, pid=-1, pepoch=-1, seq=-1):
    """records: [(key, value, headers, timestamp)]"""
    base_ts = records[0][3]
    body = bytearray()
    for delta, (key, value, headers, timestamp) in enumerate(records):
        one = b"\0" + varint(timestamp - base_ts) + varint(delta)
        for part in (key, value):
            one += varint(-1) if part is None else varint(len(part)) + part
        one += varint(len(headers))
        for name, content in headers:
            one += varint(len(name.encode())) + name.encode() + (varint(-1) if content is None else varint(len(content)) + content)
        body += varint(len(one)) + one
    packed = compress(codec, bytes(body))
    tail = struct.pack(">hiqqqhii", codec, len(records) - 1, base_ts, max(r[3] for r in records), pid, pepoch, seq, len(records)) + packed
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


# connection -----------------------------------------------------------------------------------------------------------------

class KafkaError(Exception):
    def __init__(self, code):
        super().__init__(f"{code} {ERRORS.get(code, '')}")
        self.code = code


def check(code):
    if code:
        raise KafkaError(code)


def text(value):
    return b"\xff\xff" if value is None else struct.pack(">h", len(value.encode())) + value.encode()


class Connection:
    def __init__(self, port, timeout=30, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def close(self):
        self.socket.close()

    def send(self, key, version, body):
        self.correlation += 1
        head = struct.pack(">hhi", key, version, self.correlation) + text("e2e")
        self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        return self.correlation

    def receive(self):
        """(correlation id, body)"""
        size = struct.unpack(">i", self.exactly(4))[0]
        frame = self.exactly(size)
        return struct.unpack_from(">i", frame)[0], frame[4:]

    def exactly(self, size):
        parts = []
        while size:
            part = self.socket.recv(min(size, 1 << 20))
            if not part:
                raise ConnectionError("closed by the broker")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def call(self, key, version, body):
        sent = self.send(key, version, body)
        got, answer = self.receive()
        if got != sent:
            raise ValueError(f"answer {got} to request {sent}")
        return Reader(answer)

    def api_versions(self):
        r = self.call(18, 0, b"")
        check(r.take("h"))
        return {key: (low, high) for key, low, high in r.array(lambda: r.take("hhh"))}

    def metadata(self, topics=None, create=False):
        names = struct.pack(">i", -1) if topics is None else struct.pack(">i", len(topics)) + b"".join(text(t) for t in topics)
        r = self.call(3, 8, names + struct.pack(">bbb", create, 0, 0))
        r.take("i")
        out = {"brokers": r.array(lambda: (r.take("i"), r.string(), r.take("i"), r.string())), "cluster": r.string(), "controller": r.take("i")}
        ints = lambda: r.array(lambda: r.take("i"))

        def partition():
            error, index, leader, epoch = r.take("hiii")
            return {"error": error, "index": index, "leader": leader, "epoch": epoch, "replicas": ints(), "isr": ints(), "offline": ints()}

        def topic():
            error, name, internal = r.take("h"), r.string(), r.take("b")
            found = {"error": error, "internal": bool(internal), "partitions": r.array(partition)}
            r.take("i")
            return name, found
        out["topics"] = dict(r.array(topic))
        return out

    def call_flexible(self, key, version, body, answer_header=True):
        self.correlation += 1
        head = struct.pack(">hhi", key, version, self.correlation) + text("e2e") + b"\0"
        self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        got, answer = self.receive()
        if got != self.correlation:
            raise ValueError(f"answer {got} to request {self.correlation}")
        r = Reader(answer)
        if answer_header:
            r.tags()
        return r

    def features(self):
        """Finalized features, from ApiVersions v3: {name: level}"""
        name = b"\x04e2e"
        r = self.call_flexible(18, 3, name + name + b"\0", answer_header=False)
        check(r.take("h"))
        r.compact_array(lambda: (r.take("hhh"), r.tags()))
        r.take("i")
        tagged = r.tags()
        f = Reader(tagged.get(2, b"\1"))
        return dict(f.compact_array(lambda: (f.compact_string(), f.take("hh")[0], f.tags())[:2]))

    def topic_ids(self):
        """{name: (uuid as Kafka prints it, internal)} of all topics, from Metadata v12"""
        r = self.call_flexible(3, 12, b"\0\0\0\0")
        r.take("i")
        r.compact_array(lambda: (r.take("i"), r.compact_string(), r.take("i"), r.compact_string(), r.tags()))
        r.compact_string(), r.take("i")
        ints = lambda: r.compact_array(lambda: r.take("i"))
        out = {}

        def topic():
            error, name, uuid, internal = r.take("h"), r.compact_string(), r.raw(16), r.take("b")
            r.compact_array(lambda: (r.take("hiii"), ints(), ints(), ints(), r.tags()))
            r.take("i"), r.tags()
            check(error)
            out[name] = (base64.urlsafe_b64encode(uuid).decode().rstrip("="), bool(internal))
        r.compact_array(topic)
        return out

    def group_types(self):
        """{group: "classic" or another}, from ListGroups v5"""
        r = self.call_flexible(16, 5, b"\1\1\0")
        r.take("i")
        check(r.take("h"))
        groups = r.compact_array(lambda: ([r.compact_string() for _ in range(4)], r.tags())[0])
        return {group: kind for group, _, _, kind in groups}

    def create_topic(self, name, partitions=1, configs=None):
        pairs = list((configs or {}).items())
        body = struct.pack(">i", 1) + text(name) + struct.pack(">ihii", partitions, 1, 0, len(pairs)) + b"".join(text(k) + text(v) for k, v in pairs)
        r = self.call(19, 4, body + struct.pack(">ib", 30000, 0))
        r.take("i")
        for _, code, message in r.array(lambda: (r.string(), r.take("h"), r.string())):
            if code:
                raise KafkaError(code) if not message else ValueError(f"{code}: {message}")

    def set_configs(self, kind, name, configs):
        """IncrementalAlterConfigs v0; a value of None deletes. kind: TOPIC, BROKER ... of the protocol"""
        pairs = b"".join(text(key) + struct.pack(">b", value is None) + text(value) for key, value in configs.items())
        body = struct.pack(">ib", 1, kind) + text(name) + struct.pack(">i", len(configs)) + pairs + b"\0"
        r = self.call(44, 0, body)
        r.take("i")
        (code, message, _, _), = r.array(lambda: (r.take("h"), r.string(), r.take("b"), r.string()))
        if code:
            raise KafkaError(code) if not message else ValueError(f"{code}: {message}")

    def configs(self, kind, name, keys=None):
        """{key: (value, source)}, from DescribeConfigs v1"""
        wanted = struct.pack(">i", -1) if keys is None else struct.pack(">i", len(keys)) + b"".join(text(key) for key in keys)
        r = self.call(32, 1, struct.pack(">ib", 1, kind) + text(name) + wanted + b"\0")
        r.take("i")
        one = lambda: (r.string(), r.string(), r.take("?b?")[1], r.array(lambda: (r.string(), r.string(), r.take("b"))))
        (code, _, _, _, found), = r.array(lambda: (r.take("h"), r.string(), r.take("b"), r.string(), r.array(one)))
        check(code)
        return {key: (value, source) for key, value, source, _ in found}

    def delete_topics(self, names):
        """[(name, error code)]"""
        r = self.call(20, 3, struct.pack(">i", len(names)) + b"".join(text(name) for name in names) + struct.pack(">i", 30000))
        r.take("i")
        return r.array(lambda: (r.string(), r.take("h")))

    def delete_topic(self, name):
        for _, code in self.delete_topics([name]):
            check(code)

    def create_partitions(self, name, count):
        """The error code."""
        r = self.call(37, 1, struct.pack(">i", 1) + text(name) + struct.pack(">iii?", count, -1, 30000, False))
        r.take("i")
        (_, code, _), = r.array(lambda: (r.string(), r.take("h"), r.string()))
        return code

    def delete_records(self, topic, partition, offset):
        """the log start after it, from DeleteRecords v1"""
        r = self.call(21, 1, struct.pack(">i", 1) + text(topic) + struct.pack(">iiqi", 1, partition, offset, 30000))
        r.take("i")
        _, start, code = r.array(lambda: (r.string(), r.array(lambda: r.take("iqh"))))[0][1][0]
        check(code)
        return start

    def describe_producers(self, topic, partition):
        """[(producer id, epoch, last sequence, last timestamp, coordinator epoch, start of the open transaction)]"""
        name = uvarint(len(topic) + 1) + topic.encode()
        r = self.call_flexible(61, 0, b"\2" + name + b"\2" + struct.pack(">i", partition) + b"\0\0")
        r.take("i")
        producer = lambda: (r.take("qiiqiq"), r.tags())[0]
        one = lambda: (r.take("ih"), r.compact_string(), r.compact_array(producer), r.tags())
        (_, code), _, found, _ = r.compact_array(lambda: (r.compact_string(), r.compact_array(one), r.tags()))[0][1][0]
        check(code)
        return found

    def log_dirs(self):
        """{directory: (error code, {(topic, partition): size}, total bytes, usable bytes)}, from DescribeLogDirs v4"""
        r = self.call_flexible(35, 4, b"\0\0")
        r.take("i"), check(r.take("h"))
        partition = lambda: (r.take("iqqb"), r.tags())[0]
        topic = lambda: (r.compact_string(), r.compact_array(partition), r.tags())
        one = lambda: (r.take("h"), r.compact_string(), r.compact_array(topic), r.take("qq"), r.tags())
        return {path: (code, {(name, index): size for name, found, _ in topics for index, size, _, future in found if not future}, *room)
                for code, path, topics, room, _ in r.compact_array(one)}

    def log_dir_replicas(self):
        """{directory: {(topic, partition): (offset lag, is future)}}, from DescribeLogDirs v4"""
        return {path: {(name, index): (lag, future) for name, found, _ in topics for index, _, lag, future in found}
                for path, topics, _ in self.described_log_dirs()}

    def cordoned_log_dirs(self):
        return sorted(path for path, _, cordoned in self.described_log_dirs() if cordoned)

    def described_log_dirs(self):
        r = self.call_flexible(35, 5, b"\0\0")
        r.take("i"), check(r.take("h"))
        partition = lambda: (r.take("iqqb"), r.tags())[0]
        topic = lambda: (r.compact_string(), r.compact_array(partition), r.tags())
        one = lambda: (r.take("h"), r.compact_string(), r.compact_array(topic), r.take("qqb"), r.tags())
        found = r.compact_array(one)
        return [(path, topics, bool(room[2])) for _, path, topics, room, _ in found]

    @staticmethod
    def produce_body(topic, partition, records, acks=-1, timeout_ms=30000):
        return (text(None) + struct.pack(">hii", acks, timeout_ms, 1) + text(topic) + struct.pack(">iii", 1, partition, len(records)) + records)

    @staticmethod
    def produce_answer(r):
        """(error, base offset, append time)"""
        r = r if isinstance(r, Reader) else Reader(r)
        found = r.array(lambda: (r.string(), r.array(lambda: r.take("ihqqq"))))[0][1][0]
        return found[1], found[2], found[3]

    def produce_words(self, topic, partition, records):
        """error code, [(index, message)] of single records, message of the batch"""
        r = self.call(0, 8, self.produce_body(topic, partition, records))
        one = lambda: (r.take("ihqqq")[1], r.array(lambda: (r.take("i"), r.string())), r.string())
        return r.array(lambda: (r.string(), r.array(one)))[0][1][0]

    def produce(self, topic, partition, records, acks=-1, timeout_ms=30000):
        code, base, _ = self.produce_answer(self.call(0, 7, self.produce_body(topic, partition, records, acks, timeout_ms)))
        check(code)
        return base

    def fetch(self, topic, partition, offset, max_bytes=1 << 20, wait_ms=0, min_bytes=1, committed=False, epoch=-1, replica=-1):
        """error code, high watermark, last stable offset, log start, bytes"""
        body = struct.pack(">iiiibiii", replica, wait_ms, min_bytes, max_bytes, committed, 0, -1, 1) + text(topic)
        body += struct.pack(">iiiqqii", 1, partition, epoch, offset, -1, max_bytes, 0) + text("")
        r = self.call(1, 11, body)
        _, error, _ = r.take("ihi")
        check(error)

        def one():
            _, code, high, stable, start = r.take("ihqqq")
            aborted = r.array(lambda: r.take("qq"))
            r.take("i")
            return code, high, stable, start, r.raw(r.take("i")) or b"", aborted
        return r.array(lambda: (r.string(), r.array(one)))[0][1][0]

    def read(self, topic, partition, start=None, end=None):
        """All batches from the start to the high watermark (or to end)."""
        offset = self.list_offset(topic, partition, -2)[1] if start is None else start
        out = []
        while True:
            code, high, _, _, data, _ = self.fetch(topic, partition, offset)
            check(code)
            limit = high if end is None else min(end, high)
            got = [b for b in batches(data) if b.last >= offset and b.base < limit]
            if not got or offset >= limit:
                return out
            out += got
            offset = got[-1].last + 1

    def read_committed(self, topic, partition, start):
        """What a read_committed consumer delivers: batches without those of aborted transactions, up to the last stable offset."""
        offset, out = start, []
        while True:
            code, _, stable, _, data, aborted = self.fetch(topic, partition, offset, committed=True)
            check(code)
            got = [b for b in batches(data) if b.last >= offset and b.base < stable]
            if not got or offset >= stable:
                return out
            begins, dead = sorted(aborted, key=lambda one: one[1]), set()
            for b in got:
                while begins and begins[0][1] <= b.last:
                    dead.add(begins.pop(0)[0])
                if b.control:
                    if b.count and b.records()[0][2][2:4] == b"\0\0":           # an abort marker ends what was aborted
                        dead.discard(b.pid)
                elif not (b.transactional and b.pid in dead):
                    out.append(b)
            offset = got[-1].last + 1

    def list_offset(self, topic, partition, timestamp, committed=False):
        """(timestamp, offset, leader epoch), from ListOffsets v7"""
        size = len(topic) + 1
        size = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
        body = struct.pack(">ibb", -1, committed, 2) + size + topic.encode() + b"\2" + struct.pack(">iiq", partition, -1, timestamp) + b"\0\0\0"
        r = self.call_flexible(2, 7, body)
        r.take("i")
        one = lambda: (r.take("ihqqi"), r.tags())[0]
        _, code, at, offset, epoch = r.compact_array(lambda: (r.compact_string(), r.compact_array(one), r.tags()))[0][1][0]
        check(code)
        return at, offset, epoch


def wait_for(condition, seconds, what):
    """Polls until the condition holds; the exceptions of a broker that is not there yet do not count."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            found = condition()
            if found:
                return found
        except (OSError, KafkaError, ConnectionError) as error:
            last = error
        time.sleep(0.02)
    raise TimeoutError(f"{what} within {seconds} s ({last})")
