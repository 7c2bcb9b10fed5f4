"""Secrets: named in a plan, read from the environment or a file, never shown."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from e2e_data.problems import Problems

FORMS = "env:NAME or file:PATH"


@dataclass(frozen=True, slots=True)
class Secret:
    """A reference to a secret: "env:NAME" or "file:PATH". Only the reference is ever written down."""

    reference: str

    def __post_init__(self) -> None:
        source, _, name = self.reference.partition(":")
        if source not in ("env", "file") or not name:
            # Not with the value: somebody may have written the secret itself.
            msg = f"a secret is not written into a plan, but named as {FORMS}"
            raise ValueError(msg)

    def read(self) -> str:
        """Return the secret. Raises Problems where there is none."""
        source, _, name = self.reference.partition(":")
        if source == "env":
            value = os.environ.get(name, "")
            if not value:
                raise Problems([f"{self.reference}: the environment variable {name} is not set"])
            return value
        try:
            value = Path(name).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise Problems([f"{self.reference}: cannot be read ({why})"]) from error
        if not value:
            raise Problems([f"{self.reference}: the file is empty"])
        return value

    def __str__(self) -> str:
        return self.reference
