#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`strom log dump` of the directories that Apache Kafka 4.4.0 wrote, against what Kafka's own reader found there: every batch, every
small text file; and `strom log check`, which finds nothing there but what Kafka cut away. With arguments: only these archives."""
import json
import os
import subprocess
import sys
import tempfile

import golden_disks
import node

STROM = os.path.join(node.ROOT, os.environ.get("BUILD_DIRECTORY", "build"), "strom")
SAME = {"base": "base_offset", "last": "last_offset", "pos": "position", "size": "size", "n": "count", "codec": "codec", "ts_type": "timestamp_type",
        "max_ts": "max_timestamp", "leader_epoch": "leader_epoch", "pid": "producer_id", "pepoch": "producer_epoch", "seq": "base_sequence", "crc": "crc"}


def dumped(folder, directories):
    """Path below folder -> the objects that were printed of it."""
    done = subprocess.run([STROM, "log", "dump", "-o", "json", *directories], cwd=folder, capture_output=True, text=True, check=False)
    found = {}
    for line in done.stdout.splitlines():
        one = json.loads(line)
        found.setdefault(one.pop("file"), []).append(one)
    return done.returncode, found


def batches(name, wanted, found):
    count = 0
    for segments in wanted["disk_batches"].values():
        for segment in segments:
            got = [one for one in found.get(segment["file"], []) if "base_offset" in one]
            assert len(got) == len(segment["batches"]), f"{name} {segment['file']}: {len(got)} batches, not {len(segment['batches'])}"
            for ours, kafkas in zip(got, segment["batches"]):
                for theirs, field in SAME.items():
                    assert ours[field] == kafkas[theirs], f"{name} {segment['file']} {kafkas}: {field} {ours[field]}"
                horizon = kafkas.get("delete_horizon")
                assert ours["transactional"] == bool(kafkas.get("txn")) and ours["control"] == bool(kafkas.get("control")), (ours, kafkas)
                assert horizon is None or ours["delete_horizon"] == kafkas["base_ts"], (ours, kafkas)
                count += 1
    assert count > 300, f"only {count} batches"


def texts(name, wanted, found):
    for path, file in wanted["disk_files"].items():
        if "text" in file and not path.endswith(".deleted"):
            lines = [one.get("text") for one in found.get(path, [])]
            assert lines == [line for line in file["text"].splitlines() if line], f"{name} {path}: {lines}"


def checked(name, folder, directories):
    done = subprocess.run([STROM, "log", "check", "-o", "json", *directories], cwd=folder, capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    torn = [(one["file"], one["position"]) for one in found if one["kind"] == "torn"]
    wanted = [("disk1/bg-0/00000000000000000000.log", 39044), ("disk2/bg-1/00000000000000000000.log", 36420)] if name == "torn" else []
    assert torn == wanted and not [one for one in found if one["kind"] == "damage"], found
    assert done.returncode == (1 if torn else 0), done.returncode


def main():
    failed = passed = 0
    for name in sys.argv[1:] or golden_disks.NAMES:
        with tempfile.TemporaryDirectory() as folder:
            directories = [os.path.basename(path) for path in golden_disks.unpacked(name, folder)]
            wanted = golden_disks.expected(name)
            code, found = dumped(folder, directories)
            for check, given in ((batches, (wanted, found)), (texts, (wanted, found)), (checked, (folder, directories))):
                try:
                    check(name, *given)
                    passed += 1
                except AssertionError as error:
                    failed += 1
                    print(f"FAIL {name} {check.__name__}: {error}")
            if code != (1 if name == "torn" else 0):
                failed += 1
                print(f"FAIL {name}: exit code {code}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
