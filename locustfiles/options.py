"""The locustfile's options: one table for Locust's command line, the environment and the web UI."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which the command line must be spared.
    from locust.argument_parser import LocustArgumentParser

DEFAULT_PLAN = "demo"
OF_THE_PLAN = "as in the plan"
"""What the web UI's form sends as the preset where the plan's own is meant: a choice cannot be empty."""
HELP_PREFIX = "(paystorm) "
OTEL = "paystorm_otel"
"""The attribute of Locust's own --otel, once it is ours."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: `--plan` has the environment variable PAYSTORM_PLAN."""

    flag: str
    help: str
    metavar: str
    default: str | None = None
    repeated: bool = False
    in_web_ui: bool = False
    """Whether the web UI's form offers it; whatever else a form sends is not used."""
    of_process: bool = False
    """Whether it says how this process is watched, and nothing of the run."""

    @property
    def keyword(self) -> str:
        """The flag as a Python name, such as runs_dir."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def env_var(self) -> str:
        """The environment variable that sets the option."""
        return f"PAYSTORM_{self.keyword.upper()}"

    @property
    def name(self) -> str:
        """The option's attribute on Locust's parsed options."""
        return f"paystorm_{self.keyword}"


OPTIONS = (
    Option("--plan", "a shipped plan or a TOML file", "PLAN", DEFAULT_PLAN, in_web_ui=True),
    Option("--rate", "commands per second of the plan's last phase", "PER_S", in_web_ui=True),
    Option("--duration", "how long the last phase sends, such as 2m", "TIME", in_web_ui=True),
    Option(
        "--channels",
        "the share of each channel, such as http=60,mq=30,kafka=10",
        "SHARES",
        in_web_ui=True,
    ),
    Option(
        "--preset",
        "make the plan's pool of this preset, such as medium",
        "PRESET",
        in_web_ui=True,
    ),
    Option("--pool", "play this pool directory instead of the plan's pool", "DIR"),
    Option("--set", "change the plan, such as users=8", "PATH=VALUE", repeated=True),
    Option("--allow", "let commands go to this host, too", "HOST", repeated=True),
    Option("--platform", "the adapter of your platform", "FILE:CLASS"),
    Option("--book", "read the book from this SQL database or event topic, not over HTTP", "URL"),
    Option("--workers", "start so many worker processes on this machine", "N"),
    Option("--resume", "go on with a run whose process or master is no more", "RUN_DIR"),
    Option("--runs-dir", "where run directories are made", "DIR", "reports/runs"),
    Option(
        "--metrics-port",
        "serve /metrics and /health here, for Prometheus and whoever watches the process",
        "PORT",
        of_process=True,
    ),
    Option(
        "--metrics-host",
        "the address that --metrics-port listens on",
        "ADDRESS",
        "127.0.0.1",
        of_process=True,
    ),
    Option(
        "--web-users",
        "who may log in (--web-login), and as what; named, as env:NAME or file:PATH",
        "SECRET",
        of_process=True,
    ),
    Option(
        "--webhook",
        "tell this address of a run that was not good; named, as env:NAME or file:PATH",
        "SECRET",
        of_process=True,
    ),
    Option(
        "--log-format", "text, or json: a line for each record", "FORMAT", "text", of_process=True
    ),
)


def add_options(parser: LocustArgumentParser) -> None:
    """Add the options to Locust's parser; may be called again and again, as Locust does."""
    if any(option.name in vars(parser.parse_known_args([])[0]) for option in OPTIONS):
        return
    # Locust listens on all interfaces unless told otherwise, without a login.
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    # Whoever joins late gets users, and a lost worker's are replaced: not the default of Locust.
    parser.set_defaults(enable_rebalancing=True)
    # Locust would start exporters that are told of each request on the event loop, and whose threads are
    # started again in whatever it forks, which hangs there: what the option asks for is made by us.
    parser._option_string_actions["--otel"].dest = OTEL
    parser.set_defaults(**{"otel": False, OTEL: False})
    for option in OPTIONS:
        extra: dict[str, Any] = {"action": "append"} if option.repeated else {}
        parser.add_argument(
            option.flag,
            dest=option.name,
            metavar=option.metavar,
            default=option.default,
            help=f"{HELP_PREFIX}{option.help}",
            env_var=option.env_var,
            include_in_web_ui=option.in_web_ui,
            **extra,
        )


def listed(option: Option, variables: Mapping[str, str] = os.environ) -> list[str]:
    """Return what the variable of a repeated option says, as Locust's parser reads it: one, or [one,two]."""
    text = variables.get(option.env_var, "")
    if text.startswith("[") and text.endswith("]"):
        return [one.strip() for one in text[1:-1].split(",")]
    return [text] if text else []


def given(options: argparse.Namespace | None, flag: str) -> str | None:
    """Return what one option of `OPTIONS` was given as, or its default."""
    option = next(option for option in OPTIONS if option.flag == flag)
    value: str | None = getattr(options, option.name, None)
    return value or option.default


def as_allowed(live: argparse.Namespace, fixed: argparse.Namespace) -> argparse.Namespace:
    """Return the command line's options (`fixed`) with those that the web UI's form may change.

    Locust lets the form overwrite any option, such as where files are written.
    """
    from_form = {option.name for option in OPTIONS if option.in_web_ui}
    from_form |= {"num_users", "spawn_rate", "run_time"}
    return argparse.Namespace(
        **{**vars(fixed), **{name: getattr(live, name) for name in from_form}}
    )
