"""The account of a load that was driven as asked, and others made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.loads import with_values

from seatrial.generator.account import Asked, Driven, LoadAccount
from seatrial.generator.messages import Done, Hello
from seatrial.workload.profile import constant

SECOND_NS = 1_000_000_000
HELLO = Hello(0, 11, "epoll", "kernel", 250_000, 20_000)


def account_of(
    *,
    start_ns: int = 0,
    measured_s: float = 2.0,
    workers: int = 2,
    rate_per_s: float | None = 2_000,
    **changes: Any,
) -> LoadAccount:
    """Return the account of a load whose window begins at ``start_ns``; ``asked__held=5`` makes it another."""
    asked = Asked(
        url="http://127.0.0.1:80/",
        loop="closed" if rate_per_s is None else "open",
        arrival="uniform",
        seed=1,
        profile=() if rate_per_s is None else constant(rate_per_s),
        active=20,
        held=100,
        hold="silent",
        warmup_s=0.0,
        measure_s=measured_s,
        interval_s=1.0,
        status_expected=(),
        tls=False,
        spin=False,
        served_here=False,
    )
    hellos = tuple(with_values(HELLO, worker=worker, pid=11 + worker) for worker in range(workers))
    account = LoadAccount(asked, hellos, driven(hellos, start_ns, measured_s))
    made: LoadAccount = with_values(account, **changes)
    return made


def driven(hellos: Sequence[Hello], start_ns: int, measured_s: float) -> Driven:
    dones = tuple(Done(hello.worker, round(measured_s * SECOND_NS), 0) for hello in hellos)
    return Driven(dones, start_ns, ramp_complete=True, was_stable=True, interrupted=False, lost=())
