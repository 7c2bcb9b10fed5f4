#!/usr/bin/env bash
# Puts the messages of a file on a queue of IBM MQ: a wrapper of `paystorm mq load`.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: load-mq.sh FILE QUEUE RATE

FILE is one of the .jsonl files beside this script, QUEUE the queue to put them on, RATE the messages
a second, 0 for as fast as possible. all-messages.jsonl has everything in the order of sending.

The queue manager is named by the environment:
    MQ_HOST      localhost
    MQ_PORT      1414
    MQ_QMGR      QM1
    MQ_CHANNEL   DEV.APP.SVRCONN
    PAYSTORM     the command to call; paystorm
TEXT
}

fail() {
    printf 'load-mq.sh: %s\n' "$1" >&2
    exit 2
}

case "${1-}" in -h | --help) usage && exit 0 ;; esac
if [ "$#" -ne 3 ]; then
    usage >&2
    exit 2
fi
file=$1 queue=$2 rate=$3
paystorm=${PAYSTORM:-paystorm}

[ -r "$file" ] || fail "$file cannot be read; give one of the .jsonl files of an export"
[[ "$rate" =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "RATE is $rate: give messages a second, 0 for unlimited"
command -v "$paystorm" >/dev/null || fail "there is no $paystorm here; install it, or set PAYSTORM"
"$paystorm" mq load --help >/dev/null 2>&1 ||
    fail "this version of paystorm has no 'mq load'; a later one does: install it, or put the lines of $file on $queue with another tool"

export MQ_HOST="${MQ_HOST:-localhost}" MQ_PORT="${MQ_PORT:-1414}"
export MQ_QMGR="${MQ_QMGR:-QM1}" MQ_CHANNEL="${MQ_CHANNEL:-DEV.APP.SVRCONN}"
exec "$paystorm" mq load "$file" --queue "$queue" --rate "$rate"
