"""The locustfile: wiring only.

locust -f locustfiles/payments.py --headless     the demonstration, from start to verdict
locust -f locustfiles/payments.py                the same with the web UI
"""

from __future__ import annotations

import sys
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from e2e_data.problems import Problems
from locustfiles.conductor import conductor_of
from locustfiles.launched import end_with_master
from locustfiles.observer import observer_of
from locustfiles.options import add_options
from locustfiles.screen import screen_of
from locustfiles.shape import PhasedShape
from locustfiles.users import PaymentsUser
from locustfiles.web.page import serve
from locustfiles.web.port import check_port
from locustfiles.worker import keep_defaults

__all__ = ["PaymentsUser", "PhasedShape"]

end_with_master()
keep_defaults()


@events.init_command_line_parser.add_listener
def add_paystorm_options(parser: LocustArgumentParser) -> None:
    """Give Locust paystorm's options."""
    add_options(parser)


@events.init.add_listener
def check_settings(environment: Environment, **_: Any) -> None:
    """Stop with everything that is wrong, before any load."""
    try:
        observer_of(environment).prepare()
        conductor_of(environment).prepare()
        check_port(environment)
        serve(environment)
        screen_of(environment)
    except Problems as problems:
        problems.show()
        sys.exit(problems.exit_code)


@events.test_start.add_listener
def launch_run(environment: Environment, **_: Any) -> None:
    """Begin a run."""
    conductor_of(environment).start()
    observer_of(environment).follow()
    if screen := screen_of(environment):
        screen.follow()


@events.test_stopping.add_listener
def end_run(environment: Environment, **_: Any) -> None:
    """Let a run that is being stopped end in good order."""
    conductor_of(environment).end_orderly()


@events.test_stop.add_listener
def make_room(environment: Environment, **_: Any) -> None:
    """Be ready for another run, as the web UI may start one after the other."""
    if screen := screen_of(environment):
        screen.stop()
    conductor_of(environment).ended()
    observer_of(environment).tell()


@events.quitting.add_listener
def choose_exit_code(environment: Environment, **_: Any) -> None:
    """Exit with the verdict's code, once it was seen by whoever looked before."""
    conductor_of(environment).set_exit_code()
    observer_of(environment).linger()
