"""Plans that would be run with another meaning than they have for a person, or with none: refused in their place."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.plan.model.load import LoadPlan
from seatrial.plan.read import parse_plan
from seatrial.plan.written.rules import DEFAULT_TIMEOUT_S
from seatrial.plan.yaml.problems import PlanFileError

PARTS = {"name": "a", "systems": "[direct, nginx]", "load": "{rate: 1k/s}", "phases": "{measure: 10 s}"}


def plan(**parts: str) -> Any:
    return parse_plan("".join(f"{key}: {value}\n" for key, value in (PARTS | parts).items()), "plan.yaml")


def refusal(**parts: str) -> str:
    with pytest.raises(PlanFileError) as caught:
        plan(**parts)
    assert len(caught.value.problems) == 1, caught.value
    return str(caught.value)


@pytest.mark.parametrize(
    ("objective", "why"),
    [
        ("achieved >= 99", "99 is 9,900 %"),
        ("achieved > 100 %", "is 100 %"),
        ("achieved == 1.01", "is 101 %"),
        ("achieved >= 0", "everything is 0 or more"),
        ("errors < 0", "nothing is below 0"),
        ("errors >= 0", "everything is 0 or more"),
        ("p99 < 0", "nothing is below 0"),
        ("p99 <= 0", "never exactly 0"),
        ("max > 0 s", "never exactly 0"),
        ("p50 == 30 ms", "never exactly so"),
        ("p99 < 61 min", "up to an hour"),
        ("proxy_memory == 10 MB", "never exactly so"),
        ("proxy_cpu_cores <= 0", "never exactly 0"),
    ],
)
def test_an_objective_that_cannot_be_meant_is_refused(objective: str, why: str) -> None:
    words = refusal(objectives=f"[{objective}]")
    assert f"`{objective}` cannot be meant, for" in words
    assert why in words


@pytest.mark.parametrize(
    "objective",
    ["achieved >= 99 %", "achieved >= 1", "achieved == 100 %", "errors == 0", "errors <= 0", "errors < 1", "p99 <= 1 h",
     "proxy_cpu_cores < 0.5", "max >= 1 us"],
)  # fmt: skip
def test_what_can_be_meant_is_taken(objective: str) -> None:
    assert plan(objectives=f"[{objective}]").objectives[0].text == objective


@pytest.mark.parametrize("values", ["[1,000]", "[10,500]", "[100,000,000]", "[1,000/s]"])
def test_commas_between_thousands_are_no_list(values: str) -> None:
    words = refusal(load="{}", vary=f"{{rate: {values}}}")
    assert values.replace(",", "") in words
    assert "a space after each comma" in words


@pytest.mark.parametrize("values", ["[1, 000]", "[100, 200]", "[1,10]", "[1k,200]", "[1000,200]", "[1,2000]"])
def test_lists_are_lists(values: str) -> None:
    count = values.count(",") + 1
    assert len(plan(load="{rate: 1k/s}", vary=f"{{connections: {values}}}").vary[0].values) == count


@pytest.mark.parametrize("label", ["origin", "generator", "direct", "envoy"])
def test_a_label_that_is_something_else_is_refused(label: str) -> None:
    assert f"`{label}`" in refusal(systems=f"[nginx: {{label: {label}}}]")
    assert plan(systems="[nginx: {label: nginx}, direct: {label: baseline}]").systems[1].label == "baseline"


@pytest.mark.parametrize(
    ("sources", "why"),
    [("[127.0.0.0/8]", "16,777,216 addresses"), ('["::1"]', "IPv6"), ("[127.0.1.0/28, '::/128']", "IPv6")],
)
def test_sources_that_no_load_can_come_from_are_refused(sources: str, why: str) -> None:
    assert why in refusal(load=f"{{rate: 1k/s, sources: {sources}}}")
    assert plan(load="{rate: 1k/s, sources: [127.1.0.0/16]}").load.sources == ("127.1.0.0/16",)


def test_sources_in_namespaces_are_those_of_the_load() -> None:
    words = refusal(place="namespaces", load="{rate: 1k/s, sources: [127.0.1.0/28]}")
    assert "in 198.18.0.0/17" in words
    assert "in 198.18.0.0/17" in refusal(place="namespaces", load="{rate: 1k/s, sources: [198.18.0.0/16]}")
    assert plan(place="namespaces", load="{rate: 1k/s, sources: [198.18.1.0/24]}").place == "namespaces"


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "HOST"])
def test_fields_that_a_request_has_itself_are_refused(name: str) -> None:
    assert f"`{name}` cannot be among the headers" in refusal(load=f"{{rate: 1k/s, headers: {{{name}: 5}}}}")


@pytest.mark.parametrize(
    "parts",
    [
        {"load": "{active: 0}"},
        {"load": "{active: 0, connections: 0}"},
        {"load": "{active: 0}", "vary": "{connections: [0, 10]}"},
        {"load": "{active: 0, loop: closed, connections: 10}"},
    ],
)
def test_a_plan_without_a_load_is_refused(parts: dict[str, str]) -> None:
    assert "`active` is 0" in refusal(**parts)
    assert plan(load="{active: 0, connections: 10}").load.connections == 10


def test_an_objective_on_a_proxy_needs_one() -> None:
    assert "this plan has none" in refusal(systems="[direct]", objectives="[proxy_memory < 1 GB]")
    assert plan(systems="[direct: {}, nginx: {}]", objectives="[proxy_memory < 1 GB]").objectives


@pytest.mark.parametrize(
    ("delay", "timeout"),
    [("2 s", None), ("1 s", "1 s"), ("{kind: exponential, mean: 3 s}", "1 s"),
     ("{kind: uniform, low: 1 s, high: 2 s}", "1 s")],
)  # fmt: skip
def test_a_delay_that_no_answer_comes_in_time_for_is_refused(delay: str, timeout: str | None) -> None:
    limit = f", timeout: {timeout}" if timeout else ""
    assert "is not below the timeout" in refusal(origin=f"{{delay: {delay}}}", load=f"{{rate: 1/s{limit}}}")
    assert plan(origin=f"{{delay: {delay}}}", load="{rate: 1/s, timeout: 5 s}").origin.delay.kind != "none"


def test_the_default_timeout_is_that_of_the_model() -> None:
    assert LoadPlan(active=0).timeout_s == DEFAULT_TIMEOUT_S


@pytest.mark.parametrize("delay", ["0", "0 s", "0ms"])
def test_a_delay_of_nothing_is_none(delay: str) -> None:
    assert plan(origin=f"{{delay: {delay}}}").origin.delay.kind == "none"


@pytest.mark.parametrize("time", ["1 h 1 h", "5 s 5 s", "1 m 2 min", "1 us 1 µs"])
def test_a_unit_that_is_there_twice_is_a_slip(time: str) -> None:
    assert "is not a duration" in refusal(phases=f"{{measure: {time}}}")
    assert plan(phases="{measure: 1 h 30 min 5 s}").phases.measure_s == 5405


@pytest.mark.parametrize("odd", ["# a\u2028# b", "# a\u2029# b", "# a\u0085# b", "question: 'a\u2028b'"])
def test_lines_are_counted_as_editors_count_them(odd: str) -> None:
    """As ``grep -n`` has it: only line feeds and carriage returns end a line (YAML 1.2, 5.4)."""
    with pytest.raises(PlanFileError) as caught:
        parse_plan(f"name: a\nsystems: [direct]\n{odd}\nlode: {{}}\nphases: {{measure: 10 s}}\n", "plan.yaml")
    assert "plan.yaml:4:1: unknown key `lode`" in str(caught.value)
    assert "\n4 | lode: {}\n" in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_shows_the_line_that_is_meant(end: str) -> None:
    with pytest.raises(PlanFileError) as caught:
        parse_plan(
            end.join(["name: a", "systems: [direct]", "phases: {measure: 10 s}", "lode: {}", ""]), "plan.yaml"
        )
    words = str(caught.value)
    assert "plan.yaml:4:1: unknown key `lode`" in words
    assert "\n4 | lode: {}\n" in words
