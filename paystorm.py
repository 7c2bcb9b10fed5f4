"""The command line: one small root that mounts the command groups of the packages."""

from __future__ import annotations

import sys

import click

from e2e_data.cli import pool
from e2e_data.exits import Exit
from locustfiles.cli import control, plan, run, try_
from locustfiles.mq_cli import mq
from reports.cli import explain, reconcile, report
from sandbox.cli import sandbox


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="paystorm")
def main() -> None:
    """Load testing for payments platforms: how fast, and still right?"""


for command in (pool, plan, run, try_, control, reconcile, explain, report, mq, sandbox):
    main.add_command(command)


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
