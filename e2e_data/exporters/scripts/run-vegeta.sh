#!/usr/bin/env bash
# Plays the four phases beside this script with Vegeta, in their order.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: run-vegeta.sh DIR RATE DURATION

DIR is the directory of an export, RATE the requests a second, as Vegeta takes it (500, 100/1m; 0 for as
fast as possible), DURATION how long funding and payments are each sent at most (30s, 5m; 0 until their
files end). Accounts and opening credits are always sent to the end, since all others depend on them.

Writes into DIR: report.txt, plot.html, and what Vegeta saw of each phase as PHASE.results.json.

    VEGETA        the command to call; vegeta
    SETTLE_S      seconds to wait after each phase, so that the platform decides what it accepted; 2
    MAX_WORKERS   requests under way at once where RATE is 0; 64
TEXT
}

fail() {
    printf 'run-vegeta.sh: %s\n' "$1" >&2
    exit "${2:-2}"
}

case "${1-}" in -h | --help) usage && exit 0 ;; esac
if [ "$#" -ne 3 ]; then
    usage >&2
    exit 2
fi
dir=$1 rate=$2 duration=$3
vegeta=${VEGETA:-vegeta}
phases=(01-accounts 02-opening-credits 03-funding-txns 04-payments)

for phase in "${phases[@]}"; do
    [ -r "$dir/$phase.json" ] || fail "$dir/$phase.json cannot be read; give the directory of an export for Vegeta"
done
[[ "$rate" =~ ^[0-9]+(/[0-9]*(ns|us|ms|s|m|h))?$ ]] || fail "RATE is $rate: give requests a second, such as 500 or 100/1m"
[[ "$duration" =~ ^(0|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$ ]] || fail "DURATION is $duration: give a time such as 30s or 5m, or 0"
command -v "$vegeta" >/dev/null || fail "there is no $vegeta here; install Vegeta 12, or set VEGETA"

options=(-format=json -lazy -rate="$rate")
if [[ "$rate" =~ ^0+(/|$) ]]; then
    options+=(-max-workers="${MAX_WORKERS:-64}")
fi

# When a file ends, Vegeta counts that as a request that failed: such lines are left out.
without_the_end() {
    grep -v -F '"error":"no targets to attack"' || [ "$?" -eq 1 ]
}

attack() { # PHASE DURATION
    printf 'run-vegeta.sh: %s\n' "$1" >&2
    "$vegeta" attack "${options[@]}" -name="$1" -duration="$2" -targets="$dir/$1.json" |
        "$vegeta" encode -to=json | without_the_end >"$dir/$1.results.json"
}

all_accepted() { # PHASE
    local sent refused
    sent=$(wc -l <"$dir/$1.json")
    refused=$((sent - $(grep -c '"code":2[0-9][0-9],' "$dir/$1.results.json" || true)))
    [ "$refused" -eq 0 ] || fail "stopped: $refused of the $sent requests of $1 were not accepted, and all others depend on them; see $dir/$1.results.json" 1
}

results=()
for phase in "${phases[@]}"; do
    case "$phase" in
    01-* | 02-*)
        attack "$phase" 0
        all_accepted "$phase"
        ;;
    *) attack "$phase" "$duration" ;;
    esac
    results+=("$dir/$phase.results.json")
    sleep "${SETTLE_S:-2}"
done

{
    for phase in "${phases[@]}"; do
        printf '== %s\n' "$phase"
        "$vegeta" report "$dir/$phase.results.json"
        printf '\n'
    done
    printf '== all phases\n'
    "$vegeta" report "${results[@]}"
} >"$dir/report.txt"
"$vegeta" plot -title="$(basename -- "$dir")" "${results[@]}" >"$dir/plot.html"
printf 'run-vegeta.sh: see %s and %s\n' "$dir/report.txt" "$dir/plot.html" >&2
