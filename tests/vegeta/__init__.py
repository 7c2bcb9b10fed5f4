"""Real Vegeta, built from the pinned source beside this file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

MODULE = Path(__file__).parent
PACKAGE = "github.com/tsenart/vegeta/v12"
BUILD_S = 600


class NotBuiltError(Exception):
    """Why there is no program."""


def vegeta() -> Path:
    """Return the program, for a test.

    Where it cannot be built the test is skipped, saying why; in CI, told by the variable CI, it fails.
    """
    try:
        return built()
    except NotBuiltError as error:
        _cannot(f"real Vegeta: {error}")


def _cannot(reason: str) -> NoReturn:
    import pytest  # benchmarks, which only build it, run where there is none

    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def built() -> Path:
    """Return the program, built once and kept in the user's cache. Raises NotBuiltError."""
    program = _cache() / "vegeta"
    if not program.is_file():
        _build(program)
    return program


def _cache() -> Path:
    """Return a directory of what is built from exactly these versions."""
    pinned = b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "paystorm" / f"vegeta-{hashlib.sha256(pinned).hexdigest()[:16]}"


def _build(program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise NotBuiltError("there is no Go toolchain")
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_name(f"vegeta.{os.getpid()}")
    command = [go, "build", "-buildvcs=false", "-trimpath", "-o", str(fresh), PACKAGE]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    try:
        subprocess.run(
            command, cwd=MODULE, env=environment, capture_output=True, timeout=BUILD_S, check=True
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace")[-2000:]
        raise NotBuiltError(f"it does not build: {said}") from error
    except subprocess.TimeoutExpired as error:
        raise NotBuiltError(f"it was not built after {BUILD_S} s") from error
    fresh.replace(program)
