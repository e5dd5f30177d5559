# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share: a directory of their own, a node, checks that count. The last line of a script is
# `N passed, N failed`.
root=$(cd "$(dirname "$0")/../../.." && pwd)
strom=$root/${BUILD_DIRECTORY:-build}/strom
work=$(mktemp -d)
passed=0
failed=0
server=

finish() {
    if [ -n "$server" ]; then kill -9 "$server" 2>/dev/null; fi
    rm -rf "$work"
}
trap finish EXIT
cd "$work" || exit 1

# check NAME EXPECTED_CODE EXPECTED_TEXT COMMAND...: the command's exit code, and a text that its output must hold
check() {
    local name=$1 code=$2 text=$3 got
    shift 3
    "$@" >"$work/out" 2>&1 </dev/null
    got=$?
    verdict "$name" "$code" "$text" $got
}

# feed INPUT NAME EXPECTED_CODE EXPECTED_TEXT COMMAND...: the same with an input
feed() {
    local input=$1 name=$2 code=$3 text=$4 got
    shift 4
    printf '%b' "$input" | "$@" >"$work/out" 2>&1
    got=$?
    verdict "$name" "$code" "$text" $got
}

verdict() {
    if [ "$4" = "$2" ] && grep -qF -- "$3" "$work/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1: exit code $4, wanted $2 and '$3'; it said:"
        sed 's/^/    /' "$work/out"
    fi
}

# same NAME EXPECTED ACTUAL
same() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s: wanted\n%s\n  got\n%s\n' "$1" "$2" "$3"
    fi
}

# until TEXT COMMAND...: waits for a text in the command's output, for 20 s
until_says() {
    local text=$1
    shift
    for _ in $(seq 200); do
        "$@" >"$work/out" 2>&1
        if grep -qF -- "$text" "$work/out"; then return 0; fi
        sleep 0.1
    done
    return 1
}

# waited NAME TEXT COMMAND...: the same as a check
waited() {
    local name=$1 text=$2
    shift 2
    until_says "$text" "$@"
    verdict "$name" 0 "$text" $?
}

start() {
    "$strom" server --override listeners=PLAINTEXT://127.0.0.1:0 "$@" >"$work/server-out" 2>"$work/server-err" &
    server=$!
    for _ in $(seq 100); do
        address=$(sed -n 's/.*--bootstrap-server //p' "$work/server-out")
        if [ -n "$address" ] && "$strom" health -b "$address" >/dev/null 2>&1; then return 0; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    echo "the server did not start:"
    cat "$work/server-out" "$work/server-err"
    failed=$((failed + 1))
    echo "$passed passed, $failed failed"
    exit 1
}

stop() {
    kill -TERM "$server"
    wait "$server"
    same "SIGTERM ends the server in order" 0 $?
    server=
}

finished() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
