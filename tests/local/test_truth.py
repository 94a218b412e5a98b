"""What a load reports, held against a server that knows: the gate for every change of the engine.

The grid has body sizes, directions, rates, resolutions, drivers, workers, idle connections, TLS, warm-ups and
overloads. Counts and bytes are exact in every attempt, and the rate is within 1 %. Service times are within one step
of what the server saw of the same exchanges and what a busy machine adds (`NOISE_US`); only for those a load is tried
again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.attempts import attempt
from tests.support.judge import Truth, judging
from tests.support.load_contract import assert_counts_add_up
from tests.support.program import run_seatrial
from tests.support.tls_server import issue

STEP_US = 500
"""The step of the default grid."""
NOISE_US = {0.5: 1_500, 0.9: 6_000}
"""What two processes that wake each other take on a busy machine beside the exchange itself, in half of all exchanges
and in nearly all. The kinds of error that this grid is for are of 10 ms and more."""
NOISE_FRACTION = 0.4
"""The server notes the end of a long answer when it has its turn again: on a busy machine after the client does."""
RATE_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Load:
    """One point of the grid: the server's flags and the load's."""

    name: str
    server: Sequence[str] = ()
    flags: Sequence[str] = ()
    step_us: int = STEP_US
    noise: int = 1
    tls: bool = False


def _download(size: int, *flags: str, name: str = "", **more: Any) -> Load:
    return Load(f"{size} B down {' '.join(flags)} {name}".strip(), ("--answer", str(size)), flags, **more)


def _upload(size: int, *flags: str, **more: Any) -> Load:
    return Load(
        f"{size} B up {' '.join(flags)}", (), (*flags, "--method", "POST", "--body", f"{size} B"), **more
    )


FINE = ("--resolution", "fine")
COARSE = ("--resolution", "5ms")
URING = ("--driver", "io_uring")
SLOW = ("-R", "5", "-d", "2s", "-c", "2")
MIDDLE = ("-R", "100", "-d", "1s", "-c", "4")
QUICK = ("-R", "1000", "-d", "1s", "-c", "10")
CLOSED = ("--closed", "-d", "1s", "-c", "2")
IN_TURN = 4
"""A closed loop runs in turn with whatever else the machine does, so it is woken later than an open one."""

GRID = (
    _download(0, *QUICK),
    _download(600, *SLOW),
    _download(600, *QUICK, "--arrival", "poisson"),
    _download(600, *QUICK, *URING),
    _download(600, *QUICK, name="tls", tls=True),
    _download(600, *QUICK, *URING, name="tls", tls=True),
    _download(600, *QUICK, "-t", "2"),
    _download(600, *QUICK, "--hold", "50"),
    _download(100_000, *MIDDLE, "-t", "2", "--hold", "50", *URING),
    _download(100_000, *MIDDLE),
    _download(100_000, *MIDDLE, *URING),
    _download(100_000, *MIDDLE, name="tls", tls=True),
    _download(100_000, *MIDDLE, *COARSE, step_us=5_000),
    _download(100_000, "-R", "500", "-d", "1s", "-c", "20"),
    _download(1_000_000, *SLOW),
    _download(1_000_000, *SLOW, *FINE),
    _download(1_000_000, *SLOW, *URING),
    _download(1_000_000, *SLOW, name="tls", tls=True),
    _download(1_000_000, *CLOSED, noise=IN_TURN),
    _download(1_000_000, *CLOSED, *URING, noise=IN_TURN),
    _download(20_000_000, "-R", "1", "-d", "2s", "-c", "1", "--timeout", "10s"),
    _upload(100_000, *MIDDLE),
    _upload(100_000, *MIDDLE, *URING),
    _upload(1_000_000, *SLOW, tls=True),
    _upload(1_000_000, *SLOW, *URING),
    _upload(10_000_000, *SLOW),
    _upload(10_000_000, *SLOW, *FINE),
    _upload(5_000_000, "--closed", "-d", "1s", "-c", "1", noise=IN_TURN),
    _upload(20_000_000, "-R", "1", "-d", "2s", "-c", "1", "--timeout", "1s"),
    Load("ends with the close", ("--answer", "600", "--until-close"), SLOW),
    Load("ends with the close io_uring", ("--answer", "600", "--until-close"), (*SLOW, *URING)),
    Load("large, ends with the close", ("--answer", "1000000", "--until-close"), SLOW),
    Load("slow answers", ("--delay-ms", "30"), SLOW),
    Load("closed loop, slow answers", ("--delay-ms", "30"), CLOSED, noise=IN_TURN),
)


@dataclass(slots=True)
class Seen:
    """A load's document and the truth of its server."""

    document: dict[str, Any]
    truth: Truth
    service_us: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Sort what the server saw of each exchange, from its first byte in to its last byte out."""
        self.service_us = sorted((one.answered_ns - one.begun_ns) // 1_000 for one in self.truth.exchanges)

    def true_us(self, quantile: float) -> int:
        """Return the quantile of the server's own times."""
        return self.service_us[min(int(len(self.service_us) * quantile), len(self.service_us) - 1)]


def _see(load: Load, pem: Any) -> Seen:
    tls = ("--cert", str(pem.cert), "--key", str(pem.key)) if load.tls else ()
    with judging(*load.server, *tls) as judge:
        trusts = ("--ca", str(pem.ca), "--sni", "judge.test") if load.tls else ()
        outcome = run_seatrial("load", judge.url, *load.flags, *trusts, "--json", "-", "-q")
        return Seen(outcome.document, judge.stop())


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Issue a certificate for every server of this module."""
    directory: Path = tmp_path_factory.mktemp("truth")
    return issue(directory, "judge.test")


@pytest.mark.parametrize("load", GRID, ids=lambda load: load.name)
def test_a_load_reports_what_its_server_saw(load: Load, pem: Any) -> None:
    def check() -> None:
        seen = _see(load, pem)
        # A machine that takes a second for 20 MB can make a request time out; it cannot make a count wrong.
        assert not ("--timeout" in load.flags and seen.document["errors"])
        with exact():
            _assert_exact(seen)
        _assert_service_times(seen, load)

    attempt(check)


class InexactError(Exception):
    """A count or a byte is wrong: no busy machine is the cause, so no further attempt excuses it."""


@contextmanager
def exact() -> Iterator[None]:
    """Whatever does not hold within is an ``InexactError``."""
    try:
        yield
    except AssertionError as wrong:
        raise InexactError(str(wrong)) from wrong


def _assert_exact(seen: Seen) -> None:
    document, truth = seen.document, seen.truth
    assert_counts_add_up(document)
    assert document["errors"] == {}
    requests = document["requests"]
    assert requests["completed"] == requests["sent"] == len(truth.exchanges)
    assert document["bytes"]["sent"] == truth.bytes_received
    assert document["bytes"]["received"] == truth.bytes_sent


def _assert_service_times(seen: Seen, load: Load) -> None:
    reported = seen.document["service_time_us"]
    for name, quantile in (("p50", 0.5), ("p90", 0.9)):
        true_us, noise_us = seen.true_us(quantile), NOISE_US[quantile] * load.noise
        text = f"{name}: {reported[name]} us reported, {true_us} us true"
        # Histograms keep three digits.
        assert reported[name] <= true_us * 1.002 + load.step_us + noise_us, text
        assert reported[name] >= true_us * (1 - NOISE_FRACTION) - noise_us, text


@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize("driver", ["epoll", "io_uring"])
def test_the_server_is_never_held_back_by_a_coarser_grid(direction: str, driver: str, pem: Any) -> None:
    """The server's own time for an exchange of 1 MB must not depend on the resolution."""
    size = 1_000_000
    make = _download if direction == "down" else _upload

    def check() -> None:
        fine, usual = (
            _see(make(size, *SLOW, "--driver", driver, *resolution), pem) for resolution in (FINE, ())
        )
        assert usual.true_us(0.5) <= fine.true_us(0.5) + STEP_US + NOISE_US[0.5]

    attempt(check)


CAPACITY_PER_S = 200
OVERLOAD_S = 3


@pytest.mark.parametrize("warmup_s", [0, 1, 2])
@pytest.mark.parametrize("rate_per_s", [100, 400])
def test_the_rate_achieved_is_what_the_server_answered_in_the_window(warmup_s: int, rate_per_s: int) -> None:
    flags = ("-R", str(rate_per_s), "-d", f"{OVERLOAD_S}s", "-c", "10", "--warmup", f"{warmup_s}s")

    def check() -> None:
        with judging("--capacity", str(CAPACITY_PER_S)) as judge:
            document = run_seatrial("load", judge.url, *flags, "--json", "-", "-q").document
            truth = judge.stop()
        with exact():
            assert_counts_add_up(document)
            assert document["requests"]["intended"] == rate_per_s * OVERLOAD_S
        # The schedule begins with its first request, which a free server sees at once.
        from_ns = truth.exchanges[0].begun_ns + warmup_s * 1_000_000_000
        answered = truth.answered_between(from_ns, from_ns + OVERLOAD_S * 1_000_000_000)
        achieved = document["rate_per_s"]["achieved"] * document["window_s"]
        assert achieved == pytest.approx(answered, rel=RATE_TOLERANCE, abs=3)

    attempt(check)


@pytest.mark.parametrize("warmup_s", [0, 1])
def test_a_closed_loop_achieves_what_the_server_answered_in_the_window(warmup_s: int) -> None:
    flags = ("--closed", "-d", "2s", "-c", "5", "--warmup", f"{warmup_s}s")
    with judging("--delay-ms", "300") as judge:
        document = run_seatrial("load", judge.url, *flags, "--json", "-", "-q").document
        truth = judge.stop()
    from_ns = min(one.begun_ns for one in truth.exchanges) + warmup_s * 1_000_000_000
    answered = truth.answered_between(from_ns, from_ns + 2_000_000_000)
    assert document["rate_per_s"]["achieved"] * document["window_s"] == pytest.approx(
        answered, rel=0.01, abs=1
    )
