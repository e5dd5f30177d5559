# SPDX-License-Identifier: Apache-2.0
"""A broker under test: Strom's binary, or Apache Kafka itself (the reference) on the same configuration.

Set BROKER=kafka to run a suite against Kafka 4.4.0. Every node has a folder of its own, free ports, and is ended by its id."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kafka_wire  # noqa: E402

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.path.join(ROOT, os.environ.get("BUILD_DIRECTORY", "build"))
STROM = os.path.join(BUILD, "strom")
FRUGAL_JAVA = ("-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
KIND = os.environ.get("BROKER", "strom")
LOG4J = """<Configuration status="WARN"><Appenders><Console name="out"><PatternLayout pattern="%d %p %c %m%n"/></Console></Appenders>
<Loggers><Root level="INFO"><AppenderRef ref="out"/></Root></Loggers></Configuration>"""


def free_port():
    """None of those that the system gives to connections: a node that starts again would find its port taken by one of them, or by one
    that met itself while it tried to connect."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def classpath(name, pom):
    """The class path of a pom below tests/, from Maven Central; looked up once."""
    path = os.path.join(BUILD, "clients", f"{name}.classpath")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run(["mvn", "-q", "-B", "-f", os.path.join(ROOT, "tests", pom), "dependency:build-classpath", f"-Dmdep.outputFile={path}"],
                       check=True, stdout=subprocess.DEVNULL)
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def kafka_classpath():
    return classpath("kafka", "e2e/kafka/pom.xml")


def tools_classpath():
    """Kafka's tools came out as 4.3.1 and need the libraries of that version."""
    return classpath("kafka-tools", "e2e/kafka/tools/pom.xml")


def kafka_tool(main, *arguments, path=None, timeout=180):
    done = subprocess.run(["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", path or tools_classpath(), main, *arguments], capture_output=True,
                          text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout + done.stderr


class Node:
    """settings: lines for server.properties beyond the usual; directories: log.dirs (made below the node's folder when None); java: options
    of Kafka's process."""

    def __init__(self, kind=None, settings=None, directories=None, folder=None, environment=None, java=FRUGAL_JAVA):
        self.kind = kind or KIND
        self.folder = folder or tempfile.mkdtemp(prefix="strom-e2e-")
        self.own_folder = folder is None
        self.directories = directories or [os.path.join(self.folder, "data")]
        self.settings = settings or {}
        self.environment = environment or {}
        self.java = java
        self.port, self.controller_port = free_port(), free_port()
        self.process = None
        self.starts = 0

    def configuration(self):
        lines = {
            "process.roles": "broker,controller", "node.id": "1",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "log.dirs": ",".join(self.directories), "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1", "share.coordinator.state.topic.min.isr": "1",
        }
        lines.update(self.settings)
        path = os.path.join(self.folder, "server.properties")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f"{key}={value}\n" for key, value in lines.items() if value is not None))
        return path

    def start(self, wait=True, timeout=None):
        path = self.configuration()
        self.starts += 1
        self.output = os.path.join(self.folder, f"output-{self.starts}.txt")
        for directory in self.directories:
            os.makedirs(directory, exist_ok=True)
        if self.kind == "kafka":
            if not os.path.exists(os.path.join(self.directories[0], "meta.properties")):
                self.format(path)
            log4j = os.path.join(self.folder, "log4j2.xml")
            with open(log4j, "w", encoding="utf-8") as file:
                file.write(LOG4J)
            command = ["java", *self.java, f"-Dlog4j2.configurationFile={log4j}", "-cp", kafka_classpath(),
                       "kafka.Kafka", path]
        else:
            command = [STROM, "server", path]
        with open(self.output, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=self.folder,
                                            env={**os.environ, **self.environment})
        if wait:
            self.wait_ready(timeout or (180 if self.kind == "kafka" else 20))
        return self

    def format(self, path, *options):
        if self.kind == "kafka":
            voters = [] if "controller.quorum.voters" in self.settings else ["--standalone"]
            code, out = kafka_tool("kafka.tools.StorageTool", "format", *voters, *options, "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", path,
                                   path=kafka_classpath())
        else:
            done = subprocess.run([STROM, "storage", "format", *options, "-c", path], capture_output=True, text=True, check=False)
            code, out = done.returncode, done.stdout + done.stderr
        if code:
            raise RuntimeError(out)

    def wait_ready(self, timeout):
        def ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self.process.returncode}:\n{self.said()}")
            connection = kafka_wire.Connection(self.port, timeout=5)
            try:
                return connection.metadata([])["brokers"]
            finally:
                connection.close()
        try:
            kafka_wire.wait_for(ready, timeout, "the broker answers")
        except TimeoutError as error:
            self.kill()                             # nobody has it yet who would
            raise TimeoutError(f"{self.kind}: {error}; it said:\n{self.said()}") from None

    def said(self, lines=40):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def connect(self, timeout=30):
        return kafka_wire.Connection(self.port, timeout)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout=60):
        """A controlled stop; it must end by itself and with a clean exit."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end the broker within {timeout} s:\n{self.said()}") from None
        if code not in (0, 143 if self.kind == "kafka" else 0):
            raise AssertionError(f"the broker ended with {code}:\n{self.said()}")

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self.own_folder and not os.environ.get("KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def run_quiet(checks, node=None):
    """Runs [(name, function)]; prints each with its time; returns how many failed."""
    failed = 0
    for name, function in checks:
        start = time.monotonic()
        try:
            function()
            print(f"ok    {name}  {time.monotonic() - start:.1f} s", flush=True)
        except Exception:  # noqa: BLE001 - every failure is shown and counted
            failed += 1
            print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
            if node is not None and node.process is not None:
                print(f"broker said:\n{node.said(20)}", flush=True)
    return failed


def run(checks, node=None):
    """The same, with the last line `N passed, N failed`; returns the exit code."""
    failed = run_quiet(checks, node)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


def checks_of(suite):
    """[(name, function)] of its check_ methods, as they stand in its class."""
    return [(name[6:].replace("_", " "), getattr(suite, name)) for name in vars(type(suite)) if name.startswith("check_")]


def run_suite(suite_class, settings=None):
    """Runs the checks of a suite, made for a new broker with these settings, and last its stop; returns the exit code."""
    with Node(settings=settings).start() as broker:
        return run(checks_of(suite_class(broker)) + [("stop", broker.stop)], broker)
