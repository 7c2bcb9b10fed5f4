"""Plans: what the shipped ones say, and every problem with its value and its remedy."""

from __future__ import annotations

from fractions import Fraction

import pytest

from e2e_data.commands import Channel, Kind
from e2e_data.problems import Problems
from locustfiles.plans import SHIPPED, Plan, load_plan, shipped_plans

PLAN = """
name = "mine"

[pool]
preset = "smoke"

[phases.accounts]
sends = ["account"]
rate_per_s = 20

[phases.opening]
sends = ["opening credit"]
rate_per_s = 20.1

[phases.payments]
sends = ["funding", "payment"]
rate_per_s = 50
duration_s = "1m30s"
"""


@pytest.fixture
def load(tmp_path):
    """Load PLAN with a text replaced, and settings."""

    def loaded(old="", new="", *settings):
        assert old in PLAN
        file = tmp_path / "mine.toml"
        file.write_text(PLAN.replace(old, new, 1) if old else PLAN + new, "utf-8")
        return load_plan(str(file), settings)

    return loaded


def problems_of(load, *args) -> list[str]:
    """Return what is wrong, without the file's name in front."""
    with pytest.raises(Problems) as found:
        load(*args)
    return [text.split(".toml: ", 1)[-1] for text in found.value.problems]


@pytest.mark.parametrize("name", shipped_plans())
def test_every_shipped_plan_is_in_order(name):
    """A plan that comes with paystorm loads, has its file's name, and describes itself."""
    plan = load_plan(name)
    assert plan.name == name
    assert plan.description
    assert {kind for phase in plan.phases.values() for kind in phase.sends} == set(Kind)


def test_the_shipped_plans():
    """There is one to see that all is connected, and one for the main job."""
    assert {"demo", "smoke"} <= set(shipped_plans())


def test_a_plan_reads_as_it_is_written(load):
    """Phases keep their order and names, kinds their labels, durations their units, rates all digits."""
    plan = load()
    assert list(plan.phases) == ["accounts", "opening", "payments"]
    assert plan.phases["payments"].sends == (Kind.FUNDING, Kind.PAYMENT)
    assert plan.phases["payments"].duration_s == 90
    assert plan.phases["opening"].rates.pieces[0].to_per_s == Fraction(201, 10)
    assert plan.pool.config().accounts == 10


def test_a_plan_without_its_own_settings_has_sensible_ones(load):
    """Nothing but the phases has to be said."""
    plan = load()
    assert (plan.users, plan.timeout_s, plan.completion_deadline_s) == (64, 10, 30)
    phase = plan.phases["payments"]
    assert (phase.late, phase.drop_after_s, phase.settle_s) == ("overdue", 1, 10)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            '"account"',
            '"acount"',
            "phases.accounts.sends.0 = 'acount': there is no such kind; "
            "the kinds are account, opening credit, funding, payment",
        ),
        (
            "rate_per_s = 50",
            "rate_per_s = 0",
            "phases.payments.rate_per_s = 0: Input should be greater than 0",
        ),
        (
            "rate_per_s = 50",
            "rate_per_sec = 50\nrate_per_s = 50",
            "phases.payments.rate_per_sec: there is no such setting; check the spelling",
        ),
        ("rate_per_s = 50", "", "phases.payments.rate_per_s: Field required"),
        (
            '"1m30s"',
            '"a while"',
            "phases.payments.duration_s = 'a while': 'a while' is no duration; write 90s, 2m or 1h30m",
        ),
        (
            'preset = "smoke"',
            'preset = "smoke"\nlaps = 0',
            "pool.laps = 0: Input should be greater than or equal to 1",
        ),
        ('"1m30s"', "inf", "phases.payments.duration_s = inf: Input should be a finite number"),
        ('"1m30s"', "0", "phases.payments.duration_s = 0: Input should be greater than 0"),
        (
            '"mine"',
            '"My Plan"',
            "name = 'My Plan': String should match pattern '^[a-z0-9][a-z0-9-]{0,60}$'",
        ),
        (
            '["funding", "payment"]',
            "[]",
            "phases.payments.sends = []: name one kind or more of account, opening credit, funding, payment",
        ),
        (
            '[pool]\npreset = "smoke"\n',
            "[channels]\nhttp = 60\nfax = 40\n",
            "channels = {'http': 60, 'fax': 40}: fax: channels are http, mq, kafka",
        ),
        (
            '["funding", "payment"]',
            '["payment", "payment"]',
            "phases: payment is sent twice",
        ),
        (
            '["funding", "payment"]',
            '["account", "payment"]',
            "phases: account is sent twice",
        ),
        (
            '["opening credit"]',
            '["funding"]',
            "phases: funding needs a phase before it that sends opening credit; "
            "phases: funding is sent twice; "
            "phases: funding needs a phase before it that sends opening credit; "
            "phases: payment needs a phase before it that sends opening credit",
        ),
        (
            '["account"]',
            '["account", "opening credit"]',
            "phases: opening credit needs a phase before it that sends account; "
            "phases: opening credit is sent twice",
        ),
        (
            "",
            '[[slos]]\nlatency = "response"\npercentile = 99\nbelow_ms = 5\nphase = "payment"\n',
            "slos: phase 'payment' is none of accounts, opening, payments",
        ),
        (
            'preset = "smoke"',
            'preset = "smoky"',
            "preset 'smoky': there is no such preset; known: smoke, small, medium, large, stress",
        ),
        (
            'preset = "smoke"',
            "accounts = 0",
            "pool (smoke): accounts = 0: Input should be greater than or equal to 1",
        ),
        (
            'preset = "smoke"',
            "acounts = 5",
            "pool (smoke): acounts: there is no such setting; check the spelling",
        ),
        (
            '[pool]\npreset = "smoke"',
            'pool = "smoke"',
            "pool = 'smoke': Input should be a valid dictionary or instance of PoolChoice",
        ),
        (
            'preset = "smoke"',
            "seed = -1",
            "pool.seed = -1: Input should be greater than or equal to 0",
        ),
    ],
)
def test_a_problem_is_named_with_its_value_and_what_would_be_right(load, old, new, problem):
    """Each fault of a plan is one sentence that says where, what is there, and what would do."""
    assert problems_of(load, old, new) == [problem]


def test_all_problems_are_said_at_once(load):
    """A plan's faults, its pool's and a bad setting's are all named in one go."""
    found = problems_of(
        load,
        'preset = "smoke"\n\n[phases.accounts]\nsends = ["account"]\nrate_per_s = 20',
        'preset = "smoky"\n\n[phases.accounts]\nsends = ["x"]\nrate_per_s = -1',
        "users",
        "users=0",
    )
    assert [text[:36] for text in found] == [
        "--set users: write path=value, such ",
        "users = 0: Input should be greater t",
        "phases.accounts.rate_per_s = -1: Inp",
        "phases.accounts.sends.0 = 'x': there",
        "preset 'smoky': there is no such pre",
    ]


@pytest.mark.parametrize("seconds", ["timeout_s", "completion_deadline_s"])
def test_times_are_finite(load, seconds):
    """No time can be endless: it would be a crash later, in the middle of a run."""
    assert problems_of(load, "", "", f"{seconds}=inf") == [
        f"{seconds} = inf: Input should be a finite number"
    ]


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("phases.payments.rate_per_s=500", ("phases", "payments", "rate_per_s"), 500),
        ("phases.payments.duration_s=2m", ("phases", "payments", "duration_s"), 120),
        ("phases.payments.late=drop", ("phases", "payments", "late"), "drop"),
        (" users = 7 ", ("users",), 7),
        ('description="a = b"', ("description",), "a = b"),
        ("pool.payments=[3, 4]", ("pool", "overrides", "payments"), [3, 4]),
        ("fitness.lag_below_ms=5", ("fitness", "lag_below_ms"), 5),
    ],
)
def test_a_setting_changes_one_value(load, setting, path, value):
    """--set takes a path and a TOML value; a bare word is text, and tables are made as needed."""
    found = load("", "", setting)
    for name in path:
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("users", "--set users: write path=value, such as phases.payments.rate_per_s=500"),
        ("=5", "--set =5: write path=value, such as phases.payments.rate_per_s=500"),
        ("a..b=5", "--set a..b=5: write path=value, such as phases.payments.rate_per_s=500"),
        ("name.x=5", "--set name.x=5: name is a value, not a table"),
        ("usres=5", "usres: there is no such setting; check the spelling"),
        (
            "users=many",
            "users = 'many': Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_a_bad_setting_is_named(load, setting, problem):
    """A setting that cannot be applied, or whose value is none, is told with its text."""
    assert problems_of(load, "", "", setting) == [problem]


def test_an_unknown_plan():
    """A name that is neither a shipped plan nor a file is told with the shipped ones."""
    with pytest.raises(Problems) as found:
        load_plan("dmeo")
    [problem] = found.value.problems
    assert problem == (
        f"there is no plan 'dmeo': give a TOML file, or one of {', '.join(shipped_plans())}"
    )


def test_a_file_that_is_not_toml(tmp_path):
    """What is no TOML is told with the file and the place in it; any bytes are taken."""
    file = tmp_path / "x.toml"
    file.write_bytes(b"name = \xff\n")
    with pytest.raises(Problems, match=r"plan .*x\.toml is not TOML: .*line 1"):
        load_plan(str(file))


def test_an_slo_names_its_kind_as_a_phase_does(tmp_path):
    """An SLO may be about one kind of command, by the label that phases use."""
    file = tmp_path / "plan.toml"
    slo = '[[slos]]\nlatency = "response"\npercentile = 99\nbelow_ms = 5\nkind = "opening credit"\n'
    file.write_text((SHIPPED / "smoke.toml").read_text() + slo)
    assert load_plan(str(file)).slos[0].title == "response p99 below 5 ms (kind opening credit)"
    file.write_text(file.read_text().replace('opening credit"\n', 'cheque"\n'))
    with pytest.raises(Problems, match="cheque"):
        load_plan(str(file))


# -- profiles ---------------------------------------------------------------------------------

PAYMENTS = "phases.payments"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["profile=ramp", "over_s='1m'"], "0/s to 50/s in 60 s, then 50/s"),
        (["profile=ramp", "from_per_s=0.1", "over_s=2"], "0.1/s to 50/s in 2 s, then 50/s"),
        (
            ["profile=steps", "steps=[{rate_per_s=10, for_s='30s'}, {rate_per_s=20, for_s=5}]"],
            "10/s for 30 s, then 20/s for 5 s, then 50/s",
        ),
        (
            ["profile=burst", "burst_per_s=500", "burst_s=5", "every_s='1m'"],
            "50/s for 55 s, then 500/s for 5 s, again and again",
        ),
        (
            ["profile=wave", "swing_per_s=50", "every_s=64", "rate_per_s=100"],
            "100/s to 104.901/s in 1 s, then 104.901/s to 109.754/s in 1 s, then 109.754/s to "
            "114.514/s in 1 s, then 114.514/s to 119.134/s in 1 s, then 119.134/s to 123.57/s in 1 s, "
            "then 123.57/s to 127.778/s in 1 s, then 58 more, again and again",
        ),
        (
            ["profile=soak", "over_s=60", "duration_s='1h'"],
            "0/s to 50/s in 60 s, then 50/s for 3480 s, then 50/s to 0/s in 60 s, again and again",
        ),
        (
            ["profile=trace", "trace='2*4 1 4'", "speed=2"],
            "25/s for 2 s, then 12.5/s for 0.5 s, then 50/s for 0.5 s, again and again",
        ),
    ],
)
def test_a_phase_has_a_profile(settings, said):
    """A rate over time: constant, a ramp, or steps, always coming to rate_per_s."""
    plan = load_plan("smoke", [f"{PAYMENTS}.{setting}" for setting in settings])
    assert str(plan.phases["payments"].rates) == said


SEARCH = ["profile=search", "step_s=9", "from_per_s=5"]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (["profile=ramp"], "over_s: a ramp takes some time"),
        (["profile=steps"], "steps: name them"),
        (
            ["from_per_s=1"],
            'from_per_s is for profile = "ramp" or "chaos" or "search", and this is "constant"',
        ),
        (["every_s=9"], 'every_s is for profile = "burst" or "wave" or "chaos"'),
        (["profile=burst", "burst_s=9"], "burst_per_s: what the rate jumps to"),
        (["profile=burst", "burst_s=9"], "every_s: from one burst to the next"),
        (
            ["profile=burst", "burst_s=9", "every_s=9", "burst_per_s=9"],
            "burst_s = 9: give less than every_s = 9",
        ),
        (["profile=wave", "every_s=9"], "swing_per_s: how far the rate swings"),
        (
            ["profile=wave", "every_s=9", "swing_per_s=51"],
            "swing_per_s = 51: give at most rate_per_s = 50",
        ),
        (["profile=search"], "step_s: how long each rate is tried"),
        (["profile=search", "step_s=9"], "from_per_s: the rate that a search begins with"),
        ([*SEARCH, "from_per_s=51"], "from_per_s = 51: give at most rate_per_s = 50"),
        ([*SEARCH, "from_per_s=1.5"], "from_per_s = 1.5: a search takes whole numbers"),
        ([*SEARCH, "spacing=poisson"], "a search compares rates"),
        ([*SEARCH, "model=closed"], "model: a closed model sees no rate as too high"),
        ([*SEARCH, "count=9"], "count = 9: a search ends when it has found the rate"),
        ([*SEARCH, "warm_up_s=9"], "of each step; give less than step_s = 9"),
        (SEARCH, "a search takes an SLO that is seen while it is on"),
        (["step_s=9"], 'step_s is for profile = "search", and this is "constant"'),
        (["profile=chaos"], "every_s: about how often the rate changes"),
        (
            ["profile=chaos", "every_s=1", "from_per_s=51"],
            "from_per_s = 51: give at most rate_per_s = 50",
        ),
        (["profile=soak"], "over_s: how long it takes to come up"),
        (["profile=soak", "over_s=9"], "duration_s: a soak has an end"),
        (["profile=soak", "over_s=9", "duration_s=18"], "over_s = 9: give less than half"),
        (["profile=trace"], "trace: the CSV file of a day"),
        (["profile=trace", "trace=day"], 'name a CSV file, such as "day.csv"'),
        (["profile=trace", "trace='0 0*9'"], "it has no arrival at all"),
        (["profile=trace", "trace='1 1*0'"], "a level of it takes no time"),
        (
            ["profile=ramp", "over_s=1", "steps=[{rate_per_s=1, for_s=1}]"],
            'steps is for profile = "steps"',
        ),
        (["profile=steps", "steps=[{rate_per_s=0, for_s=1}]"], "greater than 0"),
        (["profile=stairs"], "'trace' or 'search'"),
        (["spacing=random"], "'even' or 'poisson'"),
        (["weights={funding=1}"], "weights: give each kind one that is sent: funding, payment"),
        (["weights={funding=1,payment=0}"], "greater than or equal to 1"),
        (["weights={fund=1,payment=1}"], "there is no such kind"),
        (["model='closed'", "late='drop'"], "late: in a closed model nothing is late"),
        (["count=0"], "greater than or equal to 1"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(settings, fault):
    """What belongs to another profile, or is missing of this one, is named."""
    with pytest.raises(Problems) as found:
        load_plan("smoke", [f"{PAYMENTS}.{setting}" for setting in settings])
    assert fault in str(found.value)


def test_weights_survive_the_record_of_a_run():
    """By the kinds' labels, in the order of what is sent."""
    plan = load_plan("smoke", [f"{PAYMENTS}.weights={{payment=3,funding=1}}"])
    assert plan.phases["payments"].kind_weights == (1, 3)
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan


def test_chaos_has_a_seed():
    """Another seed is another chaos, and the lowest and the highest rate are the plan's."""
    settings = [f"{PAYMENTS}.{one}" for one in ("profile=chaos", "every_s=8", "from_per_s=10")]
    first, other = (
        load_plan("smoke", [*settings, f"{PAYMENTS}.seed={seed}"]).phases["payments"].rates
        for seed in (0, 1)
    )
    assert first.pieces != other.pieces
    assert 10 <= min(piece.to_per_s for piece in first.pieces) < first.peak_per_s <= 50


def trace_problems(tmp_path, text: str) -> str:
    (tmp_path / "day.csv").write_text(text)
    (tmp_path / "plan.toml").write_text(PLAN + 'profile = "trace"\ntrace = "day.csv"\n')
    with pytest.raises(Problems) as found:
        load_plan(str(tmp_path / "plan.toml"), ["users=0"])
    told = [problem for problem in found.value.problems if "users" not in problem]
    assert len(found.value.problems) == 2, "all else that is wrong is told with it"
    return told[0].removeprefix(f"{tmp_path}/day.csv")


def test_a_trace_is_read_from_beside_its_plan(tmp_path):
    """Its times are of the day, or seconds; its last row is as long as the one before; a day is its end."""
    (tmp_path / "plan.toml").write_text(
        PLAN.replace('duration_s = "1m30s"', 'profile = "trace"\ntrace = "day.csv"')
    )
    for rows in ("23:58,5,x\n23:59:00,10,y\n24:00,10,z", "0,5,\n60,10,\n120,10,"):
        (tmp_path / "day.csv").write_text(f"time,per_s,note\n{rows}\n")
        plan = load_plan(str(tmp_path / "plan.toml"))
        phase = plan.phases["payments"]
        assert str(phase.rates) == "25/s for 60 s, then 50/s for 120 s, again and again"
        assert phase.duration_ns == 180 * 10**9
        assert Plan.model_validate(plan.model_dump(mode="json")) == plan


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("when,many\n1,2\n", ": give it the columns time and per_s; it has when, many"),
        ("", ": give it the columns time and per_s; it has none"),
        ("time,per_s\n1,2\nnoon,3\n2,-1\n",
         ": line 3: time 'noon': write 13:05:09, or seconds (and 1 more lines)"),
        ("time,per_s\n1,many\n", ": line 2: per_s 'many': write a number of arrivals"),
        ("time,per_s\n2,1\n1,1\n", ": the time 1 s comes after 2 s"),
        ("time,per_s\n1,0\n", ": it has no arrival at all"),
    ],
)  # fmt: skip
def test_a_trace_that_is_none_is_told_with_its_line(tmp_path, text, told):
    """The file, the line, the value, and what would be right; whatever else is wrong is told, too."""
    assert trace_problems(tmp_path, text) == told


def test_a_trace_that_is_not_there(tmp_path):
    """A name that leads nowhere is told as the path that was looked for."""
    (tmp_path / "plan.toml").write_text(PLAN + 'profile = "trace"\ntrace = "night.csv"\n')
    with pytest.raises(Problems, match=r"night\.csv: No such file or directory"):
        load_plan(str(tmp_path / "plan.toml"))


def test_spacing_is_even_or_random():
    """Random arrivals depend on the pool's seed and on the phase."""
    even = load_plan("smoke").phases["payments"].pace(7)
    plan = load_plan("smoke", [f"{PAYMENTS}.spacing=poisson"])
    first, other = (plan.phases["payments"].pace(7, stream) for stream in (0, 1))
    assert even.due_ns(1) == 20_000_000
    assert first.due_ns(1) == plan.phases["payments"].pace(7).due_ns(1) != other.due_ns(1)


@pytest.mark.parametrize("name", shipped_plans())
def test_a_plan_survives_the_record_of_a_run(name):
    """Workers, and whoever resumes a run, read the plan from its record: it is the same plan."""
    plan = load_plan(name)
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan


def test_channels_are_named_and_shared():
    """Shares are by the channels' names, for the plan or for a phase of its own; the mix is exact."""
    changes = ["channels={http=60,mq=40}", "phases.payments.channels={http=1}"]
    plan = load_plan("smoke", [*changes, "channels_by='account'"])
    assert dict(plan.mix(plan.phases["accounts"]).weights) == {Channel.HTTP: 3, Channel.MQ: 2}
    assert dict(plan.mix(plan.phases["payments"]).weights) == {Channel.HTTP: 1}
    assert plan.channels_used == (Channel.HTTP, Channel.MQ)
    assert plan.model_dump(mode="json")["channels"] == {"http": 60, "mq": 40}
    assert Plan.model_validate(plan.model_dump(mode="json")) == plan


def test_a_search_foresees_its_doublings():
    """How far it goes beyond nobody knows; its time and commands are those until a rate is too high."""
    plan = load_plan("breakpoint", [f"{PAYMENTS}.rate_per_s=300", f"{PAYMENTS}.step_s=10"])
    phase = plan.phases["payments"]
    assert str(phase.rates) == "100/s for 10 s, then 200/s for 10 s, then 300/s"
    assert phase.foreseen_ns == 30 * 10**9
    assert phase.duration_ns is None


def test_what_leads_a_search():
    """Of the SLOs about its phase, or about all, those that can be seen while it is on."""
    slos = "slos=[{freshness_below_s=5},{throughput_above_per_s=1}]"
    with pytest.raises(Problems, match="a search takes an SLO that is seen"):
        load_plan("breakpoint", [slos])
    assert [slo.steers for slo in load_plan("breakpoint").slos_of("payments")] == [True, True]
    slow = "slos=[{latency='completion',percentile=50,below_ms=9,label='hot'}]"
    assert load_plan("breakpoint", [slow]).watched == load_plan("breakpoint", [slow]).slos
    assert load_plan("smoke").watched == (), "otherwise those that may end the run, and no more"


def test_what_is_wrong_between_phases_is_told_with_what_is_wrong_in_one(load):
    """One wrong value hides nothing: the order of the phases, what SLOs are about, what a phase mixes."""
    told = problems_of(
        load,
        '["opening credit"]\nrate_per_s = 20.1',
        '["funding"]\nrate_per_s = 0',
        *("users=0", 'slos=[{phase="paiments",errors_below_percent=1}]'),
        *("phases.accounts.every_s=9", "phases.accounts.weights={payment=1}"),
    )
    assert told[0] == "users = 0: Input should be greater than or equal to 1"
    assert "every_s is for profile" in told[1]
    assert "weights: give each kind one that is sent: account" in told[1]
    assert told[2] == "phases.opening.rate_per_s = 0: Input should be greater than 0"
    assert "phases: funding is sent twice" in told
    assert "slos: phase 'paiments' is none of accounts, opening, payments" in told


def test_a_wrong_value_does_not_hide_what_a_profile_lacks(load):
    """Nor what is for another one; which a profile that is none cannot tell."""
    told = problems_of(
        load,
        "",
        "",
        *("phases.payments.rate_per_s=-5", "phases.payments.profile='ramp'"),
        *(
            "phases.payments.burst_s=1",
            "phases.accounts.rate_per_s=0",
            "phases.accounts.profile='x'",
        ),
    )
    assert "phases.payments: over_s: a ramp takes some time, such as over_s = 60" in told
    assert 'phases.payments: burst_s is for profile = "burst", and this is "ramp"' in told
    assert len(told) == 5


def test_what_only_follows_is_not_told(load):
    """Of a kind that is misspelt nobody can say that it is missing elsewhere."""
    told = problems_of(load, '"account"', '"acount"', "users=0")
    assert len(told) == 2


def test_a_budget_is_in_the_pools_currencies():
    """Money that the pool does not have could never be spent."""
    with pytest.raises(
        Problems, match=r"budget\.moved: XYZ is none of the pool's currencies: USD, EUR"
    ):
        load_plan("smoke", ["budget.moved={XYZ=1}"])
