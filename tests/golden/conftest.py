"""Golden files: what a renderer wrote when someone last looked at it and found it good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

OPTION = "--update-golden"
REMEDY = f"run `pytest tests/golden {OPTION}`, look at what changed, and keep it if it is meant"


def pytest_addoption(parser):
    parser.addoption(
        OPTION,
        action="store_true",
        default=False,
        help="write the golden files anew instead of comparing with them",
    )


@pytest.fixture
def golden(request) -> Callable[[str, bytes], None]:
    """Compare bytes with the golden file of a name; a file that is missing is a failure."""
    # Where the tests are started from the top, the option is not known and so not given.
    update = request.config.getoption(OPTION, default=False)
    directory = Path(__file__).parent / "files"

    def compare(name: str, content: bytes) -> None:
        path = directory / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            return
        if not path.is_file():
            pytest.fail(f"there is no golden file {path.name}: {REMEDY}", pytrace=False)
        # As text, pytest shows the lines that differ.
        assert content.decode() == path.read_bytes().decode(), f"{path.name} differs: {REMEDY}"

    return compare
