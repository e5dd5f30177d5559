#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kafka's command-line tools against Apache Kafka 4.4.0 and against Strom: what they print, and how they end, is compared.

usage: tools.py [--show] [WORD...]    only commands that have one of the words; --show prints what the tool said of Kafka

tools.commands has the commands, a line each; tools.differences the lines of output that are meant to differ, with the reason."""
import collections
import fnmatch
import os
import re
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import message  # noqa: E402
import node  # noqa: E402
import side  # noqa: E402
from records import build as build_records  # noqa: E402

TOOLS = {
    "topics": "org.apache.kafka.tools.TopicCommand", "configs": "kafka.admin.ConfigCommand", "offsets": "org.apache.kafka.tools.GetOffsetShell",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand", "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "quorum": "org.apache.kafka.tools.MetadataQuorumCommand", "features": "org.apache.kafka.tools.FeatureCommand",
    "versions": "org.apache.kafka.tools.BrokerApiVersionsCommand", "cluster": "org.apache.kafka.tools.ClusterTool",
    "transactions": "org.apache.kafka.tools.TransactionsCommand", "election": "org.apache.kafka.tools.LeaderElectionCommand",
    "reassign": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "groups": "org.apache.kafka.tools.GroupsCommand", "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
SERVER_FIRST = ("quorum", "features", "transactions")              # these take options of the whole before their verb
# What is never the same in two brokers, and what a tool says of itself.
NORMAL = [(r"^at .*|^log4j.*|^SLF4J.*|^\d+ \[.*|^\[?\d{4}-\d\d-\d\d .*|^.*StatusLogger.*|^WARNING: .*", None),
          (r"(?<![\w-])(?=\S*[a-z])(?=\S*[A-Z])[A-Za-z0-9_-]{22}(?![\w.-])", "ID"), (r'("usableBytes":|UsableBytes: )\d+', r"\1ROOM"), (r"\b17\d{11}\b", "TIME"), (r"\b\d+ ms ago\b", "AGO"),
          # offsets in the metadata log: a quorum of one writes no NoOp records here
          (r"^(HighWatermark: |Feature: .* Epoch: )\d+", r"\1N"), (r"^(\d+ ID )\d+( .* Leader)$", r"\1N\2")]


class Jvm:
    """One Java process that runs the tools."""

    def __init__(self):
        folder, path = os.path.join(node.BUILD, "clients", "twin-tools"), node.tools_classpath()
        source = os.path.join(HERE, "java", "Tools.java")
        built = os.path.join(folder, "Tools.class")
        if not os.path.exists(built) or os.path.getmtime(built) < os.path.getmtime(source):
            subprocess.run(["javac", "-Xlint:all", "-cp", path, "-d", folder, source], check=True)
        log4j = os.path.join(folder, "log4j2.xml")
        with open(log4j, "w", encoding="utf-8") as file:
            file.write("<Configuration status='OFF'><Loggers><Root level='OFF'/></Loggers></Configuration>")
        self.process = subprocess.Popen(["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={log4j}",
                                         "-cp", f"{folder}:{path}", "Tools"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, words):
        self.process.stdin.write(("\t".join(words) + "\n").encode())
        self.process.stdin.flush()
        code, size = map(int, self.process.stdout.readline().split())
        return code, self.process.stdout.read(size).decode(errors="replace")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Differences:
    def __init__(self):
        self.rows, self.used = [], collections.Counter()
        with open(os.path.join(HERE, "tools.differences"), encoding="utf-8") as lines:
            for line in lines:
                if line.strip() and not line.startswith("#"):
                    self.rows.append([part.strip() for part in re.split(r"(?<!\\)\|", line, maxsplit=3)])

    def allow(self, command, who, line):
        for number, (pattern, whose, text, _) in enumerate(self.rows):
            if whose in (who, "both") and fnmatch.fnmatchcase(command, pattern) and fnmatch.fnmatchcase(line, text):
                self.used[number] += 1
                return True
        return False

    def unused(self):
        return [" | ".join(row) for number, row in enumerate(self.rows) if not self.used[number]]


def load_commands(words):
    """[(tool, its words, the file it is given or None)]"""
    commands = []
    with open(os.path.join(HERE, "tools.commands"), encoding="utf-8") as lines:
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            command, _, content = line.strip().partition(" <<< ")
            if not words or any(word in line for word in words) or command.startswith("prepare "):
                commands.append((command.removeprefix("prepare "), content or None))
    return commands


def normal(text, broker):
    """the lines that count, in an order that does not depend on hash maps"""
    text = text.replace(str(broker.port), "PORT").replace(str(broker.controller_port), "CONTROLLER")
    for number, directory in enumerate(broker.directories):
        text = text.replace(directory, f"DIRECTORY{number}")
    found = []
    for line in (" ".join(line.split()) for line in text.splitlines()):
        for pattern, by in NORMAL:
            line = None if by is None and re.match(pattern, line) else re.sub(pattern, by, line) if by is not None else line
            if line is None:
                break
        if line:
            found.append(line)
    return sorted(found)


def words_of(command, content, broker, folder):
    words = shlex.split(command.replace("$controller", f"127.0.0.1:{broker.controller_port}").replace("$data", broker.directories[0]))
    if content is not None:
        path = os.path.join(folder, "given.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(content.replace("$data", broker.directories[0]))
        words = [path if word == "$file" else word for word in words]
    if "--bootstrap-controller" not in words:
        at = 1 if words[0] in SERVER_FIRST else len(words)
        words[at:at] = ["--bootstrap-server", broker.address]
    return [TOOLS[words[0]]] + words[1:]


def produce(broker, topic, partition, count, producer_id=-1):
    """one batch, for commands that look at records"""
    connection = broker.connect()
    records = {"records": int(count)} if producer_id == -1 else {"records": int(count), "producer_id": int(producer_id), "producer_epoch": 0, "sequence": 0}
    connection.produce(topic, int(partition), build_records(records))
    connection.close()


def commit(one, group, topic, partition, offset):
    one.wait_coordinated(group)
    partitions = [{"partition_index": int(partition), "committed_offset": int(offset)}]
    one.exchange(one.apis["offset_commit"], 9, {"request": {"group_id": group, "topics": [{"name": topic, "partitions": partitions}]}})


def join(one, group, topic):
    """a member of the consumer protocol, who says no more: the session timeout of the two brokers is long"""
    one.wait_coordinated(group)
    wish = {"group_id": group, "member_id": f"reader of {group}", "member_epoch": 0, "rebalance_timeout_ms": 60000, "subscribed_topic_names": [topic],
            "topic_partitions": []}
    answer = one.exchange(one.apis["consumer_group_heartbeat"], 1, {"request": wish})
    assert answer["error_code"] == 0, answer


STEPS = {"produce": lambda one, *words: produce(one.node, *words), "commit": commit, "join": join}


def unserved(lines):
    """the APIs that ApiVersions did not name: what there is to compare is in the twin's own table of them"""
    return {line.split(":")[0] for line in lines if re.fullmatch(r"\w+\(\d+\): UNSUPPORTED,?", line)}


def compare(jvm, commands, sides, show):
    differences, passed, failed, changed = Differences(), 0, 0, False
    brokers = {who: side.node for who, side in sides.items()}
    with tempfile.TemporaryDirectory(prefix="strom-tools-") as folder:
        for command, content in commands:
            results = {}
            if command.split()[0] in STEPS:
                for one in sides.values():
                    STEPS[command.split()[0]](one, *command.split()[1:])
                continue
            if command.startswith("configs --describe") and changed:
                for one in sides.values():
                    one.settle()
            changed = command.startswith("configs --alter")
            for who, broker in brokers.items():
                code, text = jvm.run(words_of(command, content, broker, folder))
                results[who] = collections.Counter(normal(text, broker) + [f"exit {code}"])
            left_out = unserved(results["strom"])
            for lines in results.values():
                for line in [line for line in lines if line.split(":")[0] in left_out]:
                    del lines[line]
            if show:
                print(f"----- {command}\n" + "\n".join(results["kafka"].elements()))
            extra = {who: [line for line in (results[who] - results[other]).elements() if not differences.allow(command, who, line)]
                     for who, other in (("kafka", "strom"), ("strom", "kafka"))}
            good = not any(extra.values())
            passed, failed = passed + good, failed + (not good)
            if not good:
                print(f"FAIL  {command}")
                for who, lines in extra.items():
                    print("".join(f"      only {who}: {line[:300]}\n" for line in lines[:15]) + ("      ...\n" if len(lines) > 15 else ""), end="", flush=True)
    return differences, passed, failed


def main(arguments):
    show, words = "--show" in arguments, [word for word in arguments if word != "--show"]
    apis, commands = message.load(), load_commands(words)
    settings = {"group.consumer.session.timeout.ms": "600000", "group.consumer.max.session.timeout.ms": "600000"}
    theirs, ours = side.Side("kafka", settings, None, apis), side.Side("strom", settings, None, apis)
    with theirs.node, ours.node:
        theirs.start(), ours.start()
        jvm = Jvm()
        theirs.ready(), ours.ready()
        differences, passed, failed = compare(jvm, commands, {"kafka": theirs, "strom": ours}, show)
        jvm.close()
    for row in [] if words else differences.unused():
        failed += 1
        print(f"FAIL  an intended difference that is none any more: {row}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
