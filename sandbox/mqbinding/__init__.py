"""A stand-in for IBM's C module `ibmmq.ibmmqc`: for tests and demonstrations, not IBM MQ.

IBM's Python package `ibmmq` calls a C module, which needs IBM's client library, which no package
index has. `install` puts this package in the module's place; IBM's own Python layer then runs as it
is, and reaches the sandbox's queue manager, and nothing else: the protocol is ours. It has no
threads, and its waits are on Python's sockets, so that they yield where gevent has patched those.

Supported are the MQI's calls for connections, queues, messages, units of work and attributes. There
are no topics, message handles, callbacks, groups or segments, and no TLS: these answer with IBM's
own reasons (2298 function not supported, 2393 TLS cannot be had).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from sandbox.mqbinding import verbs
from sandbox.mqbinding.codes import MQCC_FAILED, MQRC_FUNCTION_NOT_SUPPORTED

PACKAGE = "ibmmq"
MODULE = f"{PACKAGE}.ibmmqc"
PACKAGE_VERSION = "2.1.2"
"""The version of `ibmmq` that this stands in for: it refuses a C module of another one."""

_COMMAND_LEVEL = 1001
_STRUCTURE_VERSIONS = {
    "cd": 13,
    "cno": 8,
    "csp": 3,
    "gmo": 4,
    "od": 4,
    "pmo": 3,
    "sco": 7,
    "sts": 2,
}
"""The versions that the structures' sizes follow from; those with a choice."""
_SUPPORTED = (
    *("MQCONN", "MQCONNX", "MQDISC", "MQOPEN", "MQCLOSE", "MQPUT", "MQPUT1", "MQGET"),
    *("MQCMIT", "MQBACK", "MQINQ", "MQSET"),
)
_UNSUPPORTED = (
    dict.fromkeys(("MQBEGIN", "MQCB", "MQCTL", "MQDLTMH", "MQSETMP", "MQDLTMP"), 0)
    | dict.fromkeys(("MQSTAT", "MQSUBRQ", "MQCRTMH"), 1)
    | dict.fromkeys(("MQSUB", "MQINQMP"), 3)
)
"""Function -> how many results it has before completion and reason."""
_CONFIGURES = ("MQCBINIT", "MQLOGCF")
"""Functions that set the C module up; there is nothing to set up here."""


def install() -> None:
    """Put the stand-in in place of IBM's C module, for the `import ibmmq` that follows.

    Doing so again changes nothing. Raises RuntimeError where the real module is already loaded.
    """
    there = sys.modules.get(MODULE)
    if there is None and PACKAGE not in sys.modules:
        # Where OpenTelemetry's package is installed, IBM's layer would put properties on messages.
        os.environ["MQIPY_NOOTEL"] = "true"
        sys.modules[MODULE] = module()
    elif not is_installed():
        raise RuntimeError(
            "ibmmq was imported before its stand-in was installed: install it first, or start anew"
        )


def is_installed() -> bool:
    """Say whether the stand-in is in place."""
    return getattr(sys.modules.get(MODULE), "__mqbuild__", "") == "stand-in"


def module() -> ModuleType:
    """Make the module that stands in."""
    made = ModuleType(MODULE, __doc__)
    functions: dict[str, Callable[..., Any]] = {name: getattr(verbs, name) for name in _SUPPORTED}
    functions |= {name: _unsupported(results) for name, results in _UNSUPPORTED.items()}
    functions |= dict.fromkeys(_CONFIGURES, lambda *_: (0,))
    for name, value in {
        **functions,
        "__version__": PACKAGE_VERSION,
        "__cmdlevel__": _COMMAND_LEVEL,
        "__mqbuild__": "stand-in",
        "__strucversions__": _STRUCTURE_VERSIONS,
    }.items():
        setattr(made, name, value)
    return made


def _unsupported(results: int) -> Callable[..., tuple[object, ...]]:
    answer = (None,) * results + (MQCC_FAILED, MQRC_FUNCTION_NOT_SUPPORTED)
    return lambda *_: answer
