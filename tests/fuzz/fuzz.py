#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the fuzz targets of a build with libFuzzer (meson setup -Dfuzz=true, clang).

usage: fuzz.py run BUILD_DIRECTORY SECONDS [TARGET...]     shared out evenly, as many at a time as there are processors
       fuzz.py keep BUILD_DIRECTORY [TARGET...]            minimises what was found into tests/fuzz/corpus/TARGET.pack

A target begins with its pack and goes on with BUILD_DIRECTORY/corpus/TARGET. Prints, for each, how often it ran and what it
covers: edges, and features (edges told apart by how often they were taken). An input that fails is kept, and how to run it again
is printed. Ends with `N passed, N failed`, targets counted.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

import pack

HERE = pathlib.Path(__file__).parent
ENVIRONMENT = dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1", ASAN_OPTIONS="detect_leaks=1")
LIMITS = ["-timeout=20", "-rss_limit_mb=2048", "-malloc_limit_mb=512"]
TARGETS = {"coordinator": ["-max_len=1024"],
           "segment": ["-max_len=16384"],
           "settings": ["-max_len=1024", "-use_value_profile=0"]}  # each unknown name is compared with all that there are
SLACK_SECONDS = 120


def packs():
    return {path.stem: path for path in sorted((HERE / "corpus").glob("*.pack"))}


def options(target):
    """Without entropic schedules, which cost more than they find where there are many features; leaks are told in the end only."""
    return ["-max_len=4096", "-entropic=0", "-detect_leaks=0", *TARGETS.get(target, []), *LIMITS]


def write_dictionary(path):
    """What the settings are called, and the words of the small files."""
    words = set("version node.id cluster.id directory.id topic_id leaderId leaderEpoch votedId votedDirectoryId data_version "
                "PLAINTEXT:// SASL_SSL:// CONTROLLER://: KAFKA_ STROM_ delete,compact true false inherit".split())
    for schema in (HERE.parent.parent / "schemas/settings").iterdir():
        words |= {line.split()[0] for line in schema.read_text().splitlines() if line and not line.startswith("#")}
    path.write_text("".join('"%s"\n' % word for word in sorted(words)))


def figures(text):
    last = re.findall(r"cov: (\d+) ft: (\d+)", text)
    runs = re.findall(r"stat::number_of_executed_units: (\d+)", text)
    return int(runs[-1]) if runs else 0, *(map(int, last[-1]) if last else (0, 0))


def fuzz(build, target, seconds):
    corpus, log, crashes = build / "corpus" / target, build / "corpus" / (target + ".log"), build / "crashes"
    crashes.mkdir(exist_ok=True)
    command = [build / "tests/fuzz" / target, "-max_total_time=%d" % seconds, "-print_final_stats=1", "-use_value_profile=1",
               "-dict=%s" % (build / "corpus/dictionary"), "-artifact_prefix=%s/%s-" % (crashes, target), *options(target), corpus]
    with open(log, "wb") as out:
        code = subprocess.run(command, stdout=out, stderr=out, env=ENVIRONMENT, timeout=seconds + SLACK_SECONDS).returncode
    text = log.read_text(errors="replace")
    lines = ["%-10s %9d executions %6d edges %7d features %s" % (target, *figures(text), "ok" if code == 0 else "FAILED")]
    for kept in re.findall(r"Test unit written to (\S+)", text):
        lines += ["    again: UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 %s %s" % (command[0], kept),
                  "    keep:  python3 tests/fuzz/pack.py add tests/fuzz/corpus/%s.pack %s" % (target, kept)]
    print("\n".join(lines), flush=True)
    return code == 0


def run(build, seconds, targets):
    for target in targets:
        pack.unpack(packs()[target], build / "corpus" / target)
    write_dictionary(build / "corpus/dictionary")
    workers = os.cpu_count()
    share = max(1, seconds * workers // len(targets)) if len(targets) > workers else seconds
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        good = sum(pool.map(lambda target: fuzz(build, target, share), targets))
    print("%d passed, %d failed" % (good, len(targets) - good))
    return good == len(targets)


def keep(build, targets):
    for target in targets:
        small = build / "corpus" / (target + ".small")
        small.mkdir(exist_ok=True)
        for old in small.iterdir():
            old.unlink()
        subprocess.run([build / "tests/fuzz" / target, "-merge=1", *options(target),
                        "-artifact_prefix=%s/crashes/%s-" % (build, target), small, build / "corpus" / target], check=True, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        path = HERE / "corpus" / (target + ".pack")
        pack.write(path, pack.files(small))
        print("%-10s %5d inputs %8d bytes" % (target, len(list(small.iterdir())), path.stat().st_size))
    return True


def main():
    verb, build, *words = sys.argv[1:] if len(sys.argv) > 2 else ["", ""]
    build = pathlib.Path(build).absolute()
    if verb == "run" and words:
        return run(build, int(words[0]), words[1:] or list(packs()))
    if verb == "keep":
        return keep(build, words or list(packs()))
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(not main())
