"""``place: namespaces`` with real proxies: traffic crosses real links, and nothing of them is left behind."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.networks import LinkWatch, alone, inside, link_bytes, links_here, need_root, standing
from tests.support.program import Running, run_seatrial, wait_until
from tests.support.runs import Bench, results, trials, wait_for_phase

from seatrial.errors import EnvironmentFault, ExitCode
from seatrial.machine import proc, sockets
from seatrial.machine.counters import tcp
from seatrial.machine.namespace import Namespace, entered, stream_socket
from seatrial.machine.namespaces import Namespaces, copy_settings, remove
from seatrial.machine.place import Places
from seatrial.machine.processes.changes import Unrecorded
from seatrial.machine.undoers import UNDOERS, Undone
from seatrial.preflight.capacity import Figure
from seatrial.record.changes import open_changes
from seatrial.run.capacity import engine
from seatrial.run.capacity.ways import Way
from seatrial.run.places.ends import LocalEnd

# Each waits for those of other workers.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

RUN_LIMIT_S = 90.0
MEASURED, WARMED_UP = 400, 40
BODY_BYTES = 600
DISTURBED = """
name: disturbed
systems: [haproxy, caddy]
place: namespaces
capacity: never
load: {active: 10, connections: 20, rate: 200/s, resolution: 10 ms, timeout: 5 s, interval: 500 ms, tls: true}
topology: {routes: 3}
phases: {stable_for: 0 s, warmup: 200 ms, measure: 9 s, cooldown: 5 s}
repeat: 1
retry: 0
during:
  - {at: 500 ms, do: add routes, count: 2}
  - {at: 2500 ms, do: swap certificate}
  - {at: 4500 ms, do: kill, member: 1, for: 100 ms}
objectives: [during_unexpected == 0]
"""


@pytest.fixture(autouse=True)
def one_at_a_time() -> Iterator[None]:
    with alone():
        yield


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    need_root()
    return Bench(tmp_path)


def plan_of(bench: Bench, *systems: str, measure: str = "2 s") -> Path:
    plan = bench.plan(*systems, measure=measure)
    plan.write_text(plan.read_text() + "place: namespaces\n")
    return plan


def assert_counts_are_exact(run: Path, systems: set[str]) -> None:
    seen = trials(results(run))
    assert set(seen) == systems
    for system, trial in seen.items():
        assert trial["state"] == "completed", trial
        assert trial["load"]["requests"]["completed"] == trial["load"]["requests"]["intended"] == MEASURED
        assert trial["load"]["connections"]["held"] == {"requested": 50, "established": 50}
        counts = trial["counts"]
        assert counts["generator_completed"] == counts["origin_requests"] == MEASURED + WARMED_UP
        assert counts["system_requests"] == (None if system == "direct" else MEASURED + WARMED_UP)
        assert counts["system_upstream_requests"] == (MEASURED + WARMED_UP if system == "envoy" else None)


def test_a_page_in_a_namespace_is_scraped_there(bench) -> None:
    plan = plan_of(bench, "envoy")
    plan.write_text(plan.read_text() + "observe: {scrape: 200 ms}\n")
    with bench.start(plan) as run:
        assert run.wait(RUN_LIMIT_S).code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}
    assert_counts_are_exact(bench.run_directory(), {"envoy"})
    ((page,),) = (trial["scraped"] for trial in trials(results(bench.run_directory())).values())
    assert (page["member"], page["failed"]) == ("envoy", 0)
    assert page["done"] >= 5


def test_every_request_crosses_the_links_and_is_counted_on_every_side(bench) -> None:
    before, links = standing(), links_here()
    with (
        LinkWatch(lambda: standing() - before) as watch,
        bench.start(plan_of(bench, "envoy", "nginx")) as run,
    ):
        outcome = run.wait(RUN_LIMIT_S)
        run.assert_nothing_left()
    assert outcome.code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}, outcome
    directory = bench.run_directory()
    assert_counts_are_exact(directory, {"envoy", "nginx"})
    # The kernel's counters are the judge: of the first trial at least all had crossed when they were read last.
    answers = (MEASURED + WARMED_UP) * BODY_BYTES
    for one, other in (("load", "proxy"), ("proxy", "origin")):
        received, sent = watch.seen[one][other], watch.seen[other][one]
        assert answers <= received[0] <= 6 * answers, watch.seen
        # Both ends are read one after the other, while answers go on.
        assert abs(received[0] - sent[1]) <= answers / 10, watch.seen
    # Nothing went around the proxies, nor over any loopback.
    assert watch.seen["load"]["origin"][0] < answers / 10
    # (A worker tries its driver there with one round trip.)
    assert watch.seen["load"]["lo"][0] < answers / 10
    assert (standing() - before, links_here()) == (set(), links)
    assert open_changes(directory) == ((), ())
    assert "network namespaces, joined two by two" in outcome.stderr


def test_a_proxy_is_disturbed_and_comes_back_in_its_namespace(bench) -> None:
    before = standing()
    plan = bench.directory / "disturbed.yaml"
    plan.write_text(DISTURBED)
    outcome = bench.start(plan).wait(RUN_LIMIT_S)
    seen = trials(results(bench.run_directory()))
    assert set(seen) == {"haproxy", "caddy"}, outcome
    for trial in seen.values():
        assert trial["state"] == "completed", outcome
        windows = {window["done"]: window for window in trial["disturbances"]}
        assert set(windows) == {"add 2 routes", "swap certificate", "kill member 1 for 100 ms"}
        assert all(window["took_s"] is not None for window in windows.values()), windows
        # No way leads out of the network of the load: who answered after the kill is in there.
        killed = windows["kill member 1 for 100 ms"]
        revived_s = killed["at_s"] + killed["took_s"]
        assert sum(step["completed"] for step in trial["load"]["intervals"] if step["start_s"] > revived_s)
    assert standing() == before


@pytest.mark.parametrize("moment", ["making", "set up", "measure"])
def test_what_a_killed_run_leaves_is_removed_by_clean(bench, moment: str) -> None:
    before, links = standing(), links_here()
    with bench.start(plan_of(bench, "envoy", measure="20 s")) as running:
        run = bench.run_directory()
        if moment == "making":
            assert wait_until(lambda: standing() - before, 60.0, every_s=0.001)
        else:
            wait_for_phase(run, moment)
        running.signal(signal.SIGKILL)
        running.assert_nothing_left()
    left = standing() - before
    assert left
    outcome = run_seatrial("clean", "--runs", str(bench.runs))
    assert outcome.code == 0, outcome
    said = {line for line in outcome.stdout.splitlines() if line.startswith("put back")}
    assert said == {f"put back namespace {name} (removed) of {run}" for name in left}
    assert standing() == before
    assert wait_until(lambda: links_here() == links, 5.0)
    assert run_seatrial("clean", "--runs", str(bench.runs)).stdout == "nothing left\n"


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    need_root()
    benches = [Bench(tmp_path / name) for name in ("one", "other")]
    for bench in benches:
        bench.directory.mkdir()
    before = standing()
    with (
        benches[0].start(plan_of(benches[0], "direct"), "--share-machine") as one,
        benches[1].start(plan_of(benches[1], "direct"), "--share-machine") as other,
    ):
        assert wait_until(lambda: len(standing() - before) == 6, 60.0)
        for running in (one, other):
            assert running.wait(RUN_LIMIT_S).code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}
            running.assert_nothing_left()
    for bench in benches:
        assert_counts_are_exact(bench.run_directory(), {"direct"})
    assert standing() == before


def test_nobody_hears_what_it_takes_before_anything_starts() -> None:
    need_root()
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv to become somebody else with")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")
    if subprocess.run([*nobody, "test", "-r", __file__], check=False).returncode:
        pytest.skip("nobody may not read this checkout: a folder above it is private")
    directory = Path(tempfile.mkdtemp())
    try:
        directory.chmod(0o777)
        plan = plan_of(Bench(directory), "direct")
        with Running("run", str(plan), prefix=nobody, directory=directory) as running:
            outcome = running.wait(RUN_LIMIT_S)
        assert outcome.code == ExitCode.ENVIRONMENT, outcome
        assert "may not make them, it lacks NET_ADMIN and SYS_ADMIN" in outcome.stderr
        assert "run as root" in outcome.stderr
        assert not (directory / "runs").exists()
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def places() -> Iterator[Places]:
    need_root()
    namespaces = Namespaces(Unrecorded())
    asyncio.run(namespaces.__aenter__())
    yield namespaces.places()
    asyncio.run(namespaces.__aexit__())


def own(place: object) -> Namespace:
    namespace = getattr(place, "namespace", None)
    assert isinstance(namespace, Namespace)
    return namespace


def test_every_address_of_a_block_is_reached_from_every_source(places: Places) -> None:
    here = Path("/proc/thread-self/ns/net").readlink()
    chance = random.Random(1)
    for listen in chance.sample(places.origin.addresses(10_000), 3):
        (source,) = chance.sample(places.load.sources(500), 1)
        with stream_socket(listen.host, listen.namespace) as server:
            server.bind((listen.host, listen.port))
            server.listen()
            assert sockets.is_listening(listen.port, listen.namespace)
            assert not sockets.is_listening(listen.port)
            with stream_socket(listen.host, places.load.namespace) as client:
                client.bind((source, 0))
                client.settimeout(10.0)
                client.connect((listen.host, listen.port))
                connection, peer = server.accept()
                assert peer[0] == source
                sent = os.urandom(100_000)
                # (One with a time-out does not wait for all of it by itself.)
                with connection, client.makefile("rb") as received:
                    before = link_bytes(own(places.origin).name)["load"][1]
                    connection.sendall(sent)
                    assert received.read(len(sent)) == sent
                    assert link_bytes(own(places.origin).name)["load"][1] - before >= len(sent)
    assert Path("/proc/thread-self/ns/net").readlink() == here


def test_what_a_way_carries_goes_over_its_link(places: Places, tmp_path: Path) -> None:
    measure_s = 0.2

    async def measured() -> list[Figure]:
        way = Way("load - origin", LocalEnd(places.load), LocalEnd(places.origin))
        found = [figure async for figure in engine.figures(way, measure_s, tmp_path, Unrecorded())]
        return [figure for figure in found if isinstance(figure, Figure)]

    before = link_bytes(own(places.origin).name)["load"]
    figures = asyncio.run(measured())
    after = link_bytes(own(places.origin).name)["load"]
    for direction, at in (("requests", 0), ("responses", 1)):
        carried = [figure.bytes_per_s * measure_s for figure in figures if figure.direction == direction]
        assert len(carried) == 2
        assert 1_000_000 < sum(carried) <= after[at] - before[at]


def test_sockets_of_all_three_are_sampled_together_and_no_others(places: Places) -> None:
    def sampled() -> tuple[float, float]:
        values = tcp.counters("snmp", places.namespaces)
        return values["tcp_established"], values["tcp_active_opens"]

    # Nobody else is in there, so the counts are exact; both ends of a connection are established ones.
    assert sampled() == (0, 0)
    at = places.origin.address()
    with (
        stream_socket(at.host, at.namespace) as server,
        stream_socket(at.host, places.load.namespace) as client,
    ):
        server.bind((at.host, at.port))
        server.listen()
        client.connect((at.host, at.port))
        connection, _ = server.accept()
        with connection:
            assert sampled() == (2, 1)
            assert sockets.count_established(at.port, at.namespace) == 1


def test_nothing_leads_out_of_a_namespace(places: Places) -> None:
    for place in (places.load, places.proxy, places.origin):
        assert "default" not in inside(own(place).name, "ip", "route")
        with (
            stream_socket("192.0.2.1", place.namespace) as client,
            pytest.raises(OSError, match="unreachable"),
        ):
            client.connect(("192.0.2.1", 80))


def test_settings_of_the_machine_are_those_of_a_namespace(places: Places) -> None:
    setting = Path("/proc/sys/net/core/somaxconn")
    with entered(places.load.namespace):
        setting.write_text("1234")
        # To whoever is in there, that is the machine.
        assert copy_settings(own(places.proxy)) == ()
    assert inside(own(places.proxy).name, "cat", str(setting)).strip() == "1234"
    assert inside(own(places.origin).name, "cat", str(setting)) == setting.read_text()


def test_a_setting_that_cannot_be_copied_is_named(places: Places, monkeypatch) -> None:
    monkeypatch.setattr("seatrial.machine.namespaces.COPIED", ("core/somaxconn", "ipv4/tcp_fin_timeout"))
    # A listen queue is never shorter than nothing: the kernel refuses.
    given = {"core/somaxconn": "-1", "ipv4/tcp_fin_timeout": "33"}
    has = {name: (Path("/proc/sys/net") / name).read_text() for name in given}
    answers = iter([given["core/somaxconn"], given["ipv4/tcp_fin_timeout"], *has.values()])
    monkeypatch.setattr("seatrial.machine.namespaces._setting", lambda _: next(answers))
    assert copy_settings(own(places.proxy)) == ("core/somaxconn",)
    assert inside(own(places.proxy).name, "cat", "/proc/sys/net/ipv4/tcp_fin_timeout").strip() == "33"


def test_a_namespace_that_is_gone_is_said_and_the_thread_is_where_it_was(places: Places) -> None:
    here = Path("/proc/thread-self/ns/net").readlink()
    namespace = own(places.proxy)
    assert remove(namespace) == ((), ())
    with pytest.raises(EnvironmentFault, match="cannot be entered"), entered(namespace):
        pass
    assert Path("/proc/thread-self/ns/net").readlink() == here
    # Once more does no harm.
    assert remove(namespace) == ((), ())
    assert UNDOERS["namespace"](undoing(namespace.name), Path("run")) == Undone(f"namespace {namespace.name}")


def undoing(name: str, **changed: str) -> dict[str, str]:
    return {"name": name, "boot_id": proc.boot_id(), **changed}


def test_a_namespace_of_another_boot_is_another(places: Places) -> None:
    name = own(places.load).name
    assert UNDOERS["namespace"](undoing(name, boot_id="another boot"), Path("run")) == Undone(
        f"namespace {name}"
    )
    assert name in standing()


@pytest.mark.parametrize(
    "name", ["lab", "seatrial-load", "../seatrial-0123456789ab-load", "seatrial-0123456789ab-x"]
)
def test_no_namespace_that_is_not_a_runs_is_ever_removed(name: str) -> None:
    with pytest.raises(ValueError, match="is no namespace of a run"):
        UNDOERS["namespace"](undoing(name), Path("run"))


def test_a_namespace_that_cannot_be_removed_is_a_problem(places: Places, monkeypatch) -> None:
    def refuse(namespace: Namespace) -> None:
        raise EnvironmentFault(
            "cannot", cause=f"{namespace.name}: Operation not permitted", next_step="run as root"
        )

    monkeypatch.setattr("seatrial.machine.namespaces.remove", refuse)
    name = own(places.load).name
    undone = UNDOERS["namespace"](undoing(name), Path("run"))
    assert not undone.is_done
    assert undone.problem == f"{name}: Operation not permitted; run as root"
