"""Account ids: drawn at random, or made of the customer's id for tools that must know them before."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4, uuid5

from sandbox.commands import CreateAccount

NAMESPACE = UUID("66a9f0a5-4eb2-43ae-a258-a6cca245ca95")
"""Of the UUIDs of version 5 that are made of customers' ids."""

NewAccountId = Callable[[CreateAccount], str]
"""Gives the id of the account that a command is to create; called once for each such command."""


def at_random(command: CreateAccount) -> str:  # noqa: ARG001 - whoever the customer is
    """Draw an account id: a random UUID in its usual text form."""
    return str(uuid4())


class FromCustomer:
    """Makes the id of a customer's first account of the customer's id.

    Any further account of the same customer gets a random one: no two accounts share an id.
    """

    def __init__(self) -> None:
        self._served: set[str] = set()

    def __call__(self, command: CreateAccount) -> str:
        """Return the id of the account that `command` is to create."""
        if command.customer_id in self._served:
            return at_random(command)
        self._served.add(command.customer_id)
        return str(uuid5(NAMESPACE, command.customer_id))


SCHEMES: dict[str, Callable[[], NewAccountId]] = {
    "random": lambda: at_random,
    "from-customer": FromCustomer,
}
"""Name -> what makes the function for one ledger."""
