#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/e2e/cli/readers.sh    strom consume --group while the reader of its output rests, against one node of its own
# The last line is `N passed, N failed`.
set -uo pipefail
source "$(dirname "$0")/checks.bash"

# committed GROUP: how much the group has committed of all partitions
committed() {
    "$strom" group describe "$1" -o json -b "$address" |
        python3 -c 'import json, sys; print(sum(row["committed"] or 0 for row in json.load(sys.stdin)["partitions"]))'
}

export -f committed
export strom

# outlive GROUP: the group's member is the same after another, that was stopped later, was put out of a group of its own
outlive() {
    local before witness
    before=$("$strom" group members "$1" -b "$address" | awk '/long/ { print $1 }')
    "$strom" consume long --group witness -b "$address" >/dev/null 2>&1 &
    witness=$!
    waited "a witness joins" "long:0,1" "$strom" group members witness -b "$address"
    kill -STOP $witness
    waited "a session's time later it is put out" "group witness has no members" "$strom" group members witness -b "$address"
    kill -KILL $witness
    wait $witness 2>/dev/null
    same "$1 has its member still" "$before" "$("$strom" group members "$1" -b "$address" | awk '/long/ { print $1 }')"
}

start --override log.dirs="$work/data" --override group.consumer.min.session.timeout.ms=1000 --override group.consumer.session.timeout.ms=2000 \
    --override group.consumer.min.heartbeat.interval.ms=200 --override group.consumer.heartbeat.interval.ms=500
export address
check "a topic" 0 created "$strom" topic create long -p 2 -b "$address"
seq 100001 130000 >lines # twice what a pipe holds
feed "$(cat lines)\n" "its records" 0 "produced 30000" "$strom" produce long -b "$address"
mkfifo pipe
exec 7<>pipe

"$strom" consume long --group resting --from beginning -b "$address" >pipe 2>told &
member=$!
waited "what is written is committed while the reader rests" "there" \
    bash -c '[ "$(committed resting)" -gt 0 ] && echo there'
outlive resting
check "it is behind" 0 "resting: Stable, consumer, 1 member, lag" "$strom" group describe resting -b "$address"
same "it committed no more than was written" "yes" "$([ "$(committed resting)" -le $((65536 / 7)) ] && echo yes)"
head -n 30000 <&7 >got
same "the reader goes on, and gets everything once" "$(cat lines)" "$(sort got)"
waited "all is committed" "lag 0" "$strom" group describe resting -b "$address"
kill -TERM $member
wait $member
same "it ends in order" 0 $?
same "and had nothing to complain about" "" "$(cat told)"

"$strom" consume long --group stuck --from beginning -b "$address" >pipe 2>told &
member=$!
waited "another's reader rests" "long:0,1" "$strom" group members stuck -b "$address"
outlive stuck
kill -TERM $member
waited "a signal: it says what it waits for" "nobody takes the output now; this ends when it is taken, or at a second signal" cat told
outlive stuck
kill -TERM $member
wait $member
same "a second signal ends it" 1 $?
check "and it says what was lost" 0 "group stuck: the end of the output was not taken; it may be printed again" cat told
check "it has left" 0 "group stuck has no members" "$strom" group members stuck -b "$address"
exec 8<pipe 7<&-
cat <&8 >got
exec 8<&-
count=$(committed stuck)
same "what it committed was written" "yes" "$([ "$count" -gt 0 ] && [ "$count" -le "$(grep -c '^......$' got)" ] && echo yes)"
"$strom" consume long --group stuck -e -b "$address" >rest
same "the next one prints the rest" "$((30000 - count))" "$(wc -l <rest)"
same "and so everything was printed" "$(cat lines)" "$(cat got rest | grep '^......$' | sort -u)"

"$strom" consume long --group slow --from beginning -b "$address" >pipe 2>told &
member=$!
exec 7<pipe
waited "a third's reader rests" "long:0,1" "$strom" group members slow -b "$address"
outlive slow
kill -INT $member
waited "it is told to end" "nobody takes the output now" cat told
cat <&7 >got
wait $member
same "it ends in order when the output is taken" 0 $?
same "what was written was committed" "$(wc -l <got)" "$(committed slow)"
stop
finished
