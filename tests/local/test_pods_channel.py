"""Real workers behind a played cluster: logs that break, repeat and lose lines, and clocks that are not ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.support import hostile
from tests.support.pods import Faults, LocalPods, PlayedCluster, job, pod_object

from seatrial.errors import GeneratorFault
from seatrial.generator.account import Driven
from seatrial.generator.crew import Crew
from seatrial.generator.drive import Drive
from seatrial.generator.frames import Frame, answered
from seatrial.generator.pod_channel import PodChannels
from seatrial.generator.routes import merged_routes
from seatrial.generator.split import split
from seatrial.pods.group import Group
from seatrial.run.load import LoadHooks, run_load
from seatrial.run.workers.pods import PodLimits, PodWorkers
from seatrial.workload.profile import constant
from seatrial.workload.requests import Request, expand
from seatrial.workload.spec import LoadSpec, Target

WORKERS, RATE_PER_S, MEASURE_S = 3, 200.0, 1.0
INTENDED = round(RATE_PER_S * MEASURE_S)
AHEAD_NS = 3_600_000_000_000


@dataclass
class Played:
    frames: list[Frame]
    driven: Driven
    start_ns: int
    cluster: LocalPods


ROUTES = tuple(Request(host=host) for host in expand("route-{0..299}.test"))


def load_to(url: str) -> LoadSpec:
    host, _, port = url.removeprefix("http://").removesuffix("/").partition(":")
    return LoadSpec(
        targets=(Target(host, int(port)),), active=6, held=9, profile=constant(RATE_PER_S), measure_s=MEASURE_S,
        interval_s=0.1, workers=WORKERS, requests=ROUTES,
    )  # fmt: skip


def play(cluster: LocalPods, meanwhile: Callable[[LocalPods], None] = lambda _: None) -> Played:
    with hostile.serving(hostile.always(hostile.ANSWER)) as url:
        return asyncio.run(_play(load_to(url), cluster, meanwhile))


async def _play(load: LoadSpec, cluster: LocalPods, meanwhile: Callable[[LocalPods], None]) -> Played:
    frames: list[Frame] = []
    group = Group(job(WORKERS), cluster)
    await group.start(20.0)
    crew = Crew(split(load, 4096), PodChannels(group).open, frames.append)
    try:
        await crew.start()
        drive = Drive(load, crew)
        assert await drive.ramp()
        start_ns = time.monotonic_ns() + drive.notice_ns
        drive.go(start_ns)
        await asyncio.sleep((start_ns - time.monotonic_ns()) / 1e9 + MEASURE_S / 2)
        meanwhile(cluster)
        driven = await drive.finish(asyncio.Event(), asyncio.Event())
    finally:
        await crew.close()
        await group.close()
    return Played(frames, driven, start_ns, cluster)


def assert_whole(played: Played) -> None:
    assert played.driven.lost == ()
    assert len(played.driven.dones) == WORKERS
    parts = [part for frame in played.frames for part in frame.parts]
    assert sum(part.sent + part.unsent for part in parts) == INTENDED
    assert answered(played.frames) == INTENDED
    # Every route has its row, in the order of the load, whoever sent to it.
    routes = merged_routes(report for done in played.driven.dones for report in done.routes)
    assert [route.route for route in routes] == [f"{request.host} /" for request in ROUTES]
    assert sum(route.sent for route in routes) == INTENDED
    for worker in range(WORKERS):
        numbers = [frame.seq for frame in played.frames if frame.worker == worker]
        assert numbers == list(range(len(numbers)))


def test_a_log_that_breaks_and_repeats_itself_changes_nothing() -> None:
    played = play(LocalPods(Faults(breaks_after=3, repeats=2, delay_s=0.003)))
    assert_whole(played)
    assert played.cluster.breaks > 10


@pytest.mark.parametrize("skew_ns", [AHEAD_NS, -AHEAD_NS])
def test_the_times_of_a_worker_with_another_clock_come_out_on_ours(skew_ns: int) -> None:
    # A clock behind ours would be below 0 on a machine that has just started.
    skew_ns = max(skew_ns, 1_000_000_000 - time.monotonic_ns())
    played = play(LocalPods(Faults(delay_s=0.005), skew_ns))
    assert_whole(played)
    assert len(played.driven.clocks) == WORKERS
    for clock in played.driven.clocks:
        # The truth is known here: the clock is one and the same.
        assert abs(clock.offset_ns - skew_ns) <= clock.error_ns < 100_000_000
    # So frames lie where the timeline is, to within the error.
    sending = [frame for frame in played.frames if any(part.sent for part in frame.parts)]
    error_s = max(clock.error_ns for clock in played.driven.clocks) / 1e9
    ends_s = [(frame.end_ns - played.start_ns) / 1e9 for frame in sending]
    assert -error_s < min(ends_s)
    assert MEASURE_S - 0.2 - error_s < max(ends_s) < MEASURE_S + 5


def test_a_line_that_is_lost_is_named_with_its_worker() -> None:
    played = play(LocalPods(Faults(lost=frozenset({14}))))
    assert sorted(line.partition(" said")[0] for line in played.driven.lost) == [
        f"worker {index} (pod load-{index} on node node-{index % 2})" for index in range(WORKERS)
    ]
    assert all("line 14 of its log" in line for line in played.driven.lost)


def test_a_pod_that_is_killed_is_named_and_the_others_finish() -> None:
    def kill(cluster: LocalPods) -> None:
        process = cluster.pods["load-1"].process
        assert process is not None
        process.kill()

    played = play(LocalPods(), kill)
    assert [done.worker for done in played.driven.dones] == [0, 2]
    (lost,) = played.driven.lost
    assert lost.startswith("worker 1 (pod load-1 on node node-1) ended with exit status 137")


def test_a_pod_that_is_deleted_while_its_log_hangs_does_not_hold_the_load_up() -> None:
    def delete(cluster: LocalPods) -> None:
        # A node that is gone sends nothing, not even an end.
        cluster.pods["load-2"].lines.clear()
        cluster.show(pod_object(2, deletionTimestamp="now"))

    began_s = time.monotonic()
    played = play(LocalPods(), delete)
    assert any(
        line.startswith("worker 2 (pod load-2 on node node-0) was deleted") for line in played.driven.lost
    )
    assert time.monotonic() - began_s < 40


def test_an_image_of_another_version_is_refused() -> None:
    class Older(LocalPods):
        async def make(self, index: int, manifest: object) -> None:
            await PlayedCluster.make(self, index, manifest)  # type: ignore[arg-type]
            self.pods[f"load-{index}"].say(
                type="hello", worker=index, pid=1, driver="epoll", timestamps="kernel", resolution_ns=0,
                descriptor_limit=100, engine="0.0.9", boot_id="b", monotonic_ns=1, realtime_ns=1,
            )  # fmt: skip

        async def delete(self, manifest: object) -> None:
            pass

    with pytest.raises(GeneratorFault, match=r"is of Seatrial 0\.0\.9, and this is") as caught:
        play(Older())
    assert caught.value.next_step is not None
    assert "image" in caught.value.next_step


def test_a_start_that_was_not_heard_is_said_again() -> None:
    class Deaf(LocalPods):
        """Takes the first start of each pod for none."""

        async def make(self, index: int, manifest: object) -> None:
            await super().make(index, manifest)  # type: ignore[arg-type]
            pod = self.pods[f"load-{index}"]
            take, starts = pod.take, []

            def heard(line: str) -> None:
                if '"go"' in line:
                    starts.append(line)
                if len(starts) != 1 or '"go"' not in line:
                    take(line)

            pod.take = heard

    assert_whole(play(Deaf()))


def test_pods_that_stay_carry_one_load_after_another() -> None:
    cluster = LocalPods(Faults(breaks_after=7, repeats=5), skew_ns=AHEAD_NS)
    limits = PodLimits(4_096, 60_000)

    async def scene(url: str) -> list[int]:
        workers = PodWorkers(
            lambda count: Group(job(count), cluster), limits, lambda _: WORKERS, frozenset, several_loads=True
        )
        try:
            loads = [await run_load(load_to(url), LoadHooks(), workers) for _ in range(3)]
        finally:
            await workers.end()
        assert [load.account.driven and load.account.driven.lost for load in loads] == [()] * 3
        return [load.result().requests.completed for load in loads]

    with hostile.serving(hostile.always(hostile.ANSWER)) as url:
        assert asyncio.run(scene(url)) == [INTENDED] * 3
    # One Job for all of them, and its pods are gone.
    assert (len(cluster.created), len(cluster.deleted)) == (1, 1)
