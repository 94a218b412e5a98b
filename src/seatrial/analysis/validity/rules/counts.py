"""The rules of validity that are about counts: of the schedule, of each side, of frames and drivers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason
from seatrial.analysis.validity.rules.delays import FRAME_GAP_S_LIMIT
from seatrial.record.events import COMPLETED, CUT_OFF

if TYPE_CHECKING:
    from seatrial.analysis.validity.evidence import TrialEvidence

# The requested rate is an input of the experiment; one percent is what DESIGN.md calls "as requested".
RATE_TOLERANCE = 0.01
# Requests are dealt to routes in blocks of at least 64, each of which has every route (`mixture.rs`): so many requests
# leave no route without one, wherever they begin.
ROUNDS_OF_ROUTES, BLOCK_REQUESTS = 2, 128
ROUNDS_OF_ENDPOINTS = 100
# A Poisson count of N has the standard deviation sqrt(N); four of them are exceeded once in 16,000 trials.
POISSON_DEVIATIONS = 4


def rate_missed(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose schedule held more or fewer requests than were asked for."""
    load = evidence.load
    if load is None or load.loop == "closed" or not load.rate_per_s.requested or evidence.state == CUT_OFF:
        return None
    wanted = load.rate_per_s.requested * load.window_s
    tolerance = max(1.0, wanted * RATE_TOLERANCE)
    if load.arrival == "poisson":
        tolerance += POISSON_DEVIATIONS * math.sqrt(wanted)
    if abs(load.requests.intended - wanted) <= tolerance:
        return None
    return Reason(
        "generator.rate",
        f"{load.requests.intended:,} requests were scheduled in {load.window_s:g} s, {wanted:,.0f} were asked for",
        "look for lost frames or a stopped worker; this is a fault of Seatrial if there are none",
    )


def counts_disagree(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose generator, system and origin counted different requests."""
    completed, counts = evidence.counts.generator_completed, evidence.counts
    if completed is None or evidence.facts.system_failure is not None or evidence.state != COMPLETED:
        return None
    # Behind a proxy that refuses a request by itself (a body too large, a route that is not there) nobody counts it. An
    # answer of 2xx that its origin never gave is a cache's: another system would be measured.
    passed_on = completed - evidence.answers_other
    probes = evidence.probes
    others = {
        "the system": (counts.system_requests, completed, probes.answered),
        # What a system has counted by route goes with the route: of its probes some are counted, or none.
        "the system, towards the origin": (counts.system_upstream_requests, passed_on, 0),
        "the origin": (
            counts.origin_requests,
            completed if counts.system_requests is None else passed_on,
            probes.passed_on,
        ),
    }
    # A request that broke off or was still under way may or may not have been counted further down.
    may_be = evidence.unfinished + evidence.asked_beside + probes.unclear
    wrong = [
        f"{who} {count:,}"
        for who, (count, least, beside) in others.items()
        if count is not None
        and not least <= count - beside <= completed + may_be + (0 if beside else probes.passed_on)
    ]
    if not wrong:
        return None
    beside = f" and {probes.answered:,} probes" if probes.answered else ""
    return Reason(
        "system.counts",
        f"the counts of requests disagree: the generator {completed:,}{beside}, {', '.join(wrong)}",
        "look for retries, caching, or other traffic on the system or the origin",
    )


def routes_missed(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which not every route was exercised."""
    reached, completed = evidence.facts.reached, evidence.counts.generator_completed
    # A plan may hold idle connections only, which ask for nothing.
    if reached is None or reached.routes_reached is None or not completed or evidence.state != COMPLETED:
        return None
    routes, seen = reached.routes, reached.routes_reached
    if seen >= routes:
        return None
    text = f"requests for {seen:,} of {routes:,} routes came in at the origin"
    if completed < ROUNDS_OF_ROUTES * routes + BLOCK_REQUESTS:
        remedy = "a higher rate, a longer `measure`, or fewer routes"
        return Reason("plan.routes", f"{text}: {completed:,} requests are too few for all of them", remedy)
    return Reason(
        "system.routes", text, "look for answers other than 200, and for routes that lead elsewhere"
    )


def endpoints_missed(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial in which a proxy took only some of the endpoints that it was given.

    Where it draws one at random for each request, none is left out by chance; and where each of its threads begins at
    the first, a hundred of them come round.
    """
    reached, completed = evidence.facts.reached, evidence.counts.generator_completed
    if not evidence.is_proxied or evidence.disturbed is not None or not completed:
        return None
    if reached is None or reached.endpoints_reached is None or evidence.state != COMPLETED:
        return None
    seen, endpoints = reached.endpoints_reached, reached.endpoints
    if seen >= endpoints or completed < ROUNDS_OF_ENDPOINTS * endpoints:
        return None
    return Reason(
        "system.endpoints",
        f"requests came in at {seen:,} of the {endpoints:,} endpoints that the system was given, of {completed:,}"
        " requests",
        "look at which of a service's endpoints it takes; Traefik on a cluster takes one at each address: as many"
        " `processes` of the origin as a service has endpoints",
    )


def uncounted(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial of which a count is missing."""
    found = evidence.facts.uncounted
    if not found:
        return None
    return Reason(
        "system.uncounted",
        f"a count of requests that should be compared could not be made: {'; '.join(found)}",
        "read the log of the system or the origin: it did not answer when it was asked for its counters, or began anew",
    )


def frames_missing(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial of which intervals of a worker are missing."""
    holes = [
        f"worker {worker.worker} ({worker.missing_frames} missing, longest hole {worker.longest_gap_s:.2f} s)"
        for worker in evidence.workers
        if worker.missing_frames or worker.longest_gap_s > FRAME_GAP_S_LIMIT
    ]
    if not holes:
        return None
    return Reason(
        "generator.frames",
        f"intervals of the generator are missing: {', '.join(holes)}",
        "see logs/ and the journal for a worker that stopped or a clock that was set",
    )


def drivers_mixed(evidence: TrialEvidence) -> Reason | None:
    """Doubt a trial whose workers moved the bytes in different ways."""
    drivers = sorted(set(evidence.drivers))
    if len(drivers) < 2:
        return None
    return drivers_differ(f"workers of this load used different drivers: {' and '.join(drivers)}")


def drivers_differ(text: str) -> Reason:
    """Return the doubt that numbers of different drivers leave where they are put together."""
    return Reason(
        "generator.drivers",
        f"{text}; their costs and service times are not comparable",
        "use one driver for all: --driver epoll works everywhere",
    )
