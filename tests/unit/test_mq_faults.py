"""Reasons of IBM MQ: their names, what to check, and what they mean for a command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.mq_faults import InDoubtError, NotPutError, of_put
from locustfiles.channels.mq_reasons import BROKEN, IN_DOUBT, REASONS, MqError
from tests.mq_parts import needs_ibmmq

MET_BY_NEWCOMERS = (2035, 2058, 2059, 2085, 2538, 2540, 2393, 2009, 2053, 2030, 2033)


@pytest.mark.parametrize("reason", MET_BY_NEWCOMERS)
def test_reasons_that_newcomers_meet_say_what_to_check(reason):
    """Name and advice, beside the number and what it was about."""
    told = MqError("MQOPEN", reason, "A.QUEUE").told
    assert re.fullmatch(rf"MQOPEN A\.QUEUE: {reason} MQRC_[A-Z_]+: \S.+", told)


@needs_ibmmq
def test_the_names_are_ibms():
    """Each number has the name that IBM's own constants give it."""
    from importlib.util import find_spec

    package = Path(find_spec("ibmmq").submodule_search_locations[0])
    constants = (package / "_CMQC_linux_x64.py").read_text()
    for reason, (name, _) in REASONS.items():
        found = re.search(rf"^{name} += (\d+)", constants, re.M)
        assert found is not None, name
        assert int(found[1]) == reason


def test_a_reason_that_is_not_in_the_table_has_the_bindings_name():
    """And no advice is made up."""
    assert MqError("MQPUT", 9999, "Q", "MQRC_NEW").told == "MQPUT Q: 9999 MQRC_NEW"
    assert MqError("MQPUT", 9999, "Q").told == "MQPUT Q: 9999 unknown reason"


def test_what_is_written_down_does_not_differ_from_call_to_call():
    """A journal has room for few texts."""
    assert MqError("MQPUT", 2053, "COMMAND.QUEUE").short == "MQPUT 2053 MQRC_Q_FULL"


@pytest.mark.parametrize(
    ("verb", "reason", "syncpoint", "means"),
    [
        ("MQPUT", 2053, False, NotPutError),
        ("MQPUT", 2035, False, NotPutError),
        ("MQOPEN", 2085, False, NotPutError),
        ("MQOPEN", 2009, False, NotPutError),
        ("MQCONNX", 2538, False, NotPutError),
        ("MQPUT", 2009, False, InDoubtError),
        ("MQPUT", 2009, True, NotPutError),
        ("MQCMIT", 2009, True, InDoubtError),
        ("MQCMIT", 2003, True, InDoubtError),
    ],
)
def test_only_a_broken_put_or_commit_is_in_doubt(verb, reason, syncpoint, means):
    """Under syncpoint a put that broke is backed out; what fails before it was never there."""
    error = of_put(MqError(verb, reason, "Q"), syncpoint=syncpoint)
    assert type(error) is means
    assert isinstance(error, NotSentError if means is NotPutError else UnansweredError)
    assert str(reason) in str(error)


def test_whatever_leaves_a_put_in_doubt_breaks_the_connection():
    """So the next call does not go the same way; a commit that was backed out does not."""
    assert IN_DOUBT - {2003} <= BROKEN
