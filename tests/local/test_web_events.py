"""A page has what the record has: however often it was cut off, whoever was started again, whoever did not read."""

from __future__ import annotations

import json
import random
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.made_run import PLAN_TEXT, Twist, compiled_plan, make_run, trial_events
from tests.support.program import wait_until
from tests.support.web import Page, Served, in_this_process, serving, watched

from seatrial.analysis.run.summary import summarise_run
from seatrial.live.web import events as streams
from seatrial.record import events
from seatrial.record.journal import add_note
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter

CASES = compiled_plan()["cases"]
TRIALS = 6
COUNTED = ("sent", "completed", "failed", "timed_out", "unsent")
WRITING_S = 2.0


class Writing(threading.Thread):
    """Writes a run in a few seconds, in pieces, as a run does in minutes; ``end`` waits for it."""

    def __init__(self, parent: Path) -> None:
        super().__init__()
        self.writer = RunWriter.create(parent, "made-run", PLAN_TEXT, json.dumps(compiled_plan()))
        self.writer.append(events.RunStarted(self.writer.path.name, "made-run", TRIALS))

    @property
    def path(self) -> Path:
        return self.writer.path

    def run(self) -> None:
        draw = random.Random(4)
        twists = {
            2: Twist(errors={"reset": 3, "timeout": 1}),
            3: Twist(lost_frame=6),
            4: Twist(lateness_us=40_000),
        }
        happened = [
            event
            for number in range(1, TRIALS + 1)
            for event in trial_events(number, 1, CASES[number], TRIALS, twists.get(number, Twist()))
        ]
        with self.writer:
            for event in happened:
                self.writer.append(event)
                if draw.random() < 0.1:
                    time.sleep(draw.uniform(0, 20 * WRITING_S / len(happened)))
            self.writer.append(events.RunEnded("finished"))


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    found = Writing(tmp_path)
    yield found
    if found.is_alive():
        found.join()
    found.writer.close()


def assert_is_the_record(page: Page, run: Path) -> None:
    with RunReader.open(run) as reader:
        trials = reader.trials()
        assert set(page.trials) == {trial.trial for trial in trials}
        for trial in trials:
            mine, frames = page.trials[trial.trial], reader.frames(trial.trial)
            parts = [part for frame in frames for part in frame.parts]
            for name in COUNTED:
                assert mine.total(name) == sum(getattr(part, name) for part in parts), (trial.trial, name)
            assert mine.errors() == sum((Counter(frame.errors) for frame in frames), Counter())
            assert [phase["name"] for phase in mine.head["phases"]] == [
                phase.name for phase in reader.phases(trial.trial)
            ]
            assert mine.head["state"] == trial.state
            looks = {round(sample.at_s, 3) for sample in reader.process_samples(trial.trial)}
            seen = {round(end + trial.started_s, 3) for end in mine.use["end"]}
            # The last round is closed by the next, which there is none of.
            assert seen <= looks
            assert len(looks) - len(seen) <= 1
        summary = summarise_run(reader)
    for case in summary.cases:
        if not case.trials:
            continue
        judged = page.judged[case.case.id]
        assert (judged["state"], judged["validity"]) == (case.state, case.validity.state)
        for attempt, found in zip(case.attempts, judged["trials"], strict=True):
            assert found["validity"] == attempt.validity.state
            assert attempt.load is not None
            if attempt.validity.is_valid:
                assert found["figures"]["p99_us"] == attempt.load.latency_us.p99
                assert found["figures"]["completed"] == attempt.load.requests.completed
            else:
                assert found["figures"] == {}
                assert found["reasons"]


def is_whole(page: Page) -> bool:
    ended = [trial for trial in page.trials.values() if trial.head["state"] != "running"]
    judged = [trial["trial"] for found in page.judged.values() for trial in found["trials"]]
    return page.state == "finished" and len(ended) == TRIALS and len(judged) == TRIALS


@pytest.mark.parametrize("seed", [1, 2])
def test_cut_off_at_any_moment_it_has_in_the_end_what_the_record_has(writing: Writing, seed: int) -> None:
    draw, page = random.Random(seed), Page()
    deadline_s = time.monotonic() + 60
    with serving(writing.path) as served:
        writing.start()
        while not is_whole(page):
            assert time.monotonic() < deadline_s, page
            length = draw.choice([1, 2, 3, 5, 8])
            for number, _ in enumerate(watched(served, writing.path.name, page)):
                if number >= length or is_whole(page):
                    break
        # Once it had all of it, it went on from there, each time.
        assert page.snapshots == 1
        assert page.pieces > 5
    assert_is_the_record(page, writing.path)


def test_a_server_that_was_started_again_sends_all_of_it(writing: Writing) -> None:
    page = Page()
    with serving(writing.path) as served:
        writing.start()
        for _ in watched(served, writing.path.name, page):
            if page.pieces >= 3:
                break
    with serving(writing.path) as served:
        for _ in watched(served, writing.path.name, page):
            if is_whole(page):
                break
    assert page.snapshots == 2
    assert_is_the_record(page, writing.path)


def test_who_comes_after_all_is_over_sees_the_same_and_notes_that_are_added(tmp_path: Path) -> None:
    run, page = make_run(tmp_path, trials=3), Page()
    with serving(run) as served:
        for _ in watched(served, run.name, page):
            if page.pieces == 0 and page.snapshots == 1:
                add_note(run, "looked at again")
            if page.journal and page.journal[-1]["text"] == "looked at again" and len(page.judged) == 3:
                break
    assert page.state == "finished"
    assert page.journal[-1]["author"] == "person"
    assert_is_the_record(page, run)


def test_a_run_that_is_killed_is_shown_as_cut_off(tmp_path: Path) -> None:
    page = Page()
    writer = RunWriter.create(tmp_path, "made-run", PLAN_TEXT, json.dumps(compiled_plan()))
    with serving(writer.path) as served:
        writer.append(events.RunStarted(writer.path.name, "made-run", TRIALS))
        for event in list(trial_events(1, 1, CASES[1], TRIALS, Twist()))[:40]:
            writer.append(event)
        for _ in watched(served, writer.path.name, page):
            if page.state == "running" and 1 in page.trials:
                # The lock goes with its process; nothing is written any more.
                writer.close()
            if page.state == "cut off":
                break
    assert page.trials[1].head["state"] == "running"


@pytest.mark.parametrize("is_running", [True, False])
def test_a_page_that_does_not_read_is_cut_off_and_noted_once_and_only_while_the_run_goes_on(
    tmp_path: Path, is_running: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A server of its own process has the limits of the code: seconds, and what kernels keep.
    monkeypatch.setattr(streams, "SEND_LIMIT_S", 0.5)
    monkeypatch.setattr(streams, "SOCKET_BYTES", 4_096)
    writer = RunWriter.create(tmp_path, "made-run", PLAN_TEXT, json.dumps(compiled_plan()))
    writer.append(events.RunStarted(writer.path.name, "made-run", TRIALS))
    for event in trial_events(1, 1, CASES[1], TRIALS, Twist()):
        writer.append(event)
    for _ in range(300):
        writer.append(events.Noted("person", "x" * 2_000))
    if not is_running:
        writer.append(events.RunEnded("finished"))
        writer.close()
    run, page = writer.path, Page()
    with in_this_process(run) as served:
        slow = [connected(served, run) for _ in range(3)]
        for _ in watched(served, run.name, page):
            if page.trials:
                break
        assert wait_until(lambda: all(is_reset(one) for one in slow), 20.0)
        assert served.ask("/runs")[0] == 200
        for one in slow:
            one.close()
    writer.close()
    with RunReader.open(run) as reader:
        said = [entry.text for entry in reader.journal() if entry.author == "seatrial"]
    assert said == ["a page that watched stopped reading and was cut off"] * is_running


def test_that_the_last_page_has_gone_is_noted_once_and_not_for_one_that_is_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "GONE_S", 1.0)
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)

    def said() -> list[str]:
        with RunReader.open(run) as reader:
            return [entry.text for entry in reader.journal()]

    writer = RunWriter.create(tmp_path, "made-run", PLAN_TEXT, json.dumps(compiled_plan()))
    run = writer.path
    with writer, in_this_process(run) as served:
        writer.append(events.RunStarted(run.name, "made-run", TRIALS))

        def look(is_enough: Callable[[int], bool]) -> None:
            for number, _ in enumerate(watched(served, run.name, Page())):
                if is_enough(number):
                    return

        others_went = threading.Event()
        stays = threading.Thread(target=look, args=(lambda _: others_went.is_set(),))
        stays.start()
        for _ in range(3):
            look(lambda number: number >= 2)
        time.sleep(1.5)
        # One stayed: nobody is missed.
        assert said() == []
        others_went.set()
        stays.join()
        assert wait_until(said, 20.0)
        look(lambda number: number >= 2)
        time.sleep(1.5)
        assert said() == ["a page that watched has gone"]


def connected(served: Served, run: Path) -> socket.socket:
    """Ask for a stream with as small a buffer as there can be, and do not read."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
    one.settimeout(10)
    one.connect(("127.0.0.1", served.port))
    one.sendall(f"GET /api/run/{run.name}/events HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
    return one


def is_reset(one: socket.socket) -> bool:
    """What the kernel says of a connection, without a look at what came over it."""
    poll = select.poll()
    poll.register(one, 0)
    return bool(poll.poll(0))
