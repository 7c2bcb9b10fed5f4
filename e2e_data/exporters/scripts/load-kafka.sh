#!/usr/bin/env bash
# Produces the records of a file to a topic of Kafka, with kcat.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: load-kafka.sh FILE [TOPIC]

FILE is one of the .kcat files beside this script: a record a line, its key, a tab, its value. TOPIC is
payments.commands unless given. all-messages.kcat has everything in the order of sending.

    KAFKA_BOOTSTRAP   the brokers; localhost:9092
    KCAT              the command to call; kcat

kcat gives all records of a call the same headers, so these have none; each value carries commandId,
correlationId and commandType itself.
TEXT
}

fail() {
    printf 'load-kafka.sh: %s\n' "$1" >&2
    exit 2
}

case "${1-}" in -h | --help) usage && exit 0 ;; esac
if [ "$#" -lt 1 ] || [ "$#" -gt 2 ]; then
    usage >&2
    exit 2
fi
file=$1 topic=${2:-payments.commands}
kcat=${KCAT:-kcat}

[ -r "$file" ] || fail "$file cannot be read; give one of the .kcat files of an export"
command -v "$kcat" >/dev/null || fail "there is no $kcat here; install it, or set KCAT"
exec "$kcat" -P -b "${KAFKA_BOOTSTRAP:-localhost:9092}" -t "$topic" -K '\t' -X acks=all -l "$file"
