#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: large.py COUNT [CHECK]: makes a history of so many operations (tests/sim/HISTORY) that a correct broker would give: producers and
consumers, names of metadata, and groups that commit, ask what was committed, and hand partitions on, all of them at once. Alone it is
written out. With CHECK it is judged: nothing may be found, within a minute of CPU; then once more, with a last answer to a group that
was overtaken, and a partition that two have, and just these must be found."""
import random
import resource
import subprocess
import sys

PROCESSES, LOGS, NAMES, GROUPS, PARTITIONS, OWNED = 200, 50, 40, 1000, 20, 2000
POLLED = 10                                             # most records of one poll
SECONDS = 60


def write(count, file, is_wrong=False):
    draw, out = random.Random(1).random, []
    line = value = done = 0
    logs = [[] for _ in range(LOGS)]
    held, owner, at = {}, {}, {}                        # of names and positions; of partitions; of consumers
    open_kind = [None] * PROCESSES
    pick = lambda most: int(draw() * most)

    def say(process, rest):
        nonlocal line
        line += 1
        out.append(f"{line} p{process} {rest}\n")
        if len(out) == 100000:
            file.write("".join(out))
            out.clear()

    def position():
        return f"g{pick(GROUPS)}/t{pick(PARTITIONS)}"

    def begin(process):
        nonlocal value
        kind = draw()
        if kind < 0.40:
            value += 1
            key = pick(LOGS)
            say(process, f"invoke send k{key} {value} - all disk")
            return "send", key, value
        if kind < 0.50:
            say(process, "invoke poll - - - - -")
            return "poll", pick(LOGS), None
        write, read, key = ("commit", "committed", position()) if kind < 0.90 else ("set", "get", f"name/{pick(NAMES)}")
        if kind < 0.70 or kind >= 0.95:
            value += 1
            say(process, f"invoke {write} {key} {value} - - -")
            return write, key, value
        say(process, f"invoke {read} {key} - - - -")
        return read, key, held.get(key, "-")            # what is there now, or at the end: both are right

    def end(process, kind, key, what):
        """how many operations it was"""
        if kind == "send":
            logs[key].append(what)
            say(process, f"ok send k{key} {what} {len(logs[key]) - 1} - -")
        elif kind == "poll":
            first = at.get((process, key), 0)
            found = logs[key][first:first + 1 + pick(POLLED)]
            for offset, one in enumerate(found, first):
                say(process, f"ok poll k{key} {one} {offset} - -")
            at[process, key] = first + len(found)
            if not found:
                say(process, "ok poll - - - - -")
            return max(1, len(found))
        elif kind in ("commit", "set"):
            held[key] = what
            say(process, f"ok {kind} {key} {what} - - -")
        else:
            say(process, f"ok {kind} {key} {held.get(key, '-') if draw() < 0.5 else what} - - -")
        return 1

    while done < count:
        process = pick(PROCESSES)
        if open_kind[process] is None:
            if draw() < 0.1:
                key = f"g{pick(OWNED)}/t0"
                if key in owner:
                    say(owner[key], f"invoke disown {key} - - - -")
                    say(owner[key], f"ok disown {key} - - - -")
                    done += 1
                owner[key] = process
                say(process, f"ok own {key} - - - -")
                done += 1
            else:
                open_kind[process] = begin(process)
        else:
            done += end(process, *open_kind[process])
            open_kind[process] = None
    if is_wrong:
        for number in (1, 2):
            say("-last", f"invoke commit last/group {value + number} - - -")
            say("-last", f"ok commit last/group {value + number} - - -")
        say("-last", "invoke committed last/group - - - -")
        say("-last", f"ok committed last/group {value + 1} - - -")
        say("-last", "ok own last/group - - - -")
        say("-first", "ok own last/group - - - -")
    file.write("".join(out))


def judge(check, count, is_wrong):
    """(status, what it said, seconds of CPU)"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen([check, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        write(count, process.stdin, is_wrong)
        process.stdin.close()
        said = process.stdout.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process.returncode, said, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    count = int(sys.argv[1])
    if len(sys.argv) == 2:
        write(count, sys.stdout)
        return 0
    failed = 0
    for is_wrong, wanted in ((False, []), (True, ["commit-back: 1", "two-owners: 1"])):
        status, said, seconds = judge(sys.argv[2], count, is_wrong)
        lines = said.splitlines()
        print(f"{lines[-1]}, {seconds:.1f} s of CPU")
        if status != bool(wanted) or [line for line in lines if line.endswith(": 1")] != wanted or seconds > SECONDS:
            failed += 1
            print(said)
    print(f"{2 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
