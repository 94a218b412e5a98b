"""``scrape`` without a proxy: what a plan may say, which cases are compared, and what is said of their difference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.made_run import Twist, make_run
from tests.support.schemas import assert_published

from seatrial.analysis.run.model import CaseSummary, RunSummary
from seatrial.analysis.run.said.answers import answers_of
from seatrial.analysis.run.said.scaling import growth_of
from seatrial.analysis.run.said.scraped import scraped_pairs, scraped_sentences
from seatrial.analysis.run.spread import spread_of
from seatrial.analysis.run.summary import summarise_run
from seatrial.errors import PlanError
from seatrial.observe.samples import ScrapedPage
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan
from seatrial.plan.shown.text import plan_text as shown_text
from seatrial.preflight.places.cluster import check_words
from seatrial.record.facts import TrialFacts
from seatrial.record.reader import RunReader
from seatrial.record.tables.trial_rows import facts_of
from seatrial.report.during.scraped import how_rows, scraped_documents, scraped_rows
from seatrial.report.html import render_html
from seatrial.report.json import results_document
from seatrial.report.markdown import render_markdown

PLAN = """
name: scraped
systems: [direct, envoy]
load: {rate: 100/s}
phases: {measure: 10 s}
"""
PAGE = ScrapedPage("envoy", 1.0, 10, 0, 0, 70_000, 0.004, 0.01)


def test_without_and_with_is_all_that_a_plan_has_to_say() -> None:
    plan = parse_plan(f"{PLAN}vary: {{scrape: [0, 1 s]}}\n", "a.yaml")
    cases = compile_cases(plan)
    assert [(case.id, case.scrape_s) for case in cases] == [
        ("direct-scrape=0", 0), ("direct-scrape=1", 1), ("envoy-scrape=0", 0), ("envoy-scrape=1", 1)
    ]  # fmt: skip
    fixed = parse_plan(f"{PLAN}observe: {{scrape: 500 ms}}\n", "a.yaml")
    assert [case.scrape_s for case in compile_cases(fixed)] == [0.5, 0.5]
    assert "scrape (the page of every proxy)\n  every 500 ms" in shown_text(fixed, compile_cases(fixed))
    assert [case.scrape_s for case in compile_cases(parse_plan(PLAN, "a.yaml"))] == [0, 0]
    # Beside a Prometheus, too: neither needs the other.
    both = "observe: {prometheus: 'http://h', queries: {a: up}}\nvary: {scrape: [0, 1 s]}\n"
    assert [case.scrape_s for case in compile_cases(parse_plan(PLAN + both, "a.yaml"))] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("observe: {}", "`observe` is empty"),
        ("observe: {scrape: 1 s}\nvary: {scrape: [0, 1 s]}", "`scrape` is given in `observe` as well as"),
        ("observe: {scrape: 10 ms}", "allowed: 0, or 100 ms to 5 min"),
        ("observe: {scrape: 1}", "is not a duration"),
        ("vary: {scrape: [0, 10 ms]}", "allowed: 0, or 100 ms to 5 min"),
        ("observe: {queries: {a: up}}", "missing key `prometheus`"),
        ("observe: {scrape: 1 s, prometheus: 'http://h'}", "missing key `queries`"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_place(more: str, said: str) -> None:
    with pytest.raises(PlanError) as raised:
        parse_plan(f"{PLAN}{more}\n", "a.yaml")
    assert said in str(raised.value)
    assert "a.yaml:6:" in str(raised.value)


def test_scrapes_of_no_proxy_are_no_variable() -> None:
    text = f"{PLAN}vary: {{scrape: [0, 1 s]}}\n".replace("[direct, envoy]", "[direct]")
    with pytest.raises(PlanError, match="no system of this plan has a proxy to scrape"):
        parse_plan(text, "a.yaml")


def test_on_a_cluster_it_is_refused_before_the_run() -> None:
    def refused(more: str) -> list[str]:
        text = f"{PLAN}place: kubernetes\n{more}\n".replace("[direct, envoy]", "[contour]")
        return [
            one.text for one in check_words(compile_cases(parse_plan(text, "a.yaml"))) if "scrape" in one.text
        ]

    assert len(refused("vary: {scrape: [0, 1 s]}")) == 1
    assert refused("vary: {scrape: [0]}") == []


def made_cases(parent: Path, twists: dict[int, Twist] | None = None) -> RunSummary:
    """A run of one system in which 200 connections stand for a case without scrapes, and 500 for one with."""
    run = make_run(parent, systems=("envoy",), twists=twists)
    with RunReader.open(run) as reader:
        summary = summarise_run(reader)
    return replace(summary, cases=tuple(_scraped(case) for case in summary.cases))


def _scraped(case: CaseSummary) -> CaseSummary:
    variables = dict(case.case.variables)
    every_s = 0 if variables["connections"] == 200 else 1.0
    recorded = replace(case.case, variables=(("scrape", every_s), ("rate", variables["rate"])))
    trials = tuple(
        replace(trial, facts=replace(trial.facts, scraped=(PAGE,))) if every_s else trial
        for trial in case.trials
    )
    return replace(case, case=recorded, trials=trials)


def with_spreads(case: CaseSummary, **values: Sequence[float]) -> CaseSummary:
    spreads = {name: spread for name, found in values.items() if (spread := spread_of(found)) is not None}
    return replace(case, spreads={**case.spreads, **spreads})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    return made_cases(tmp_path_factory.mktemp("runs"))


def at_one_rate(
    summary: RunSummary, without: Sequence[float], scraped: Sequence[float]
) -> tuple[CaseSummary, ...]:
    """The two cases of one rate, with these cores in their repeats, and memory that overlaps."""
    cases = [case for case in summary.cases if dict(case.case.variables)["rate"] == 1_000]
    (none,) = (case for case in cases if dict(case.case.variables)["scrape"] == 0)
    (some,) = (case for case in cases if dict(case.case.variables)["scrape"] == 1)
    alike = {name: none.spreads[name] for name in ("p50", "p99", "system_memory_bytes")}
    some = replace(some, spreads={**some.spreads, **alike})
    return with_spreads(none, system_cpu_cores=without), with_spreads(some, system_cpu_cores=scraped)


def test_cases_are_paired_that_differ_by_scrapes_alone(made: RunSummary) -> None:
    pairs = scraped_pairs(made.cases)
    assert [(pair.without.case.variables, pair.scraped.case.variables) for pair in pairs] == [
        ((("scrape", 0), ("rate", rate)), (("scrape", 1.0), ("rate", rate))) for rate in (1_000, 2_000)
    ]
    assert [pair.label for pair in pairs] == ["envoy, rate=1k/s", "envoy, rate=2k/s"]
    # What has no other side is compared with nothing.
    assert scraped_pairs([case for case in made.cases if dict(case.case.variables)["scrape"]]) == ()


def test_a_difference_counts_where_the_repeats_keep_apart(made: RunSummary) -> None:
    cases = at_one_rate(made, (0.100, 0.110, 0.120), (0.130, 0.140, 0.150))
    (sentence,) = scraped_sentences(cases)
    assert sentence == "Being scraped every 1 s: envoy has +0.030 cores (CPU)."
    row = scraped_rows(replace(made, cases=cases))[0]
    assert row == (
        "envoy, rate=1k/s", "1 s", "20", "CPU", "0.110 cores (0.100 to 0.120 cores)",
        "0.140 cores (0.130 to 0.150 cores)", "+0.030 cores", "yes",
    )  # fmt: skip
    (fewer,) = scraped_sentences(at_one_rate(made, (0.13, 0.14), (0.10, 0.11)))
    assert fewer == "Being scraped every 1 s: envoy has -0.030 cores (CPU)."


def test_where_they_overlap_that_is_said(made: RunSummary) -> None:
    cases = at_one_rate(made, (0.10, 0.13), (0.13, 0.20))
    (sentence,) = scraped_sentences(cases)
    assert sentence == (
        "Being scraped every 1 s: with envoy the repeats with and without it keep apart in no figure."
    )
    assert scraped_rows(replace(made, cases=cases))[0][-2:] == ("+0.050 cores", "no")


def test_one_repeat_proves_nothing(made: RunSummary) -> None:
    cases = at_one_rate(made, (0.10,), (0.50,))
    cases = tuple(
        with_spreads(case, **dict.fromkeys(("p50", "p99", "system_memory_bytes"), (1.0,))) for case in cases
    )
    (sentence,) = scraped_sentences(cases)
    assert "what it costs envoy is not known: one repeat does not show" in sentence
    assert scraped_rows(replace(made, cases=cases))[0][-1] == "not known: one repeat"


def test_who_was_not_scraped_is_not_compared(made: RunSummary) -> None:
    none, some = at_one_rate(made, (0.10, 0.11), (0.20, 0.21))
    for pages in ((), (replace(PAGE, done=0, failed=10),), (PAGE, replace(PAGE, done=0))):
        trials = tuple(replace(trial, facts=TrialFacts(scraped=pages)) for trial in some.trials)
        cases = (none, replace(some, trials=trials))
        (sentence,) = scraped_sentences(cases)
        assert "what it costs envoy is not known: it was not scraped" in sentence
        assert scraped_rows(replace(made, cases=cases))[0][-2:] == ("-", "not scraped")


@pytest.mark.parametrize(
    ("twist", "mark"),
    [
        (Twist(counts_off=1), r"\S+ cores \(INVALID, .*\)"),
        (Twist(lateness_us=900), r"about \S+ cores \(INVALID, .*\)"),
    ],
)
def test_a_doubted_side_is_marked_and_gives_no_difference(tmp_path: Path, twist: Twist, mark: str) -> None:
    # Trials 1 and 5 are of the first case, and 2 and 6 of the second, at the other rate.
    summary = made_cases(tmp_path, dict.fromkeys((1, 2, 5, 6), twist))
    for row in scraped_rows(summary):
        assert "INVALID" in row[4], row
        assert "INVALID" not in row[5], row
        assert row[-2:] == ("-", "not known: INVALID")
    assert re.fullmatch(mark, scraped_rows(summary)[0][4])
    assert "no two cases to compare can be believed" in "".join(scraped_sentences(summary.cases))
    assert all(
        figure["difference"] is None for one in scraped_documents(summary) for figure in one["figures"]
    )


def test_it_is_no_size_that_figures_grow_with(made: RunSummary) -> None:
    assert not any("From scrape=" in sentence for sentence in answers_of(made))
    assert any("Being scraped every 1 s:" in sentence for sentence in answers_of(made))
    grown = growth_of(made.cases)
    assert grown
    assert all(set(growth.fit.slopes) == {"rate"} for growth in grown)
    # Of those without scrapes alone: two cases with two repeats each.
    assert {growth.fit.trials for growth in grown} == {4}


def test_every_output_has_the_table_and_how_it_was_scraped(made: RunSummary) -> None:
    page, markdown = render_html(made), render_markdown(made)
    for text in (page, markdown):
        assert "What being scraped costs" in text
        assert "How each proxy was scraped" in text
    assert (
        "| envoy, scrape=1 s rate=1k/s | 3 | envoy | 1 s | 10 | 0 | 0 | 70.0 kB | 4 ms | 10 ms |" in markdown
    )
    assert len(how_rows(made)) == 4
    document = results_document(made)
    assert_published("results", document)
    assert document["cases"][2]["trials"][0]["scraped"] == [
        {
            "member": "envoy", "every_s": 1.0, "done": 10, "failed": 0, "skipped": 0, "bytes_max": 70_000,
            "took_s_max": 0.004, "cpu_s": 0.01, "problem": None,
        }
    ]  # fmt: skip
    assert [one["scrapes"] for one in document["scrape_costs"]] == [{"done": 20, "failed": 0}] * 2


def test_what_was_scraped_outlives_the_record() -> None:
    document = {"scraped": [{"member": "a", "every_s": 1.0, "done": 1, "failed": 2, "skipped": 3, "bytes_max": 4,
                             "took_s_max": 0.5, "cpu_s": 0.1, "problem": "why"}]}  # fmt: skip
    assert facts_of(document).scraped == (ScrapedPage("a", 1.0, 1, 2, 3, 4, 0.5, 0.1, "why"),)
    assert facts_of({}).scraped == ()
