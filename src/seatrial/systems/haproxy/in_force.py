"""What is in force of HAProxy's limits and sizes, from its runtime API, and where it met one."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from seatrial.systems.haproxy.exporter import FRONTEND
from seatrial.systems.settings import NO_LIMIT, Setting, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIMIT_MET = "frontend.smax"
"""The most sessions that there were at once; where that is its limit, others waited in the kernel's queue."""


def settings(
    member: str, pages: Mapping[str, str], maxconn: int | None, sizes: Mapping[str, int | None]
) -> Iterator[Setting]:
    """Yield what the pages say, by the command that each is the answer to."""
    info = dict(line.split(": ", 1) for line in pages["show info"].splitlines() if ": " in line)
    yield Setting(member, "Maxconn", maxconn, _number(info.get("Maxconn")), "show info")
    yield Setting(member, "Ulimit-n", None, _number(info.get("Ulimit-n")), "show info")
    rows = [
        row
        for row in csv.DictReader(pages["show stat"].removeprefix("# ").splitlines())
        if row["pxname"] != FRONTEND
    ]
    frontend = next(row for row in rows if row["svname"] == "FRONTEND")
    yield Setting(member, "frontend slim", maxconn, _number(frontend["slim"]), "show stat", counter=LIMIT_MET)
    servers = [row for row in rows if row["svname"] not in {"FRONTEND", "BACKEND"}]
    of_servers = None if maxconn is None else NO_LIMIT
    yield Setting(member, "server slim", of_servers, _least(servers, "slim"), "show stat")
    if (pool := sizes["pool-max-conn"]) is not None:
        yield Setting(member, "pool-max-conn", pool, _least(servers, "src_ilim"), "show stat")
    if (size := sizes["tune.bufsize"]) is not None:
        found = re.search(r"Pool buffer \((\d+) bytes\)", pages["show pools"])
        yield Setting(member, "tune.bufsize", size, _number(found and found.group(1)), "show pools")


def limits_met(values: Mapping[str, float]) -> Mapping[str, int]:
    """Return the most sessions that there were, where these were all that its frontend takes."""
    most, limit = values.get("frontend.smax", 0), values.get("frontend.slim", 0)
    return {LIMIT_MET: int(most)} if limit and most >= limit else {}


def _least(rows: list[dict[str, str]], column: str) -> Value:
    return min((int(row[column]) for row in rows if row[column]), default=NO_LIMIT)


def _number(text: str | None) -> Value:
    return int(text) if text is not None and text.isdigit() else text
