"""The allow-list: which addresses commands may go to. Loopback is allowed, all else has to be named.

A load test that is pointed at the wrong host is an attack on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

LOCAL_NAMES = ("localhost", "ip6-localhost")
_NAME = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*\.?")
_PORT = re.compile(r"(?P<host>[^:]+|\[[^]]+\]):(?P<port>\d{1,5})")


class Address(NamedTuple):
    """Where something goes to, and what for."""

    host: str
    port: int
    purpose: str
    """Such as "--host"."""

    def __str__(self) -> str:
        """Return host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _allowed(text: str) -> str:
    host, _ = _parted(text.strip().lower())
    if not _is_network(host) and not _NAME.fullmatch(host):
        raise ValueError(
            "write a host such as staging.bank.example, staging.bank.example:8443, *.bank.example, "
            "10.1.2.3 or 10.1.0.0/16"
        )
    return text.strip().lower()


Allowed = Annotated[str, AfterValidator(_allowed)]
"""A host, with or without a port; all hosts below a domain; or a network."""


def hosts_in(texts: Iterable[str]) -> list[str]:
    """Return what options and the environment allow; a text may name several, with commas between."""
    return [host.strip() for text in texts for host in text.split(",") if host.strip()]


def refused(addresses: Iterable[Address], allow: Sequence[str]) -> list[str]:
    """Name each address that commands may not go to, and how to allow it.

    Names are compared as names: what one resolves to may change between now and then.
    """
    return [
        f"{one.purpose}: commands would go to {one}, which is not on the allow-list; if load may go "
        f'there, allow it: allow = ["{one.host}"] in the plan, --allow {one.host}, or PAYSTORM_ALLOW'
        for one in addresses
        if not _is_local(one.host) and not any(_fits(one, entry) for entry in allow)
    ]


def _is_local(host: str) -> bool:
    name = host.lower().rstrip(".")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name in LOCAL_NAMES or name.endswith(".localhost")


def _fits(address: Address, entry: str) -> bool:
    host, port = _parted(entry)
    if port is not None and port != address.port:
        return False
    name = address.host.lower().rstrip(".")
    if _is_network(host):
        try:
            return ip_address(name) in ip_network(host)
        except ValueError:
            return False
    if host.startswith("*."):
        return name.endswith(host.rstrip(".")[1:])
    return name == host.rstrip(".")


def _parted(entry: str) -> tuple[str, int | None]:
    """Part an entry into its host, name or network, and its port if it has one."""
    match = _PORT.fullmatch(entry)
    if match is None:
        return entry.strip("[]"), None
    return match["host"].strip("[]"), int(match["port"])


def _is_network(host: str) -> bool:
    try:
        ip_network(host)
    except ValueError:
        return False
    return True
