"""What a run exposes, judged by a real Prometheus that scrapes it or is written to: its answers are the record's."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import web
from tests.support.exposed import board_of, serving
from tests.support.made_run import Twist, make_run
from tests.support.prometheus import Prometheus, program, prometheus, scrape

from seatrial._engine import Histogram
from seatrial.live.exposition.history import openmetrics_of
from seatrial.live.exposition.remote_write import RemoteWriter
from seatrial.live.exposition.totals import TrialTotals
from seatrial.observe.samples import ProcessSample
from seatrial.record import events
from seatrial.record.journal import add_note
from seatrial.record.reader import RunReader

TRIALS = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    twists = {TRIALS: Twist(errors={"timeout": 2, "reset": 1})}
    return make_run(tmp_path_factory.mktemp("runs"), trials=TRIALS, twists=twists, end=False)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within half a minute")


def assert_as_recorded(server: Prometheus, run: Path, trial: int) -> None:
    """The frames of a trial, added up here, are what Prometheus has of it."""
    with RunReader.open(run) as reader:
        frames = reader.frames(trial)
    for phase, named in (("warmup", "warm up"), ("measure", "measure")):
        parts = [part for frame in frames for part in frame.parts if part.phase == phase]
        of = f'trial="{trial}",phase="{named}"'
        for name in ("completed", "timed_out", "failed", "unsent", "in_flight"):
            counted = server.value(f'seatrial_requests_total{{{of},outcome="{name}"}}')
            assert counted == sum(getattr(part, name) for part in parts), (phase, name)
        intended = server.value(f"seatrial_intended_requests_total{{{of}}}")
        assert intended == sum(part.sent + part.unsent for part in parts)
        assert server.value(f"sum(seatrial_requests_total{{{of}}})") == intended
        latency = Histogram()
        for part in parts:
            if part.latency:
                latency.add_encoded(part.latency)
        assert server.value(f"seatrial_request_latency_seconds_count{{{of}}}") == latency.count
        total_s = server.value(f"seatrial_request_latency_seconds_sum{{{of}}}")
        assert total_s == pytest.approx(latency.mean_us * latency.count / 1e6)
        within = server.value(f'seatrial_request_latency_seconds_bucket{{{of},le="0.0005"}}')
        assert within == sum(count for highest_us, count in latency.buckets() if highest_us <= 500)
    assert_used_as_recorded(server, run, trial)
    for name in ("opened", "reconnected"):
        total = server.value(f'sum(seatrial_connections_{name}_total{{trial="{trial}"}})')
        assert total == sum(int(getattr(frame, name)) for frame in frames), name
    errors = [count for frame in frames for count in frame.errors.items()]
    for kind in {kind for kind, _ in errors}:
        counted = server.value(f'sum(seatrial_errors_total{{trial="{trial}",kind="{kind}"}})')
        assert counted == sum(count for one, count in errors if one == kind)


def assert_used_as_recorded(server: Prometheus, run: Path, trial: int) -> None:
    """CPU of each member, of all phases together, is what the kernel counted between the first and the last look."""
    with RunReader.open(run) as reader:
        samples = reader.process_samples(trial)
    for role, member in {(sample.role, sample.member) for sample in samples}:
        own: dict[str, list[ProcessSample]] = {}
        for sample in samples:
            if (sample.role, sample.member) == (role, member):
                own.setdefault(sample.incarnation, []).append(sample)
        used_s = sum(
            looks[-1].cpu_user_s + looks[-1].cpu_system_s - looks[0].cpu_user_s - looks[0].cpu_system_s
            for looks in own.values()
        )
        of = f'trial="{trial}",role="{role}",member="{member}"'
        assert server.value(f"sum(seatrial_role_cpu_seconds_total{{{of}}})") == pytest.approx(used_s), member


def test_a_real_prometheus_scrapes_what_the_record_has(run: Path, tmp_path: Path) -> None:
    with serving(run) as address, prometheus(tmp_path / "prometheus", scrape("seatrial", address)) as server:
        server.wait_for("seatrial_run_info")
        assert_as_recorded(server, run, TRIALS)
        assert_as_recorded(server, run, TRIALS - 1)
        # Of those before nothing is left: how many series there are has a bound.
        assert server.instant('seatrial_requests_total{trial="1"}') == []
        # Of a trial that is over nothing is there now.
        assert server.instant("seatrial_connections or seatrial_role_memory_bytes or seatrial_workers") == []
        states = {one["metric"]["state"]: one["value"][1] for one in server.instant("seatrial_run_trials")}
        assert states == {"completed": str(TRIALS), "cut off": "0", "failed": "0"}
        metadata = server.get("metadata", metric="seatrial_request_latency_seconds")
        assert [one["type"] for one in metadata["seatrial_request_latency_seconds"]] == ["histogram"]


def test_what_there_is_now_is_of_the_trial_that_goes_on(run: Path, tmp_path: Path) -> None:
    with RunReader.open(run) as reader:
        frames, samples = reader.frames(TRIALS), reader.process_samples(TRIALS)
    with (
        serving(run, going_on=TRIALS) as address,
        prometheus(tmp_path / "p", scrape("seatrial", address)) as server,
    ):
        server.wait_for("seatrial_run_info")
        last = {frame.worker: frame for frame in frames}.values()
        for state in ("active", "held"):
            there = server.value(f'seatrial_connections{{state="{state}"}}')
            assert there == sum(int(getattr(frame, state)) for frame in last), state
        assert server.value("seatrial_workers") == len(last)
        for role in {sample.role for sample in samples}:
            own = {sample.key: sample for sample in samples if sample.role == role}.values()
            sizes = [sample.pss_bytes or sample.rss_bytes or 0 for sample in own]
            assert server.value(f'sum(seatrial_role_memory_bytes{{role="{role}"}})') == sum(sizes), role


def test_native_histograms_have_the_percentiles_of_the_record(run: Path, tmp_path: Path) -> None:
    with (
        serving(run) as address,
        prometheus(tmp_path / "p", scrape("seatrial", address), features=["native-histograms"]) as server,
    ):
        server.wait_for("seatrial_request_latency_seconds")
        assert_native(server, run)


def assert_native(server: Prometheus, run: Path) -> None:
    of = f'{{trial="{TRIALS}",phase="measure"}}'
    with RunReader.open(run) as reader:
        frames = reader.frames(TRIALS)
    latency = Histogram()
    for part in (part for frame in frames for part in frame.parts if part.phase == "measure"):
        latency.add_encoded(part.latency)
    assert server.value(f"histogram_count(seatrial_request_latency_seconds{of})") == latency.count
    for quantile in (0.5, 0.9, 0.99):
        value_s = server.value(f"histogram_quantile({quantile}, seatrial_request_latency_seconds{of})")
        # Its buckets are 2.2 % wide.
        assert value_s == pytest.approx(latency.quantile_us(quantile) / 1e6, rel=0.023), quantile


def test_what_is_written_to_a_real_prometheus_is_what_the_record_has_and_ends(
    run: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    flags = ["--web.enable-remote-write-receiver"]
    with prometheus(tmp_path / "p", features=["native-histograms"], flags=flags) as server:
        url = f"{server.url}/api/v1/write"

        async def write() -> None:
            writer = RemoteWriter(url, await board_of(run), notes.append, interval_s=0.2, native=True)
            task = asyncio.create_task(writer.run())
            await until(lambda: writer.sent >= 3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.to_thread(assert_as_recorded, server, run, TRIALS)
            await asyncio.to_thread(assert_native, server, run)
            await writer.finish(10.0)
            assert (writer.dropped, writer.refused) == (0, 0)

        asyncio.run(write())
        assert notes == []
        # Every series has an end, and no value stays for five minutes.
        assert server.instant("seatrial_requests_total") == []


class Receiver:
    """Answers what it is set to, and counts."""

    def __init__(self) -> None:
        self.status, self.asked, self.headers = 204, 0, dict[str, str]()
        self.authorization = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.authorization = request.headers.get("Authorization", "")
        await request.read()
        return web.Response(status=self.status, text="no such tenant", headers=self.headers)


def test_a_receiver_that_refuses_or_is_away_is_said_once_and_holds_nothing_up(run: Path) -> None:
    async def course() -> list[str]:
        notes: list[str] = []
        receiver = Receiver()
        app = web.Application()
        app.router.add_post("/write", receiver.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        url = f"http://reader:secret@{host}:{port}/write"
        writer = RemoteWriter(url, await board_of(run), notes.append, interval_s=0.05)
        task = asyncio.create_task(writer.run())
        receiver.status = 400
        await until(lambda: writer.refused >= 3)
        receiver.status, receiver.headers = 503, {"Retry-After": "0"}
        asked, waiting = receiver.asked, len(writer._waiting)
        await until(lambda: receiver.asked > asked and len(writer._waiting) > waiting)
        # What it did not take is sent again, and is taken.
        receiver.status = 204
        await until(lambda: writer.sent >= 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        receiver.status, asked = 503, receiver.asked
        await writer.finish(0.5)
        # At the end, too, it is not asked again at once.
        assert receiver.asked == asked + 1
        assert receiver.authorization == "Basic " + base64.b64encode(b"reader:secret").decode()
        receiver.status = 204
        await writer.finish(10.0)
        await runner.cleanup()
        await writer.finish(0.3)
        return notes

    notes = asyncio.run(course())
    assert [note.split(": ")[0].split(" ", 2)[-1].split(" ", 1)[-1] for note in notes[:2]] == [
        "refuses what is sent, 400",
        "answers 503",
    ]
    assert "no such tenant" in notes[0]
    assert "could not be sent before the end" in notes[-2]
    assert notes[-1].endswith("does not answer: Connection refused")
    assert "secret" not in " ".join(notes)


def test_a_buffer_that_is_full_leaves_out_the_oldest_and_says_so_once(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.live.exposition.remote_write.BUFFER_LIMIT", 3)
    notes: list[str] = []

    async def course() -> RemoteWriter:
        writer = RemoteWriter("http://127.0.0.1:9/write", await board_of(run), notes.append)
        for _ in range(10):
            writer._collect()
        return writer

    writer = asyncio.run(course())
    assert (len(writer._waiting), writer.dropped) == (3, 7)
    assert [note for note in notes if "oldest samples are left out" in note] == notes[:1] == notes


def test_a_run_that_is_over_is_put_into_a_prometheus_after_the_fact(run: Path, tmp_path: Path) -> None:
    add_note(run, "checked the cable")
    page = openmetrics_of(run, step_s=2.0)
    assert page.endswith(b"# EOF\n")
    text = tmp_path / "run.om"
    text.write_bytes(page)
    made = subprocess.run(
        [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", text, tmp_path / "p" / "data"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with RunReader.open(run) as reader:
        trials = reader.trials()
        frames = {trial.trial: reader.frames(trial.trial) for trial in trials}
    flags = ["--storage.tsdb.retention.time=100y"]
    with prometheus(tmp_path / "p", flags=flags) as server:
        for trial in trials:
            assert trial.ended_s is not None
            ended_s = datetime.fromisoformat(trial.started_utc).timestamp() + trial.ended_s - trial.started_s
            query = f'sum(seatrial_requests_total{{trial="{trial.trial}",outcome="completed"}})'
            counted = server.value(query, ended_s + 1)
            parts = [part for frame in frames[trial.trial] for part in frame.parts]
            assert counted == sum(part.completed for part in parts)
            half = server.value(query, ended_s - 5)
            assert half is not None
            assert 0 < half < counted
        noted = server.instant(f'seatrial_note_timestamp_seconds{{run="{run.name}"}}', ended_s + 1)
        assert {one["metric"]["text"] for one in noted} == {"checked the cable"}


def test_phases_and_notes_have_the_times_of_the_record(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", trials=1, end=False)
    text = 'the cable was out: "port 3"\n' + "x" * 200
    for _ in range(2):
        add_note(run, text)
    with (
        serving(run) as address,
        prometheus(tmp_path / "p", scrape("seatrial", address)) as server,
        RunReader.open(run) as reader,
    ):
        server.wait_for("seatrial_run_info")
        recorded = reader.trial(1)
        assert recorded is not None
        started_s = datetime.fromisoformat(recorded.started_utc).timestamp()
        with closing(sqlite3.connect(run / "record.db")) as record:
            begun = record.execute(
                "SELECT name, at_s - started_s FROM phases JOIN trials ON trials.id = trial"
            )
            phases = begun.fetchall()
            assert len(phases) >= 4
            for phase, after_s in phases:
                at_s = server.value(f'seatrial_phase_start_timestamp_seconds{{phase="{phase}"}}')
                assert at_s == pytest.approx(started_s + after_s, abs=0.002), phase
            ((noted_utc,),) = record.execute("SELECT max(at_utc) FROM journal WHERE author = 'person'")
        (noted,) = server.instant('seatrial_note_timestamp_seconds{author="person"}')
        assert float(noted["value"][1]) == datetime.fromisoformat(noted_utc).timestamp()
        assert noted["metric"]["text"] == (text.replace("\n", " "))[:159] + "…"


def test_what_a_discoverer_carried_is_what_the_record_has(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", systems=("envoy",), trials=2, end=False, discovers=True)
    with RunReader.open(run) as reader:
        reached, looks, steps = reader.milestones(2), reader.queue_samples(2), reader.steps(2)
    asked_s = {one.subject: one.at_s for one in reached if one.milestone == "asked"}
    took_s = [one.at_s - asked_s[one.subject] for one in reached if one.milestone == "replicated"]
    with (
        serving(run, going_on=2) as address,
        prometheus(tmp_path / "p", scrape("seatrial", address)) as server,
    ):
        server.wait_for("seatrial_discovery_step_writes")
        of = 'trial="2",change="all",milestone="replicated"'
        assert server.value(f"seatrial_change_milestone_seconds_count{{{of}}}") == len(took_s) == 3
        assert server.value(f"seatrial_change_milestone_seconds_sum{{{of}}}") == pytest.approx(
            sum(took_s), rel=0.002
        )
        assert server.value('seatrial_discovery_queue_depth{trial="2"}') == looks[-1].depth
        for name in ("enqueued", "done", "dropped", "retries"):
            assert server.value(f'seatrial_discovery_queue_{name}_total{{trial="2"}}') == getattr(
                looks[-1], name
            )
        # Of the trial before nothing is there now; what it counted is.
        assert server.instant('seatrial_discovery_queue_depth{trial="1"}') == []
        assert server.value('seatrial_discovery_queue_done_total{trial="1"}') == looks[-1].done
        for number, facts in enumerate(steps, start=1):
            of = f'trial="2",number="{number}",step="{facts.step}"'
            asked, missing = (
                server.value(f'seatrial_discovery_step_services{{{of},state="{state}"}}')
                for state in ("asked", "missing")
            )
            assert (asked, missing) == (facts.asked, facts.missing)
            calls = server.instant(f"sum(seatrial_discovery_step_api_calls{{{of}}})")
            assert [float(one["value"][1]) for one in calls] == ([30] if number == 1 else [])
            assert server.value(f"seatrial_discovery_step_writes{{{of}}}") == facts.calls.writes
            length_s = server.value(f"seatrial_discovery_step_duration_seconds{{{of}}}")
            assert length_s == pytest.approx(facts.ended_s - facts.began_s)
            assert len(server.instant(f"seatrial_discovery_step_start_timestamp_seconds{{{of}}}")) == 1


def test_milestones_are_timed_from_when_their_change_was_asked_for() -> None:
    totals = TrialTotals(events.TrialStarted(1, "c", "envoy", 1, 1, 1, 100.0))
    # As the record has it: `after_s` is the last moment at which it had not come about.
    reached: tuple[tuple[str, events.Milestone, float, float], ...] = (
        ("change-0", "asked", 64_596.5, 64_596.5),
        ("change-1", "asked", 64_597.0, 64_597.0),
        ("change-0", "accepted", 64_596.51, 64_596.5),
        ("change-1", "live", 64_597.25, 64_597.23),
        ("change-0", "live", 64_596.6, 64_596.58),
        # Begun before anybody looked.
        ("change-2", "live", 64_600.0, 64_599.9),
    )
    for subject, milestone, at_s, after_s in reached:
        totals.take_milestone(events.MilestoneReached(1, subject, "create", 1, milestone, "", at_s, after_s))
    live, accepted = (totals.milestones["create", name] for name in ("live", "accepted"))
    assert (live.count, accepted.count) == (2, 1)
    assert live.mean_us == pytest.approx((100_000 + 250_000) / 2, rel=0.001)
    assert accepted.mean_us == pytest.approx(10_000, rel=0.001)
