"""Launching: what a run directory says from its first moment on."""

from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace

import gevent
import msgpack
import pytest

from e2e_data.commands import Channel, Kind
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles import kafka_launch
from locustfiles.arrivals import Arrival
from locustfiles.card import Card
from locustfiles.launch import launch, order_of, serve
from locustfiles.options import OPTIONS
from locustfiles.regional import RegionalLine, RegionalSource
from locustfiles.settings import read_settings
from reports.rundir import RunDirectory
from tests.helpers_wire import answer, serving

PATIENT_S = 60
ROWS = answer(b'{"asOf":0,"rows":0}\n', "200 OK")


def settings_for(peer, tmp_path, **more):
    values = {option.name: option.default for option in OPTIONS}
    values |= {"paystorm_plan": "smoke", "paystorm_runs_dir": str(tmp_path), "num_users": 3, **more}
    return read_settings(Namespace(**values), str(peer.origin))


def test_a_run_directory_can_be_judged_from_its_first_moment_on(tmp_path):
    """Before anything is sent, the record, the ids' key and the pool's manifest are on disk."""
    with serving(lambda connection, _: connection.sendall(ROWS)) as peer:
        launched = launch(settings_for(peer, tmp_path))
        launched.run.completions.stop()
        launched.run.close()
    directory = RunDirectory.open(launched.run.directory.path)
    record = directory.record()
    assert record == launched.record
    assert (record.state, record.drained, record.host) == ("running", False, str(peer.origin))
    assert [phase.sends for phase in record.phases] == [
        (Kind.ACCOUNT,),
        (Kind.OPENING_CREDIT,),
        (Kind.FUNDING, Kind.PAYMENT),
    ]
    assert record.ids == launched.run.ids
    assert record.versions["locust"]
    assert not record.embedded_sandbox
    assert launched.sandbox is None
    assert any(directory.pool.iterdir())


def test_a_worker_gets_the_addresses_of_regions_with_its_order(tmp_path):
    """What it sends, and asks for, goes to the region of the account, as the master's settings have it."""

    def reply(connection, _request):
        connection.sendall(ROWS)

    with serving(reply) as north, serving(reply) as south:
        regions = f'http.regions={{north="{north.origin}",south="{south.origin}"}}'
        settings = settings_for(
            north, tmp_path, paystorm_set=['pool.regions=["north","south"]', regions]
        )
        launched = launch(settings, fleet=True)
        assert launched.record.regions == {"north": str(north.origin), "south": str(south.origin)}
        order = msgpack.loads(msgpack.dumps(order_of(launched, 3)))
        run, gates = serve(order, launched.director.directory, "w", Platform())
        assert gates.of("south").origin == south.origin
        assert isinstance(run.lines[Channel.HTTP], RegionalLine)
        assert isinstance(run.completions, RegionalSource)
        assert [site.host for site in gates.sites] == [str(north.origin), str(south.origin)]
        run.completions.stop()
        run.close()
        launched.let_go()


def test_a_fleet_that_may_lose_workers_is_told_how_long_their_events_are_nobodys(
    tmp_path, monkeypatch
):
    """Where the group notices a loss late; in the timeline, since only the run's end shows it."""
    # No brokers are asked: what they have is not what is warned of.
    monkeypatch.setattr(kafka_launch, "ready", lambda plan: None)
    monkeypatch.setattr(kafka_launch, "begin", lambda plan, directory: None)
    late, soon = (
        f"kafka={{bootstrap='127.0.0.1:9',group_protocol='{protocol}'}}"
        for protocol in ("consumer", "classic")
    )
    allowed = "fitness.may_lose_workers=true"
    with serving(lambda connection, _: connection.sendall(ROWS)) as peer:
        for changes, warned in (([allowed, late], 1), ([late], 0), ([allowed, soon], 0)):
            launched = launch(settings_for(peer, tmp_path, paystorm_set=changes), fleet=True)
            launched.let_go()
            told = [one.note for one in launched.director.told if one.event == "warning"]
            assert len(told) == warned, told
            assert all("is read by nobody" in note for note in told)


def test_outcomes_reach_the_tracker(tmp_path):
    """What the platform says of a command's end is asked for, and ends the waiting for it."""
    said = answer(b'{"status":"SETTLED"}', "200 OK")

    def reply(connection, request):
        connection.sendall(said if b"/api/commands/the-id" in request else ROWS)

    card = Card((0, 0, 5), SimpleNamespace(number=0), Kind.ACCOUNT, 0, "the-id", "customer")
    with serving(reply) as peer:
        run = launch(settings_for(peer, tmp_path)).run
        run.tracker.sending(card, 0, Arrival(0, 0, 0))
        run.expect(card.place, card.command_id)
        with gevent.Timeout(PATIENT_S):
            while run.tracker.pending:
                gevent.sleep(0)
        run.completions.stop()
        run.close()
    assert run.tracker.tally.completed == 1


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"SSH-2.0\r\n", "does not answer as a web server does"),
        (answer(b"<html>", "200 OK"), "is not the payments platform of the adapter Platform"),
    ],
)
def test_no_platform_no_run(tmp_path, said, problem):
    """Where no platform answers, there is a problem and no run directory."""
    with (
        serving(lambda connection, _: connection.sendall(said)) as peer,
        pytest.raises(Problems, match=problem),
    ):
        launch(settings_for(peer, tmp_path))
    assert not list(tmp_path.iterdir())
