# SPDX-License-Identifier: Apache-2.0
"""One of the two brokers of the twin: sends a case's steps to it and gives back what it answered, made comparable."""
import os
import re
import socket
import subprocess
import time

import consumer_protocol
import golden_disks
import kafka_wire as wire
import node
import records

CLUSTER = "AAAAAAAAAAAAAAAAAAAAAQ"
PATIENCE = 10                               # seconds for an answer
UNTIL = 30                                  # seconds until an answer is the one that is waited for
SETTINGS = ("describe_configs", "describe_client_quotas", "list_config_resources")
# What Kafka's controller answers before its broker obeys it, and who shows that.
SHOWN_LATER = {"alter_configs": SETTINGS, "incremental_alter_configs": SETTINGS, "alter_client_quotas": SETTINGS,
               "delete_topics": ("fetch", "produce", "list_offsets", "offset_for_leader_epoch", "delete_records", "describe_producers")}
ANY = {"producer_id": (0, "a producer id"), "session_id": (1, "a session"), "broker_epoch": (0, "a broker epoch"),
       "usable_bytes": (0, "room"), "finalized_features_epoch": (0, "an offset")}
IDENTITY = ("name", "topic", "topic_name", "topic_id", "partition_index", "partition", "index", "key", "node_id", "broker_id", "host", "api_key",
            "resource_type", "resource_name", "replica_id", "batch_index", "log_dir", "principal", "group_id", "member_id")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$|^[\w-]{22}$")


class Side:
    """disk: a directory that Kafka wrote (tests/golden/disks), of which each gets a copy; None: both begin empty"""

    def __init__(self, kind, settings, disk, apis):
        self.apis, self.disk = apis, disk
        self.node = node.Node(kind, settings={**(golden_disks.settings() if disk else {}), **settings})
        for key, value in self.node.settings.items():
            self.node.settings[key] = value and value.replace("$controller_port", str(self.node.controller_port))
        if disk:
            self.node.directories = golden_disks.unpacked(disk, self.node.folder)
        self.begin_ms = int(time.time() * 1000) - 5000
        self.ids, self.connections, self.admin, self.settled, self.unsettled = {}, {}, None, 0, set()
        self.listener, self.variables, self.held, self.drawn = "broker", {}, {}, {}

    def start(self):
        if self.node.kind == "strom" and not self.disk:
            done = subprocess.run([node.STROM, "storage", "format", "-t", CLUSTER, "-c", self.node.configuration()], capture_output=True,
                                  text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
        self.node.start(wait=False)
        return self

    def ready(self):
        self.node.wait_ready(90)
        self.admin = self.node.connect()
        if self.disk:
            for name, topic in self.admin.metadata(None)["topics"].items():
                self.wait_served(name, len(topic["partitions"]))
        wire.wait_for(lambda: self.admin.call(22, 1, b"\xff\xff\0\0\xea\x60").take("ih")[1] == 0, 30, "producer ids are given out")

    # what the steps of a case do
    def run(self, case, version):
        """[(api, version, answer)] of every step that is compared"""
        directories = {f"$directory{number}": os.path.realpath(path) for number, path in enumerate(self.node.directories)}
        self.variables = {"$t": f"{case.topic}-v{version}", "$port": self.node.port, **directories, **case.variables}
        self.listener, self.connections, self.held, self.drawn = case.listener, {}, {}, {}
        try:
            return [found for step in case.steps for found in self.step(step, version)]
        finally:
            self.hang_up()

    def connection(self, name):
        """a case has a connection, and one more for each name in a step's `on`"""
        if name not in self.connections:
            self.connections[name] = wire.Connection(self.node.controller_port if self.listener == "controller" else self.node.port, PATIENCE)
        return self.connections[name]

    def hang_up(self):
        for connection in self.connections.values():
            connection.close()
        self.connections, self.held = {}, {}

    def step(self, step, version):
        if "topic" in step:
            name, count = self.fill(step["topic"]), step.get("partitions", 1)
            is_for_all = name == step["topic"]
            if not (is_for_all and name in self.ids):
                self.admin.create_topic(name, count, self.fill(step.get("configs", {})))
                self.wait_served(name, count)
                self.settle() if is_for_all else None
        elif "wait" in step:
            self.wait_served(self.fill(step["wait"]), step.get("partitions", 1))
        elif "produce" in step:
            batches = self.fill(step["batches"])
            for batch in batches if isinstance(batches, list) else [batches]:
                self.admin.produce(self.fill(step["produce"]), step.get("partition", 0), records.build(batch))
        elif "settled" in step:
            self.settle()
        elif "restart" in step:
            self.restart()
        elif "reconnect" in step:
            self.hang_up()
            self.listener = step["reconnect"]
        elif "group" in step:
            self.wait_coordinated(self.fill(step["group"]))
        elif "answered" in step:
            api, version, asked = self.held.pop(step["answered"])
            return [(api.name, version, self.receive(api, version, {**asked, **step}))]
        else:
            api = self.apis[step["api"]]
            version = step.get("version", min(version, api.request.versions[1]))
            if api.name in self.unsettled:
                self.settle()
            self.unsettled |= set(SHOWN_LATER.get(api.name, ()))
            if "held" in step:
                self.send(api, version, step)
                self.held[step["on"]] = api, version, step
            else:
                return [(api.name, version, self.exchange_until(api, version, step))]
        return []

    def exchange_until(self, api, version, step):
        """asks again until the answer has the values that the step waits for"""
        deadline, answer = time.monotonic() + UNTIL, self.exchange(api, version, step)
        while any(self.fill(value) not in values_at(answer, path) for path, value in step.get("until", {}).items()) and time.monotonic() < deadline:
            time.sleep(0.1)
            answer = self.exchange(api, version, step)
        return answer

    def settle(self):
        """Until all settings are obeyed: Kafka answers before. When the second topic is served, all before the first is through."""
        self.unsettled = set()
        for _ in range(2):
            self.settled += 1
            self.admin.create_topic(f"settled-{self.settled}", 1, {})
            self.wait_served(f"settled-{self.settled}", 1)

    def restart(self):
        self.hang_up(), self.admin.close()
        self.node.stop()
        self.node.start(wait=False)
        self.ready()

    def wait_served(self, name, partitions):
        for index in range(partitions):
            wire.wait_for(lambda p=index: self.admin.list_offset(name, p, -1), 30, f"{name}-{index} is served")
        self.topic_id(name)

    def wait_coordinated(self, group):
        """until the group's coordinator has read its log; who asks first has the topic of the groups made"""
        find, describe = self.apis["find_coordinator"], self.apis["describe_groups"]

        def coordinated():
            found = self.exchange(find, 2, {"request": {"key": group}})["error_code"]
            return not found and not self.exchange(describe, 0, {"request": {"groups": [group]}})["groups"][0]["error_code"]
        wire.wait_for(coordinated, 30, f"group {group} has a coordinator")

    def exchange(self, api, version, step):
        self.send(api, version, step)
        return self.receive(api, version, step)

    def send(self, api, version, step):
        connection = self.connection(step.get("on"))
        body = bytes.fromhex(step["hex"]) if "hex" in step else api.request.encode(version, self.fill(step["request"]))
        connection.correlation += 1
        frame = api.request_head(version, connection.correlation) + body
        try:
            connection.socket.sendall(len(frame).to_bytes(4, "big") + frame)
        except ConnectionError:
            pass                                        # receive() tells that it is closed

    def receive(self, api, version, step):
        connection, answer_version = self.connection(step.get("on")), min(version, api.response.versions[1])
        try:
            if step.get("answer") == "none":
                connection.api_versions()               # the next answer is to the next request: there was none to this
                return "none"
            correlation, data = connection.receive()
            assert correlation == connection.correlation, f"answer {correlation} to request {connection.correlation}"
        except socket.timeout:
            return f"no answer within {PATIENCE} s"
        except (ConnectionError, wire.struct.error):
            return "closed"
        if api.name == "api_versions" and data[:2] == b"\0\x23":
            answer_version = 0                          # UNSUPPORTED_VERSION is told in the oldest layout
        answer = api.response.decode(answer_version, api.response_body(answer_version, data))
        for name, path in step.get("remember", {}).items():
            self.variables[name] = at_path(answer, path)
            if isinstance(self.variables[name], str):
                self.drawn[self.variables[name]] = name
        for path, text in step.get("only", {}).items():
            array, field = path.split(".")
            answer[array] = [one for one in answer[array] if self.fill(text) in one[field]]
        return self.normal(answer, step)

    def fill(self, value):
        """variables in a request: `$name` alone keeps its type; `$id:TOPIC` is the topic's id; {"batch": description} is records, and
        {"subscription": ...}, {"assignment": ...} what consumers of a classic group tell each other"""
        if isinstance(value, dict):
            if set(value) == {"batch"}:
                return records.build(self.fill(value["batch"]))
            if set(value) == {"subscription"}:
                return consumer_protocol.subscription(**self.fill(value["subscription"]))
            if set(value) == {"assignment"}:
                return consumer_protocol.assignment(self.fill(value["assignment"]))
            return {self.fill(name): self.fill(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if not isinstance(value, str) or "$" not in value:
            return value
        if value in self.variables:
            return self.fill(self.variables[value])
        if value.startswith("$now"):
            return int(time.time() * 1000) + int(value[4:] or 0)
        text = re.sub(r"\$[a-z]+(?![a-z])", lambda found: str(self.variables.get(found[0], found[0])), value)
        return self.topic_id(text[4:]) if text.startswith("$id:") else text

    def topic_id(self, name):
        if name not in self.ids:
            connection, metadata = self.admin, self.apis["metadata"]
            connection.correlation += 1
            frame = metadata.request_head(12, connection.correlation) + metadata.request.encode(12, {"topics": [{"name": name}], "allow_auto_topic_creation": False})
            connection.socket.sendall(len(frame).to_bytes(4, "big") + frame)
            answer = metadata.response.decode(12, metadata.response_body(12, connection.receive()[1]))
            self.ids[name] = answer["topics"][0]["topic_id"]
        return self.ids[name]

    # what makes answers comparable
    def normal(self, answer, step):
        self.names = {uuid: name for name, uuid in self.ids.items()}
        return self.normal_value("", answer, [self.fill(word) for word in step.get("words", [])])

    def normal_value(self, name, value, words):
        if isinstance(value, dict):
            return {key: self.normal_value(key, one, words) for key, one in value.items()}
        if isinstance(value, list):
            found = one_a_topic([self.normal_value(name, one, words) for one in value])
            has_order = name == "synonyms" or not found or not isinstance(found[0], dict)
            return found if has_order else sorted(found, key=identity)
        if name == "records":
            return self.normal_records(records.show(value))
        if isinstance(value, bytes):
            return (consumer_protocol.assignment_in_order(value) if name == "assignment" else value).hex()
        if (name.endswith("message") or name == "documentation") and isinstance(value, str):
            return "a text" + "".join(f", {word}" for word in words if word in value)
        if isinstance(value, str):
            return self.normal_text(name, value)
        if isinstance(value, bool) or not isinstance(value, int):
            return value
        if name in ANY and value >= ANY[name][0] and not (self.disk and name == "producer_id"):
            return ANY[name][1]
        if name == "port" or name.endswith("_port"):
            return {self.node.port: "the broker's", self.node.controller_port: "the controller's"}.get(value, value)
        return "now" if self.begin_ms <= value <= time.time() * 1000 + 5000 else value

    def normal_text(self, name, value):
        if name.endswith(("topic_id", "directory_id", "incarnation_id", "log_dir_id")) and value != "A" * 22:
            return f"id of {self.names[value]}" if value in self.names else "an id"
        if name in ("member_id", "leader"):
            return self.drawn.get(value, UUID.sub("a uuid", value))
        for number, directory in enumerate(self.node.directories):
            value = value.replace(os.path.realpath(directory), f"directory {number}").replace(directory, f"directory {number}")
        return value.replace(str(self.node.port), "PORT").replace(str(self.node.controller_port), "CONTROLLER_PORT")

    def normal_records(self, shown):
        for batch in shown or []:
            if isinstance(batch, dict) and "pid" in batch:
                batch["pid"] = self.normal_value("producer_id", batch["pid"], [])
                for name in ("base_ts", "max_ts"):
                    batch[name] = self.normal_value(name, batch[name], [])
                if isinstance(batch["records"], list):
                    for record in batch["records"]:
                        record[0] = self.normal_value("", record[0], [])
        return shown


def values_at(answer, path):
    """the value at a path; with * in it, those of all elements"""
    values = [answer]
    for word in path.split("."):
        values = [found for value in values if value is not None for found in (value if word == "*" else [at_path(value, word)])]
    return values


def at_path(answer, path):
    value = answer
    for word in path.split("."):
        value = value[int(word)] if isinstance(value, list) else value[word]
    return value


def one_a_topic(values):
    """Fetch may tell a topic's partitions in several parts"""
    if not values or not isinstance(values[0], dict) or set(values[0]) not in ({"topic", "partitions"}, {"topic_id", "partitions"}):
        return values
    merged = {}
    for one in values:
        topic = one.get("topic", one.get("topic_id"))
        merged.setdefault(topic, {**one, "partitions": []})["partitions"] += one["partitions"] or []
    return [{**one, "partitions": sorted(one["partitions"], key=identity)} for one in merged.values()]


def identity(one):
    """arrays of structs are compared as sets: Kafka's order is that of its hash maps"""
    if isinstance(one, int):
        return [one]
    return [str(one.get(name)) for name in IDENTITY] + [str(one)]
