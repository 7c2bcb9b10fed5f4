"""All addresses that a plan's commands go to, whatever the channel."""

from __future__ import annotations

from collections.abc import Iterator

from e2e_data.commands import Channel
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.channels.origin import Origin, locate
from locustfiles.fault_plan import on_wire
from locustfiles.plan_parts.allowed import Address
from locustfiles.plans import Plan


def addresses_of(plan: Plan, origin: Origin | None) -> Iterator[Address]:
    """Yield where commands go, given where the platform listens over HTTP; None: it is embedded."""
    if origin is not None:
        yield from _platform(plan.http, origin)
    proxy = locate(plan.http.proxy)[0] if plan.http.proxy else None
    if proxy is not None:
        yield Address(proxy.host, proxy.port, "http.proxy")
    if plan.kafka is not None:
        yield from _brokers(plan.kafka)
    api = locate(plan.wire.toxiproxy)[0] if on_wire(plan) else None
    if api is not None:
        yield Address(api.host, api.port, "wire.toxiproxy")
    if Channel.MQ in plan.channels_used:
        yield from _queue_managers(plan.mq)


def _brokers(kafka: KafkaSettings) -> Iterator[Address]:
    regions = {f"kafka.regions.{region}": at for region, at in kafka.regions.items()}
    for purpose, bootstrap in {"kafka.bootstrap": kafka.bootstrap, **regions}.items():
        for one in bootstrap.split(",") if bootstrap else ():
            host, _, port = one.rpartition(":")
            yield Address(host.strip("[]"), int(port), purpose)


def _queue_managers(mq: MqSettings) -> Iterator[Address]:
    regions = {f"mq.regions.{region}": hosts for region, hosts in mq.regions.items()}
    for purpose, hosts in {"mq.hosts": mq.hosts, **regions}.items():
        for name, number in mq.at(hosts).listeners:
            yield Address(name, number, purpose)


def _platform(http: HttpSettings, origin: Origin) -> Iterator[Address]:
    if str(origin) not in http.regions.values():
        yield Address(origin.host, origin.port, "--host")
    for region in http.regions:
        own = http.origin_of(region, origin)
        yield Address(own.host, own.port, f"http.regions.{region}")
