"""At what CPU per request: every peer in each round, so that a slow minute of the machine falls on all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers.base import Load, Row
from benchmarks.peers.run import Measured, measure
from benchmarks.peers.tools import UnavailableError
from benchmarks.server import nginx

RATE_PER_S = 20_000
SERVER_CORE = 0
TOOL_CORE = 1


@dataclass(slots=True)
class CostOutcome:
    """A row's rounds, and why the last of those failed that did."""

    row: Row
    rounds: list[Measured] = field(default_factory=list)
    cause: str | None = None


async def run_costs(
    rows: Sequence[Row], rounds: int, seconds: int, note: Callable[[str], None]
) -> list[CostOutcome]:
    """Run every row once a round against one nginx. A row whose first round fails is not tried again."""
    outcomes = [CostOutcome(row) for row in rows]
    with TemporaryDirectory(prefix="seatrial-peers-") as scratch:
        async with nginx(core=SERVER_CORE) as url:
            load = Load(url, RATE_PER_S, seconds, Path(scratch))
            for number in range(rounds):
                for outcome in outcomes:
                    note(f"cost, round {number + 1} of {rounds}: {outcome.row.label}")
                    await asyncio.to_thread(_add, outcome, load)
    return outcomes


def _add(outcome: CostOutcome, load: Load) -> None:
    if outcome.cause is not None and not outcome.rounds:
        return
    try:
        outcome.rounds.append(measure(outcome.row, load, {TOOL_CORE}))
    except UnavailableError as error:
        outcome.cause = str(error)
