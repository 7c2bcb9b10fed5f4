"""The locustfile's options, and what a run is made of by them."""

from __future__ import annotations

import pytest
from configargparse import ArgumentParser

from e2e_data import config
from e2e_data.commands import Channel, Kind
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles.options import OPTIONS, OTEL, add_options, as_allowed
from locustfiles.sandboxed import sandboxed
from locustfiles.settings import EMBEDDED, _too_few, plan_for, read_settings
from locustfiles.tracing import ENABLED, Tracing


class Parser(ArgumentParser):
    """Locust's parser without Locust, which would patch the standard library for all tests."""

    def __init__(self):
        super().__init__()
        self.add_argument("--otel", action="store_true", env_var=ENABLED)

    def add_argument(self, *names, include_in_web_ui=True, **others):
        action = super().add_argument(*names, **others)
        action.include_in_web_ui = include_in_web_ui
        return action


def parse(*arguments, users=None, environ=None):
    """Parse arguments as Locust does, with the options it adds itself."""
    parser = Parser()
    add_options(parser)
    options = parser.parse_args(arguments, env_vars=environ or {})
    options.num_users = users
    return options


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_every_option_has_help_and_an_environment_variable(option):
    """An option says what it is for and what to write, and can be set by the environment."""
    assert option.help
    assert option.metavar.isupper()
    assert option.env_var == "PAYSTORM_" + option.flag[2:].upper().replace("-", "_")
    options = parse(environ={option.env_var: "from=env"})
    assert getattr(options, option.name) == (["from=env"] if option.repeated else "from=env")


def test_options_may_be_added_again():
    """Locust asks for the options again on every page load; the second time nothing happens."""
    parser = Parser()
    add_options(parser)
    add_options(parser)
    assert parser.format_help().count("--runs-dir DIR") == 2, "once in the usage, once explained"


def test_locusts_own_option_for_opentelemetry_is_answered_by_us():
    """Locust never sees it, and starts none of its exporters; its environment variable goes on working."""
    for options in (parse("--otel"), parse(environ={ENABLED: "true"})):
        assert (options.otel, getattr(options, OTEL)) == (False, True)
        assert read_settings(options, None).tracing == Tracing(share=1)
    assert (parse().otel, getattr(parse(), OTEL)) == (False, False)
    assert read_settings(parse(), None).tracing is None


def test_without_options_the_demonstration_runs_on_the_embedded_sandbox():
    """No option has to be given."""
    settings = read_settings(parse(), None)
    assert settings.plan.name == "demo"
    assert settings.origin is None
    assert settings.users == settings.plan.users
    assert len(settings.pool) > 0
    assert str(settings.runs_dir) == "reports/runs"


def test_options_say_what_a_run_is_made_of():
    """The plan, its changes, the host and the users' bound come from the options."""
    options = parse("--plan", "smoke", "--set", "users=3", "--set", "pool.seed=9", users=5)
    settings = read_settings(options, "http://127.0.0.1:8080")
    assert (settings.plan.name, settings.plan.users, settings.users) == ("smoke", 3, 5)
    assert settings.pool.seed == 9
    assert str(settings.origin) == "http://127.0.0.1:8080"


@pytest.mark.parametrize("host", [None, "", EMBEDDED])
def test_without_a_host_the_sandbox_is_embedded(host):
    """No host, an empty one, and what the web UI shows in its place mean the same."""
    assert read_settings(parse(), host).origin is None


def test_the_web_ui_listens_on_loopback_unless_told_otherwise():
    """Locust's own default is every interface, without a login."""
    parser = Parser()
    parser.add_argument("--web-host", default="")
    add_options(parser)
    assert parser.parse_args([]).web_host == "127.0.0.1"
    assert parser.parse_args(["--web-host", "10.0.0.1"]).web_host == "10.0.0.1"


def test_a_form_changes_only_what_it_offers():
    """Of what the web UI's form sends back, files and adapters stay as the command line has them."""
    fixed, live = parse("--plan", "smoke", "--runs-dir", "here"), parse("--plan", "demo")
    live.paystorm_runs_dir, live.paystorm_platform = "/elsewhere", "evil.py:X"
    live.paystorm_set, live.paystorm_rate, live.num_users = ["users=1"], "9", 3
    for options in (fixed, live):
        options.spawn_rate = options.run_time = None
    allowed = as_allowed(live, fixed)
    assert (allowed.paystorm_runs_dir, allowed.paystorm_platform) == ("here", None)
    assert allowed.paystorm_set is None
    assert (allowed.paystorm_plan, allowed.paystorm_rate, allowed.num_users) == ("demo", "9", 3)


def test_what_a_form_leaves_empty_is_not_given():
    """The web UI's form sends every field back as text; an empty one is none."""
    options = parse("--set", "users=9")
    options.paystorm_plan = options.paystorm_rate = options.paystorm_duration = ""
    expected = sandboxed(plan_for("demo", ["users=9"], None, None, fixed_pool=False))
    assert read_settings(options, "").plan == expected


def test_a_given_pool_is_played(tmp_path):
    """--pool replaces the plan's pool, and --rate and --duration do not change its size."""
    Pool.generate(config.load("smoke", {"accounts": 2}), 5, tmp_path / "pool", jobs=1)
    options = parse("--plan", "smoke", "--pool", str(tmp_path / "pool"), "--rate", "9")
    settings = read_settings(options, None)
    assert (settings.pool.config.accounts, settings.pool.seed) == (2, 5)
    assert settings.plan.pool.config().accounts == 10


def test_all_problems_are_said_at_once():
    """A bad plan, adapter and host are three problems, and told together."""
    options = parse("--plan", "nowhere", "--platform", "none.py:X")
    with pytest.raises(Problems) as found:
        read_settings(options, "ftp://x")
    begun = [problem[:22] for problem in found.value.problems]
    assert begun == ["there is no plan 'nowh", "--platform none.py:X: ", "--host ftp://x: give a"]


def plan(rate=None, duration=None, *changes, fixed_pool=False):
    return plan_for("smoke", changes, rate, duration, fixed_pool=fixed_pool)


def test_rate_and_duration_are_the_last_phases():
    """--rate and --duration change the plan's last phase and no other."""
    found = plan("200", "2m")
    assert [phase.rate_per_s for phase in found.phases.values()] == [20, 20, 200]
    assert [phase.duration_s for phase in found.phases.values()] == [None, None, 120]


def test_a_pool_is_made_that_suffices():
    """A rate for a duration gets a pool with a tenth more than it needs on average."""
    accounts = plan("100", "10s").pool.config().accounts
    # 100 a second for 10 s and a tenth more, at 7.5 payments and 3.5 funding credits each.
    assert accounts == round(1100 / 11) == 100
    pool = Pool.in_memory(plan("100", "10s").pool.config(), 7)
    assert 1000 <= pool.count_of(Kind.FUNDING) + pool.count_of(Kind.PAYMENT) <= 1300


def test_only_what_the_last_phase_sends_counts():
    """Where the last phase sends payments alone, its pool is counted in payments alone."""
    sends = 'phases.payments.sends=["payment"]'
    assert plan("100", "10s", sends).pool.config().accounts == round(1100 / 7.5) == 147


@pytest.mark.parametrize(
    ("rate", "duration", "changes", "accounts"),
    [
        (None, None, (), 10),
        ("100", None, (), 10),
        ("100", "10s", ("pool.accounts=3",), 3),
        ("100", "10s", (" pool.accounts = 3",), 3),
        ("100", "10s", ("pool.accounts_per_shard=2",), 100),
        (None, "10s", (), 50),
    ],
)
def test_a_pool_keeps_the_size_that_was_chosen(rate, duration, changes, accounts):
    """The pool is sized only for a phase of known duration, and never against what was set."""
    assert plan(rate, duration, *changes).pool.config().accounts == accounts


def test_a_fixed_pool_is_not_sized():
    """Where the pool is given, its size is its own."""
    assert plan("100", "10s", fixed_pool=True).pool.config().accounts == 10


def test_a_short_test_has_at_least_one_account():
    """However little is sent, somebody has to pay."""
    assert plan("1", "1s").pool.config().accounts == 1


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "nan", ""])
def test_a_rate_that_is_none(rate):
    """--rate has to be a number above 0, and both shorthands' faults are told together."""
    with pytest.raises(Problems) as found:
        plan(rate, "soon")
    assert found.value.problems == (
        f"--rate {rate}: give a number of commands per second above 0",
        "--duration: 'soon' is no duration; write 90s, 2m or 1h30m",
    )


def test_channels_are_set_for_all_phases():
    """--channels replaces the plan's shares, and those of phases that have their own."""
    own = ["phases.payments.channels={http=1}"]
    found = plan_for("smoke", own, None, None, channels="http=60", fixed_pool=False)
    assert found.channels == {Channel.HTTP: 60}
    assert found.phases["payments"].channels == {Channel.HTTP: 60}
    assert found.phases["accounts"].channels is None


def test_channels_that_are_none_are_refused():
    """The message has what was given, and which channels there are."""
    with pytest.raises(Problems) as caught:
        plan_for("smoke", [], None, None, channels="fax=1", fixed_pool=False)
    assert "fax: channels are http, mq, kafka" in str(caught.value)


def test_each_channel_needs_a_user_in_each_process():
    """With fewer users than channels, some commands would lie about for ever."""
    two = PlanOfTwo()
    assert _too_few(two, 4, 2) == []
    assert _too_few(two, 3, 2) == [
        "users = 3: give at least 4 (-u), since each channel needs a user in each of 2 workers"
    ]
    assert _too_few(two, 1, 0) == [
        "users = 1: give at least 2 (-u), since each channel needs a user"
    ]


class PlanOfTwo:
    """As much of a plan over two channels as matters."""

    channels_used = (Channel.HTTP, Channel.KAFKA)


HOST = "http://staging.example:8080"


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["--allow", "staging.example"], {}),
        (["--allow", "other.example", "--allow", "*.example:8080"], {}),
        ([], {"PAYSTORM_ALLOW": "staging.example"}),
        ([], {"PAYSTORM_ALLOW": "mq.example:1414, staging.example"}),
        (["--set", 'allow=["staging.example"]'], {}),
        (["--set", 'allow=["staging.example"]', "--allow", "other.example"], {}),
    ],
)
def test_load_goes_where_plan_options_and_environment_allow(arguments, environ):
    """Any of them may allow a host; the plan of the run's record has all that was allowed."""
    settings = read_settings(parse("--plan", "smoke", *arguments, environ=environ), HOST)
    assert str(settings.origin) == HOST
    assert any("example" in entry for entry in settings.plan.allow)


@pytest.mark.parametrize("allow", [[], ["--allow", "staging.example:443"]])
def test_load_goes_nowhere_else(allow):
    """The reason, and how to allow it, are said; nothing was connected."""
    with pytest.raises(Problems) as found:
        read_settings(parse("--plan", "smoke", *allow), HOST)
    [problem] = found.value.problems
    assert problem.startswith("--host: commands would go to staging.example:8080, which is not on")
    assert (
        'allow = ["staging.example"] in the plan, --allow staging.example, or PAYSTORM_ALLOW'
        in problem
    )


def test_a_proxy_has_to_be_allowed_too():
    """Commands go through it."""
    changes = ("--set", "http.client=fast", "--set", "http.proxy=http://proxy.example:3128")
    with pytest.raises(Problems, match=r"http\.proxy: commands would go to proxy\.example:3128"):
        read_settings(parse("--plan", "smoke", *changes), "http://127.0.0.1:1")
