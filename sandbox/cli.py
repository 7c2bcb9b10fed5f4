"""The command `sandbox`: a payments platform to try paystorm on."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sandbox import server
from sandbox.account_ids import SCHEMES
from sandbox.defects import DEFECTS, parse_rates
from sandbox.flags import FLAGS
from sandbox.kafka_options import KafkaOptions, kafka_options
from sandbox.mq_options import MqOptions, address_of, mq_options
from sandbox.mq_service import MqService, MqSettings

if TYPE_CHECKING:
    from sandbox.kafka_service import KafkaService

_MAX_LATENCY_MS = 3_600_000

_DEFECT_HELP = "A defect, and the share of commands (0 to 1) that it hits; may be repeated. " + (
    " ".join(f"{name}: {what}." for name, what in DEFECTS.items())
)

_FLAGS_HELP = "Flag debits, and tell it in the answer to a command's state. " + (
    " ".join(f"{name}: {what}." for name, what in FLAGS.items())
)


def _defect_rates(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, float]:
    try:
        return parse_rates(texts)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _ledger_url(context: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    if url is None:
        return None
    # Loaded where it is wanted: it takes its time.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(url)
    except ArgumentError:
        raise click.BadParameter(
            f"{url!r} is no address of a database; sqlite:///book.db would be one",
            context,
            parameter,
        ) from None
    return url


@click.command()
@click.option("--http-host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--http-port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 takes any free one.",
)
@click.option(
    "--latency",
    "latency_ms",
    type=click.IntRange(0, _MAX_LATENCY_MS),
    default=5,
    show_default=True,
    metavar="MS",
    help="Milliseconds from the acceptance of a command to its decision.",
)
@click.option(
    "--defect",
    "defect_rates",
    multiple=True,
    metavar="NAME=RATE",
    callback=_defect_rates,
    help=_DEFECT_HELP,
)
@click.option("--seed", default=0, show_default=True, help="Chooses which commands a defect hits.")
@click.option("--flags", is_flag=True, help=_FLAGS_HELP)
@click.option(
    "--account-ids",
    type=click.Choice(list(SCHEMES)),
    default="random",
    show_default=True,
    help="How accounts are named: at random, or by a UUID of version 5 made of the customer's id, "
    "as the files of `paystorm pool export` do.",
)
@click.option(
    "--ledger",
    "ledger_url",
    metavar="URL",
    callback=_ledger_url,
    help="Keep the book in a SQL database, such as sqlite:///book.db or postgresql+psycopg://…: what "
    "was answered survives the process. In memory without it.",
)
@click.option(
    "--announce",
    is_flag=True,
    help='Print one line of JSON, {"http": ADDRESS, "mq": ADDRESS, "kafka": ADDRESS}, once it listens, and nothing else.',
)
@click.option(
    "--stop-with-stdin",
    is_flag=True,
    help="End when standard input ends, so as never to outlive whoever started it.",
)
@mq_options
@kafka_options
def sandbox(
    *,
    http_host: str,
    http_port: int,
    latency_ms: int,
    defect_rates: dict[str, float],
    seed: int,
    flags: bool,
    account_ids: str,
    ledger_url: str | None,
    announce: bool,
    stop_with_stdin: bool,
    mq: MqOptions,
    kafka: KafkaOptions,
) -> None:
    """Run a payments platform to test against: correct, and wrong only where asked to be."""
    logging.basicConfig(level=logging.WARNING, format="sandbox: %(message)s")
    server.log.setLevel(logging.INFO)
    problems = mq.problems() + kafka.problems()
    if mq.only and kafka.only:
        problems.append("--mq-only and --kafka-only: each is a process of its own")
    if problems:
        raise _Unusable("\n".join(problems))
    mq_listener = None if mq.port is None else _listen(mq.host, mq.port, "--mq-port")
    service = _mq_service(mq, mq_listener)
    addresses = {} if mq_listener is None else {"mq": address_of(mq_listener)}
    if mq.only:
        assert service is not None, "--mq-only needs --mq-port"
        hello = json.dumps(addresses) if announce else mq.hello(addresses["mq"])
        server.run_alone(service, lambda: click.echo(hello), stop_with_stdin=stop_with_stdin)
        return
    broker = _kafka_service(kafka)
    if broker is not None:
        addresses["kafka"] = broker.address
    if kafka.only:
        assert broker is not None, "--kafka-only needs --kafka-port"
        hello = json.dumps(addresses) if announce else _kafka_hello(broker.address)
        server.run_alone(broker, lambda: click.echo(hello), stop_with_stdin=stop_with_stdin)
        return
    listener = _listen(http_host, http_port, "--http-port")
    addresses = {"http": server.url_of(listener), **addresses}
    hello = json.dumps(addresses) if announce else _human_hello(addresses, defect_rates, mq, kafka)
    settings = server.Settings(
        latency_ms, defect_rates, seed, stop_with_stdin, flags, account_ids, ledger_url
    )
    services = [one for one in (service, broker) if one is not None]
    with _usable(ledger_url):
        server.run(listener, settings, lambda: click.echo(hello), services)


@contextmanager
def _usable(ledger_url: str | None) -> Iterator[None]:
    """Turn what a database says into a line for people."""
    if ledger_url is None:
        yield
        return
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        why = str(getattr(error, "orig", None) or error)
        raise _Unusable(f"--ledger {ledger_url}: {why}; is the database there?") from None


class _Unusable(click.ClickException):
    """What was asked for cannot be; ends the command with a line for each reason."""

    exit_code = 2


def _listen(host: str, port: int, option: str) -> socket.socket:
    try:
        return server.listen(host, port)
    except OSError as error:
        why = error.strerror or str(error)
        raise _Unusable(
            f"cannot listen on {host} port {port}: {why}; choose another {option}, or 0 for any"
        ) from None


def _mq_service(mq: MqOptions, listener: socket.socket | None) -> MqService | None:
    if listener is None and mq.at is None:
        return None
    settings = MqSettings(
        mq.manager(), mq.front, listener, mq.store, mq.address(), _mq_client(mq.library)
    )
    with _usable_store("--mq-store", mq.store, "queue manager"):
        return MqService(settings)


def _mq_client(library: str | None) -> Any:
    """Load IBM's binding where its client library is named; None where it is not."""
    if library is None:
        return None
    from sandbox.mq_client_link import load

    try:
        return load(library)
    except ValueError as error:
        raise _Unusable(f"--mq-library: {error}; it comes with IBM's MQ client") from None


@contextmanager
def _usable_store(option: str, store: Path | None, who: str) -> Iterator[None]:
    """Turn what is wrong with a file that a restart is survived by into a line for people."""
    try:
        yield
    except BlockingIOError:
        raise _Unusable(f"{option} {store}: another {who} uses this file") from None
    except OSError as error:
        raise _Unusable(f"{option} {store}: {error.strerror or error}") from None
    except ValueError as error:
        raise _Unusable(f"{option}: {error}; name a file of its own") from None


def _kafka_service(kafka: KafkaOptions) -> KafkaService | None:
    if not kafka.wanted:
        return None
    # Loaded where it is wanted: librdkafka takes its time.
    from sandbox.kafka_service import KafkaService, KafkaSettings

    # Our own broker takes any port; where it need be none in particular, clients go right there.
    has_doorway = kafka.port is not None and (kafka.port or kafka.store)
    listener = _listen("127.0.0.1", kafka.port or 0, "--kafka-port") if has_doorway else None
    settings = KafkaSettings(kafka.client(), listener, kafka.store)
    with _usable_store("--kafka-store", kafka.store, "broker"):
        return KafkaService(settings)


def _kafka_hello(address: str) -> str:
    return (
        f"sandbox: a stand-in broker, librdkafka's mock cluster and not Apache Kafka, at {address}"
    )


def _human_hello(
    addresses: dict[str, str], defect_rates: dict[str, float], mq: MqOptions, kafka: KafkaOptions
) -> str:
    on = [f"{name}={rate:g}" for name, rate in defect_rates.items() if rate > 0]
    hello = (
        "sandbox: a stand-in payments platform for tests and demos, listening on"
        f" {addresses['http']}; defects: {', '.join(on) or 'none'}"
    )
    lines = [hello]
    if "mq" in addresses:
        lines.append(mq.hello(addresses["mq"]))
    if "kafka" in addresses and kafka.at is None:
        lines.append(_kafka_hello(addresses["kafka"]))
    return "\n".join(lines)
