"""The scripts beside exported files: what they call, and what they say where that cannot be."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "e2e_data" / "exporters" / "scripts"
PHASES = ("01-accounts", "02-opening-credits", "03-funding-txns", "04-payments")
RUN_S = 300

# Answers each target with a line as `vegeta encode` has it, and then tells of the file's end.
VEGETA = r"""#!/usr/bin/env bash
printf '%s\n' "$*" >>"$CALLS"
case "$1" in
attack)
    for option in "$@"; do case "$option" in -targets=*) targets=${option#-targets=} ;; esac; done
    while read -r code; do printf '{"code":%s,"error":""}\n' "$code"; done <"$targets"
    printf '{"code":0,"error":"no targets to attack"}\n'
    ;;
encode) cat ;;
report) shift && cat "$@" ;;
plot) printf '<html>' ;;
esac
"""
ECHO = '#!/usr/bin/env bash\nprintf \'%s\\n\' "$*" "$MQ_HOST $MQ_PORT $MQ_QMGR $MQ_CHANNEL" >>"$CALLS"\n'


@pytest.fixture
def place(tmp_path):
    """A directory with blanks in its name, for files and programs."""
    directory = tmp_path / "a directory"
    directory.mkdir()
    return directory


def program(place, name, text):
    """Write a program; return its path."""
    path = place / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def call(script, *arguments, place, **environment):
    """Run a script; return its exit code, what it said, and the lines that its programs were given."""
    calls = place / "calls"
    calls.write_text("")
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        [str(SCRIPTS / script), *map(str, arguments)],
        env={**kept, "SETTLE_S": "0", "CALLS": str(calls), **environment},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines()


def targets(place, **codes):
    """Write the phases' files: for each target the status that the stand-in gives to it."""
    for phase in PHASES:
        lines = codes.get(f"of_{phase[:2]}", ["202", "202"])
        (place / f"{phase}.json").write_text("".join(f"{code}\n" for code in lines))


@pytest.mark.parametrize("script", sorted(SCRIPTS.iterdir()), ids=lambda path: path.name)
def test_a_script_explains_itself(script, place):
    """Its syntax is right; --help is no error, and too few arguments are one."""
    subprocess.run(["bash", "-n", script], check=True)
    code, said, _ = call(script.name, "--help", place=place)
    assert (code, said.startswith(f"usage: {script.name} ")) == (0, True)
    assert call(script.name, place=place)[:2] == (2, said)


# -- run-vegeta.sh ----------------------------------------------------------------------------------


def test_phases_are_attacked_in_their_order(place):
    """All accounts and opening credits; funding and payments for as long as asked at most."""
    vegeta = program(place, "vegeta", VEGETA)
    targets(place, of_04=["202", "422", "400"])
    code, said, calls = call("run-vegeta.sh", place, "300", "30s", place=place, VEGETA=vegeta)
    assert code == 0, said
    assert [line for line in calls if line.startswith("attack")] == [
        f"attack -format=json -lazy -rate=300 -name={phase} -duration={duration} "
        f"-targets={place}/{phase}.json"
        for phase, duration in zip(PHASES, ("0", "0", "30s", "30s"), strict=True)
    ]
    assert f"see {place}/report.txt and {place}/plot.html" in said
    assert (place / "plot.html").read_text() == "<html>"


def test_the_end_of_a_file_is_no_failure(place):
    """What Vegeta says when it has no more targets is in neither report nor results."""
    targets(place, of_04=["202", "422"])
    vegeta = program(place, "vegeta", VEGETA)
    call("run-vegeta.sh", place, "300", "30s", place=place, VEGETA=vegeta)
    report = (place / "report.txt").read_text()
    assert "no targets" not in report
    assert [report.count(f"== {phase}\n") for phase in PHASES] == [1, 1, 1, 1]
    assert report.count('{"code":422,') == 2, "once for its phase, once for all phases"
    assert (place / "04-payments.results.json").read_text().count("\n") == 2


def test_nothing_is_paid_from_accounts_that_are_not_there(place):
    """It stops where a creation or an opening credit was not accepted, and says how many."""
    vegeta = program(place, "vegeta", VEGETA)
    for which, phase in (("of_01", PHASES[0]), ("of_02", PHASES[1])):
        targets(place, **{which: ["202", "503", "0"]})
        code, said, calls = call("run-vegeta.sh", place, "9", "0", place=place, VEGETA=vegeta)
        assert code == 1
        assert f"stopped: 2 of the 3 requests of {phase} were not accepted" in said
        assert f"-targets={place}/{phase}.json" in [c for c in calls if "attack" in c][-1]


def test_an_unlimited_rate_bounds_the_workers(place):
    """As Vegeta demands."""
    vegeta = program(place, "vegeta", VEGETA)
    targets(place)
    for environment, workers in (({}, "64"), ({"MAX_WORKERS": "7"}, "7")):
        _, _, calls = call(
            "run-vegeta.sh", place, "0", "0", place=place, VEGETA=vegeta, **environment
        )
        assert all(f"-rate=0 -max-workers={workers} " in c for c in calls if "attack" in c)


def test_an_attack_that_fails_is_not_reported_on(place):
    """Its exit code is the script's."""
    targets(place)
    vegeta = program(place, "vegeta", "#!/usr/bin/env bash\n[ $1 != attack ] || exit 3\ncat\n")
    code, _, _ = call("run-vegeta.sh", place, "10", "0", place=place, VEGETA=vegeta)
    assert code == 3
    assert not (place / "report.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fast", "30s"), "RATE is fast: give requests a second, such as 500 or 100/1m"),
        (("-5", "30s"), "RATE is -5: "),
        (("500", "30"), "DURATION is 30: give a time such as 30s or 5m, or 0"),
        (("500", "soon"), "DURATION is soon: "),
    ],
)
def test_a_rate_or_duration_that_is_none_is_refused(arguments, said, place):
    """Before anything is sent."""
    targets(place)
    code, told, calls = call(
        "run-vegeta.sh", place, *arguments, place=place, VEGETA=program(place, "vegeta", VEGETA)
    )
    assert (code, calls) == (2, [])
    assert said in told


@pytest.mark.parametrize(("rate", "duration"), [("100/1m", "1h30m"), ("5/s", "1.5s"), ("5", "0")])
def test_rates_and_durations_are_vegetas(rate, duration, place):
    """In any form that it knows."""
    targets(place)
    vegeta = program(place, "vegeta", VEGETA)
    assert call("run-vegeta.sh", place, rate, duration, place=place, VEGETA=vegeta)[0] == 0


def test_what_is_missing_is_named(place):
    """The files of an export, or Vegeta itself."""
    code, said, _ = call("run-vegeta.sh", place, "1", "0", place=place, VEGETA="true")
    assert (code, f"{place}/01-accounts.json cannot be read" in said) == (2, True)
    targets(place)
    code, said, _ = call("run-vegeta.sh", place, "1", "0", place=place, VEGETA="no-vegeta")
    assert (code, "there is no no-vegeta here; install Vegeta 12, or set VEGETA" in said) == (
        2,
        True,
    )


# -- load-mq.sh -------------------------------------------------------------------------------------


def test_messages_are_loaded_by_paystorm(place):
    """File, queue and rate as they were given; the queue manager by the environment."""
    (place / "payments.jsonl").write_text("{}\n")
    paystorm = program(place, "paystorm", ECHO)
    options = (place / "payments.jsonl", "DEV.QUEUE.1", "0")
    code, said, calls = call("load-mq.sh", *options, place=place, PAYSTORM=paystorm)
    assert code == 0, said
    assert calls[-2:] == [
        f"mq load {place}/payments.jsonl --queue DEV.QUEUE.1 --rate 0",
        "localhost 1414 QM1 DEV.APP.SVRCONN",
    ]
    named = {"MQ_HOST": "h", "MQ_PORT": "1", "MQ_QMGR": "Q", "MQ_CHANNEL": "C"}
    _, _, calls = call("load-mq.sh", *options, place=place, PAYSTORM=paystorm, **named)
    assert calls[-1] == "h 1 Q C"


def test_a_paystorm_that_cannot_load_yet_is_said(place):
    """The command comes with a later version."""
    (place / "payments.jsonl").write_text("{}\n")
    old = program(place, "paystorm", '#!/usr/bin/env bash\necho "No such command" >&2; exit 2\n')
    code, said, _ = call(
        "load-mq.sh", place / "payments.jsonl", "Q", "5", place=place, PAYSTORM=old
    )
    assert code == 2
    assert "this version of paystorm has no 'mq load'; a later one does" in said


def test_wrong_use_of_load_mq_is_said(place):
    """No file, no rate, no paystorm."""
    file = place / "payments.jsonl"
    file.write_text("{}\n")
    for options, environment, said in (
        ((place / "none", "Q", "1"), {}, f"{place}/none cannot be read"),
        ((file, "Q", "fast"), {}, "RATE is fast: give messages a second, 0 for unlimited"),
        ((file, "Q", "1"), {"PAYSTORM": "no-paystorm"}, "there is no no-paystorm here"),
    ):
        code, told, _ = call("load-mq.sh", *options, place=place, **environment)
        assert (code, said in told) == (2, True), told


# -- load-kafka.sh ----------------------------------------------------------------------------------


def test_records_are_produced_by_kcat(place):
    """With the key before the tab, acknowledged by all replicas."""
    file = place / "payments.kcat"
    file.write_text("k\t{}\n")
    kcat = program(place, "kcat", ECHO)
    for options, environment, brokers, topic in (
        ((), {}, "localhost:9092", "payments.commands"),
        (("my.topic",), {"KAFKA_BOOTSTRAP": "a:1,b:2"}, "a:1,b:2", "my.topic"),
    ):
        code, said, calls = call(
            "load-kafka.sh", file, *options, place=place, KCAT=kcat, MQ_HOST="", **environment
        )
        assert code == 0, said
        assert calls[0] == rf"-P -b {brokers} -t {topic} -K \t -X acks=all -l {file}"


def test_wrong_use_of_load_kafka_is_said(place):
    """No file, no kcat."""
    file = place / "payments.kcat"
    file.write_text("k\t{}\n")
    for path, environment, said in (
        (place / "none", {}, f"{place}/none cannot be read"),
        (file, {"KCAT": "no-kcat"}, "there is no no-kcat here; install it, or set KCAT"),
    ):
        code, told, _ = call("load-kafka.sh", path, place=place, **environment)
        assert (code, said in told) == (2, True), told
