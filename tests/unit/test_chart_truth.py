"""Charts against arithmetic from the raw frames and samples: what lies under a curve is what was counted."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.made_run import MEASURE_S, SECOND_NS, Twist, compiled_plan, made_frames, make_run

from seatrial.analysis.load.window import Window
from seatrial.analysis.resources import CPU_SPAN_MIN_S, roles_of, trial_resources
from seatrial.analysis.run.model import TrialSeries
from seatrial.analysis.run.steps import steps_of
from seatrial.analysis.run.summary import summarise_run
from seatrial.observe.samples import ProcessSample
from seatrial.record.reader import RunReader
from seatrial.record.tables.rows import RecordedPhase
from seatrial.report.charts.charts import latency_by_case, latency_spectrum
from seatrial.report.charts.over_time import trial_over_time
from seatrial.report.charts.series import COLUMNS, latency_values
from seatrial.report.charts.style import DOUBTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.generator.frames import Frame

CASE = compiled_plan(("envoy",))["cases"][1]


def area(rows: Iterable[dict[str, Any]], series: str) -> float:
    """Return what lies under one curve that is drawn as steps."""
    own = [row for row in rows if row["series"] == series]
    total: float = sum(
        row["value"] * (after["at_s"] - row["at_s"])
        for row, after in pairwise(own)
        if row["part"] == after["part"]
    )
    return total


def curves_of(spec: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the panels of a chart over time, each with its layer of curves."""
    for panel in spec["vconcat"]:
        yield panel, panel["layer"][1]


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    run = make_run(
        tmp_path_factory.mktemp("runs"), twists={6: Twist(counts_off=1)}, systems=("direct", "envoy")
    )
    with RunReader.open(run) as reader:
        yield summarise_run(reader), {trial.trial: reader.frames(trial.trial) for trial in reader.trials()}


def test_what_lies_under_the_rate_is_the_requests_that_were_counted(summary):
    run, frames = summary
    for case in run.cases:
        spec = trial_over_time(case)
        assert spec is not None
        values = spec["vconcat"][0]["layer"][1]["data"]["values"]
        trials = [frames[trial.trial] for trial in case.trials]
        counted = {sum(part.completed for frame in own for part in frame.parts) for own in trials}
        assert min(abs(area(values, "achieved") / count - 1) for count in counted) < 1e-4


def cut(frames: Iterable[Frame], worker: int, at: float, seq: int) -> Iterator[Frame]:
    """Cut one frame in two at a part of its length, as the end of a phase does; counts go by time."""
    for frame in frames:
        if (frame.worker, frame.seq) != (worker, seq):
            yield frame
            continue
        at_ns = frame.start_ns + int(at * SECOND_NS)
        for start_ns, end_ns, share in ((frame.start_ns, at_ns, at), (at_ns, frame.end_ns, 1 - at)):
            parts = tuple(
                replace(part, sent=round(part.sent * share), completed=round(part.completed * share))
                for part in frame.parts
            )
            yield replace(frame, start_ns=start_ns, end_ns=end_ns, parts=parts)


@pytest.mark.parametrize(("worker", "at"), list(product((0, 1), (0.02, 0.1, 0.5, 0.9))))
def test_a_short_frame_changes_no_rate(worker, at):
    frames = list(cut(made_frames(1, CASE, Twist()), worker, at, 6))
    steps = steps_of(frames, phases_of(frames))
    rates = [step.per_s(step.completed) for step in steps if step.phase == "measure"]
    # Each half of the frame holds whole requests, so a short one may be off by one of its own.
    assert rates == pytest.approx([2_000] * len(rates), rel=0.03)
    counted = sum(part.completed for frame in frames for part in frame.parts)
    assert sum(step.completed for step in steps) == pytest.approx(counted)


def phases_of(frames: list[Frame]) -> list[RecordedPhase]:
    first_s = min(frame.start_ns for frame in frames) / SECOND_NS
    return [
        RecordedPhase("ramp", first_s, first_s + 2, 1.0),
        RecordedPhase("warm up", first_s + 2, first_s + 4, 2.0),
        RecordedPhase("measure", first_s + 4, first_s + 4 + MEASURE_S, 6.0),
    ]


def test_workers_that_do_not_begin_together_are_added_up_whole():
    shifted = [
        replace(frame, start_ns=frame.start_ns + by_ns, end_ns=frame.end_ns + by_ns)
        for frame in made_frames(1, CASE, Twist())
        for by_ns in [frame.worker * 400_000_000]
    ]
    steps = steps_of(shifted, phases_of(shifted))
    counted = sum(part.completed for frame in shifted for part in frame.parts)
    assert sum(
        (step.per_s(step.completed) or 0) * step.length_ns / SECOND_NS for step in steps
    ) == pytest.approx(counted)


def test_where_frames_are_missing_there_is_no_rate():
    frames = list(made_frames(1, CASE, Twist(lost_frame=7)))
    missing = [step for step in steps_of(frames, phases_of(frames)) if not step.whole]
    assert len(missing) == 1
    assert missing[0].per_s(missing[0].completed) is None
    alone = [frame for frame in frames if frame.worker == 0]
    (gap,) = [step for step in steps_of(alone, phases_of(frames)) if not step.whole]
    assert gap.length_ns == SECOND_NS


def look(at_s: float, cpu_s: float, rss: int = 100, pss: int | None = 90) -> ProcessSample:
    # The kernel counts in whole ticks of 10 ms.
    return ProcessSample(at_s, "system", "p", "1@1", "p", int(cpu_s * 100) / 100, 0.0, rss, pss, 10, 1, 0.0)


def test_two_looks_that_are_too_near_make_no_spike_of_cpu():
    times = sorted([*(0.997 + second for second in range(10)), 3.0, 3.002, 8.0])
    samples = [look(at_s, 0.5 * at_s) for at_s in times]
    curve = roles_of(samples)[0].curve
    assert all(span.end_s - span.start_s >= CPU_SPAN_MIN_S for span in curve.cpu)
    assert max(span.cores for span in curve.cpu) < 0.52
    used_s = samples[-1].cpu_user_s - samples[0].cpu_user_s
    assert sum(span.cores * (span.end_s - span.start_s) for span in curve.cpu) == pytest.approx(used_s)
    assert (curve.cpu[0].start_s, curve.cpu[-1].end_s) == (times[0], times[-1])


def test_cpu_of_the_measure_phase_covers_all_of_it():
    # Busy in the measure phase (10 s to 15 s) only; regular looks fall in the middle of each second.
    regular = [look(second + 0.5, min(5.0, max(0.0, second - 9.5))) for second in range(20)]
    window = Window(10 * SECOND_NS, 15 * SECOND_NS)
    without = trial_resources(roles_of(regular), (), (), window, 1_000).role("system")
    edges = [look(10.0, 0.0), look(15.002, 5.0)]
    samples = sorted([*regular, *edges], key=lambda sample: sample.at_s)
    found = trial_resources(roles_of(samples), (), (), window, 1_000).role("system")
    assert without is not None
    assert found is not None
    assert without.cpu_covers_s == 4
    assert found.cpu_covers_s == pytest.approx(5, abs=0.01)
    assert found.cpu_cores_mean == pytest.approx(1.0, abs=0.001)


def test_a_role_has_one_measure_of_memory():
    # A large process whose PSS is taken at every tenth look: RSS less what it shares, never RSS itself.
    samples = [
        look(second, 0.0, rss=70_000_000 + second, pss=66_000_000 + second if second % 10 == 0 else None)
        for second in range(25)
    ]
    curve = roles_of(samples)[0].curve
    assert curve.memory_measure == "PSS"
    assert curve.memory_bytes == pytest.approx([66_000_000 + second for second in range(25)])
    role = trial_resources(roles_of(samples), (), (), None, None).role("system")
    assert role is not None
    assert (role.memory_bytes_max, role.memory_measure, role.rss_bytes_max) == (66_000_024, "PSS", 70_000_024)
    denied = [replace(sample, pss_bytes=None) for sample in samples]
    curve = roles_of(denied)[0].curve
    assert (curve.memory_measure, max(curve.memory_bytes)) == ("RSS", 70_000_024)


@pytest.mark.parametrize(("grown", "wanted"), [(4_000_000, 20_000), (-4_000_000, None)])
def test_what_a_connection_costs_is_no_matter_of_who_else_maps_the_same_files(grown, wanted):
    # Another program of the same binary starts meanwhile: the PSS falls by 15 MB although nothing was given back.
    frames = [frame for frame in made_frames(1, CASE, Twist()) if frame.seq < 2]
    phases = phases_of(frames)
    start_s, end_s = phases[0].start_s, phases[0].start_s + 2
    samples = [
        look(start_s - 0.1, 0, 70_000_000, 65_000_000),
        look(end_s - 0.001, 0, 70_000_000 + grown, 50_000_000),
    ]
    held = [replace(frame, held=75, active=25) for frame in frames]
    cost = trial_resources(roles_of(samples), held, phases, None, None).system_memory_bytes_per_connection
    assert cost == (None if wanted is None else pytest.approx(wanted, rel=0.01))


def test_nothing_leaves_the_frame_of_a_chart(summary):
    for case in summary[0].cases:
        spec = trial_over_time(case)
        assert spec is not None
        for _, layer in curves_of(spec):
            low_s, high_s = layer["encoding"]["x"]["scale"]["domain"]
            assert all(low_s <= row["at_s"] <= high_s for row in layer["data"]["values"])
            assert layer["mark"]["interpolate"] == "step-after"


def test_thousands_of_values_are_drawn_as_the_lowest_and_the_highest_of_each_column(summary):
    run, _ = summary
    trial = run.cases[0].trials[0]
    source = random.Random(3)
    like = trial.series.points[-1]
    points = tuple(
        replace(
            like,
            start_s=second * 0.5,
            end_s=second * 0.5 + 0.5,
            latency_us_max=source.randrange(10_000, 90_000),
        )
        for second in range(2_000)
    )
    drawn = [
        row
        for row in latency_values(replace(trial, series=TrialSeries(points, ())))
        if row["series"] == "max"
    ]
    assert len(drawn) <= 2 * COLUMNS + 1
    assert (drawn[0]["at_s"], drawn[-1]["at_s"]) == (0, 1_000)
    assert all(row["at_s"] <= after["at_s"] for row, after in pairwise(drawn))
    for column in range(COLUMNS):
        start_s, end_s = (1_000 / COLUMNS * edge for edge in (column, column + 1))
        raw = {point.latency_us_max / 1_000 for point in points if start_s <= point.start_s < end_s}
        shown = {row["value"] for row in drawn[:-1] if start_s - 0.001 <= row["at_s"] < end_s - 0.001}
        # One that stands since the column before has no row of its own.
        assert {min(raw), max(raw)} >= shown
        assert max(shown) == max(raw)
        assert min(shown) == min(raw)


def test_a_value_that_stands_is_drawn_once_and_a_gap_stays_a_gap(summary):
    like = summary[0].cases[0].trials[0].series.points[-1]
    known = [(0, 3_000), (1, 3_000), (2, 4_000), (4, 4_000), (5, 4_000)]
    points = tuple(replace(like, start_s=second, end_s=second + 1, latency_us_max=us) for second, us in known)
    trial = replace(summary[0].cases[0].trials[0], series=TrialSeries(points, ()))
    rows = [
        (row["part"], row["at_s"], row["value"]) for row in latency_values(trial) if row["series"] == "max"
    ]
    assert rows == [(0, 0, 3.0), (0, 2, 4.0), (0, 3, 4.0), (1, 4, 4.0), (1, 6, 4.0)]


def test_a_case_that_may_not_be_believed_is_drawn_so_in_every_chart(summary):
    run, _ = summary
    (doubted,) = {case.label for case in run.cases if case.state == "INVALID"}
    by_case, spectrum = latency_by_case(run), latency_spectrum(run)
    assert by_case is not None
    assert spectrum is not None
    for spec in (by_case, spectrum):
        marked = {(row["case"], row["system"]) for row in spec["data"]["values"] if row["belief"] == DOUBTED}
        (system,) = {name for label, name in marked if label == doubted}
        assert marked == {(doubted, system)}
    bars, dots = by_case["spec"]["layer"]
    assert DOUBTED in dots["encoding"]["fill"]["condition"]["test"]
    for dash in (bars["encoding"]["strokeDash"], spectrum["spec"]["encoding"]["strokeDash"]):
        assert dash["legend"] is not None
        assert dict(zip(dash["scale"]["domain"], dash["scale"]["range"], strict=True))[DOUBTED] != [1, 0]


def test_one_colour_means_one_thing():
    from seatrial.report.charts.style import OTHERS, SYSTEMS, system_colours

    colours = [
        *system_colours(["direct", "envoy", "nginx", "a", "b", "c", "d", "e"]).values(),
        *OTHERS.values(),
    ]
    assert len(colours) == len(set(colours)) == 8 + len(OTHERS)
    assert len(SYSTEMS) == 7
