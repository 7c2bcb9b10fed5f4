"""What a plan says of its regions' addresses, and what is wrong with that; nothing is reached for here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from locustfiles.channels.origin import Origin
from locustfiles.fault_plan import on_wire
from locustfiles.plans import Plan


def main_origin(plan: Plan, host: str | None) -> Origin | None:
    """Return where all goes that no region has an address for; None for the embedded sandbox.

    Where regions have addresses and no `host` is given, that is the first region's. Raises Problems.
    """
    host = host or next(iter(plan.http.regions.values()), None)
    return Origin.parse(host) if host else None


def check(plan: Plan, regions: Sequence[str], *, hosted: bool) -> Iterator[str]:
    """Yield what is wrong with the addresses of a pool's `regions`; `hosted`: there is a --host."""
    yield from _missing("http", plan.http.regions, regions, "--host", given=hosted)
    has_hosts = bool(plan.mq.hosts)
    yield from _missing("mq", plan.mq.regions, regions, "mq.hosts", given=has_hosts)
    kafka = plan.kafka.regions if plan.kafka else {}
    has_bootstrap = bool(plan.kafka and plan.kafka.bootstrap)
    yield from _missing("kafka", kafka, regions, "kafka.bootstrap", given=has_bootstrap)
    for name, own in (
        *(("http", plan.http.regions), ("mq", plan.mq.regions)),
        ("kafka", kafka),
    ):
        if own and name in on_wire(plan):
            yield (
                f"faults: {name}: its wire is put through one proxy, and {name}.regions leads to "
                "several addresses: leave one of them out"
            )


def _missing(
    table: str, own: Mapping[str, object], regions: Sequence[str], other: str, *, given: bool
) -> Iterator[str]:
    """Name the regions that have no address, where any has one."""
    if not own:
        return
    for region in regions:
        if region not in own and not given:
            yield (
                f"{table}.regions: {region} has no address: give it one, or {other} for the regions "
                "that have none"
            )
