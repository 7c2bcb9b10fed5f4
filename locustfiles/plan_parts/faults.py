"""A plan's faults: what is done to the platform, or to the wire, at which time of a phase."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from locustfiles.plan_parts.part import Part, Seconds, whole_ns
from reports.slos import ChannelName

Process = Literal["platform", "queue manager", "broker", "worker"]

TO_PROCESSES = ("kill", "pause")
TO_PLATFORM = {
    "slow": "slow_ms",
    "capacity": "capacity_per_s",
    "errors": "errors_percent",
    "throttle": "throttled_percent",
}
"""Name -> the sandbox's strain (sandbox/strain.py)."""
TO_WIRE = {
    "latency": "latency",
    "bandwidth": "bandwidth",
    "reset": "reset_peer",
    "black hole": "timeout",
    "slow close": "slow_close",
    "slice": "slicer",
}
"""Name -> the type of Toxiproxy's toxic."""

AMOUNTS: dict[str, tuple[str, ...]] = {
    "slow": ("ms",),
    "capacity": ("per_s",),
    "errors": ("percent",),
    "throttle": ("percent",),
    "latency": ("ms",),
    "bandwidth": ("kb_per_s",),
    "slow close": ("ms",),
    "slice": ("bytes",),
}
"""What has to be said of how much, where anything has."""
_ALL_AMOUNTS = ("ms", "per_s", "percent", "kb_per_s", "bytes")


class Fault(Part):
    """One fault: it begins `at_s` after its phase began to send, and ends `for_s` later."""

    do: Literal[
        "kill", "pause", "slow", "capacity", "errors", "throttle",
        "latency", "bandwidth", "reset", "black hole", "slow close", "slice",
    ]  # fmt: skip
    """kill (with -9, started again at the end) or pause a process; have the sandbox answer slowly, decide
    no more than so many a second, fail, or throttle; or do to the wire what Toxiproxy can."""
    phase: str
    """During which it happens."""
    at_s: Seconds = Field(ge=0)
    """When it begins, since its phase began to send."""
    for_s: Seconds = Field(gt=0)
    """How long it lasts."""
    to: Process = "platform"
    """Whom to kill or pause; a worker is not started again."""
    channel: ChannelName | None = None
    """Whose wire."""
    ms: float | None = Field(default=None, gt=0)
    """Of slow and latency: how much later."""
    jitter_ms: float = Field(default=0, ge=0)
    """Of latency: by how much more or less, at random."""
    per_s: float | None = Field(default=None, gt=0)
    """Of capacity: decisions a second, at most."""
    percent: float | None = Field(default=None, gt=0, le=100)
    """Of errors and throttle: the share of answers."""
    kb_per_s: int | None = Field(default=None, gt=0)
    """Of bandwidth: kilobytes a second."""
    bytes: int | None = Field(default=None, gt=0)
    """Of slice: how large the pieces are."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed = AMOUNTS.get(self.do, ())
        given = [name for name in _ALL_AMOUNTS if getattr(self, name) is not None]
        wrong = [f"{self.do} takes {name}" for name in needed if name not in given]
        wrong += [f"{name} is not for {self.do}" for name in given if name not in needed]
        if self.do in TO_WIRE and self.channel is None:
            wrong.append(f'{self.do} is on a wire: say whose, such as channel = "http"')
        if self.do not in TO_WIRE and self.channel is not None:
            wrong.append(f"channel is not for {self.do}")
        if self.do not in TO_PROCESSES and self.to != "platform":
            wrong.append(f"to is for {' and '.join(TO_PROCESSES)}")
        if self.jitter_ms and self.do != "latency":
            wrong.append("jitter_ms is for latency")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def title(self) -> str:
        """The fault in words, such as "kill the platform"."""
        if self.do in TO_PROCESSES:
            return f"{self.do} the {self.to}"
        if self.do == "slow":
            return f"the platform is slower by {self.ms:g} ms"
        if self.do == "capacity":
            return f"the platform decides {self.per_s:g}/s at most"
        if self.do in TO_PLATFORM:
            return f"the platform answers {self.percent:g} % with {_STATUSES[self.do]}"
        assert self.channel is not None
        return f"{self.do}{self._amount} on {self.channel.name}"

    @property
    def _amount(self) -> str:
        if self.do == "latency" and self.jitter_ms:
            return f" of {self.ms:g} ± {self.jitter_ms:g} ms"
        amounts = {"ms": self.ms, "KB/s": self.kb_per_s, "bytes": self.bytes}
        return next((f" of {v:g} {unit}" for unit, v in amounts.items() if v is not None), "")

    @property
    def on(self) -> str:
        """The channel that it is on, in capital letters; empty where it is on all."""
        of_process = {"queue manager": "MQ", "broker": "KAFKA"}
        return of_process.get(self.to, "") if self.channel is None else self.channel.name

    @property
    def at_ns(self) -> int:
        """When it begins, from its phase's beginning."""
        return whole_ns(self.at_s)


_STATUSES = {"errors": 503, "throttle": 429}


class Wire(Part):
    """How faults come on the wire."""

    toxiproxy: str = "http://127.0.0.1:8474"
    """The address of Toxiproxy's API. A run makes proxies of its own there, and sends through them."""


class SandboxChoice(Part):
    """What the embedded sandbox is started with; other platforms know nothing of it."""

    latency_ms: int = Field(default=5, ge=0)
    """From a command's acceptance to its decision."""
    defects: dict[str, float] = Field(default_factory=dict)
    """Defects by name, each with the share of commands that it hits: see paystorm sandbox --help."""
    seed: int = 0
    """Which commands a defect hits."""

    @property
    def options(self) -> list[str]:
        """The command's options."""
        said = [f"--latency={self.latency_ms}", f"--seed={self.seed}"]
        return [*said, *(f"--defect={name}={rate:g}" for name, rate in self.defects.items())]
