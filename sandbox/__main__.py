"""`python -m sandbox`: the same as `paystorm sandbox`."""

from __future__ import annotations

from sandbox.cli import sandbox

sandbox(prog_name="sandbox")
