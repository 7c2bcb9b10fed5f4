"""Faults, carried out: each begins and ends at its time, and the timeline says when it really did."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.error import URLError
from urllib.request import Request, urlopen

import gevent
from gevent import Greenlet

from e2e_data.problems import Problems
from locustfiles import kafka_hop
from locustfiles.channels.origin import Origin
from locustfiles.director import Director
from locustfiles.embedded import EmbeddedSandbox
from locustfiles.fault_plan import on_wire
from locustfiles.phases import State
from locustfiles.plan_parts.faults import AMOUNTS, TO_PLATFORM, TO_PROCESSES, Fault
from locustfiles.plans import Plan
from locustfiles.toxiproxy import Toxiproxy
from reports.timeline import FAULT_BEGAN, FAULT_ENDED

log = logging.getLogger(__name__)

LOOK_S = 0.02
STRAIN_S = 5.0


def proxied(plan: Plan, origin: Origin) -> tuple[Plan, Origin, Toxiproxy]:
    """Return a plan and an address that lead through proxies where faults are on the wire.

    Raises Problems.
    """
    if "http" in on_wire(plan) and origin.scheme != "http":
        raise Problems(["faults: on http: behind a proxy nobody would have its certificate"])
    wire = Toxiproxy(plan.wire.toxiproxy, f"paystorm-{secrets.token_hex(3)}")
    try:
        if "http" in on_wire(plan):
            origin = Origin.parse(f"http://{wire.proxy('http', origin.authority)}")
        if "mq" in on_wire(plan):
            (host, port), *_ = plan.mq.listeners
            there = wire.proxy("mq", f"{host}:{port}").replace(":", "(") + ")"
            mq = plan.mq.model_copy(update={"hosts": (there,)})
            plan = plan.model_copy(update={"mq": mq})
        if "kafka" in on_wire(plan):
            plan = kafka_hop.through(plan, wire)
    except BaseException:
        wire.close()
        raise
    return plan, origin, wire


@dataclass(slots=True, eq=False)
class _Planned:
    fault: Fault
    has_begun: bool = False
    playing: Greenlet[..., None] | None = None


@dataclass(slots=True, eq=False)
class Faults:
    """A plan's faults, beside a run that `director` directs."""

    director: Director
    sandbox: EmbeddedSandbox | None
    wire: Toxiproxy | None
    kill_worker: Callable[[], bool] = lambda: False
    """Kills a worker process, and tells whether there was one."""
    _planned: list[_Planned] = field(default_factory=list)
    _under: list[Fault] = field(default_factory=list)
    """The strains that the platform is under."""
    _looking: Greenlet[..., None] | None = None

    def start(self) -> None:
        """Begin to look for what is due."""
        self._planned = [_Planned(fault) for fault in self.director.plan.faults]
        if self._planned:
            self._looking = gevent.spawn(self._look_on)

    def stop(self) -> None:
        """Begin nothing further, and end what is on, so that the platform is as it was."""
        if self._looking is not None:
            self._looking.kill()
        for one in self._planned:
            if one.playing is not None:
                one.playing.kill()
            elif not one.has_begun:
                note = f"fault {one.fault.title} never began: its phase was over before"
                self.director.event("warning", one.fault.phase, note)

    def close(self) -> None:
        """Take the proxies away: nobody asks the platform anything any more."""
        if self.wire is not None:
            try:
                self.wire.close()
            except Problems as problems:
                log.warning("%s", problems)

    def _look_on(self) -> None:
        while not all(one.has_begun for one in self._planned):
            self.look()
            gevent.sleep(LOOK_S)

    def look(self) -> None:
        """Begin what is due."""
        director = self.director
        if director.machine.state is not State.SENDING:
            return
        sent_for_ns = director.machine.sent_for_ns(director.clock.now_ns())
        for one in self._planned:
            is_due = one.fault.phase == director.phase_name and sent_for_ns >= one.fault.at_ns
            if is_due and not one.has_begun:
                one.has_begun = True
                one.playing = gevent.spawn(self._play, one)

    def _play(self, one: _Planned) -> None:
        fault, director = one.fault, self.director
        try:
            director.event(FAULT_BEGAN, fault.phase, fault.title, channel=fault.on)
            director.faults.add(fault.title)
            log.info("fault: %s for %g s", fault.title, fault.for_s)
            try:
                self._begin(fault)
                gevent.sleep(fault.for_s)
            finally:
                # Also where the run is over: whoever is stopped here lets nothing stay as it is.
                one.playing = None
                director.faults.discard(fault.title)
                director.event(FAULT_ENDED, fault.phase, fault.title, channel=fault.on)
                self._end(fault)
        except (Problems, OSError) as error:
            note = f"fault {fault.title} could not be brought about: {error}"
            log.warning("%s", note)
            director.event("warning", fault.phase, note)

    def _begin(self, fault: Fault) -> None:
        if fault.to == "worker":
            if not self.kill_worker():
                raise Problems(["there is no worker process of ours; start some with --workers"])
        elif fault.do in TO_PROCESSES:
            assert self.sandbox is not None
            part = self.sandbox.parts[fault.to]
            part.kill() if fault.do == "kill" else part.pause(paused=True)
        elif fault.do in TO_PLATFORM:
            self._strain([*self._under, fault])
        else:
            assert self.wire is not None
            assert fault.channel is not None
            self.wire.begin(fault.channel.name.lower(), fault)

    def _end(self, fault: Fault) -> None:
        if fault.to == "worker":
            return
        if fault.do in TO_PROCESSES:
            assert self.sandbox is not None
            part = self.sandbox.parts[fault.to]
            part.start_again() if fault.do == "kill" else part.pause(paused=False)
        elif fault.do in TO_PLATFORM:
            self._strain([one for one in self._under if one is not fault])
        else:
            assert self.wire is not None
            assert fault.channel is not None
            self.wire.end(fault.channel.name.lower())

    def _strain(self, under: Sequence[Fault]) -> None:
        """Let the sandbox know what it is under now."""
        assert self.sandbox is not None
        self._under = list(under)
        told = {TO_PLATFORM[one.do]: getattr(one, AMOUNTS[one.do][0]) for one in under}
        body = json.dumps(told).encode()
        request = Request(f"{self.sandbox.url}/sandbox/strain", body, method="PUT")  # noqa: S310
        try:
            urlopen(request, timeout=STRAIN_S).close()  # noqa: S310
        except URLError as error:
            raise Problems([f"the sandbox was not told: {error.reason}"]) from error
