#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: start.py [--show] [NAME...]

Every way in which a start can fail: the node must end by itself, with the exit code of the row, and say which file it is, what is wrong
with it, what follows and what to do. A row is a damage to copies of two good directories, and the words that must be said. --show prints
what the node says. What this user or machine cannot bring about (mounting needs root) is left out."""
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import kafka_wire as wire
import node

CLUSTER_ID, OTHER_ID = "AAAAAAAAAAAAAAAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAABQ"
METADATA = "__cluster_metadata-0"
LOG = os.path.join(METADATA, "0" * 20 + ".log")
STATE = os.path.join(METADATA, "quorum-state")
BOOTSTRAP = os.path.join(METADATA, "0" * 20 + "-" + "0" * 10 + ".checkpoint")
KRAFT_VERSION, VOTERS = 5, 6                    # types of control records
LISTEN = "PLAINTEXT://127.0.0.1:0"
STARTED, FAILED, MISUSED = None, 1, 2


class Good:
    """Two directories of a node that ran, with a topic, a snapshot and a clean stop."""

    def __init__(self, folder):
        self.folder = folder
        names = [os.path.join(folder, name) for name in ("one", "two")]
        settings = {"metadata.log.max.record.bytes.between.snapshots": "1"}
        subprocess.run([node.STROM, "storage", "format", "-t", CLUSTER_ID, "--override", f"log.dirs={','.join(names)}", "--override",
                        "node.id=1"], check=True, stdout=subprocess.DEVNULL)
        broker = node.Node(kind="strom", directories=names, folder=folder, settings=settings)
        broker.start()
        try:
            broker.connect().create_topic("hello", 2)
            broker.stop()
        finally:
            broker.close()
        self.directory_id, self.second_id = directory_id(names[0]), directory_id(names[1])


class Case:
    """Copies of the good directories, and how a node is started on them."""

    def __init__(self, good, folder):
        self.good, self.folder = good, folder
        self.one, self.two = os.path.join(folder, "one"), os.path.join(folder, "two")
        for name in ("one", "two"):
            shutil.copytree(os.path.join(good.folder, name), os.path.join(folder, name))
        self.settings = {"log.dirs": f"{self.one},{self.two}", "node.id": "1", "listeners": LISTEN}
        self.prefix, self.words, self.held, self.mounts = [], [], None, []

    def path(self, *names):
        return os.path.join(self.one, *names)

    def read(self, *names):
        with open(self.path(*names), "rb") as file:
            return file.read()

    def write(self, data, *names):
        with open(self.path(*names), "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())

    def replace(self, old, new, *names):
        data = self.read(*names)
        assert old.encode() in data, (old, data)
        self.write(data.replace(old.encode(), new.encode()), *names)

    def flip(self, at, *names):
        data = bytearray(self.read(*names))
        data[at] ^= 0xFF
        self.write(bytes(data), *names)

    def append(self, value, control=None):
        """One more batch behind the metadata log, as a later version may have written it."""
        last = wire.batches(self.read(LOG))[-1]
        key = None if control is None else struct.pack(">hh", 0, control)
        batch = bytearray(wire.batch([(key, value, [], 1700000000000)]))
        struct.pack_into(">h", batch, 21, 0 if control is None else 0x20)
        struct.pack_into(">I", batch, 17, wire.crc32c(bytes(batch[21:])))
        struct.pack_into(">q", batch, 0, last.last + 1)
        struct.pack_into(">i", batch, 12, last.epoch)
        self.write(self.read(LOG) + bytes(batch), LOG)

    def snapshots(self):
        return sorted(name for name in os.listdir(self.path(METADATA)) if name.endswith(".checkpoint"))[1:]

    def drop(self, *names):
        shutil.rmtree(self.path(*names)) if os.path.isdir(self.path(*names)) else os.unlink(self.path(*names))

    def release(self):
        if self.held is not None:
            self.held.close()
        for path in self.mounts:
            subprocess.run(["umount", path], check=True)

    def start(self):
        """The exit code, None when it started, and all that was said."""
        words = [*self.prefix, node.STROM, "server", *self.words]
        for key, value in self.settings.items():
            words += ["--override", f"{key}={value}"]
        process = subprocess.Popen(words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace")
        watch = threading.Timer(8, process.kill)        # it neither serves nor ends
        watch.start()
        said = ""
        for line in process.stdout:
            said += line
            if "node_serving" in line:
                process.kill()
        watch.cancel()
        return STARTED if "node_serving" in said else process.wait(), said


# What is wrong with the machine -----------------------------------------------------------------------------------------------------

def without(case, *capabilities):
    """As root: a node that permissions stop, too."""
    if os.geteuid() == 0:
        case.prefix = ["setpriv", "--bounding-set=" + ",".join(f"-{name}" for name in capabilities)]


def port_in_use(case):
    case.held = socket.socket()
    case.held.bind(("127.0.0.1", 0))
    case.held.listen()
    case.settings["listeners"] = f"PLAINTEXT://127.0.0.1:{case.held.getsockname()[1]}"


def system_port(case):
    without(case, "net_bind_service")
    case.settings["listeners"] = "PLAINTEXT://127.0.0.1:22"


def locked(case):
    case.held = open(case.path(".lock"), "w", encoding="utf-8")
    fcntl.lockf(case.held, fcntl.LOCK_EX)


def no_permission(case, *names):
    without(case, "dac_override", "dac_read_search")
    os.chmod(case.path(*names), 0)


def no_writing(case, *names):
    without(case, "dac_override", "dac_read_search")
    os.chmod(case.path(*names), 0o555)


def mount(case, path, *words):
    subprocess.run(["mount", *words, path], check=True)
    case.mounts.append(path)


def read_only(case):
    mount(case, case.one, "--bind", case.one)
    subprocess.run(["mount", "-o", "remount,ro,bind", case.one], check=True)


def full(case, left):
    """The first directory lies on a file system with so many bytes left."""
    kept = os.path.join(case.folder, "kept")
    os.rename(case.one, kept)
    os.mkdir(case.one)
    mount(case, case.one, "-t", "tmpfs", "-o", "size=4m", "none")
    shutil.copytree(kept, case.one, dirs_exist_ok=True)
    with open(case.path("filler"), "wb") as file:
        os.posix_fallocate(file.fileno(), 0, os.statvfs(case.one).f_bavail * os.statvfs(case.one).f_frsize - left)


def full_and_empty(case):
    shutil.rmtree(case.one)
    os.mkdir(case.one)
    mount(case, case.one, "-t", "tmpfs", "-o", "size=4k", "none")
    case.settings["log.dirs"] = case.path("room")
    os.mkdir(case.path("room"))


# What is wrong with a directory -----------------------------------------------------------------------------------------------------

def file_in_its_place(case):
    case.drop()
    with open(case.one, "w", encoding="utf-8"):
        pass


def file_above_it(case):
    file_in_its_place(case)
    case.settings["log.dirs"] = os.path.join(case.one, "data")


def format_that_did_not_end(case):
    """The metadata directory has its first snapshot, the other all, and the machine stopped there."""
    bootstrap = case.read(BOOTSTRAP)
    case.drop()
    os.makedirs(case.path(METADATA))
    case.write(bootstrap, BOOTSTRAP)
    for name in os.listdir(case.two):
        if name != "meta.properties":
            path = os.path.join(case.two, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def id_that_power_took(case):
    """Nothing says that the directory of a partition was ever durable."""
    folder = next(path for path in (case.one, case.two) if os.path.isdir(os.path.join(path, "hello-0")))
    os.unlink(os.path.join(folder, "hello-0", "partition.metadata"))
    os.unlink(os.path.join(folder, ".kafka_cleanshutdown"))
    with open(os.path.join(folder, "recovery-point-offset-checkpoint"), "w", encoding="utf-8") as file:
        file.write("0\n1\n__cluster_metadata 0 0\n")


def other_voter(case, *options):
    """Formatted for a quorum of others."""
    other = os.path.join(case.folder, "other")
    case.settings["log.dirs"] = other
    subprocess.run([node.STROM, "storage", "format", *options, "--override", f"log.dirs={other}", "--override", "node.id=1"], check=True,
                   stdout=subprocess.DEVNULL)


def unname_second(case):
    without_id(os.path.join(case.two, "meta.properties"))


def without_id(path):
    """What Kafka wrote before directories had ids."""
    with open(path, encoding="utf-8") as file:
        kept = [line for line in file if not line.startswith("directory.id")]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(kept)


def directory_id(path):
    with open(os.path.join(path, "meta.properties"), encoding="utf-8") as file:
        return re.search(r"directory\.id=(\S{22})", file.read()).group(1)


def frame(kind, version, body=b"\0"):
    """A record of the metadata log."""
    return bytes([1, kind, version]) + body


ROWS = []


def row(name, code, words, damage):
    ROWS.append((name, code, words, damage))


row("port in use", FAILED, ["listener=PLAINTEXT", "Address already in use", "choose another port"], port_in_use)
row("address of another machine", FAILED, ["192.0.2.1", "no such address"],
    lambda case: case.settings.update(listeners="PLAINTEXT://192.0.2.1:22001"))
row("host that has no address", FAILED, ["no-such-host.invalid", "no such address"],
    lambda case: case.settings.update(listeners="PLAINTEXT://no-such-host.invalid:22001"))
row("port of the system", FAILED, ["port=22 ", "CAP_NET_BIND_SERVICE"], system_port)
row("no permission: directory", FAILED, ["/one/meta.properties", "permission denied", "user that runs the node"], no_permission)
row("no permission: write directory", FAILED, ["/one/.lock", "permission denied"], no_writing)
row("no permission: meta.properties", FAILED, ["/one/meta.properties", "permission denied"],
    lambda case: no_permission(case, "meta.properties"))
row("no permission: metadata", FAILED, ["/one/__cluster_metadata-0", "permission denied"], lambda case: no_permission(case, METADATA))
row("no permission: write metadata", FAILED, ["/one/__cluster_metadata-0", "quorum-state could not be written", "permission denied"],
    lambda case: no_writing(case, METADATA))
row("no permission: metadata log", FAILED, ["/one/__cluster_metadata-0", "permission denied"], lambda case: no_permission(case, LOG))
row("no permission: quorum-state", FAILED, ["/quorum-state", "permission denied"], lambda case: no_permission(case, STATE))
row("no permission: snapshot", FAILED, [".checkpoint", "permission denied"],
    lambda case: no_permission(case, METADATA, case.snapshots()[-1]))
row("read-only file system", FAILED, ["/one/.lock", "read-only"], read_only)
row("file in its place", FAILED, ["/one", "a file, not a directory"], file_in_its_place)
row("file above it", FAILED, ["/one/data", "a file, not a directory"], file_above_it)
row("locked", FAILED, ["/one/.lock", "another process uses this directory"], locked)
row("same directory twice", MISUSED, ["log.dirs", "twice"], lambda case: case.settings.update({"log.dirs": f"{case.one},{case.one}"}))
row("other cluster", FAILED, ["/two", f"cluster {CLUSTER_ID}", "/one", f"to {OTHER_ID}"],
    lambda case: case.replace(CLUSTER_ID, OTHER_ID, "meta.properties"))
row("other node", FAILED, ["/one", "belongs to node 1", "this is node 7", "node.id=1"], lambda case: case.settings.update({"node.id": "7"}))
row("other node in one", FAILED, ["/one", "belongs to node 7", "this is node 1"],
    lambda case: case.replace("node.id=1", "node.id=7", "meta.properties"))
row("same directory id twice", FAILED, ["/two", "directory.id of", "/one", "copy"],
    lambda case: shutil.copy(case.path("meta.properties"), case.two))
row("first directory lost", FAILED, ["/one is not formatted", "metadata", "disk not mounted"], lambda case: case.drop())
row("format that did not end", STARTED, ["directories_formatted", "node_serving"], format_that_did_not_end)
row("id of a partition that power took", STARTED, ["partition_is_stray", "no partition.metadata", "partitions_begin_empty"], id_that_power_took)
row("second directory lost", FAILED, ["/two is not formatted", "disk not mounted", "--ignore-formatted"],
    lambda case: shutil.rmtree(case.two))
OFFLINE = ["log_directory_failed", "/two", "its partitions are offline", "permission denied"]
row("no permission: second directory", STARTED, OFFLINE, lambda case: no_permission(case, case.two))
row("no permission: write second directory", STARTED, OFFLINE, lambda case: no_writing(case, case.two))
row("no permission: all but the metadata", FAILED, ["/two", "none of them can be used"],
    lambda case: (case.settings.update({"log.dirs": case.two, "metadata.log.dir": case.one}), no_permission(case, case.two)))
row("meta.properties lost", FAILED, ["/one holds files but no meta.properties", "restore"], lambda case: case.drop("meta.properties"))
row("meta.properties empty", FAILED, ["/one/meta.properties", "no version", "restore"], lambda case: case.write("", "meta.properties"))
row("meta.properties garbage", FAILED, ["/one/meta.properties", "malformed", "restore"],
    lambda case: case.write(b"\xff\0\1" * 50, "meta.properties"))
row("meta.properties newer", FAILED, ["/one/meta.properties", "version is 2", "reads version 1"],
    lambda case: case.replace("version=1", "version=2", "meta.properties"))
row("meta.properties without cluster", FAILED, ["/one/meta.properties", "cluster.id is missing", "restore"],
    lambda case: case.replace("cluster.id", "cluster.name", "meta.properties"))
row("meta.properties bad node", FAILED, ["/one/meta.properties", "node.id is missing or not a number", "restore"],
    lambda case: case.replace("node.id=1", "node.id=one", "meta.properties"))
row("directory id lost", FAILED, ["/one/meta.properties", "directory.id=", "write directory.id={id}"],
    lambda case: case.replace(f"directory.id={case.good.directory_id}\n", "", "meta.properties"))
row("directory id of another", FAILED, ["/one/meta.properties", "directory.id=", "write directory.id={id}"],
    lambda case: case.replace(case.good.directory_id, OTHER_ID, "meta.properties"))
row("directory id of the second lost", FAILED, ["/two", "no directory.id", "Write directory.id={second id}"], unname_second)
row("directory id bad", FAILED, ["/one/meta.properties", "directory.id is not an id"],
    lambda case: case.replace(case.good.directory_id, "?", "meta.properties"))
row("quorum-state empty", FAILED, ["/quorum-state", "damaged", "restore"], lambda case: case.write("", STATE))
row("quorum-state garbage", FAILED, ["/quorum-state", "damaged", "restore"], lambda case: case.write(b"\xff\0\1" * 50, STATE))
row("quorum-state newer", FAILED, ["/quorum-state", "newer version wrote it"],
    lambda case: case.replace('"data_version":1', '"data_version":2', STATE))
row("quorum-state without epoch", FAILED, ["/quorum-state", "damaged", "restore"],
    lambda case: case.replace("leaderEpoch", "leaderAge", STATE))
row("quorum-state of another leader", STARTED, [], lambda case: case.replace('"leaderId":1', '"leaderId":7', STATE))
row("quorum-state is a directory", FAILED, ["/quorum-state", "should be a file"],
    lambda case: (case.drop(STATE), os.mkdir(case.path(STATE))))
row("quorum-state lost", STARTED, [], lambda case: case.drop(STATE))
row("bootstrap cut", FAILED, [".checkpoint", "damaged", "restore"], lambda case: case.write(case.read(BOOTSTRAP)[:-10], BOOTSTRAP))
row("bootstrap damaged", FAILED, [".checkpoint", "damaged", "restore"], lambda case: case.flip(100, BOOTSTRAP))
row("bootstrap lost", STARTED, [], lambda case: case.drop(BOOTSTRAP))
row("snapshot cut", STARTED, ["snapshot_passed_over", "the log are read"],
    lambda case: case.write(case.read(METADATA, case.snapshots()[-1])[:-10], METADATA, case.snapshots()[-1]))
row("all snapshots cut", STARTED, ["snapshot_passed_over", "the log are read"],
    lambda case: [case.write(case.read(METADATA, name)[:-10], METADATA, name) for name in case.snapshots()])
row("log damaged", FAILED, ["00000.log", "position=0", "damage", "Restore"], lambda case: case.flip(100, LOG))
row("log garbage", FAILED, ["00000.log", "position=0", "damage", "Restore"], lambda case: case.write(os.urandom(5000), LOG))
row("log empty", FAILED, ["00000.log", "ends below its recovery point"], lambda case: case.write("", LOG))
row("log garbage behind", FAILED, ["00000.log", "position=", "damage after a clean stop"],
    lambda case: case.write(case.read(LOG) + b"\7" * 500, LOG))
row("log garbage behind after a crash", STARTED, ["log_cut", "00000.log", "bytes=500"],
    lambda case: (case.drop(".kafka_cleanshutdown"), case.write(case.read(LOG) + b"\7" * 500, LOG)))
row("log lost", FAILED, ["00000.log", "its segments are gone"], lambda case: case.drop(LOG))
row("metadata lost", FAILED, ["/one/__cluster_metadata-0", "without topics", "restore"], lambda case: case.drop(METADATA))
row("record of unknown type", FAILED, ["offset=", "unknown type", "type 99", "newer version"], lambda case: case.append(frame(99, 0)))
row("record of newer version", FAILED, ["offset=", "unknown version", "topic", "version=9", "newer version"],
    lambda case: case.append(frame(2, 9)))
row("record without frame", FAILED, ["offset=", "without a frame"], lambda case: case.append(b""))
row("metadata.version newer", FAILED, ["metadata.version=255", "does not support", "newer version"],
    lambda case: case.append(frame(12, 0, b"\x11metadata.version\0\xff\0")))
row("kraft.version newer", FAILED, ["kraft.version 2", "newer version"],
    lambda case: case.append(struct.pack(">hhb", 0, 2, 0), KRAFT_VERSION))
row("voters unreadable", FAILED, ["voters record that cannot be read"], lambda case: case.append(b"\0\0\0\xff", VOTERS))
row("not a voter", FAILED, ["/other", "node=1", f"5-{OTHER_ID}", "node.id"],
    lambda case: other_voter(case, "-I", f"5@localhost:22005:{OTHER_ID}"))
row("one of many voters", FAILED, [f"1-{CLUSTER_ID} 5-{OTHER_ID}", "quorum of one"],
    lambda case: other_voter(case, "-I", f"1@localhost:22001:{CLUSTER_ID},5@localhost:22005:{OTHER_ID}"))
row("no voters at all", FAILED, ["/other", "without voters", "--standalone"], lambda case: other_voter(case, "-N"))
row("checkpoint garbage", STARTED, ["checkpoint_lost", "/recovery-point-offset-checkpoint"],
    lambda case: case.write("nonsense", "recovery-point-offset-checkpoint"))
row("disk full", STARTED, [], lambda case: full(case, 0))
row("disk full after a crash", FAILED, ["quorum-state could not be written", "disk is full", "make room"],
    lambda case: (case.drop(".kafka_cleanshutdown"), full(case, 0)))
row("disk nearly full after a crash", STARTED, [], lambda case: (case.drop(".kafka_cleanshutdown"), full(case, 16384)))
row("new disk full", FAILED, ["/one/room", "disk is full", "make room"], full_and_empty)
row("few descriptors", STARTED, ["few_descriptors", "limit=24", "ulimit -n"],
    lambda case: setattr(case, "prefix", ["sh", "-c", 'ulimit -n 24; exec "$@"', "sh"]))
row("no descriptors", FAILED, ["descriptor", "ulimit -n"],
    lambda case: setattr(case, "prefix", ["sh", "-c", 'ulimit -n 9; exec "$@"', "sh"]))
row("no configuration file", MISUSED, ["/nowhere/server.properties"], lambda case: case.words.append("/nowhere/server.properties"))
row("configuration is a directory", MISUSED, ["should be a file"], lambda case: case.words.append(case.folder))


def older_format(good):
    """What Kafka before 4.2 leaves: the bootstrap records above the metadata, voters that are static, no directory.id. Both ids are
    given, as Kafka gives them, and the directories stay this node's."""
    with tempfile.TemporaryDirectory(prefix="strom-e2e-") as folder:
        case = Case(good, folder)
        case.settings["controller.quorum.voters"] = f"1@127.0.0.1:{node.free_port()}"
        case.settings["listeners"] = f"{LISTEN},CONTROLLER://" + case.settings["controller.quorum.voters"][2:]
        case.settings["listener.security.protocol.map"] = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        case.settings["controller.listener.names"] = "CONTROLLER"
        shutil.rmtree(case.one)
        shutil.rmtree(case.two)
        words = [word for key, value in case.settings.items() for word in ("--override", f"{key}={value}")]
        subprocess.run([node.STROM, "storage", "format", "-t", CLUSTER_ID, *words], check=True, stdout=subprocess.DEVNULL)
        os.rename(case.path(BOOTSTRAP), case.path("bootstrap.checkpoint"))
        os.rmdir(case.path(METADATA))
        ids = []
        for directory in (case.one, case.two):
            without_id(os.path.join(directory, "meta.properties"))
        for _ in range(2):
            got, said = case.start()
            assert got is STARTED, said
            ids.append([directory_id(case.one), directory_id(case.two)])
        assert ids[0] == ids[1] and ids[0][0] != ids[0][1], ids


def refused_twice(good):
    """A start that failed before it touched a log leaves the directories as the clean stop left them."""
    with tempfile.TemporaryDirectory(prefix="strom-e2e-") as folder:
        case = Case(good, folder)
        names = (".kafka_cleanshutdown", "recovery-point-offset-checkpoint", "replication-offset-checkpoint")

        def files():
            return [sorted(case.read(directory, name).splitlines()) for directory in (case.one, case.two) for name in names]
        kept = files()
        try:
            port_in_use(case)
            for _ in range(2):
                assert case.start()[0] == FAILED
                assert files() == kept
        finally:
            case.release()
        case.settings["listeners"] = LISTEN
        assert case.start()[0] is STARTED


def hangup(_good):
    """SIGHUP reads the level of reports again, and nothing else; a file that is not valid changes nothing."""
    def set_and_tell(level, word):
        broker.settings["report.level"] = level
        broker.configuration()
        broker.process.send_signal(signal.SIGHUP)
        wire.wait_for(lambda: word in broker.said(1000), 20, word)

    with node.Node(kind="strom", settings={"report.level": "info"}) as broker:
        broker.start()
        set_and_tell("error", "report.level=error")
        before = broker.said(1000)
        set_and_tell("loud", "report.level")
        set_and_tell("debug", "report.level=debug")
        broker.stop()
        assert "node_leaving" in broker.said(1000)[len(before):], "reports of the level info are printed again"


def emptied(good):
    """A directory whose disk was replaced: its partitions begin empty, which is said once; the others are silent."""
    with tempfile.TemporaryDirectory(prefix="strom-e2e-") as folder:
        case = Case(good, folder)
        held = sum(os.path.isdir(os.path.join(case.two, f"hello-{p}")) for p in range(2))
        assert held > 0
        shutil.rmtree(case.two)
        subprocess.run([node.STROM, "storage", "format", "--ignore-formatted", "--override", f"log.dirs={case.one},{case.two}", "--override",
                        "node.id=1"], check=True, stdout=subprocess.DEVNULL)
        code, said = case.start()
        assert code is STARTED
        lines = [line for line in said.splitlines() if "partitions_begin_empty" in line]
        assert len(lines) == 1 and f"directory.id={good.second_id} partitions={held} " in lines[0], said
        code, said = case.start()
        assert code is STARTED and "partitions_begin_empty" not in said, said


def emptied_by_hand(good):
    """The directory is the same one, and what it held is gone."""
    with tempfile.TemporaryDirectory(prefix="strom-e2e-") as folder:
        case = Case(good, folder)
        gone = [p for p in range(2) if os.path.isdir(os.path.join(case.two, f"hello-{p}"))]
        for p in gone:
            shutil.rmtree(os.path.join(case.two, f"hello-{p}"))
        code, said = case.start()
        assert code is STARTED
        assert f"partitions_begin_empty directory={case.two} directory.id={good.second_id} partitions={len(gone)} first=hello-{gone[0]}" in said, said


def created_before_a_kill(_good):
    """A partition that was created, and whose directory the kill came before, has lost nothing."""
    with node.Node(kind="strom") as broker:
        broker.start()
        connection = broker.connect()
        connection.create_topic("new", 1)
        wire.wait_for(lambda: connection.list_offset("new", 0, -1), 20, "served")
        broker.kill()
        shutil.rmtree(os.path.join(broker.directories[0], "new-0"))
        broker.start()
        connection = broker.connect()
        wire.wait_for(lambda: connection.list_offset("new", 0, -1), 20, "served")
        assert "partitions_begin_empty" not in broker.said(1000), broker.said(1000)


def left_out(_good):
    """Refused requests are not all reported; at the stop the rest is counted."""
    with node.Node(kind="strom") as broker:
        broker.start()
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", broker.port)) as peer:
                peer.sendall(struct.pack(">ihhihb", 11, 18, 3, 1, -1, 127))      # ApiVersions, cut
                assert peer.recv(1) == b""
        broker.stop()
        lines = [line for line in broker.said(1000).splitlines() if "request_refused" in line]
        assert sum("request=" in line for line in lines) + sum(int(re.search(r"left_out=(\d+)", line).group(1)) for line in lines) == 5, lines


def stop_when_full(_good):
    """A stop that cannot write its last checkpoint says so, and is no clean one; the next start recovers what was acknowledged."""
    with tempfile.TemporaryDirectory(prefix="strom-e2e-") as folder:
        disk = os.path.join(folder, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", disk], check=True)
        try:
            with node.Node(kind="strom", folder=folder, directories=[os.path.join(disk, "data")]) as broker:
                fill_and_stop(broker, os.path.join(disk, "filler"))
                broker.start()
                assert sum(b.count for b in broker.connect().read("kept", 0)) == 1
                broker.stop()
        finally:
            subprocess.run(["umount", disk], check=True)


def fill_and_stop(broker, filler):
    broker.start()
    connection = broker.connect()
    connection.create_topic("kept", 1)
    wire.wait_for(lambda: connection.list_offset("kept", 0, -1), 20, "served")
    connection.produce("kept", 0, wire.batch([(b"k", b"v" * 5000, [], 1700000000000)], pid=1, pepoch=0, seq=0))
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(os.path.dirname(filler)).free)
    broker.process.send_signal(signal.SIGTERM)
    code, said = broker.process.wait(20), broker.said(1000)
    os.unlink(filler)
    assert code == FAILED and "last_checkpoint_failed" in said and "the next start recovers" in said, f"exit code {code}:\n{said}"
    assert "log_directory_failed" not in said, said


TESTS = [("older format", older_format), ("refused twice", refused_twice), ("hangup", hangup), ("stop when full", stop_when_full),
         ("left out", left_out), ("emptied", emptied), ("emptied by hand", emptied_by_hand), ("created before a kill", created_before_a_kill)]


MOUNTING = ("read-only file system", "disk full", "disk full after a crash", "disk nearly full after a crash", "new disk full",
            "stop when full")


def can_be_tried(name):
    if name == "port of the system":
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="utf-8") as file:
            return int(file.read()) > 22
    return os.geteuid() == 0 or name not in MOUNTING


def check(good, show, code, words, damage):
    with tempfile.TemporaryDirectory(prefix="strom-e2e-") as folder:
        case = Case(good, folder)
        try:
            damage(case)
            got, said = case.start()
        finally:
            case.release()
        if show:
            print(f"exit code {got}\n{said}")
        assert got == code, f"exit code {got}, not {code}; it said:\n{said}"
        for word in words:
            word = word.replace("{id}", good.directory_id).replace("{second id}", good.second_id)
            assert word in said, f"it does not say {word!r}:\n{said}"


def main():
    show = "--show" in sys.argv
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    with tempfile.TemporaryDirectory(prefix="strom-e2e-") as folder:
        good = Good(folder)
        rows = [row for row in ROWS if can_be_tried(row[0])]
        tests = [(name, lambda rest=rest: check(good, show, *rest)) for name, *rest in rows]
        tests += [(name, lambda test=test: test(good)) for name, test in TESTS if can_be_tried(name)]
        return node.run([(name, test) for name, test in tests if not names or name in names])


if __name__ == "__main__":
    sys.exit(main())
