"""One command of a pool, or one account, told in lines: what it is, what is right for it and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np

from e2e_data.commands import PERIODS, Account, Channel, Command, Kind, Label, Outcome, expected_on
from e2e_data.config import PoolConfig
from e2e_data.config_parts import band_edge
from e2e_data.explain import amount_text, reason_of
from e2e_data.hostile import unknown_account_id
from e2e_data.ids import REPLAY_ATTEMPT, RETRIES, RETRY_ATTEMPT, Correlation
from e2e_data.lookup import Found, Scheme
from e2e_data.platform import Platform, Sending
from e2e_data.pool import Pool
from e2e_data.shard import Shard

INDICES_TOLD = 12
_WIDTH = 12


def described(pool: Pool, found: Found, scheme: Scheme | None) -> Iterator[str]:
    """Yield the lines that explain what an id names; ids need the scheme they were made with."""
    shard = pool.shard(found.shard)
    history = _history(shard, shard.command(found.index).account.number)
    if found.is_account:
        yield f"account {found.index} of shard {found.shard}"
        yield from _account(history[0].account)
        yield from _life(history)
        return
    command = shard.command(found.index)
    # A replay is sent as the command that it repeats.
    sent = command if command.original is None else shard.command(command.original)
    yield f"{command.kind.label} {command.shard}:{command.index}"
    yield from _account(command.account)
    yield from _label(command)
    yield from _what(sent, pool.config)
    yield from _outcome(command, history)
    if found.correlation:
        yield from _attempt(found.correlation)
    yield from _wire(sent, found.lap, scheme)
    yield from _life(history)


def _history(shard: Shard, account: int) -> list[Command]:
    return [shard.command(int(index)) for index in np.flatnonzero(shard.account_number == account)]


def _line(name: str, text: str) -> str:
    return f"  {name:<{_WIDTH}} {text}"


def _account(account: Account) -> Iterator[str]:
    parts = [
        account.currency,
        account.account_type.name.lower().replace("_", " "),
        "limit-based" if account.limit_based else "balance-based",
        f"transit {account.transit_number}",
        *([f"region {account.region}"] if account.region else []),
    ]
    yield _line("account", f"{account.shard}:{account.number}, {', '.join(parts)}")
    yield _line("opens with", amount_text(account.opening_balance_minor, account.currency))
    limits = zip(PERIODS, account.limits_minor, strict=True)
    told = ", ".join(f"{period} {amount_text(m, account.currency)}" for period, m in limits)
    yield _line("limits", told if account.limit_based else f"{told} (not enforced)")


def _label(command: Command) -> Iterator[str]:
    if command.label is not Label.NONE:
        yield _line("label", command.label.text)
    if command.original is not None:
        yield _line("repeats", f"{command.shard}:{command.original}")


def _what(command: Command, config: PoolConfig) -> Iterator[str]:
    currency = command.account.currency
    if command.kind is not Kind.ACCOUNT:
        yield _line("amount", amount_text(command.amount_minor, currency))
    if command.kind is Kind.PAYMENT:
        yield _line("band", _band(command, config))
        if command.credit_currency != currency:
            rate = config.rates[f"{currency}/{command.credit_currency}"]
            credit = amount_text(command.credit_minor, command.credit_currency)
            yield _line(
                "exchange", f"credits {credit}, at {rate} {currency}/{command.credit_currency}"
            )
        to = command.beneficiary
        assert to is not None, "a payment of the pool has a beneficiary"
        yield _line(
            "to", f"{to.name}, {to.account_number}, transit {to.transit_number}, {to.bank_name}"
        )
        if config.regions:
            yield _line("crosses regions", _crossing(command, config))
        yield _line("value date", f"the run's first day + {command.value_day}")
    if command.description:
        yield _line("for", command.description)


def _crossing(command: Command, config: PoolConfig) -> str:
    assert command.beneficiary is not None
    there = config.region_of(int(command.beneficiary.transit_number))
    here = command.account.region
    return f"no: within {here}" if there == here else f"yes: from {here} to {there}"


def _band(command: Command, config: PoolConfig) -> str:
    hour_minor = command.account.limits_minor[PERIODS.index("HOUR")]
    share = f"{100 * command.amount_minor / hour_minor:,.2f} % of the HOUR limit"
    for band in config.payment_bands:
        edges = band_edge(hour_minor, band.from_percent), band_edge(hour_minor, band.to_percent)
        if edges[0] <= command.amount_minor < edges[1]:
            return f"{share}: in the band from {band.from_percent} to {band.to_percent} %"
    return f"{share}: in none of the bands"


def _outcome(command: Command, history: Sequence[Command]) -> Iterator[str]:
    by_outcome: dict[Outcome, list[str]] = {}
    for channel in Channel:
        by_outcome.setdefault(expected_on(command.expected, channel), []).append(channel.name)
    told = [f"{right.label} over {' and '.join(names)}" for right, names in by_outcome.items()]
    yield _line("expected", ", ".join(told) if len(told) > 1 else command.expected.label)
    yield _line("because", reason_of(command, history).sentence)


def _attempt(told: Correlation) -> Iterator[str]:
    sent_s = told.intended_us / 1e6
    replay = " of a replay of it" if told.attempt & REPLAY_ATTEMPT else ""
    retried = (told.attempt & RETRIES) // RETRY_ATTEMPT
    retry = f", retry {retried}," if retried else ""
    yield _line(
        "attempt",
        f"{told.attempt % RETRY_ATTEMPT}{replay}{retry} in lap {told.lap}, over {told.channel.name}, in phase {told.phase}, "
        f"intended {sent_s:,.6f} s after the run's epoch (run tag {told.tag:08x})",
    )


def _wire(sent: Command, lap: int, scheme: Scheme | None) -> Iterator[str]:
    """Show the request, with names in angle brackets for what only a run knows."""
    account, day = sent.account, f"<the run's first day + {sent.value_day}>"
    command_id, customer_id = "<command id>", "<customer id>"
    if scheme:
        command_id = scheme.ids.command_ids(lap, sent.shard, [sent.index])[0]
        customer_id = scheme.ids.customer_ids(lap, sent.shard, [account.number])[0]
        yield _line("command id", command_id)
        yield _line("customer id", customer_id)
        if scheme.first_day:
            day = (scheme.first_day + timedelta(days=sent.value_day)).isoformat()
    request = Platform().http_command(
        Sending(
            command=sent,
            command_id=command_id,
            customer_id=customer_id,
            correlation_id="<correlation id>",
            account_id=None if sent.kind is Kind.ACCOUNT else "<account id>",
            value_date=day,
        )
    )
    body = request.body.decode()
    if scheme is None:
        body = body.replace(unknown_account_id(command_id), "<an account id that nobody has>")
    yield _line("request", f"{request.method} {request.path}")
    yield _line("body", body)


def _life(history: Sequence[Command]) -> Iterator[str]:
    """Tell in short what else happens to the account."""
    currency = history[0].account.currency
    payments = [one for one in history if one.kind is Kind.PAYMENT]
    some = {
        "its funding": [one for one in history if one.kind is Kind.FUNDING],
        "its payments": [one for one in payments if not one.label.is_hostile],
        "and hostile": [one for one in payments if one.label.is_hostile],
    }
    for name, commands in some.items():
        total = amount_text(sum(one.amount_minor for one in commands), currency)
        worth = f", {total} in all" if name != "and hostile" else ""
        if commands:
            yield _line(
                name, f"{len(commands)}{worth}: {_expected(commands)} ({_indices(commands)})"
            )


def _expected(some: Sequence[Command]) -> str:
    expected = [one.expected for one in some]
    return ", ".join(f"{expected.count(each)} {each.label}" for each in sorted(set(expected)))


def _indices(some: Sequence[Command]) -> str:
    told = ", ".join(f"{one.shard}:{one.index}" for one in some[:INDICES_TOLD])
    more = len(some) - INDICES_TOLD
    return f"{told} and {more} more" if more > 0 else told
