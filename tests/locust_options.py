"""Locust's own options, asked of it in a process of its own: importing it patches the libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

CODE = """
import json
from locust.argument_parser import get_empty_argument_parser, setup_parser_arguments
parser = get_empty_argument_parser()
setup_parser_arguments(parser)
actions = parser._actions
print(json.dumps([
    [flag for action in actions for flag in action.option_strings],
    [action.env_var for action in actions if getattr(action, "env_var", None)],
]))
"""


@cache
def flags_and_variables() -> tuple[set[str], set[str]]:
    """Return the flags and the names of environment variables that Locust knows."""
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60
    )
    flags, variables = json.loads(done.stdout)
    return set(flags), {*variables, "LOCUST_LOCUSTFILE"}
