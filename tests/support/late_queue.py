"""A system behind a generator that is late, and the same system without: requests, one by one, in virtual time.

G/G/c in the order of arrival ("fifo"), with pauses of the system, a limit of connections, time-outs that run from the
send and take their work with them, and a generator that is away now and then: it sends nothing then, and frees no
connection. Others share a part of their cost among requests that wait ("batch"), refuse above so many ("shed"),
or have connections of their own for each server ("own"). Times are microseconds from the start of the window.
"""

from __future__ import annotations

import bisect
import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Discipline = Literal["fifo", "batch", "shed", "own"]
Pauses = Sequence[tuple[float, float]]

REQUESTS = 300


@dataclass(frozen=True)
class Scene:
    """Everything that chance decides of one comparison."""

    arrivals: tuple[float, ...]
    services: tuple[float, ...]
    servers: int
    connections: int
    timeout: float
    pauses: Pauses
    away: Pauses
    slow_while_away: bool
    jitter: tuple[float, ...]
    discipline: Discipline = "fifo"
    shared_cost: float = 0.0
    room: int = 0

    @property
    def window(self) -> float:
        """How long the schedule is."""
        return self.arrivals[-1] * (len(self.arrivals) + 1) / len(self.arrivals)


@dataclass(frozen=True)
class Outcome:
    """What a generator would have recorded."""

    latencies: tuple[float, ...]
    latenesses: tuple[float, ...]
    timed_out: int
    refused: int

    @property
    def errors(self) -> int:
        """Requests that were not answered as they should be."""
        return self.timed_out + self.refused


def scene(seed: int, discipline: Discipline = "fifo") -> Scene:
    """Return what a seed has in store: from an idle system to an overloaded one, from hardly late to mostly."""
    chance = random.Random(seed)
    servers, load = chance.choice((1, 1, 2, 4)), chance.uniform(0.1, 1.15)
    mean = 10 ** chance.uniform(1.5, 3.5)
    gap = mean / servers / load
    uniform, spread = chance.random() < 0.5, chance.choice((0.0, 0.3, 1.0, 1.6))
    gaps = [gap if uniform else chance.expovariate(1 / gap) for _ in range(REQUESTS)]
    arrivals, at = [], 0.0
    for one in gaps:
        at += one
        arrivals.append(at)
    end = arrivals[-1]
    services = tuple(mean * chance.lognormvariate(-spread * spread / 2, spread) for _ in arrivals)
    away_share = chance.choice((0.005, 0.02, 0.1, 0.4))
    return Scene(
        arrivals=tuple(arrivals),
        services=services,
        servers=servers,
        connections=chance.choice((2, 8, 64, 400)),
        timeout=chance.choice((3, 10, 100, 10_000)) * mean,
        pauses=_spans(chance, end, chance.choice((0.0, 0.0, 0.01, 0.1)), 3),
        away=_spans(chance, end, away_share, chance.choice((1, 3, 20))),
        slow_while_away=chance.random() < 0.5,
        jitter=tuple(chance.expovariate(20 / gap) if chance.random() < 0.3 else 0.0 for _ in arrivals),
        discipline=discipline,
        shared_cost=0.5 * mean,
        room=chance.randint(2, 12),
    )


def outcome(of: Scene, *, late: bool) -> Outcome:
    """Run it, with the generator's absences or without them."""
    away = of.away if late else ()
    pauses = _joined((*of.pauses, *of.away)) if late and of.slow_while_away else of.pauses
    free, idle = [0.0] * of.servers, [(0.0, connection) for connection in range(of.connections)]
    under_way: list[float] = []
    last, timed_out, refused = 0.0, 0, 0
    latencies, latenesses = [], []
    for at, (intended, service) in enumerate(zip(of.arrivals, of.services, strict=True)):
        since, connection = heapq.heappop(idle)
        could = max(intended, since)
        sent = max(last, _after(away, could + (of.jitter[at] if late else 0.0)))
        last = sent
        latenesses.append(sent - could)
        under_way = [one for one in under_way if one > sent]
        if of.discipline == "shed" and len(under_way) >= of.room:
            refused += 1
            done = sent
        else:
            own = connection % of.servers
            server = free[own] if of.discipline == "own" else heapq.heappop(free)
            start = max(sent, server)
            cost = service
            if of.discipline == "batch" and start == server and at:
                # What finds the server at work is taken along with others, without the cost that they share.
                cost = max(service - of.shared_cost, service / 4)
            done = _worked(pauses, start, cost)
            until = done
            if done - sent > of.timeout:
                timed_out += 1
                done = sent + of.timeout
                # What timed out is no work any more, also where the server had begun with it.
                until = done if start < done else server
            if of.discipline == "own":
                free[own] = until
            else:
                heapq.heappush(free, until)
            under_way.append(done)
        latencies.append(done - intended)
        heapq.heappush(idle, (_after(away, done), connection))
    return Outcome(tuple(latencies), tuple(latenesses), timed_out, refused)


def _spans(chance: random.Random, end: float, share: float, count: int) -> Pauses:
    if not share:
        return ()
    length = end * share / count
    starts = sorted(chance.uniform(0, end) for _ in range(count))
    return _joined([(start, start + length * chance.uniform(0.2, 1.8)) for start in starts])


def _joined(spans: Sequence[tuple[float, float]]) -> Pauses:
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def _after(spans: Pauses, at: float) -> float:
    index = bisect.bisect_right(spans, (at, float("inf"))) - 1
    return max(at, spans[index][1]) if index >= 0 else at


def _worked(pauses: Pauses, start: float, work: float) -> float:
    """Return when work that begins then is done, for a server that rests in the pauses."""
    at = _after(pauses, start)
    for begin, end in pauses[bisect.bisect_right(pauses, (at, float("inf"))) :]:
        if at + work <= begin:
            break
        work -= begin - at
        at = end
    return at + work
