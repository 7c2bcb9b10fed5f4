"""The port of the web UI: taken by somebody else, it is said before anything begins."""

from __future__ import annotations

import socket

from locust.env import Environment

from e2e_data.problems import Problems


def check_port(environment: Environment) -> None:
    """Make sure that a web UI which is about to listen can. Raises Problems.

    Locust would show a traceback, and end as if all were well.
    """
    web_ui = environment.web_ui
    if web_ui is None:
        return
    family = socket.AF_INET6 if ":" in web_ui.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((web_ui.host, web_ui.port))
        except OSError as error:
            raise Problems(
                [
                    f"the web UI cannot listen on {web_ui.host or 'any address'} port {web_ui.port}: "
                    f"{error.strerror}; choose another --web-port, or end what listens there"
                ]
            ) from error
