"""The command line: one small root that mounts the command groups of the packages."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from e2e_data.exits import Exit

COMMANDS = {
    "pool": "e2e_data.cli:pool",
    "plan": "locustfiles.cli:plan",
    "run": "locustfiles.cli:run",
    "try": "locustfiles.cli:try_",
    "control": "locustfiles.cli:control",
    "web-user": "locustfiles.cli:web_user",
    "reconcile": "reports.cli:reconcile",
    "explain": "reports.cli:explain",
    "report": "reports.cli:report",
    "compare": "reports.compare_cli:compare",
    "baseline": "reports.compare_cli:baseline",
    "mq": "locustfiles.mq_cli:mq",
    "sandbox": "sandbox.cli:sandbox",
}
"""Command -> where it is. Only the one that is asked for is imported: all of them take seconds."""


class Root(click.Group):
    """The commands of all packages, each imported when it is looked at."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="paystorm")
def main() -> None:
    """Load testing for payments platforms: how fast, and still right?"""


def cli() -> None:
    """Run a command; end with its exit code, and with 130 where it was interrupted."""
    try:
        sys.exit(main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    cli()
