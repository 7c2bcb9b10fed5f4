"""The command `sandbox`: a payments platform to try paystorm on."""

from __future__ import annotations

import json
import logging

import click

from sandbox import server
from sandbox.account_ids import SCHEMES
from sandbox.defects import DEFECTS, parse_rates
from sandbox.flags import FLAGS

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
    "--announce",
    is_flag=True,
    help='Print one line of JSON, {"http": ADDRESS}, once it listens, and nothing else.',
)
@click.option(
    "--stop-with-stdin",
    is_flag=True,
    help="End when standard input ends, so as never to outlive whoever started it.",
)
def sandbox(
    *,
    http_host: str,
    http_port: int,
    latency_ms: int,
    defect_rates: dict[str, float],
    seed: int,
    flags: bool,
    account_ids: str,
    announce: bool,
    stop_with_stdin: bool,
) -> None:
    """Run a payments platform to test against: correct, in memory, wrong only where asked to be."""
    logging.basicConfig(level=logging.WARNING, format="sandbox: %(message)s")
    server.log.setLevel(logging.INFO)
    try:
        listener = server.listen(http_host, http_port)
    except OSError as error:
        raise _CannotListen(http_host, http_port, error) from None
    url = server.url_of(listener)
    hello = json.dumps({"http": url}) if announce else _human_hello(url, defect_rates)
    settings = server.Settings(latency_ms, defect_rates, seed, stop_with_stdin, flags, account_ids)
    server.run(listener, settings, on_started=lambda: click.echo(hello))


class _CannotListen(click.ClickException):
    """The address is taken, or not ours; ends the command with one line."""

    exit_code = 2

    def __init__(self, host: str, port: int, error: OSError) -> None:
        why = error.strerror or str(error)
        super().__init__(
            f"cannot listen on {host} port {port}: {why}; choose another --http-port, or 0 for any"
        )


def _human_hello(url: str, defect_rates: dict[str, float]) -> str:
    on = [f"{name}={rate:g}" for name, rate in defect_rates.items() if rate > 0]
    return (
        f"sandbox: a stand-in payments platform for tests and demos, listening on {url};"
        f" defects: {', '.join(on) or 'none'}"
    )
