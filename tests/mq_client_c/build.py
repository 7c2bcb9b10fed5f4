"""Builds the client library of this folder, and pymqi against it; once, into a cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD_S = 300
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers")
SONAMES = {"ibmmq": "libmqm_r.so", "pymqi": "libmqic_r.so"}
"""What each binding's C module asks the loader for."""


class CannotBuildError(Exception):
    """What is needed is not there; the message says what."""


def compiler() -> list[str]:
    """Return the command of a C compiler: the system's, or that of the package `ziglang`."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return [name]
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise CannotBuildError("there is no C compiler: neither cc nor the package ziglang")


def library(binding: str, cache: Path) -> Path:
    """Return the library that a binding loads, built where the cache has none of these sources."""
    sources = sorted([HERE / "mqi.c", *(HERE / "inc").glob("*.h")])
    content = b"".join(path.read_bytes() for path in sources)
    folder = cache / blake2b(content, digest_size=8).hexdigest() / "lib64"
    built = folder / SONAMES[binding]
    if not built.exists():
        folder.mkdir(parents=True, exist_ok=True)
        beside = built.with_suffix(f".{os.getpid()}")
        link = ("-shared", "-fPIC", "-lpthread", f"-Wl,-soname,{built.name}")
        run(
            [
                *compiler(),
                *FLAGS,
                f"-I{HERE / 'inc'}",
                str(HERE / "mqi.c"),
                *link,
                "-o",
                str(beside),
            ]
        )
        beside.replace(built)
    return built


def pymqi(cache: Path) -> Path:
    """Return a folder with pymqi in it, built from its source against the library and its headers."""
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise CannotBuildError("there is no Python.h, which pymqi is compiled against")
    root = library("pymqi", cache).parents[1]
    site = root / f"site-{sys.version_info.major}.{sys.version_info.minor}"
    if not site.exists():
        shutil.copytree(HERE / "inc", root / "inc", dirs_exist_ok=True)
        beside = root / f"site.{os.getpid()}"
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        pinned = ("--no-deps", "--constraint", str(ROOT / "constraints.txt"), "pymqi")
        command = [*pip, "--target", str(beside), *pinned]
        run(command, CC=" ".join(compiler()), MQ_FILE_PATH=str(root))
        beside.replace(site)
    return site


def run(command: list[str], **environment: str) -> None:
    """Run a command of the build. Raises CannotBuildError with what it said."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    if done.returncode:
        raise CannotBuildError(f"{' '.join(command[:4])} … failed:\n{done.stderr[-2000:]}")
