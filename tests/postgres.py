"""A real PostgreSQL server for tests, from the system's packages, with a directory of its own on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

WHERE = "/usr/lib/postgresql/*/bin"
"""Where Debian puts what is not on the path."""
START_S = 60


def _programs() -> Path:
    """Return the directory of initdb and pg_ctl; without one the test is skipped, but fails in CI."""
    found = sorted(Path("/").glob(f"{WHERE.lstrip('/')}/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    reason = f"there is no PostgreSQL: no initdb on the path or in {WHERE}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def postgres() -> Iterator[Callable[[], str]]:
    """Run a server until the end of the block; yield what gives the URL of a new, empty database."""
    programs = _programs()
    # It will not run as root.
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="postgres-") as place:
        if os.getuid() == 0:
            shutil.chown(place, user)

        def run(program: str, *words: str) -> None:
            command = [str(programs / program), *words]
            done = subprocess.run(
                command,
                cwd=place,
                user=user if os.getuid() == 0 else None,
                env={**os.environ, "LC_ALL": "C", "HOME": place},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=START_S,
                check=False,
            )
            assert done.returncode == 0, done.stdout.decode(errors="replace")

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        data = f"{place}/data"
        run("initdb", "-D", data, "-U", "paystorm", "-A", "trust", "-E", "UTF8", "--no-sync")
        # What a crash of the machine would lose is not what is tested.
        how = f"-c listen_addresses=127.0.0.1 -c port={port} -c fsync=off -k {place}"
        run(
            "pg_ctl", "-D", data, "-l", f"{place}/log", "-w", "-t", str(START_S), "-o", how, "start"
        )
        numbers = count()

        def database() -> str:
            name = f"book{next(numbers)}"
            run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "paystorm", name)
            return f"postgresql+psycopg://paystorm@127.0.0.1:{port}/{name}"

        try:
            yield database
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
