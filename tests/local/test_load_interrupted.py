"""Ctrl-C: what was measured until then is judged as what it is."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from benchmarks.arrivals import arrivals
from tests.support.program import Running, wait_until

from seatrial.errors import ExitCode


def test_a_rising_rate_that_is_stopped_is_held_against_what_it_was_until_then() -> None:
    # On a coarse grid a request may leave later: this is about counts, on machines that do other things, too.
    flags = ("-c10", "--warmup", "500ms", "--resolution", "10ms", "--json", "-")
    with (
        arrivals() as seen,
        Running("load", seen.url, "-R", "200@1s,200..2k@60s", *flags) as running,
    ):
        # Half a second of warm-up, the first second, and two of the rising rate.
        assert wait_until(lambda: len(seen.at_ns) >= 750, 20.0)
        running.signal(signal.SIGINT)
        outcome = running.wait(20.0)
    document = outcome.document
    assert outcome.code == ExitCode.INTERRUPTED
    assert "generator.rate" not in {reason["code"] for reason in document["validity"]["reasons"]}
    requested_per_s = document["rate_per_s"]["requested"]
    assert 200 <= requested_per_s < 500
    intended = document["requests"]["intended"]
    assert intended == pytest.approx(requested_per_s * document["window_s"], rel=0.01, abs=2)


@contextmanager
def mute_server() -> Iterator[tuple[str, list[socket.socket]]]:
    """Accept everything and answer nothing; yields its URL and what it has accepted."""
    accepted: list[socket.socket] = []

    def accept(listener: socket.socket) -> None:
        # The end of the listener ends the thread.
        with suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", accepted
        listener.shutdown(socket.SHUT_RDWR)
    for connection in accepted:
        connection.close()


def asked(accepted: list[socket.socket]) -> int:
    """Return on how many connections a request has come."""
    return len(select.select(accepted, (), (), 0)[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("more", [1, 3])
def test_a_second_signal_ends_the_wait_for_answers(number: signal.Signals, more: int) -> None:
    with (
        mute_server() as (url, accepted),
        Running(
            "load", url, "-c", "5", "-R", "10", "-d", "60s", "--timeout", "60s", "--json", "-"
        ) as running,
    ):
        assert wait_until(lambda: asked(accepted) == 5, 20.0)
        running.signal(number)
        # The first lets answers come: nothing ends while they may.
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(1.0)
        for _ in range(more):
            running.signal(number)
        outcome = running.wait(20.0)
        running.assert_nothing_left()
    assert outcome.code == ExitCode.INTERRUPTED
    assert "stopped by you" in outcome.stderr
    requests = outcome.document["requests"]
    assert (requests["sent"], requests["in_flight"], requests["completed"]) == (5, 5, 0)


@pytest.mark.parametrize(
    "flags",
    [("-c", "100", "-R", "10", "--connect-rate", "5"), ("-c", "4", "-R", "10", "--warmup", "60s")],
    ids=["ramp", "warm-up"],
)
def test_a_load_that_is_stopped_before_its_window_accuses_nobody(flags: tuple[str, ...]) -> None:
    with mute_server() as (url, accepted), Running("load", url, "--json", "-", *flags) as running:
        assert wait_until(lambda: len(accepted) >= 3, 20.0)
        running.signal(signal.SIGINT)
        running.signal(signal.SIGINT)
        outcome = running.wait(20.0)
    assert outcome.code == ExitCode.INTERRUPTED
    assert [one["code"] for one in outcome.document["validity"]["reasons"]] == ["environment.cut_off"]


def test_of_a_worker_that_was_killed_the_answers_are_not_missed() -> None:
    with (
        mute_server() as (url, accepted),
        Running("load", url, "-c", "5", "-R", "10", "-d", "2s", "--timeout", "1s", "--json", "-") as running,
    ):
        # What was asked first has timed out by then, and a frame or two have been written that count it as sent.
        assert wait_until(lambda: len(accepted) > 5, 20.0)
        (worker,) = (pid for pid in running.left() if pid != running.process.pid)
        os.kill(worker, signal.SIGKILL)
        codes = {one["code"] for one in running.wait(20.0).document["validity"]["reasons"]}
    assert "generator.lost" in codes
    assert "system.no_answers" not in codes


def catches(pid: int, number: signal.Signals) -> bool:
    """Return whether a process handles a signal, as the kernel has it."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "SigCgt" in line)
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("after_ms", [0, 50, 150, 300])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_is_being_loaded_leaves_no_traceback(
    number: signal.Signals, after_ms: int
) -> None:
    with (
        mute_server() as (url, _),
        Running("load", url, "-q", "-R", "10", "-d", "60s", "--timeout", "1s", fresh=True) as running,
    ):
        # Python by itself catches SIGINT and not SIGTERM: from here on the handlers are the program's own.
        assert wait_until(lambda: catches(running.process.pid, signal.SIGTERM), 20.0, every_s=0.001)
        time.sleep(after_ms / 1_000)
        running.signal(number)
        outcome = running.wait(20.0)
        running.assert_nothing_left()
    assert outcome.code == ExitCode.INTERRUPTED
