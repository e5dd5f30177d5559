#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: planted.py CHECK: makes histories of a correct broker from seeds, plants one anomaly in each, and demands that the checker
reports exactly that one; and nothing in histories where nothing is planted, lost page caches and lawful gaps included. Histories
that no correct recorder writes must be refused, with the line."""
import random
import re
import subprocess
import sys

SEEDS = range(1, 6)


class World:
    """A correct broker with partitions, names and group positions, and the lines that its clients record."""

    def __init__(self, seed, durability="disk"):
        self.random, self.durability = random.Random(seed), durability
        self.lines, self.next_value = [], 1
        self.logs = {f"k{i}": [] for i in range(3)}
        self.positions = {}

    def say(self, process, phase, operation, key="-", value="-", offset="-", acks="-", durability="-"):
        self.lines.append(f"{len(self.lines)} {process} {phase} {operation} {key} {value} {offset} {acks} {durability}")
        return len(self.lines) - 1

    def value(self):
        self.next_value += 1
        return self.next_value - 1

    def begin(self, process, key, acks="all"):
        value = self.value()
        self.say(process, "invoke", "send", key, value, "-", acks, self.durability)
        return value

    def end(self, process, key, value, phase="ok", stored=True):
        offset = "-"
        if stored:
            self.logs[key].append(value)
            offset = len(self.logs[key]) - 1
        self.say(process, phase, "send", key, value, offset if phase == "ok" else "-")
        return offset

    def send(self, process, key, phase="ok", stored=True, acks="all"):
        value = self.begin(process, key, acks)
        return value, self.end(process, key, value, phase, stored)

    def poll(self, process, key, most=5):
        at = self.positions.setdefault((process, key), 0)
        self.say(process, "invoke", "poll")
        for offset in range(at, min(at + most, len(self.logs[key]))):
            if self.logs[key][offset] is not None:
                self.say(process, "ok", "poll", key, self.logs[key][offset], offset)
            self.positions[process, key] = offset + 1
        if at >= len(self.logs[key]):
            self.say(process, "ok", "poll")

    def drain(self):
        for key, log in self.logs.items():
            process = f"last-{key}"
            self.say(process, "invoke", "drain", key)
            while self.positions.get((process, key), 0) < len(log):
                self.poll(process, key, 7)
            self.say(process, "ok", "drain", key)

    def busy(self, count=60):
        for _ in range(count):
            key = self.random.choice(list(self.logs))
            if self.random.random() < 0.6:
                phase = self.random.choice(["ok", "ok", "ok", "info", "fail"])
                self.send(f"p{self.random.randrange(2)}", key, phase, stored=phase == "ok" or (phase == "info" and self.random.random() < 0.5))
            else:
                self.poll(f"c{self.random.randrange(2)}", key)
        return self

    def fill(self):
        """Three records that are there for certain, behind the others of k0."""
        return [self.send("p9", "k0") for _ in range(3)]


def inconsistent_offset(world):
    (value, offset), *_ = world.fill()
    world.logs["k0"][offset] = world.send("p8", "k0", "info", stored=False)[0]
    world.say("c9", "invoke", "poll")
    world.say("c9", "ok", "poll", "k0", value, offset)


def duplicate(world):
    value = world.fill()[0][0]
    world.logs["k0"].append(value)


def lost_write(world):
    world.logs["k0"][world.fill()[1][1]] = None


def unseen(world):
    world.fill()
    world.send("p9", "k0", stored=False)


def aborted_read(world):
    world.send("p9", "k0", "fail", stored=True)


def invented_read(world):
    world.logs["k0"].append("?")


def deleted_read(world):
    world.fill()
    for phase in ("invoke", "ok"):
        world.say("a", phase, "delete", "k0", "-", len(world.logs["k0"]))
    world.positions["last-k0", "k0"] = len(world.logs["k0"]) - 1


def stale_offset(world):
    hole = len(world.logs["k0"])
    world.logs["k0"].append(None)
    world.fill()
    world.logs["k0"][hole] = late = world.begin("p8", "k0")
    world.say("p8", "ok", "send", "k0", late, hole)


def send_back(world):
    first, second = world.begin("p9", "k0"), world.begin("p9", "k0")
    world.end("p9", "k0", second)
    world.end("p9", "k0", first)


def poll_skip(world):
    world.fill()
    at = len(world.logs["k0"]) - 3
    for step in (0, 2):
        world.positions["c9", "k0"] = at + step
        world.poll("c9", "k0", 1)


def poll_back(world):
    world.fill()
    at = len(world.logs["k0"]) - 3
    for _ in range(2):
        world.positions["c9", "k0"] = at
        world.poll("c9", "k0", 1)


def poll_skip_within(world):
    world.fill()
    world.positions["c9", "k0"] = len(world.logs["k0"]) - 3
    world.poll("c9", "k0", 3)
    del world.lines[-2]


def poll_back_within(world):
    world.fill()
    world.positions["c9", "k0"] = len(world.logs["k0"]) - 3
    world.poll("c9", "k0", 3)
    world.lines.append(world.lines[-1])


def watermark_back(world):
    for offset in (len(world.logs["k1"]) + 5, len(world.logs["k1"]) + 4):
        world.say("c9", "invoke", "watermark", "k1")
        world.say("c9", "ok", "watermark", "k1", "-", offset)


def promised_beyond(world):
    _, offset = world.send("c8", "k1")
    world.say("c9", "invoke", "watermark", "k1")
    world.say("c9", "ok", "watermark", "k1", "-", offset)


def register(world, write, read):
    first, second = world.value(), world.value()
    for value in (first, second):
        world.say("a", "invoke", write, "name", value)
        world.say("a", "ok", write, "name", value)
    world.say("b", "invoke", read, "name")
    world.say("b", "ok", read, "name", first)


def two_owners(world):
    for process in ("c1", "c2"):
        world.say(process, "ok", "own", "group/k0")


def same_producer_id(world):
    for process in ("p1.1/0", "p1.1/1"):
        world.say(process, "ok", "own", "producer-id/1000")


def start_back(world):
    for offset in (3, 2):
        world.say("c9", "invoke", "watermark", "k1/start")
        world.say("c9", "ok", "watermark", "k1/start", "-", offset)


def none_before_drain(world):
    """Lawful things that look odd."""
    world.say("c0", "ok", "assign", "k1")
    world.say("c0", "ok", "assign", "k0,k1")
    world.positions["c0", "k0"] = 0
    world.poll("c0", "k0")
    world.say("c1", "ok", "seek", "k2")
    world.positions["c1", "k2"] = 0
    world.poll("c1", "k2")
    for phase, value, reads in (("info", world.value(), True), ("info", world.value(), False), ("ok", world.value(), True)):
        world.say("a", "invoke", "set", "name", value)
        world.say("b", "invoke", "get", "name")
        if reads:
            world.say("b", "ok", "get", "name", value)
        world.say("a", phase, "set", "name", value)
    world.say("a", "invoke", "set", "name")
    world.say("a", "ok", "set", "name")
    world.say("c", "invoke", "get", "name")
    world.say("c", "ok", "get", "name")
    world.say("c1", "ok", "own", "group/k0")
    world.say("c1", "invoke", "disown", "group/k0")
    world.say("c2", "ok", "own", "group/k0")
    log = world.logs["k2"]
    world.send("p9", "k2")
    world.say("a", "invoke", "delete", "k2", "-", len(log) - 1)


def absent_too_early(world):
    value = world.value()
    world.say("a", "invoke", "set", "name", value)
    world.say("a", "ok", "set", "name", value)
    world.say("b", "invoke", "get", "name")
    world.say("b", "ok", "get", "name")


def absent_after_seen(world):
    """Its write is never acknowledged, but it was seen."""
    value = world.value()
    world.say("a", "invoke", "set", "name", value)
    world.say("b", "invoke", "get", "name")
    world.say("b", "ok", "get", "name", value)
    world.say("a", "info", "set", "name", value)
    world.say("b", "invoke", "get", "name")
    world.say("b", "ok", "get", "name")


def present_too_late(world):
    value = world.value()
    world.say("a", "invoke", "set", "name", value)
    world.say("a", "ok", "set", "name", value)
    world.say("a", "invoke", "set", "name")
    world.say("a", "ok", "set", "name")
    world.say("b", "invoke", "get", "name")
    world.say("b", "ok", "get", "name", value)


def told_before_it_is_ok(world, name, then, new=None):
    """A value, or absence, is written over another; before that is acknowledged one reader sees the new one, the next the old one; then comes
    another read."""
    old, new = world.value(), new or world.value()
    world.say("a", "invoke", "set", name, old)
    world.say("a", "ok", "set", name, old)
    world.say("a", "invoke", "set", name, new)
    for value in (new, old):
        world.say("b", "invoke", "get", name)
        world.say("b", "ok", "get", name, value)
    world.say("a", "ok", "set", name, new)
    world.say("b", "invoke", "get", name)
    world.say("b", "ok", "get", name, (old, new)[then])


def power_takes(world, acks):
    """What the page cache alone held is gone, and its offsets are given again."""
    world.send("p9", "k0")
    gone = world.send("p9", "k0", acks=acks)[0]
    if world.durability == "page-cache":
        world.positions["c9", "k0"] = len(world.logs["k0"]) - 1
        world.poll("c9", "k0")
    world.say("node", "info", "power")
    assert world.logs["k0"].pop() == gone
    world.send("p8", "k0")


def answered_after_power(world):
    """A poll that was asked before the cut and answered after it may tell of either life."""
    gone = world.send("p9", "k0")[0]
    offset = len(world.logs["k0"]) - 1
    world.positions["c9", "k0"] = offset
    world.poll("c9", "k0")
    world.say("c8", "invoke", "poll")
    world.say("node", "info", "power")
    assert world.logs["k0"].pop() == gone
    world.say("c8", "ok", "poll", "k0", world.send("p8", "k0")[0], offset)


def rot_takes(world, first, at):
    """Records up to the end of the log were promised and read, and are gone; the rot is told from another one on, or of another key."""
    world.fill()
    read_all(world, "k0")
    end = len(world.logs["k0"])
    world.say("node", "info", "power")
    world.say("node", "info", "rot", "k1" if at is None else "k0", "-", end + (at or 0))
    del world.logs["k0"][end + first:]
    world.send("p8", "k0")
    world.positions["c7", "k0"] = end + first
    world.poll("c7", "k0")


def read_all(world, key):
    while world.positions.get(("c9", key), 0) < len(world.logs[key]):
        world.poll("c9", key)


def lost_after_read(world, first, last):
    """Records that a reader had, and the drain does not find."""
    world.fill()
    read_all(world, "k0")
    if last is None:
        world.say("node", "info", "power")
        del world.logs["k0"][first:]
    else:
        world.positions["last-k0", "k0"] = len(world.logs["k0"]) + last


def failed_delete(world):
    for phase in ("invoke", "fail"):
        world.say("a", phase, "delete", "k0", "-", 2**63 - 1)
    lost_write(world)


def deleted_later(world, loses):
    """A reader passes what was lost, or what another reader had; then all is deleted, which does not excuse what was before."""
    (_, first), (_, middle), _ = world.fill()
    if loses == "skipped":
        read_all(world, "k0")
        world.positions["c8", "k0"] = first
        world.poll("c8", "k0", 1)
        world.positions["c8", "k0"] = middle + 1
        world.poll("c8", "k0", 1)
    else:
        world.logs["k0"][middle] = None if loses == "lost" else world.logs["k0"][middle]
        read_all(world, "k0")
    for phase in ("invoke", "ok"):
        world.say("a", phase, "delete", "k0", "-", len(world.logs["k0"]))
    world.logs["k0"] = []


def unknown_deletions(world, count):
    """As many as may have been done once each, later; the name is absent twice after a value."""
    for process in range(count):
        for phase in ("invoke", "info"):
            world.say(f"d{process}", phase, "set", "name")
    for _ in range(2):
        value = world.value()
        for phase in ("invoke", "ok"):
            world.say("a", phase, "set", "name", value)
        for seen in (value, "-", "-"):
            world.say("b", "invoke", "get", "name")
            world.say("b", "ok", "get", "name", seen)


def mixed_durability(world, kinds, kept, goes_on):
    """A topic that changed its durability, and how many of these records a power cut left there."""
    for world.durability in kinds:
        world.send("p9", "k0")
    read_all(world, "k0")
    world.say("node", "info", "power")
    del world.logs["k0"][len(world.logs["k0"]) - len(kinds) + kept:]
    for _ in range(goes_on):
        world.send("p8", "k0")


REFUSED = {  # what is wrong, the lines, the number of the one that shows it
    "a time that is none": ("x p invoke poll - - - - -", 1),
    "an empty column": ("0  invoke poll - - - - -", 1),
    "an empty line": ("", 1),
    "a send without acks": ("0 p invoke send k 1 - - disk", 1),
    "an end without a send": ("0 p ok send k 1 0 - -", 1),
    "two ends": ("0 p invoke send k 1 - all disk\n1 p ok send k 1 0 - -\n2 p ok send k 1 7 - -", 3),
    "done, then not": ("0 p invoke send k 1 - all disk\n1 p ok send k 1 0 - -\n2 p fail send k 1 - - -", 3),
    "the end of another key": ("0 p invoke send k 1 - all disk\n1 p ok send j 1 0 - -", 2),
    "the end of another process": ("0 p invoke send k 1 - all disk\n1 q ok send k 1 0 - -", 2),
    "a value sent twice": ("0 p invoke send k 1 - all disk\n1 q invoke send k 1 - all disk", 2),
    "a record without a poll": ("0 p ok poll k 1 0 - -", 1),
    "a delete that nobody began": ("0 p ok delete k - 3 - -", 1),
    "a rot without its place": ("0 n info rot k - - - -", 1),
    "another delete than began": ("0 p invoke delete k - 2 - -\n1 p ok delete k - 3 - -", 2),
    "a watermark that nobody asked for": ("0 p ok watermark k - 3 - -", 1),
    "a get that nobody began": ("0 p ok get n 1 - - -", 1),
    "a set that nobody began": ("0 p ok set n 1 - - -", 1),
    "two ends of a set": ("0 p invoke set n 1 - - -\n1 p ok set n 1 - - -\n2 p ok set n 1 - - -", 3),
    "the end of another set": ("0 p invoke set n 1 - - -\n1 p ok set n 2 - - -", 2),
    "the end of another's commit": ("0 p invoke commit n 1 - - -\n1 q ok commit n 1 - - -", 2),
    "a value set twice": ("0 p invoke set n 1 - - -\n1 p ok set n 1 - - -\n2 p invoke set n 1 - - -", 3),
    "absence that nobody began": ("0 p ok set n - - - -", 1),
    "absence, ended as a value": ("0 p invoke set n 1 - - -\n1 p ok set n - - - -", 2),
    "the end of another's set": ("0 p invoke set n 1 - - -\n1 q invoke set n 2 - - -\n2 q ok set n 1 - - -", 3),
    "a set that was begun as a get": ("0 p invoke get n - - - -\n1 p ok set n - - - -", 2),
    "a get that was begun as a set": ("0 p invoke set n - - - -\n1 p ok get n - - - -", 2),
    "two ends of a get": ("0 p invoke get n - - - -\n1 p ok get n - - - -\n2 p info get n - - - -", 3),
    "a value set on two names": ("0 p invoke set n 1 - - -\n1 q invoke set m 1 - - -", 2),
    "a value sent, then set": ("0 p invoke send k 1 - all disk\n1 q invoke set n 1 - - -", 2),
    "a value set, then sent": ("0 p invoke set n 1 - - -\n1 q invoke send k 1 - all disk", 2),
    "a value set, then committed": ("0 p invoke set n 1 - - -\n1 q invoke commit g/k 1 - - -", 2),
    "a value sent on two keys": ("0 p invoke send k 1 - all disk\n1 p invoke send j 1 - all disk", 2),
    "a value that its sender does not know": ("0 p invoke send k ? - all disk", 1),
    "a value that its setter does not know": ("0 p invoke set n ? - - -", 1),
    "a send of nothing": ("0 p invoke send k - - all disk", 1),
    "a send nowhere": ("0 p invoke send - 1 - all disk", 1),
    "a get of no name": ("0 p invoke get - - - - -", 1),
    "a line of nobody": ("0 - invoke poll - - - - -", 1),
    "a type that is none": ("0 p done poll - - - - -", 1),
    "an operation that is none": ("0 p ok reset k - - - -", 1),
    "a value of 0": ("0 p invoke set n 0 - - -", 1),
    "eight columns": ("0 p invoke poll - - - -", 1),
    "ten columns": ("0 p invoke poll - - - - - -", 1),
    "a poll that failed": ("0 p invoke poll - - - - -\n1 p fail poll - - - - -", 2),
    "a record without an offset": ("0 p invoke poll - - - - -\n1 p ok poll k 1 - - -", 2),
    "a record without a value": ("0 p invoke poll - - - - -\n1 p ok poll k - 3 - -", 2),
    "a record of no partition": ("0 p invoke poll - - - - -\n1 p ok poll - 1 3 - -", 2),
    "an assign that begins": ("0 p invoke assign k,j - - - -", 1),
    "a subscribe that failed": ("0 p fail subscribe k - - - -", 1),
    "a seek that failed": ("0 p fail seek k - - - -", 1),
    "a seek nowhere": ("0 p ok seek - - - - -", 1),
    "a delete without an offset": ("0 p invoke delete k - - - -", 1),
    "two ends of a delete": ("0 p invoke delete k - 2 - -\n1 p ok delete k - 2 - -\n2 p ok delete k - 2 - -", 3),
    "a drain that failed": ("0 p fail drain k - - - -", 1),
    "a drain with info": ("0 p info drain k - - - -", 1),
    "a watermark without an offset": ("0 p invoke watermark k - - - -\n1 p ok watermark k - - - -", 2),
    "a watermark that failed": ("0 p invoke watermark k - - - -\n1 p fail watermark k - - - -", 2),
    "two answers to one question": ("0 p invoke watermark k - - - -\n1 p ok watermark k - 3 - -\n2 p ok watermark k - 3 - -", 3),
    "a power cut that ended well": ("0 n ok power - - - - -", 1),
    "a power cut of a partition": ("0 n info power k - - - -", 1),
    "a rot that begins": ("0 n invoke rot k - 3 - -", 1),
    "a rot of no partition": ("0 n info rot - - 3 - -", 1),
    "an own that nobody knows": ("0 p info own g/k - - - -", 1),
    "an own of nothing": ("0 p ok own - - - - -", 1),
    "an offset that has none behind it": ("0 p invoke poll - - - - -\n1 p ok poll k 1 9223372036854775807 - -", 2),
    "remarks alone": ("# one\n# two", 2),
}


def refusals(check):
    """How many broken histories are taken, or refused for another line."""
    taken = 0
    for name, (lines, number) in REFUSED.items():
        done = subprocess.run([check, "-"], input=lines + "\n", capture_output=True, text=True, check=False)
        if done.returncode != 2 or not done.stderr.startswith(f"line {number}: "):
            taken += 1
            print(f"{name}: ended with {done.returncode}, {done.stderr or done.stdout}")
    return taken


PLANTED = {
    "inconsistent-offset unseen": inconsistent_offset, "duplicate": duplicate, "lost-write": lost_write, "unseen": unseen,
    "aborted-read": aborted_read, "invented-read": invented_read, "deleted-read": deleted_read, "stale-offset": stale_offset, "send-back": send_back,
    "poll-skip": poll_skip, "poll-back": poll_back, "poll-skip-within": poll_skip_within, "poll-back-within": poll_back_within,
    "watermark-back": watermark_back, "two-owners": two_owners,
    "not-linearizable": lambda world: register(world, "set", "get"), "commit-back": lambda world: register(world, "commit", "committed"),
    "not-linearizable ": absent_too_early, "not-linearizable  ": present_too_late,
    "not-linearizable   ": absent_after_seen,
    "two-owners ": same_producer_id, "watermark-back ": start_back, "watermark-back  ": promised_beyond,
    "": none_before_drain,
    " ": lambda world: power_takes(world, "1"), "  ": lambda world: power_takes(world, "0"),
}


def findings(check, world):
    done = subprocess.run([check, "-"], input="\n".join(world.lines) + "\n", capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    names = re.findall(r"^([a-z-]+): \d+$", done.stdout, re.M)
    assert (done.returncode == 1) == bool(names), done.stdout
    return names, done.stdout


def main():
    failed = refusals(sys.argv[1])
    cases = [(name, plant, "disk") for name, plant in PLANTED.items()]
    cases.append(("", lambda world: power_takes(world, "all"), "page-cache"))
    cases += [("", answered_after_power, "page-cache"), ("inconsistent-offset unseen stale-offset", answered_after_power, "disk")]
    cases += [(f"{found}", lambda world, case=case: lost_after_read(world, *case), "disk")
              for found, case in (("unseen", (-1, None)), ("unseen", (0, None)), ("unseen", (0, -1)))]
    cases += [("lost-write", failed_delete, "disk"),
              ("", lambda world: unknown_deletions(world, 2), "disk"),
              ("not-linearizable", lambda world: unknown_deletions(world, 1), "disk")]
    cases += [(found, lambda world, case=case: deleted_later(world, case), "disk") for found, case in (
        ("", "nothing"), ("lost-write", "lost"), ("poll-skip", "skipped"))]
    cases += [(found, lambda world, case=case: told_before_it_is_ok(world, *case), "disk") for found, case in (
        ("", ("settings/x", 1)), ("", ("topic/x", 1)), ("not-linearizable", ("settings/x", 0)), ("not-linearizable", ("topic/x", 0)), ("not-linearizable", ("name", 1)),
        ("", ("settings/x", 1, "-")), ("", ("topic/x", 1, "-")), ("not-linearizable", ("settings/x", 0, "-")), ("not-linearizable", ("name", 1, "-")))]
    cases += [(found, lambda world, case=case: rot_takes(world, *case), "disk") for found, case in (
        ("", (-1, -1)), ("", (-2, -2)), ("", (-1, -3)), ("inconsistent-offset unseen stale-offset", (-2, -1)), ("inconsistent-offset unseen stale-offset", (-1, None)))]
    disk, cache = "disk", "page-cache"
    cases += [(found, lambda world, case=case: mixed_durability(world, *case), "disk") for found, case in (
        ("", ((disk, cache), 1, 0)), ("", ((disk, cache), 1, 2)), ("", ((disk, cache, cache), 2, 2)), ("", ((cache, disk), 2, 1)),
        ("unseen", ((disk, cache), 0, 0)), ("unseen", ((cache, disk), 0, 0)), ("unseen", ((cache, disk), 1, 0)),
        ("inconsistent-offset unseen stale-offset", ((cache, disk), 1, 1)),
        ("inconsistent-offset unseen stale-offset", ((disk, cache), 0, 1)))]
    cases.append(("inconsistent-offset lost-write stale-offset", lambda world: power_takes(world, "all"), "disk"))
    for name, plant, durability in cases:
        for seed in SEEDS:
            world = World(seed, durability).busy()
            plant(world)
            world.drain()
            found, said = findings(sys.argv[1], world)
            if found != name.split():
                failed += 1
                print(f"planted {name.strip() or 'nothing'} ({plant.__name__}) with seed {seed}, found {found}:\n{said}")
    total = len(cases) * len(SEEDS) + len(REFUSED)
    print(f"{total - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
