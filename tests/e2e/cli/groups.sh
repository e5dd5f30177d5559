#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/e2e/cli/groups.sh    strom group and strom consume --group against one node of its own, kcat as a member of the classic protocol
# The last line is `N passed, N failed`.
set -uo pipefail
source "$(dirname "$0")/checks.bash"

# rows GROUP [TOPIC]: topic, partition, committed, end, lag of its description
rows() {
    "$strom" group describe "$1" -b "$address" | awk -v topic="${2:-many}" '$1 == topic { print $2, $3, $4, $5 }'
}

# misuse, without a node
check "a group is missing" 2 "GROUP is missing; usage: $strom group describe GROUP" "$strom" group describe
check "reset to nowhere" 2 "say where to: one of --to WHERE" "$strom" group reset g --topic t
check "reset to two places" 2 "say where to: one of --to WHERE" "$strom" group reset g --topic t --to latest --shift 1
check "reset of nothing" 2 "say which partitions" "$strom" group reset g --to latest
check "reset of a topic and all" 2 "say which partitions" "$strom" group reset g --to latest --topic t --all-topics
check "a wrong place" 2 "--to first: write earliest" "$strom" group reset g --to first --topic t
check "a wrong duration" 2 "--back 5: write a duration" "$strom" group reset g --back 5 --topic t
check "a wrong shift" 2 "--shift x: it must be a whole number" "$strom" group reset g --shift x --topic t
check "a file says which" 2 "--file says which partitions" "$strom" group reset g --file f --topic t
check "delete-offsets of nothing" 2 "say which partitions" "$strom" group delete-offsets g
check "no state" 2 'strom: --state Empty,nosuch: "nosuch" is no state of a group; these are: PreparingRebalance, ' "$strom" group list --state Empty,nosuch
check "no type" 2 '"banana" is no type of a group; these are: classic, consumer, share, streams' "$strom" group list --type banana
check "two forms" 2 "choose one of --csv and --output" "$strom" group reset g --to latest --topic t --csv --output json
check "a group and a partition" 2 "the group says which partitions" "$strom" consume t --group g --partition 1

start --override log.dirs="$work/data" --override group.consumer.heartbeat.interval.ms=5000
same "no groups" "" "$("$strom" group list -b "$address")"
check "describe no group" 4 "group absent: there is no such group" "$strom" group describe absent -b "$address"
check "members of no group" 4 "group absent: there is no such group" "$strom" group members absent -b "$address"
check "delete no group" 4 "group absent: there is no such group" "$strom" group delete absent -b "$address"
check "delete no group, fine" 0 "there is no group absent" "$strom" group delete absent --if-exists -b "$address"
check "forget offsets of no group" 4 "group absent: there is no such group" "$strom" group delete-offsets absent -t many -b "$address"
check "a topic" 0 created "$strom" topic create many -p 4 -b "$address"
check "another" 0 created "$strom" topic create few -p 1 -b "$address"
seq 1 1000 | sed 's/.*/k&:&/' >lines
feed "$(cat lines)\n" "its records" 0 "produced 1000" "$strom" produce many -K : -b "$address"
check "consume no topic" 4 "no such topic" "$strom" consume absent --group reader -b "$address"

# one member
"$strom" consume many --group reader --from beginning --until-end -b "$address" >got
same "a group reads all" "$(seq 1 1000)" "$(sort -n got)"
same "and commits it" "0" "$("$strom" group describe reader -o json -b "$address" | python3 -c 'import json, sys
said = json.load(sys.stdin)
assert [row["partition"] for row in said["partitions"]] == [0, 1, 2, 3], said
assert all(row["committed"] == row["end"] > 0 for row in said["partitions"]), said
print(said["lag"])')"
check "it left when it ended" 0 "reader  Empty  consumer" "$strom" group list -b "$address"
check "it has no members" 0 "group reader has no members" "$strom" group members reader -b "$address"
same "nothing is read twice" "" "$("$strom" consume many --group reader --from beginning -e -b "$address")"
feed 'k1:1001\n' "one more" 0 "produced 1" "$strom" produce many -K : -b "$address"
check "is a lag of one" 0 "group reader: Empty, consumer, 0 members, lag 1" "$strom" group describe reader -b "$address"
same "and is read" "1001" "$("$strom" consume many -g reader -e -b "$address")"
"$strom" consume many --group counter --from beginning --count 7 -b "$address" >got
same "what is printed is committed, not what was fetched" "7 7" \
    "$(wc -l <got) $(rows counter | awk '{ sum += $2 } END { print sum }')"
"$strom" consume many --group counter --until-end -b "$address" >>got
same "the rest follows" "$(seq 1 1001)" "$(sort -n got)"
same "a new group begins at the end" "" "$("$strom" consume many --group late -e -b "$address")"
feed 'k1:1002\n' "what comes while it is away" 0 "produced 1" "$strom" produce many -K : -b "$address"
same "is read" "1002" "$("$strom" consume many --group late -e -b "$address")"
check "a member that cannot print" 1 "cannot write what was read" bash -c "'$strom' consume many --group broken --from beginning -b '$address' >/dev/full"
same "commits no more than where it began" "4 0" "$(rows broken | awk '{ sum += $2 } END { print NR, sum }')"

# two members
"$strom" consume many --group pair --from beginning -f 'one %p %o\n' -b "$address" >one 2>&1 &
first=$!
waited "one member has it all" "many:0,1,2,3" "$strom" group members pair -b "$address"
"$strom" consume many --group pair --from beginning -f 'two %p %o\n' -b "$address" >two 2>&1 &
second=$!
waited "two members share" "many:2,3" "$strom" group members pair -b "$address"
check "both stand in the description" 0 "group pair: Stable, consumer, 2 members, lag 0" "$strom" group describe pair -b "$address"
check "and in the list" 0 "pair" "$strom" group list --state stable -b "$address"
check "or by two" 0 "pair" "$strom" group list --state empty,stable --type classic --type consumer -b "$address"
same "which can be narrowed to nothing" "" "$("$strom" group list --state stable --type classic -b "$address")"
check "members as json" 0 '"epoch": ' "$strom" group members pair -o json -b "$address"
check "a group in use is not reset" 1 "group pair: it has members; stop them first" \
    "$strom" group reset pair --to earliest --topic many --execute -b "$address"
check "nor deleted" 1 "group pair: it has members; stop them first" "$strom" group delete pair -b "$address"
check "nor are its offsets" 1 "GROUP_SUBSCRIBED_TO_TOPIC" "$strom" group delete-offsets pair -t many -b "$address"
feed "$(sed 's/:/:x/' lines)\n" "records for both" 0 "produced 1000" "$strom" produce many -K : -b "$address"
waited "are read" "lag 0" "$strom" group describe pair -b "$address"
kill -INT $second
wait $second
same "SIGINT ends a member in order" 0 $?
waited "the other takes over" "many:0,1,2,3" "$strom" group members pair -b "$address"
check "more partitions" 0 "has now 6" "$strom" topic alter many --partitions 6 -b "$address"
waited "are assigned" "many:0,1,2,3,4,5" "$strom" group members pair -b "$address"
feed "$(sed 's/:/:y/' lines)\n" "and read" 0 "produced 1000" "$strom" produce many -K : -b "$address"
waited "all of them" "lag 0" "$strom" group describe pair -b "$address"
kill -TERM $first
wait $first
same "SIGTERM ends a member in order" 0 $?
same "every record once" "3002 3002" "$(cat one two | wc -l) $(cat one two | cut -d ' ' -f 2- | sort -u | wc -l)"
check "nobody is left" 0 "group pair: Empty, consumer, 0 members, lag 0" "$strom" group describe pair -b "$address"

# a member of the classic protocol
kcat -b "$address" -G classic many -X auto.offset.reset=earliest >/dev/null 2>&1 &
member=$!
waited "a classic group" "group classic: Stable, classic, 1 member" "$strom" group describe classic -b "$address"
check "its member" 0 "many:0,1,2,3,4,5" "$strom" group members classic -b "$address"
check "its client" 0 "rdkafka" "$strom" group describe classic -b "$address"
check "is not reset in use" 1 "it has members" "$strom" group reset classic --to 1 -t many -b "$address"
kill -TERM $member
wait $member
waited "when it has gone" "group classic: Empty, classic, 0 members" "$strom" group describe classic -b "$address"
check "is reset" 0 "group classic: 1 offset reset" "$strom" group reset classic --to 1 -t many:0 --execute -b "$address"

# reset
feed 'a\nb\nc\nd\ne\n' "five records" 0 "produced 5" "$strom" produce few -b "$address"
same "a group that will be reset" "a b c d e" "$("$strom" consume few -g moved --from beginning -e -b "$address" | xargs)"
moves() {
    local name=$1 row=$2
    shift 2
    check "$name" 0 "nothing was changed; --execute does it" "$strom" group reset moved "$@" -b "$address"
    same "$name: what would change" "$row" "$(sed -n 's/^few *//p' "$work/out" | xargs)"
}
moves "to earliest" "0 5 0 -5" --to earliest -t few
same "a dry run changes nothing" "0 5 5 0" "$(rows moved few)"
moves "to latest" "0 5 5 0" --to latest --all-topics
moves "to an offset" "0 5 2 -3" --to 2 -t few:0
moves "to a time" "0 5 0 -5" --to 2020-01-01T00:00:00Z -t few
moves "to a time to come" "0 5 5 0" --to 2100-01-01 -t few
moves "back in time" "0 5 0 -5" --back 1h -t few
moves "shifted" "0 5 3 -2" --shift=-2 -t few
moves "shifted too far" "0 5 0 -5" --shift=-9 -t few
moves "to where it is" "0 5 5 0" --to current -t few
check "beyond the end" 0 "few partition 0 holds 0 to 5: offset 9 becomes 5" "$strom" group reset moved --to 9 -t few -b "$address"
check "as json" 0 '"new": 3' "$strom" group reset moved --to 3 -t few -o json -b "$address"
check "for real" 0 "group moved: 1 offset reset" "$strom" group reset moved --to 2 -t few --execute -b "$address"
same "it has moved" "0 2 5 3" "$(rows moved few)"
"$strom" group reset moved --to current --all-topics --csv -b "$address" >before.csv 2>/dev/null
same "a copy" "few,0,2" "$(cat before.csv)"
same "the group reads from there" "c d e" "$("$strom" consume few -g moved -e -b "$address" | xargs)"
check "the copy brings it back" 0 "1 offset reset" "$strom" group reset moved --file before.csv --execute -b "$address"
same "as it was" "0 2 5 3" "$(rows moved few)"
printf '# a comment\n\nfew,0,x\n' >bad.csv
check "a bad line is named" 2 "bad.csv:3: few,0,x: write TOPIC,PARTITION,OFFSET" "$strom" group reset moved --file bad.csv -b "$address"
printf 'few,0,1\nfew,0,2\n' >bad.csv
check "a partition twice" 2 "a partition stands there twice" "$strom" group reset moved --file bad.csv -b "$address"
printf 'few,7,1\n' >bad.csv
check "a partition that is not there" 4 "few partition 7" "$strom" group reset moved --file bad.csv -b "$address"
check "no such file" 2 "cannot read none.csv" "$strom" group reset moved --file none.csv -b "$address"
check "no such topic" 4 "there is no such topic" "$strom" group reset moved --to latest -t none -b "$address"
check "no such partition" 4 "few has no such partition; it has 1" "$strom" group reset moved --to latest -t few:1 -b "$address"
check "nothing of no group" 4 "for there is no such group yet; name a --topic" "$strom" group reset none --to latest --all-topics -b "$address"
check "nothing to shift" 1 "nothing is committed there that could be shifted" "$strom" group reset moved --shift 1 -t many -b "$address"
check "a group that is not there yet" 0 "makes the group, which is not there yet" "$strom" group reset fresh --to 3 -t few -b "$address"
check "is made" 0 "1 offset reset" "$strom" group reset fresh --to 3 -t few --execute -b "$address"
same "and begins there" "d e" "$("$strom" consume few -g fresh -e -b "$address" | xargs)"

# more than there is, which no verb commits
check "an offset beyond the end" 0 "'error_code': 0" python3 -c 'import sys, types
sys.path.insert(0, sys.argv[1])
import group_talk, kafka_wire
talk = group_talk.Talk(types.SimpleNamespace(connect=lambda: kafka_wire.Connection(int(sys.argv[2]), 30)))
offset = {"partition_index": 0, "committed_offset": 9, "committed_leader_epoch": -1, "committed_metadata": ""}
print(talk.ask("offset_commit", {"group_id": "ahead", "generation_id_or_member_epoch": -1, "member_id": "",
                                 "topics": [{"name": "few", "partitions": [offset]}]}, 9))' "$root/tests/e2e" "${address##*:}"
check "is told" 0 "few partition 0 ends at 5: the committed offset 9 is not there" "$strom" group describe ahead -b "$address"
same "and is a lag below zero, as for Kafka's tools" "0 9 5 -4" "$(rows ahead few 2>/dev/null)"
check "which leaves the sum alone" 0 "lag 0" "$strom" group describe ahead -b "$address"

# forget
check "forget an offset" 0 "deleted the offset of few partition 0" "$strom" group delete-offsets moved -t few -b "$address"
check "nothing more to forget" 0 "committed nothing there" "$strom" group delete-offsets moved -t few -b "$address"
check "delete groups" 0 "deleted group fresh" "$strom" group delete pair fresh -b "$address"
check "they are gone" 4 "there is no such group" "$strom" group describe pair -b "$address"
check "one of two is not there" 4 "deleted group reader" "$strom" group delete none reader -b "$address"
stop

# again
start --override log.dirs="$work/data" --override group.consumer.min.session.timeout.ms=1000 --override group.consumer.session.timeout.ms=2000 \
    --override group.consumer.min.heartbeat.interval.ms=200 --override group.consumer.heartbeat.interval.ms=500
same "offsets outlive a restart" "1" "$(rows classic | awk '$1 == 0 { print $2 }')"

# members that hang and die
"$strom" consume few --group frozen --from beginning -b "$address" >one 2>told &
first=$!
waited "a member reads" "0 5 5 0" rows frozen few
kill -STOP $first
waited "it hangs, and is removed" "group frozen has no members" "$strom" group members frozen -b "$address"
feed 'f\n' "a record meanwhile" 0 "produced 1" "$strom" produce few -b "$address"
same "another reads on" "f" "$("$strom" consume few -g frozen -e -b "$address")"
kill -CONT $first
waited "it joins again" "few:0" "$strom" group members frozen -b "$address"
check "and says why" 0 "strom: group frozen: this is no member any more (UNKNOWN_MEMBER_ID)" cat told
feed 'g\n' "a record for it" 0 "produced 1" "$strom" produce few -b "$address"
waited "is read" "lag 0" "$strom" group describe frozen -b "$address"
same "it goes on where the other stopped" "a b c d e g" "$(xargs <one)"
kill -KILL $first
wait $first 2>/dev/null
waited "it dies, and is removed" "group frozen has no members" "$strom" group members frozen -b "$address"
stop
finished
