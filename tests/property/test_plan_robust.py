"""Whatever is in a plan file, reading it gives a plan or a PlanError; and what is written is what is read."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial import units
from seatrial.errors import PlanError
from seatrial.limits import MAX_CONNECTIONS
from seatrial.plan.cases import compile_cases, trial_order
from seatrial.plan.model.load import LoadPlan
from seatrial.plan.model.plan import Plan
from seatrial.plan.read import decode_plan_bytes, parse_plan

QUICK = (Path(__file__).parents[2] / "plans" / "quick.yaml").read_text()

words = st.from_regex(r"\A[a-z][a-z0-9_.-]{0,10}\Z")
counts = st.integers(min_value=0, max_value=MAX_CONNECTIONS - LoadPlan(rate_per_s=1.0).active)
rates = st.integers(min_value=1, max_value=10_000_000)
durations = st.sampled_from(
    ["0", "0 s", "30 s", "5 min", "250 ms", "1 h 30 min", "2m", "22:30", "-1 s", "", "inf s"]
)
scalars = (
    words
    | st.sampled_from(
        ["", "~", "yes", "012", "0x1f", ".inf", ".nan", "1e999", "<<", "*a", "&a b", "!!x y", "'", '"', "- x"]
    )
    | counts.map(str)
    | rates.map(units.format_rate)
    | durations
)
SECTIONS = ["name", "question", "systems", "origin", "vary", "load", "phases", "repeat", "seed", "objectives"]
INSIDE = [
    "rate",
    "body",
    "connections",
    "active",
    "envoy",
    "nginx",
    "direct",
    "label",
    "kind",
    "delay",
    "measure",
]
keys = st.sampled_from([*SECTIONS, *INSIDE, "headers", "sources"])
flow_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(keys, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=8,
)


def read_or_refuse(content: bytes) -> Plan | None:
    try:
        return parse_plan(decode_plan_bytes(content, "fuzz.yaml"), "fuzz.yaml")
    except PlanError as error:
        assert str(error)  # noqa: PT017
        return None


@given(st.binary(max_size=300))
def test_bytes(content):
    read_or_refuse(content)


@given(st.text(max_size=200))
def test_text(text):
    read_or_refuse(text.encode("utf-8", errors="surrogatepass"))


@given(st.lists(st.tuples(keys, flow_values), max_size=8))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_plans_with_the_wrong_things_in_the_right_places(pairs):
    read_or_refuse("".join(f"{key}: {value}\n" for key, value in pairs).encode())


@given(
    at=st.integers(min_value=0, max_value=len(QUICK)),
    removed=st.integers(min_value=0, max_value=12),
    added=st.text(
        alphabet=st.sampled_from(" \n\t:-,[]{}&*!|>'\"%@`#0159kMsaeux\\\x00\x85\u2028é"), max_size=6
    ),
)
def test_a_good_plan_with_a_slip_of_the_hand(at, removed, added):
    read_or_refuse((QUICK[:at] + added + QUICK[at + removed :]).encode())


@given(
    name=words,
    systems=st.lists(st.sampled_from(["envoy", "nginx", "direct"]), min_size=1, max_size=4),
    connections=st.lists(counts, min_size=1, max_size=4, unique=True),
    rate=st.lists(rates, min_size=1, max_size=4, unique=True),
    times=st.tuples(*[st.integers(min_value=1, max_value=80_000_000).map(lambda ms: ms / 1000)] * 2),
    seed=st.integers(min_value=0, max_value=2**32 - 1),
)
def test_what_is_written_is_what_is_read(name, systems, connections, rate, times, seed):
    warmup, measure = (units.parse_duration_s(units.format_duration(max(0.5, time_s))) for time_s in times)
    text = f"""
name: "{name}"
systems: [{", ".join(systems)}]
vary:
  connections: [{", ".join(units.format_count(count) for count in connections)}]
  rate: [{", ".join(units.format_rate(per_s) for per_s in rate)}]
phases: {{warmup: {units.format_duration(warmup)}, measure: {units.format_duration(measure)}}}
seed: {seed}
"""
    plan = parse_plan(text, "random.yaml")
    assert (plan.name, plan.seed, plan.phases.warmup_s, plan.phases.measure_s) == (
        name,
        seed,
        warmup,
        measure,
    )
    assert [variable.values for variable in plan.vary] == [tuple(connections), tuple(rate)]
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    cases = compile_cases(plan)
    assert len({case.id for case in cases}) == len(cases) == len(systems) * len(connections) * len(rate)
    assert len(trial_order(plan, cases)) == len(cases) * plan.repeat
