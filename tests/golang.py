"""Programs in Go that tests run, each built once from the pinned source of a module."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

BUILD_S = 600


class NotBuiltError(Exception):
    """Why there is no program."""


def built_for_a_test(name: str, module: Path, package: str) -> Path:
    """Return a program, for a test.

    Where it cannot be built the test is skipped, saying why; in CI, told by the variable CI, it fails.
    """
    try:
        return built(name, module, package)
    except NotBuiltError as error:
        _cannot(f"real {name}: {error}")


def _cannot(reason: str) -> NoReturn:
    import pytest  # benchmarks, which only build it, run where there is none

    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def built(name: str, module: Path, package: str) -> Path:
    """Return the program, built once and kept in the user's cache. Raises NotBuiltError."""
    program = _cache(name, module) / name
    if not program.is_file():
        _build(program, module, package)
    return program


def _cache(name: str, module: Path) -> Path:
    """Return a directory of what is built from exactly these versions."""
    pinned = b"".join((module / file).read_bytes() for file in ("go.mod", "go.sum"))
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "paystorm" / f"{name}-{hashlib.sha256(pinned).hexdigest()[:16]}"


def _build(program: Path, module: Path, package: str) -> None:
    go = shutil.which("go")
    if go is None:
        raise NotBuiltError("there is no Go toolchain")
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_name(f"{program.name}.{os.getpid()}")
    command = [go, "build", "-buildvcs=false", "-trimpath", "-o", str(fresh), package]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    try:
        subprocess.run(
            command, cwd=module, env=environment, capture_output=True, timeout=BUILD_S, check=True
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace")[-2000:]
        raise NotBuiltError(f"it does not build: {said}") from error
    except subprocess.TimeoutExpired as error:
        raise NotBuiltError(f"it was not built after {BUILD_S} s") from error
    fresh.replace(program)
