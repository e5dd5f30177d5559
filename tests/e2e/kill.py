#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: kill.py [--rounds N] [--seed N]    kill -9 at random moments under acks=all load, then start, and check the promise."""
import argparse
import random
import sys
import time

import load
import logs
import node


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    draw = random.Random(options.seed)
    print(f"seed {options.seed}")
    bad, starts = 0, []
    with node.Node(settings={"log.segment.bytes": "1048576"}) as broker:
        broker.start()
        work = load.Load(broker, seed=options.seed)
        work.create()
        for turn in range(options.rounds):
            work.start()
            time.sleep(draw.uniform(0.05, 0.8))
            broker.kill()
            work.stop()
            begin = time.monotonic()
            broker.start()
            work.await_served()
            starts.append(time.monotonic() - begin)
            complaints = work.verify()
            if complaints:
                bad += 1
                print(f"kill {turn}: {len(complaints)} complaints", *complaints[:10], sep="\n  ")
        broker.stop()
        damage = logs.check(broker.directories)
        print(*damage[:20], sep="\n")
    print(f"{options.rounds} kills, {work.total_acknowledged} acknowledged batches, {work.total_seen} seen; start to served "
          f"{1000 * sum(starts) / len(starts):.0f} ms mean, {1000 * max(starts):.0f} ms worst")
    print(f"{options.rounds - bad + (not damage)} passed, {bad + bool(damage)} failed")
    return 1 if bad or damage else 0


if __name__ == "__main__":
    sys.exit(main())
