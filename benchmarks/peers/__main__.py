"""`make bench-peers`: other load generators beside Seatrial, in a stall and at a cost; writes the page."""

from __future__ import annotations

import argparse
import asyncio
import sys

from benchmarks.peers import h2load, hey, k6, oha, seatrial, vegeta, wrk
from benchmarks.peers.base import Row
from benchmarks.peers.cost import run_costs
from benchmarks.peers.page import PAGE, replace_tables, tables_text
from benchmarks.peers.stall import run_stalls
from benchmarks.peers.tools import UnavailableError

PEERS = (wrk, h2load, hey, oha, vegeta, k6, seatrial)


def main() -> None:
    """Build what is not there, measure, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of the cost test")
    parser.add_argument("--seconds", type=int, default=3, help="of a run of the cost test")
    parser.add_argument(
        "--stall-seconds", type=int, default=20, help="of a run of the stall test; 10 or more"
    )
    parser.add_argument("--only", action="append", help="a tool by name; may be repeated")
    parser.add_argument("--print", action="store_true", help="print the tables and leave the page alone")
    arguments = parser.parse_args()
    if arguments.stall_seconds < 10:
        parser.error("--stall-seconds: at least 10, as the stall of 2 s begins after 5 s")
    stall_rows = [row for peer in PEERS for row in peer.STALL if _wanted(row, arguments.only)]
    cost_rows = [row for peer in PEERS for row in peer.COST if _wanted(row, arguments.only)]
    _build([*stall_rows, *cost_rows])
    stalls = run_stalls(stall_rows, arguments.stall_seconds, _note)
    costs = asyncio.run(run_costs(cost_rows, arguments.rounds, arguments.seconds, _note))
    text = tables_text(stalls, arguments.stall_seconds, costs, arguments.seconds)
    print(text)
    if not arguments.print and not arguments.only:
        PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")


def _wanted(row: Row, only: list[str] | None) -> bool:
    return not only or row.tool.name in only


def _build(rows: list[Row]) -> None:
    """Build before anything is measured, so that no compile runs beside a measurement."""
    for tool in {row.tool.name: row.tool for row in rows}.values():
        try:
            tool.find()
        except UnavailableError as error:
            _note(f"{tool.name}: {error}")


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
