"""Which Python binding of IBM MQ is used: IBM's `ibmmq`, the older `pymqi`, or the sandbox's stand-in.

The first two call IBM's client library, which no package index has; a call of theirs stops all of
gevent, so they belong on OS threads. The stand-in is Python, and waits as gevent does.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from e2e_data.problems import Problems
from locustfiles.channels.mq_structs import Structs

NAMES = ("ibmmq", "pymqi")
"""In the order of preference; IBM maintains the first."""
_LIBRARY_OF = {"ibmmq": "libmqm_r", "pymqi": "libmqic_r"}
_NO_TRACES = "MQIPY_NOOTEL"
"""Set, it keeps ibmmq from what it does wherever OpenTelemetry's package is installed: it would look into
each structure before a put or get, and add properties to messages that are to be what the contract says."""
_WHEELS = "Linux on x86-64 with glibc, macOS on arm64 and Windows"


@dataclass(frozen=True)
class Binding:
    """A binding that is loaded."""

    name: str
    mq: Any
    """The package; both have the same classes, for what is used of them here."""
    is_threaded: bool
    """Whether its calls stop everything else on their thread while they wait."""

    @cached_property
    def structs(self) -> Structs:
        """What makes its structures."""
        return Structs(self.mq)

    @property
    def codes(self) -> Any:
        """IBM's constants."""
        return self.mq.CMQC


def load(choice: str, library: Path | None = None) -> Binding:
    """Return the binding of a choice: auto, ibmmq, pymqi or sandbox.

    `library` is IBM's client library, where the loader does not find it by itself. Raises Problems
    that say what is missing, and of what: binding or library.
    """
    if choice == "sandbox":
        return _stand_in()
    if library is not None:
        try:
            # For all to see: the binding's C module then finds it by its name.
            ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise Problems([f"mq: library {library} cannot be loaded: {error}"]) from error
    names = NAMES if choice == "auto" else (choice,)
    why = []
    for name in names:
        try:
            return Binding(name, _imported(name), is_threaded=True)
        except ImportError as error:
            why.append(_explained(name, error))
    raise Problems(why)


def _imported(name: str) -> Any:
    if name == "ibmmq":
        from sandbox.mqbinding import is_installed

        if is_installed():
            raise Problems(
                [
                    "mq: this process has loaded the sandbox's stand-in for ibmmq, which reaches no "
                    "other queue manager: start anew"
                ]
            )
        os.environ[_NO_TRACES] = "true"
    return importlib.import_module(name)


def _stand_in() -> Binding:
    from sandbox.mqbinding import install

    try:
        install()
    except RuntimeError as error:
        raise Problems([f'mq: binding = "sandbox": {error}']) from error
    try:
        return Binding("sandbox", importlib.import_module("ibmmq"), is_threaded=False)
    except ImportError as error:
        raise Problems([_explained("ibmmq", error)]) from error


def _explained(name: str, error: ImportError) -> str:
    """Tell a binding that is not installed from one that does not find IBM's library."""
    if isinstance(error, ModuleNotFoundError) and error.name == name:
        if name == "ibmmq":
            return (
                "mq: the package ibmmq is not installed; paystorm brings it along where it has wheels "
                f"({_WHEELS}), and elsewhere there is pymqi"
            )
        return "mq: the package pymqi is not installed: pip install --editable '.[pymqi]'"
    # What failed first: the package then looks for a module of another name, and reports that.
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    sys.modules.pop(name, None)
    return (
        f"mq: {name} is installed, but IBM's client library {_LIBRARY_OF[name]} is not to be found "
        f"({cause}): install IBM's MQ client, and name it: [mq] library = "
        f'"/opt/mqm/lib64/{_LIBRARY_OF[name]}.so"'
    )
