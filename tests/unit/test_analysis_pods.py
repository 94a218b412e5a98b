"""What samples of pods say of the measure phase: arithmetic is the judge, with containers that burn at known rates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.test_analysis_validity import GOOD, LOAD

from seatrial.analysis.kernel import InterfaceUse, KernelUse, NetworkUse
from seatrial.analysis.limits import throttled_text
from seatrial.analysis.load.window import Window
from seatrial.analysis.pods import NodeUse, PodsUse, PodThrottled, nodes_in, pods_in
from seatrial.analysis.resources import roles_of, trial_resources
from seatrial.analysis.validity.evidence import TrialEvidence
from seatrial.analysis.validity.judge import judge_trial, remarks_on
from seatrial.machine.members import Role
from seatrial.observe.samples import NodeSample, ProcessSample

WINDOW = Window(100 * 10**9, 160 * 10**9)
MB = 10**6


def look(at_s: float, cpu_s: float, member: str = "envoy-1", **given: object) -> ProcessSample:
    role: Role = "system"
    sample = ProcessSample(
        at_s, role, member, f"{member}/a", "envoy", cpu_s * 0.75, cpu_s * 0.25, None, None, 40, 5, None,
        working_set_bytes=30 * MB,
    )  # fmt: skip
    return replace(sample, **given)  # type: ignore[arg-type]


def burning(cores: float, first_s: float, member: str, every_s: float = 13.0) -> list[ProcessSample]:
    """Looks at a container that is idle until the window and burns from then on; each has moments of its own."""
    times = [first_s + every_s * number for number in range(20)]
    return [look(at_s, 5 + cores * max(0.0, at_s - 100), member) for at_s in times if at_s < 190]


def test_cpu_is_what_each_container_used_between_its_looks_within_the_phase() -> None:
    samples = [*burning(0.3, 60.0, "envoy-1"), *burning(1.1, 67.0, "envoy-2")]
    found = trial_resources(roles_of(samples), (), (), WINDOW, 1_000.0)
    system = found.role("system")
    assert system is not None
    # 112 to 151, and 106 to 158: the idle time before the phase is in neither.
    assert system.cpu_cores_mean == pytest.approx(1.4)
    assert system.cpu_covers_s == pytest.approx(39.0)
    assert found.system_cpu_cores_per_1000_per_s == pytest.approx(1.4)
    assert {name: use.cpu_cores_mean for name, use in found.members.items()} == {
        "envoy-1": pytest.approx(0.3), "envoy-2": pytest.approx(1.1),
    }  # fmt: skip
    assert (system.memory_measure, system.memory_bytes_max) == ("working set", 60 * MB)
    assert (system.rss_bytes_max, system.pss_bytes_max, system.working_set_bytes_max) == (None, None, 60 * MB)
    assert system.scheduling is not None
    assert system.scheduling.threads_max == 10


def test_the_curve_has_no_step_where_a_container_was_not_looked_at_yet() -> None:
    (role,) = roles_of([*burning(0.3, 60.0, "envoy-1"), *burning(1.1, 67.0, "envoy-2")])
    assert set(role.curve.memory_bytes) == {60.0 * MB}
    assert min(role.at_s) == 67.0
    within = [span.cores for span in role.curve.cpu if span.start_s >= 113 and span.end_s <= 158]
    assert within == pytest.approx([1.4] * len(within))
    assert role.curve.memory_measure == "working set"


def test_of_a_window_that_holds_one_look_the_cpu_is_not_known() -> None:
    short = Window(100 * 10**9, 110 * 10**9)
    roles = roles_of(burning(0.3, 60.0, "envoy-1") + burning(0.3, 65.0, "envoy-2"))
    system = trial_resources(roles, (), (), short, 1_000.0).role("system")
    assert system is not None
    assert (system.cpu_cores_mean, system.cpu_covers_s) == (None, None)
    (use,) = pods_in(roles[0].samples, short)
    assert use == PodsUse("system", None, 13.0)
    (remark,) = remarks_on(replace(GOOD, pods=(use,)))
    assert remark == (
        "not known: the CPU of the system: kubelets look at pods up to 13 s apart, and not twice at each of these in"
        f" the {LOAD.window_s:g} s of the measure phase"
    )


def test_of_a_window_that_is_covered_in_part_it_is_said() -> None:
    (remark,) = remarks_on(replace(GOOD, pods=(PodsUse("system", 0.85 * LOAD.window_s, 13.0),)))
    assert remark.startswith(f"the CPU of the system is that of {0.85 * LOAD.window_s:.1f} of the")
    assert remarks_on(replace(GOOD, pods=(PodsUse("system", 0.95 * LOAD.window_s, 13.0),))) == ()


def test_a_container_that_was_started_anew_is_counted_on() -> None:
    before = [look(at_s, 50 + 0.5 * (at_s - 90)) for at_s in (90.0, 101.0, 113.0)]
    after = [look(at_s, 0.5 * (at_s - 120), incarnation="envoy-1/b") for at_s in (125.0, 140.0, 155.0)]
    system = trial_resources(roles_of([*before, *after]), (), (), WINDOW, None).role("system")
    assert system is not None
    # 101 to 155, without what it used between the look at 113 and its end.
    assert system.cpu_cores_mean == pytest.approx((0.5 * 12 + 0.5 * 35) / 54)
    assert system.memory_bytes_max == 30 * MB


def test_a_container_that_ended_before_the_phase_takes_nothing_from_what_is_known() -> None:
    init = [look(at_s, 1.0, name="init", incarnation="envoy-1/init") for at_s in (10.0, 21.0)]
    (role,) = roles_of([*init, *burning(0.3, 60.0, "envoy-1")])
    assert role.at_s[0] == 60
    assert role.at_s[-1] > 160
    (use,) = pods_in(role.samples, WINDOW)
    assert use.cpu_covers_s == pytest.approx(39.0)


def pod_of(
    name: str, began_s: float, at_s: list[float], ended_s: float = 999.0, **given: object
) -> list[ProcessSample]:
    """Looks at a pod that burns 0.2 cores from its beginning to its end, and grows by 1 MB a second."""
    return [
        look(
            when_s, 0.2 * (min(when_s, ended_s) - began_s), name,
            **{"role": "controller", "working_set_bytes": int((when_s - began_s) * MB), **given},
        )
        for when_s in at_s
    ]  # fmt: skip


# It ends at 128 s. Its kubelet may look at what is left of it once more, when the one in its place is there.
@pytest.mark.parametrize("last_s", [125.0, 131.0])
def test_a_controller_whose_pod_was_replaced_is_one(last_s: float) -> None:
    old = pod_of("contour-a", 80.0, [90.0, 101.0, 113.0, last_s], ended_s=128.0)
    new = pod_of("contour-b", 128.0, [130.0, 142.0, 154.0, 190.0])
    (role,) = roles_of([*old, *new])
    controller = trial_resources((role,), (), (), WINDOW, None).role("controller")
    assert controller is not None
    # From 101 to 154 it burned 0.2 cores, but for what the old one used after the last look at it.
    seen_s = min(last_s, 128.0) - 101.0 + 154.0 - 128.0
    assert controller.cpu_cores_mean == pytest.approx(0.2 * seen_s / 53.0)
    assert controller.cpu_covers_s == pytest.approx(53.0)
    assert controller.scheduling is not None
    assert controller.scheduling.cpu_user_cores_mean == pytest.approx(0.15 * seen_s / 53.0, abs=1e-6)
    # The old one is nothing once it is gone, and the peak is the new one's.
    assert controller.working_set_bytes_max == 62 * MB
    memory = dict(zip(role.curve.at_s, role.curve.memory_bytes, strict=True))
    assert [memory[when_s] for when_s in (90.0, 113.0, 142.0, 154.0, 190.0)] == [
        10 * MB, 33 * MB, 14 * MB, 26 * MB, 62 * MB,
    ]  # fmt: skip


def test_a_controller_may_be_replaced_again_and_again() -> None:
    pods = [
        pod_of(f"contour-{at}", at, [at + 2.0, at + 14.0], ended_s=at + 18.0) for at in (98.0, 116.0, 134.0)
    ]
    controller = trial_resources(
        roles_of([one for looks in pods for one in looks]), (), (), WINDOW, None
    ).role("controller")
    assert controller is not None
    assert controller.cpu_cores_mean == pytest.approx(0.2 * (12 + 14 + 14) / 48)


def test_a_proxy_that_is_looked_at_late_is_not_in_the_place_of_another() -> None:
    fleet = [
        *pod_of("envoy-1", 80.0, [90.0, 101.0, 113.0, 125.0], role="system"),
        *pod_of("envoy-2", 80.0, [130.0, 142.0, 154.0], role="system"),
    ]
    system = trial_resources(roles_of(fleet), (), (), WINDOW, None).role("system")
    assert system is not None
    assert system.cpu_cores_mean == pytest.approx(0.4)


def test_the_cpu_of_a_role_is_not_known_where_a_pod_was_not_looked_at_any_more() -> None:
    unread = [look(at_s, 5.0, "envoy-2") for at_s in (60.0, 73.0)]
    (role,) = roles_of([*burning(0.3, 60.0, "envoy-1"), *unread])
    # The other is looked at for more than a minute longer, but no container of this pod: its kubelet was not read.
    (use,) = pods_in(role.samples, WINDOW)
    assert use.cpu_covers_s is None
    system = trial_resources((role,), (), (), WINDOW, None).role("system")
    assert system is not None
    assert (system.cpu_cores_mean, system.scheduling.cpu_user_cores_mean) == (None, None)  # type: ignore[union-attr]


def test_the_parts_of_cpu_make_up_their_sum() -> None:
    samples = [*burning(0.4, 60.0, "envoy-1"), *burning(0.8, 67.0, "envoy-2")]
    system = trial_resources(roles_of(samples), (), (), WINDOW, None).role("system")
    assert system is not None
    assert system.scheduling is not None
    parts = (system.scheduling.cpu_user_cores_mean, system.scheduling.cpu_system_cores_mean)
    assert parts == pytest.approx((0.9, 0.3))
    assert system.cpu_cores_mean == pytest.approx(1.2)


def test_what_pods_use_is_not_of_this_machine() -> None:
    assert pods_in([replace(look(1.0, 1.0), working_set_bytes=None, rss_bytes=5)], WINDOW) == ()


def throttled(role: str, seconds: float) -> TrialEvidence:
    one = PodThrottled("the-pod", "main", seconds, 0.9 * LOAD.window_s)
    return replace(GOOD, pods=(PodsUse(role, LOAD.window_s, 13.0, (one,)),))


@pytest.mark.parametrize(("role", "who"), [("generator", "the-pod"), ("origin", "the origin's the-pod")])
def test_a_throttled_pod_of_the_testbed_is_a_doubt(role: str, who: str) -> None:
    (reason,) = judge_trial(throttled(role, 0.02 * LOAD.window_s)).reasons
    assert reason.code == "environment.throttled"
    assert reason.text.startswith(f"{who} was held back by its CPU quota for")
    assert judge_trial(throttled(role, 0.009 * LOAD.window_s)).is_valid


def test_the_limit_of_a_proxy_is_its_own_and_is_remarked() -> None:
    evidence = throttled("system", 0.02 * LOAD.window_s)
    assert judge_trial(evidence).is_valid
    (remark,) = remarks_on(evidence)
    assert remark.startswith("its own CPU limit held back the-pod (main) for")
    assert remarks_on(throttled("system", 0.001 * LOAD.window_s)) == ()


def test_of_several_containers_the_most_throttled_is_named() -> None:
    assert throttled_text([]) is None
    alone = [PodThrottled("envoy-1", "envoy", 1.0, 10.0)]
    assert throttled_text([(), alone]) == "its own CPU limit held back envoy-1 (envoy) for 1.00 of 10.0 s"
    # Beside the largest part one that was held back for more time: what it was in another trial is no third.
    several = [PodThrottled("envoy-3", "envoy", 2.0, 10.0), PodThrottled("envoy-2", "envoy", 1.5, 5.0)]
    assert throttled_text([alone, several, alone]) == (
        "its own CPU limit held back envoy-2 (envoy) for 1.50 of 5.0 s (and 1 more for less)"
    )


def test_only_what_was_throttled_within_the_phase_is_counted() -> None:
    times = {90.0: 9.0, 101.0: 10.0, 120.0: 12.5, 159.0: 14.0, 170.0: 90.0}
    (use,) = pods_in([look(at_s, at_s, throttled_s=held) for at_s, held in times.items()], WINDOW)
    assert use.throttled == (PodThrottled("envoy-1", "envoy", 4.0, 58.0),)


def test_a_node_is_known_between_its_looks_in_the_phase() -> None:
    looks = [
        NodeSample(at_s, "a", ("system",), cpu_s, size, 4)
        for at_s, cpu_s, size in ((90.0, 0.0, 9), (105.0, 100.0, 5), (120.0, 130.0, 7), (155.0, 200.0, 6))
    ]
    once = NodeSample(120.0, "b", ("generator",), 1.0)
    assert nodes_in([*looks, once], WINDOW) == (NodeUse("a", ("system",), 50.0, 2.0, 4, 7),)
    assert nodes_in(looks, None) == ()
    busy = NodeUse("a", ("generator", "system"), 50.0, 3.7, 4, 7)
    (remark,) = remarks_on(replace(GOOD, nodes=(busy,)))
    assert remark == "node a, which has pods of the generator and the system, used 3.70 of its 4 CPUs"
    assert remarks_on(replace(GOOD, nodes=(replace(busy, cpu_cores_mean=3.5),))) == ()


def test_what_is_dropped_at_the_pods_of_a_role_is_added_up_however_little_each_carries() -> None:
    networks = tuple(
        NetworkUse(
            (role,), {}, {}, {"eth0": InterfaceUse(5, 5, 1, 1, drops, 0, None)}, pod=f"shop/{role}-{number}"
        )
        for role, drops in (("generator", 1), ("system", 0))
        for number in range(3)
    )
    evidence = replace(GOOD, kernel=KernelUse(6.0, networks=networks))
    (reason,) = judge_trial(evidence).reasons
    assert reason.code == "environment.packets_dropped"
    assert reason.text == "packets were dropped: 3 at the pods of the generator"
