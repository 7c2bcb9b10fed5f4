"""Users of the web UI: their file is checked as a whole, and never shown."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from werkzeug.security import check_password_hash

from e2e_data.problems import Problems
from locustfiles.cli import web_user
from locustfiles.web.login import line_of, read_users


@pytest.fixture
def file(tmp_path):
    return tmp_path / "users"


def test_the_command_makes_lines_that_are_read_back(file):
    """Name, role and a hash of the password, which is in nothing that is printed."""
    lines = []
    for name, role in (("ann", "operator"), ("bob@bank.example", "viewer")):
        done = CliRunner().invoke(
            web_user, [name, "--role", role], env={"PAYSTORM_WEB_PASSWORD": "correct horse"}
        )
        assert done.exit_code == 0, done.output
        assert "correct horse" not in done.output
        lines.append(done.output)
    file.write_text("# those of the night shift\n\n" + "".join(lines))
    users = read_users(f"file:{file}")
    assert [(one.name, one.is_operator) for one in users.values()] == [
        ("ann", True),
        ("bob@bank.example", False),
    ]
    assert check_password_hash(users["ann"].hash, "correct horse")
    assert not check_password_hash(users["ann"].hash, "Correct horse")


def test_everything_that_is_wrong_is_told_at_once_and_no_hash_is(file):
    """Each line with its number and what is to be done."""
    secret = line_of("ann", "viewer", "x").split()[2]
    file.write_text(
        f"ann admin {secret}\nbob\nann viewer {secret}\nbo/b viewer {secret}\nc d e f\n"
    )
    with pytest.raises(Problems) as raised:
        read_users(f"file:{file}")
    text = str(raised.value)
    assert [f"line {number}" in text for number in range(1, 6)] == [True] * 5
    assert "'admin'" in text
    assert "twice" in text
    assert secret not in text


@pytest.mark.parametrize("reference", ["eve viewer x", "env:NO_SUCH_VARIABLE", "file:/no/such"])
def test_users_are_a_secret_and_named_like_one(reference):
    """Hashes do not belong into process lists either."""
    with pytest.raises(Problems) as raised:
        read_users(reference)
    assert "eve" not in str(raised.value)


def test_nobody_may_have_an_empty_file(file):
    """With a login and nobody who may, nobody could be let in: that is said before the start."""
    file.write_text("# nobody\n")
    with pytest.raises(Problems, match="nobody in it"):
        read_users(f"file:{file}")


def test_a_name_fits_into_logs_and_timelines():
    """What could look like another line of a log is no name."""
    for name in ("", "a b", "a\nb", "x" * 65):
        with pytest.raises(Problems):
            line_of(name, "viewer", "x")
