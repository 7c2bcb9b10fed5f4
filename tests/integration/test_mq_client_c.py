"""The real C modules of both bindings, on OS threads, against the sandbox's queue manager.

IBM's client library is not to be had here; a small library of our own takes its place, and proves
what production relies on: the bindings' C code releases the interpreter while it waits, so the hub
goes on, and calls on many threads do not get into each other's way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import mqbinding
from tests.mq_client_c import build
from tests.mq_parts import needs_ibmmq
from tests.mq_process import END_S, ENVIRONMENT, ROOT, queue_manager

PROGRAM = Path(__file__).with_name("mq_threads.py")
RUN_S = 300


def built(config, name):
    """Return a binding's name, the library that it loads, and where it is if not with the others.

    Where it cannot be built, the tests are skipped with the reason; in CI they fail with it.
    """
    cache = Path(config.cache.mkdir("mq-client-c"))
    try:
        site = build.pymqi(cache) if name == "pymqi" else None
        return name, build.library(name, cache), site
    except build.CannotBuildError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=[pytest.param("ibmmq", marks=needs_ibmmq), "pymqi"])
def binding(request):
    return built(request.config, request.param)


@pytest.fixture(scope="module")
def running():
    with queue_manager() as found:
        yield found


def run(binding, address, scenario, *more):
    """Run a scenario in a fresh interpreter and return what it saw."""
    name, library, site = binding
    path = os.pathsep.join(map(str, filter(None, (site, ENVIRONMENT.get("PYTHONPATH")))))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), name, str(library), address, scenario, *more],
        cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_c_module_is_the_bindings_own(binding, running):
    """Every verb, and the reasons that programs meet, through it."""
    seen = run(binding, running.mq, "verbs")
    assert seen.pop("build") == {"ibmmq": "common", "pymqi": "client"}[binding[0]]
    assert seen == {
        "uncommitted": 2033,
        "backouts": [0, 1, 2],
        "depth": 1,
        "name": "COMMAND.QUEUE.BO",
        "browsed": "hello",
        "truncated": 2080,
        "got": ["hello", True, True],
        "long": 100_000,
        "put1": "1",
        "dynamic": "TEST.",
        "inhibited": 2051,
        "empty": 2033,
        "begin": 2298,
        "unknown queue": 2085,
        "unknown channel": 2540,
        "other manager": 2058,
        "nobody there": 2538,
    }


@needs_ibmmq
def test_the_stand_in_offers_what_the_c_module_does(pytestconfig, running):
    """Function for function, and for structures of the same versions."""
    binding = built(pytestconfig, "ibmmq")
    theirs = run(binding, running.mq, "module")
    ours = mqbinding.module()
    assert all(callable(getattr(ours, name)) for name in theirs["functions"])
    versions = {name: theirs["versions"][name] for name in ours.__strucversions__}
    assert ours.__strucversions__ == versions
    assert (ours.__version__, ours.__cmdlevel__) == (theirs["version"], theirs["level"])


def test_users_on_threads_of_their_own_get_their_own_answers(binding, running):
    """Each its own body, by its own CorrelId, and the hub goes on while they wait."""
    seen = run(binding, running.mq, "threads")
    assert (seen["right"], seen["hub went on"]) == (8 * 25, True)


def test_a_connection_is_shared_as_the_program_asked(binding, running):
    """Not with another thread, in turns, or not while a call is in progress."""
    seen = run(binding, running.mq, "sharing")
    assert (seen["no block"], seen["got"]) == (2219, "end")
    if binding[0] == "pymqi":
        assert (seen["other thread"], seen["own thread"]) == (2018, 0)


def test_a_queue_manager_that_is_killed_breaks_every_wait(binding):
    """2009 on each thread, and for each call after that."""
    with queue_manager(to_be_killed=True) as found:
        seen = run(binding, found.mq, "broken", str(found.process.pid))
        found.process.wait(END_S)
    assert (seen["in the wait"], seen["after it"]) == ([2009], 2009)
