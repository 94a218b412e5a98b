"""How much of a percentile can be the generator's: a bound, held against samples whose parts are known."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from tests.support.made_run import Twist, compiled_plan, made_frames
from tests.unit.test_analysis_validity import LOAD

from seatrial._engine import Histogram
from seatrial.analysis.load.decoded import Decoded, together
from seatrial.analysis.load.distribution import Percentiles
from seatrial.analysis.load.histograms import QUANTILES
from seatrial.analysis.load.ours import Parts, latency_ours, service_time_ours, worth_showing
from seatrial.report.load.text import ours_text

REQUESTS = 5_000
ROUNDING = 1.003
"""Histograms keep three digits, in the value and in the bound."""


def histogram(values: np.ndarray) -> Histogram:
    found = Histogram()
    for value in values:
        found.record(round(float(value)))
    return found


def parts(system: np.ndarray, waited: np.ndarray, late: np.ndarray, unread: np.ndarray) -> Parts[Histogram]:
    """Return what is recorded of requests that waited for a connection, were served, left late and lay unread."""
    service = system - waited
    return Parts(histogram(system + late + unread), histogram(service), histogram(late), histogram(unread))


@pytest.mark.parametrize("coupling", ["independent", "together", "against each other"])
@pytest.mark.parametrize("seed", range(5))
def test_no_dependence_between_the_parts_breaks_the_bound(coupling, seed):
    random = np.random.default_rng(seed)
    system = random.lognormal(6, random.uniform(0.2, 1.5), REQUESTS)
    late = random.exponential(random.uniform(20, 2_000), REQUESTS) * (random.random(REQUESTS) < 0.2)
    unread = random.exponential(30, REQUESTS)
    if coupling != "independent":
        system.sort()
        late = np.sort(late)[:: 1 if coupling == "together" else -1]
        unread = np.sort(unread)
    ours = latency_ours(parts(system, system * random.uniform(0, 1), late, unread))
    assert ours is not None
    whole = system + late + unread
    for name, quantile in QUANTILES.items():
        value, truth = (np.quantile(of, quantile, method="inverted_cdf") for of in (whole, system))
        assert value - getattr(ours, name) <= truth * ROUNDING + 1, name
        assert getattr(ours, name) <= value * ROUNDING
    assert ours.max * ROUNDING + 1 >= whole.max() - system.max()
    assert ours.mean * ROUNDING >= (late + unread).mean() - 1


def test_the_bound_is_exact_where_the_parts_are():
    constant = np.full(1_000, 500.0), np.zeros(1_000), np.full(1_000, 1_000.0), np.zeros(1_000)
    ours = latency_ours(parts(*constant))
    assert ours is not None
    assert {name: round(value, -1) for name, value in asdict(ours).items()} == dict.fromkeys(
        asdict(ours), 1_000
    )


def test_waiting_for_a_busy_system_is_not_ours():
    slow = np.full(1_000, 1_000.0)
    ours = latency_ours(parts(slow, slow - 10, np.ones(1_000), np.zeros(1_000)))
    assert ours is not None
    assert ours.p99 <= 5


def test_requests_that_were_never_sent_are_no_time_of_ours():
    latency = histogram(np.concatenate([np.full(500, 100.0), np.full(500, 10_000.0)]))
    sent = histogram(np.full(500, 100.0)), histogram(np.ones(500)), Histogram()
    ours = latency_ours(Parts(latency, *sent))
    assert ours is not None
    assert ours.p99 <= 50


def test_service_times_hold_what_lay_unread():
    ours = service_time_ours(
        parts(np.full(1_000, 500.0), np.zeros(1_000), np.zeros(1_000), np.full(1_000, 200.0))
    )
    assert ours is not None
    assert ours.p50 == pytest.approx(200, abs=2)


def test_a_closed_loop_knows_of_what_lay_unread_and_of_stops():
    """One request of 5,000 was held up while it was sent; that is the maximum, and beyond p99.99."""
    service = histogram(np.append(np.full(4_999, 1_000.0), 181_000.0))
    ours = latency_ours(Parts(service, service, Histogram(), Histogram(), stall_us=180_000))
    assert ours is not None
    assert (ours.p50, ours.p99, ours.p999, ours.p9999, ours.max) == (0, 0, 0, 180_000, 180_000)
    # It is no more than there is.
    ours = latency_ours(Parts(service, service, Histogram(), Histogram(), stall_us=500_000))
    assert ours is not None
    assert ours.max == service.max_us
    assert latency_ours(Parts(Histogram(), Histogram(), Histogram(), Histogram())) is None


def test_it_is_in_the_document():
    from dataclasses import replace

    ours = Percentiles(1.5, 1, 2, 3, 4, 5, 6, 7)
    document = replace(LOAD, latency_ours_us=ours, service_time_ours_us=None).to_json()
    assert document["latency_ours_us"] == asdict(ours)
    assert document["service_time_ours_us"] is None


def test_a_case_is_bounded_by_the_merged_histograms_of_its_trials():
    case = compiled_plan(("direct",))["cases"][0]
    one, late = (Parts.of(made_frames(1, case, Twist(lateness_us=us)), Decoded().merge) for us in (3, 300))
    alone = latency_ours(late)
    both = latency_ours(together([one, late]))
    assert alone is not None
    assert both is not None
    assert 0 < both.p99 < alone.p99


def test_it_is_said_where_it_is_more_than_a_tenth():
    assert ours_text("p99", 1_720, 1_030) == "p99 1.72 ms, of which up to 1.03 ms may be ours"
    assert ours_text("p99", 1_720, 172) is None
    assert worth_showing(1_720, 173)
