#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/e2e/cli/verbs.sh    the command line against one node of its own: every verb, its output and its exit codes
# The last line is `N passed, N failed`.
set -uo pipefail
source "$(dirname "$0")/checks.bash"

# without a node
check "no verb" 2 "usage: $strom VERB" "$strom"
check "help" 0 "exit codes" "$strom" --help
check "version" 0 "strom " "$strom" --version
check "help says what can be typed" 0 "echo world | $strom produce hello" "$strom" --help
check "a wrong verb" 2 "did you mean $strom topic?" "$strom" topci list
check "the beginning of a verb" 2 "did you mean $strom storage?" "$strom" stor
check "a verb like none" 2 "unknown verb bogus. See" "$strom" bogus
check "a wrong part" 2 "  $strom topic list" "$strom" topic lsit
for verb in storage topic group log; do
    same "help of $verb is a page" "usage: $strom $verb PART [options]" "$("$strom" $verb --help 2>/dev/null | head -1)"
    check "$verb alone" 2 "$verb needs one of these:" "$strom" $verb
done
check "help of no verb" 2 "unknown verb bogus" "$strom" bogus --help
check "help of a verb" 0 "examples:" "$strom" topic create --help
check "a wrong option" 2 "did you mean --partitions" "$strom" topic create a --partition 3
check "a missing word" 2 "NAME is missing; usage: $strom topic create NAME" "$strom" topic create
check "a missing topic" 2 "TOPIC is missing; usage: $strom produce TOPIC" "$strom" produce
check "missing files" 2 "FILE|DIRECTORY is missing" "$strom" log dump
check "a missing directory" 2 "DIRECTORY is missing" "$strom" log check
check "a word too many" 2 "b is one word too many" "$strom" topic create a b
check "examples say what can be typed" 0 "  echo world | $strom produce hello" "$strom" produce --help
check "a wrong number" 2 "whole number from 1" "$strom" topic create a -p 0
check "nobody there" 3 "cannot reach 127.0.0.1:1" "$strom" health -b 127.0.0.1:1
check "nobody answers there" 3 "Connection timed out" python3 -c 'import socket, subprocess, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    words = ["topic", "list", "--timeout", "1", "-b", "127.0.0.1:%d" % listener.getsockname()[1]]
    sys.exit(subprocess.run([sys.argv[1], *words], timeout=30).returncode)' "$strom"
check "random uuid" 0 "" "$strom" storage random-uuid
same "a uuid has 22 characters" 23 "$(wc -c <"$work/out")"

# configuration
printf '\nnum.partitions=many\nsasl.enabled.mechanisms=PLAIN\nnum.partition=3\n' >bad.properties
check "a bad value names its place" 2 "bad.properties:2: num.partitions=many: not valid; it must be a whole number, at least 1" \
    "$strom" server bad.properties
check "all problems are told at once" 2 "bad.properties:3: sasl.enabled.mechanisms=PLAIN" "$strom" server bad.properties
check "an unknown key names the nearest" 2 "did you mean num.partitions?" "$strom" server bad.properties
check "no such file" 2 "cannot read absent.properties" "$strom" server absent.properties
printf 'node.id=5\nlog.dirs=%s/formatted\nnum.partitions=2\n' "$work" >good.properties
check "a bad override" 2 "--override num.partitions=: not valid" "$strom" server --override num.partitions=
check "check-config" 0 "the configuration is valid" "$strom" server good.properties --check-config
check "print-config" 0 "num.partitions=2  # file" "$strom" server good.properties --print-config
check "override wins" 0 "num.partitions=9  # override" "$strom" server good.properties --print-config --override num.partitions=9
check "environment" 0 "num.partitions=7  # environment" env KAFKA_NUM_PARTITIONS=7 "$strom" server --print-config
same "docs/settings.md tells what the binary knows" "$(cat "$root/docs/settings.md")" "$("$strom" server --list-settings)"

# storage
check "info before format" 1 "is not formatted" "$strom" storage info -c good.properties
check "format" 0 "formatted: $work/formatted" "$strom" storage format -c good.properties -t AAAAAAAAAAAAAAAAAAAAAQ --standalone
check "info" 0 "cluster.id=AAAAAAAAAAAAAAAAAAAAAQ" "$strom" storage info -c good.properties
check "format twice" 1 "add --ignore-formatted to this command" "$strom" storage format -c good.properties
check "format twice, ignored" 0 "already formatted, left as it is: $work/formatted" "$strom" storage format -c good.properties --ignore-formatted
check "format one of two" 0 "formatted: $work/added" "$strom" storage format -c good.properties --ignore-formatted \
    --override log.dirs="$work/formatted,$work/added"
check "one of two is not formatted" 1 "storage format --ignore-formatted -c good.properties, and each --override" "$strom" server good.properties \
    --override log.dirs="$work/formatted,$work/lost" --override listeners=PLAINTEXT://127.0.0.1:0
check "a first user" 0 formatted "$strom" storage format --override log.dirs="$work/users" \
    --add-scram 'SCRAM-SHA-256=[name=alice,iterations=8192,password=secret]' -S 'SCRAM-SHA-512=[name="bob",password=other]'
check "stands in the log" 0 '"name":"alice","mechanism":1' "$strom" log dump -r "$work/users"
check "a wrong user" 2 "it needs a name" "$strom" storage format --override log.dirs="$work/other" -S 'SCRAM-SHA-256=[password=secret]'
mkdir foreign && echo x >foreign/file
check "files of others" 1 "holds files but no meta.properties" "$strom" server --override log.dirs=foreign
check "another node's directory" 1 "" "$strom" server good.properties --override node.id=6

# topics
start --override log.dirs="$work/data"
check "a taken port" 1 "Address already in use" "$strom" server --override log.dirs="$work/second" \
    --override "listeners=PLAINTEXT://$address"
check "create" 0 "created topic hello with 3 partitions" "$strom" topic create hello --partitions 3 --bootstrap-server "$address"
check "create again" 1 "TOPIC_ALREADY_EXISTS" "$strom" topic create hello -b "$address"
check "create again, fine" 0 "is there already" "$strom" topic create hello --if-not-exists -b "$address"
check "a bad setting" 1 "Invalid value 1 for configuration segment.bytes" "$strom" topic create bad -c segment.bytes=1 -b "$address"
check "validate only" 0 "could create" "$strom" topic create tried --validate-only -b "$address"
check "list" 0 "hello  3" "$strom" topic list -b "$address"
check "list as json" 0 '"topic": "hello"' "$strom" topic list -o json -b "$address"
check "describe" 0 "hello  2" "$strom" topic describe hello -b "$address"
check "describe nothing" 4 "no such topic" "$strom" topic describe absent -b "$address"

# records
feed 'world\n' "produce" 0 "produced 1 record to hello" "$strom" produce hello -b "$address"
check "consume" 0 "world" "$strom" consume hello --from beginning --until-end -b "$address"
feed 'x\n' "produce to nothing" 4 "no such topic" "$strom" produce absent -b "$address"
seq 1 5000 | sed 's/.*/k&:value &/' >lines
for codec in none gzip snappy lz4 zstd; do
    check "create $codec" 0 created "$strom" topic create "t-$codec" -p 2 -b "$address"
    feed "$(cat lines)\n" "produce $codec" 0 "produced 5000 records" "$strom" produce "t-$codec" -K : -z $codec -b "$address"
    "$strom" consume "t-$codec" --from beginning -e -f '%k:%s\n' -b "$address" | sort >got
    same "records in $codec come back" "$(sort lines | md5sum)" "$(md5sum <got)"
done
"$strom" consume t-zstd --from beginning -e -o json -b "$address" >json
check "create copy" 0 created "$strom" topic create copy -p 2 -b "$address"
feed "$(cat json)\n" "produce json" 0 "produced 5000 records to copy" "$strom" produce copy -f json -b "$address"
same "json reads back" "$(sed 's/t-zstd/copy/' json | sort | md5sum)" "$("$strom" consume copy --from beginning -e -o json -b "$address" | sort | md5sum)"
same "the last of a partition" "1" "$("$strom" consume copy -p 0 --from -1 -e -b "$address" | wc -l)"
same "count" "3" "$("$strom" consume copy --from beginning -n 3 -b "$address" | wc -l)"
same "from a time" "5000" "$("$strom" consume copy --from 2020-01-01T00:00:00Z -e -b "$address" | wc -l)"
check "no such partition" 4 "no such partition" "$strom" consume hello -p 9 -b "$address"
check "a compacted topic" 0 created "$strom" topic create compacted -c cleanup.policy=compact -b "$address"
feed 'no key\n' "wants keys" 1 INVALID_RECORD "$strom" produce compacted -b "$address"
check "more partitions" 0 "topic copy has now 9 partitions" "$strom" topic alter copy --partitions 9 -b "$address"
check "not fewer partitions" 1 "would not be an increase" "$strom" topic alter copy -p 2 -b "$address"
check "nothing to alter" 2 "--partitions N" "$strom" topic alter copy -b "$address"
check "delete" 0 "deleted topic copy" "$strom" topic delete copy -b "$address"
check "delete again" 4 UNKNOWN_TOPIC "$strom" topic delete copy -b "$address"
check "health" 0 healthy "$strom" health -b "$address"
check "health as json" 0 '"healthy": true' "$strom" health -o json -b "$address"
kill -HUP "$server"
check "SIGHUP without a file changes nothing" 0 "started without FILE" timeout 10 grep -m 1 "SIGHUP" <(tail -f -n +1 --pid="$server" "$work/server-err")
check "and the node goes on" 0 healthy "$strom" health -b "$address"
check "log check of a busy directory" 2 "a node runs on this directory" "$strom" log check "$work/data"
check "and of a partition in it" 2 "a node runs on this directory" "$strom" log check "$work/data/t-zstd-0"
check "a busy directory" 1 "" "$strom" server --override listeners=PLAINTEXT://127.0.0.1:0 --override log.dirs="$work/data"
stop

# files
check "log dump" 0 "codec: zstd" "$strom" log dump "$work/data/t-zstd-0"
check "log dump of records" 0 '"key":"k1"' "$strom" log dump --records "$work/data/t-zstd-0" "$work/data/t-zstd-1"
check "log dump of metadata" 0 '"type":"topic"' "$strom" log dump -r "$work/data/__cluster_metadata-0"
check "log check" 0 ": 0 damaged, 0 torn, 9 notes" "$strom" log check "$work/data"
check "log check of a partition" 0 "1 partition, " "$strom" log check --quick "$work/data/t-zstd-0"
check "log check shows progress" 0 "partitions, 0 MB" "$strom" log check --progress "$work/data"
check "log check of nothing" 4 "No such file" "$strom" log check "$work/absent"
check "log check of something else" 2 "not a directory" "$strom" log check "$work/json"
check "log dump of nothing" 4 "No such file" "$strom" log dump "$work/absent"
segment=$(ls "$work"/data/t-gzip-0/*.log)
printf 'x' | dd of="$segment" bs=1 seek=100 conv=notrunc 2>/dev/null
check "log dump sees damage" 1 "the CRC is wrong" "$strom" log dump "$segment"
check "log check sees damage" 1 "damage  $segment at 0: the CRC of the batch is wrong" "$strom" log check "$work/data"
check "log check as JSON" 1 '"kind":"damage"' "$strom" log check -o json "$work/data/t-gzip-0"

# again, as JSON
start --override log.dirs="$work/data" --report-format json
"$strom" consume hello --from beginning -e -b "$address" >"$work/out"
same "records outlive a restart" world "$(cat "$work/out")"
stop
same "every report is JSON" "" "$(python3 -c 'import json, sys
for line in open(sys.argv[1]):
    json.loads(line)' "$work/server-err" 2>&1)"
check "reports say what happened" 0 '"event":"node_stopped"' cat "$work/server-err"

finished
