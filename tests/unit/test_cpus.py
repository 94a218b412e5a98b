"""Which CPUs a role is kept to, on made-up machines, and what is said of it; and this process moved, by the kernel."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.test_analysis_validity import GOOD
from tests.unit.test_preflight import ENVOY, LARGE, find

from seatrial.analysis.cpus import ProcessCpus, RoleCpus, cpus_in
from seatrial.analysis.load.window import Window
from seatrial.analysis.validity.judge import judge_trial
from seatrial.errors import EnvironmentFault
from seatrial.machine.cpus.layout import CpuLayout, read_layout
from seatrial.machine.cpus.lists import format_cpus, parse_cpus
from seatrial.machine.cpus.own import kept_to
from seatrial.machine.cpus.pinning import CpusAsked, Pinning, pinning_of
from seatrial.machine.cpus.words import placement_text
from seatrial.machine.members import Role
from seatrial.observe.samples import ProcessSample
from seatrial.plan.cases import compile_cases
from seatrial.plan.model.cpus import choice_of
from seatrial.plan.read import parse_plan
from seatrial.plan.shown.compiled import compiled_document


def layout(cores: int, threads: int = 1, allowed: frozenset[int] | None = None) -> CpuLayout:
    """Return a machine as most number it: the second threads of all cores come after the first ones."""
    siblings = tuple(tuple(core + cores * thread for thread in range(threads)) for core in range(cores))
    online = tuple(range(cores * threads))
    return CpuLayout(online, online if allowed is None else tuple(sorted(allowed)), siblings)


def lists(pinning: Pinning) -> dict[str, str]:
    return dict(pinning.asked.by_role)


@pytest.mark.parametrize(
    ("text", "cpus", "printed"),
    [("0", {0}, "0"), ("0-3", {0, 1, 2, 3}, "0-3"), ("8,0-3", {0, 1, 2, 3, 8}, "0-3,8"), ("1,2", {1, 2}, "1-2"),
     ("0-7:1/2", {0, 2, 4, 6}, "0,2,4,6"), ("0-6:2/4", {0, 1, 4, 5}, "0-1,4-5"), (" 2 , 4", {2, 4}, "2,4")],
)  # fmt: skip
def test_lists_are_the_kernels(text: str, cpus: set[int], printed: str) -> None:
    assert parse_cpus(text) == cpus
    assert format_cpus(cpus) == printed
    assert parse_cpus(printed) == cpus


@pytest.mark.parametrize(
    "text", ["", "a", "3-1", "-1", "1,,2", "0-3:3/2", "0-3:0/2", "0-99999", "٣", "0x1", "1.5"]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_cpus(text)


def test_the_kernel_prints_its_lists_as_we_do() -> None:
    own = Path("/proc/self/status").read_text().partition("Cpus_allowed_list:")[2].split()[0]
    assert own == format_cpus(os.sched_getaffinity(0)) == format_cpus(read_layout().allowed)


AUTO = {
    "1 core": (layout(1), None, {}),
    "3 cores": (layout(3), None, {}),
    "2 cores of 2 threads are 4 CPUs and no 4 cores": (layout(2, 2), None, {}),
    "4 cores": (layout(4), None, {"generator": "1", "system": "2", "origin": "3", "seatrial": "0"}),
    "4 cores of 2 threads": (
        layout(4, 2), None, {"generator": "1,5", "system": "2,6", "origin": "3,7", "seatrial": "0,4"},
    ),
    "8 cores": (layout(8), None, {"generator": "1-2", "system": "3-5", "origin": "6-7", "seatrial": "0"}),
    "64 cores": (layout(64), None, {"generator": "1-16", "system": "17-47", "origin": "48-63", "seatrial": "0"}),
    "64 cores, a quota of 3.5": (layout(64), 3.5, {}),
    "64 cores, a quota of 4": (
        layout(64), 4.0, {"generator": "1", "system": "2", "origin": "3", "seatrial": "0"},
    ),
    "64 cores of 2 threads, a quota of 7 is 3 of them": (layout(64, 2), 7.0, {}),
    "half of each core is no whole one": (layout(8, 2, frozenset(range(8))), None, {}),
    "an affinity to the last 4 of 8": (
        layout(8, 1, frozenset({4, 5, 6, 7})), None, {"generator": "5", "system": "6", "origin": "7", "seatrial": "4"},
    ),
    "a kernel that does not say": (CpuLayout(tuple(range(64)), tuple(range(64))), None, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", AUTO)
def test_auto_gives_whole_cores_where_there_are_enough(name: str) -> None:
    machine, quota, wanted = AUTO[name]
    found = pinning_of("auto", machine, quota)
    assert lists(found) == wanted
    taken = [cpu for cpus in found.by_role.values() for cpu in cpus]
    assert len(taken) == len(set(taken))
    # No two roles have the threads of one core between them.
    for core in machine.cores:
        assert sum(not cpus.isdisjoint(core) for cpus in found.by_role.values()) <= 1


def test_shared_is_nowhere_in_particular() -> None:
    assert lists(pinning_of("shared", layout(64))) == {}


def test_who_is_left_out_has_what_is_left_or_all() -> None:
    own = pinning_of({"generator": "0-3", "system": "4-11"}, layout(16))
    assert lists(own) == {"generator": "0-3", "system": "4-11", "origin": "12-15", "seatrial": "12-15"}
    none_left = pinning_of({"generator": "0", "system": "1", "origin": "0-1"}, layout(2))
    assert lists(none_left)["seatrial"] == "0-1"


def test_cores_are_read_from_the_kernels_files(tmp_path: Path) -> None:
    cpus = tmp_path / "sys/devices/system/cpu"
    for cpu, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        (cpus / f"cpu{cpu}/topology").mkdir(parents=True)
        (cpus / f"cpu{cpu}/topology/thread_siblings_list").write_text(f"{siblings}\n")
    (cpus / "online").write_text("0-3\n")
    found = read_layout(tmp_path, frozenset({0, 1, 2}))
    assert found == CpuLayout((0, 1, 2, 3), (0, 1, 2), ((0, 2), (1, 3)))
    assert found.whole_cores == ((0, 2),)
    (cpus / "cpu1/topology/thread_siblings_list").unlink()
    assert read_layout(tmp_path, frozenset({0, 1, 2})).cores == ()


SAID = [
    ({"generator": "0-3", "system": "4-11", "origin": "12-15"}, (),
     "generator on CPUs 0-3, system on 4-11, origin on 12-15"),
    ({"generator": "0-1", "system": "0-1", "origin": "0-1", "seatrial": "0-1"}, (),
     "generator, system, origin and Seatrial itself shared CPUs 0-1"),
    ({"generator": "0", "origin": "0"}, (), "generator and origin shared CPU 0"),
    ({"generator": "0", "system": "1", "origin": "2", "seatrial": "2"}, (),
     "generator on CPU 0, system on 1, origin and Seatrial itself shared 2"),
    ({"generator": "0", "system": "1", "origin": "0-1"}, (),
     "generator on CPU 0, system on 1, origin on 0-1; generator and origin shared CPU 0; system and origin shared CPU"
     " 1"),
    ({"generator": "0", "system": "2", "origin": "1,3"}, ((0, 2), (1, 3)),
     "generator on CPU 0, system on 2, origin on 1,3; generator and system shared a core, each on threads of its own"
     " (CPUs 0,2)"),
    ({"generator": "0-1", "system": "0-1"}, ((0, 1),), "generator and system shared CPUs 0-1"),
    ({}, (), ""),
]  # fmt: skip


@pytest.mark.parametrize(("by_role", "cores", "sentence"), SAID)
def test_one_sentence_says_who_was_where_and_shared_what(by_role, cores, sentence: str) -> None:
    assert placement_text({role: parse_cpus(text) for role, text in by_role.items()}, cores) == sentence


PLAN = "name: a\nsystems: [direct]\nload: {rate: 1k/s}\nphases: {measure: 10 s}\n"


@pytest.mark.parametrize(
    ("written", "meant"),
    [("", "auto"), ("cpus: shared", "shared"), ("cpus: {generator: 0}", {"generator": "0"}),
     ('cpus: {system: "1,0", origin: 4-7}', {"system": "0-1", "origin": "4-7"})],
)  # fmt: skip
def test_a_plan_keeps_what_it_means(written: str, meant: object) -> None:
    plan = parse_plan(PLAN + written, "a")
    assert choice_of(plan.cpus) == meant
    # What a run that is resumed is held against.
    compiled = json.loads(json.dumps(compiled_document(plan, compile_cases(plan))))["plan"]["cpus"]
    given = (
        {role: text for role, text in compiled.items() if text} if isinstance(compiled, dict) else compiled
    )
    assert given == meant


def found(role: Role, *processes: tuple[str, str]) -> RoleCpus:
    union = format_cpus(cpu for _, cpus in processes for cpu in parse_cpus(cpus))
    return RoleCpus(role, union, tuple(ProcessCpus(name, name, cpus) for name, cpus in processes))


def test_who_is_found_elsewhere_is_doubted() -> None:
    asked = replace(GOOD, facts=replace(GOOD.facts, cpus=CpusAsked({"system": "1-2", "generator": "0"})))
    # A program that keeps itself to a part is where it should be.
    inside = replace(
        asked, cpus=(found("system", ("edge-1", "1-2"), ("edge-2", "2")), found("generator", ("w", "0")))
    )
    assert judge_trial(inside).is_valid
    outside = replace(asked, cpus=(found("system", ("edge-1", "1-2"), ("edge-2", "0-1")),))
    (reason,) = judge_trial(outside).reasons
    assert (reason.code, reason.direction) == ("environment.cpus", "either")
    assert "system edge-2 on 0-1, to be on 1-2" in reason.text
    # Nobody was to be anywhere.
    assert judge_trial(replace(GOOD, cpus=outside.cpus)).is_valid


def test_the_looks_of_the_window_count_and_each_process_by_itself() -> None:
    def look(at_s: float, incarnation: str, cpus: str | None) -> ProcessSample:
        return ProcessSample(
            at_s, "system", "edge", incarnation, "nginx", 0, 0, 0, 0, 0, 1, 0.0, cpus_allowed=cpus
        )

    window = Window(10 * 10**9, 20 * 10**9)
    looks = [look(9, "1@1", "0-7"), look(10, "1@1", "1"), look(11, "1@1", None), look(20.05, "2@9", "2")]
    (role,) = cpus_in(looks, window)
    assert role == RoleCpus(
        "system", "1-2", (ProcessCpus("edge", "nginx", "1"), ProcessCpus("edge", "nginx", "2"))
    )
    assert cpus_in(looks, None) == ()


SIXTEEN = replace(LARGE, cpu_layout=layout(16))


def test_preflight_says_who_would_be_where() -> None:
    assert find("cpus", replace(ENVOY, cpus="auto"), SIXTEEN).text == (
        "generator on CPUs 1-4, system on 5-11, origin on 12-15, Seatrial itself on 0"
    )
    few = replace(SIXTEEN, cpu_quota_cores=2.0)
    text = find("cpus", replace(ENVOY, cpus="auto"), few).text
    assert text.startswith("nobody is kept to CPUs of its own: 2 whole cores may be used within a quota of 2")


@pytest.mark.parametrize(
    ("cpus", "text"),
    [({"system": "14-17"}, "CPUs 16-17 for the system: this machine has 0-15"),
     ({"origin": "3"}, "CPU 3 for the origin: this process may use 0-2 only"),
     ({"generator": "0", "seatrial": "9"}, "CPU 9 for Seatrial itself: this process may use 0-2 only")],
)  # fmt: skip
def test_what_is_not_there_is_refused(cpus: dict[Role, str], text: str) -> None:
    allowed = None if "system" in cpus else frozenset({0, 1, 2})
    machine = replace(LARGE, cpu_layout=layout(16, 1, allowed))
    finding = find("cpus", replace(ENVOY, cpus=cpus), machine)
    assert finding.severity == "refuse"
    assert text in finding.text
    assert "`cpus: auto`" in finding.remedy


def test_the_rate_is_held_against_the_share_of_each_role() -> None:
    # 100k/s take 1.3 cores of the generator, 3.25 of the proxy, and 5.85 in all.
    needs = replace(ENVOY, rate_per_s=100_000)
    assert find("cpu-rate", needs, SIXTEEN).severity == "ok"
    assert find("cpu-rate", replace(needs, cpus="auto"), SIXTEEN).severity == "ok"
    few = find(
        "cpu-rate", replace(needs, cpus={"generator": "0-3", "system": "4-6", "origin": "7-15"}), SIXTEEN
    )
    assert few.severity == "warn"
    assert "for proxy = 3.2 cores, but there are 3 (CPUs 4-6)" in few.text
    assert few.remedy == "a rate of 92307/s at most, or more of them in `cpus`"
    # The origin may use the same ones: both have to fit.
    both: dict[Role, str] = {"generator": "0-3", "system": "4-7", "origin": "4-7"}
    assert (
        "for proxy and origin = 4.5 cores, but there are 4"
        in find("cpu-rate", replace(needs, cpus=both), SIXTEEN).text
    )
    alone = find("cpu", replace(needs, cpus=both), SIXTEEN)
    assert (alone.severity, alone.text[:39]) == ("ok", "the generator is kept to CPUs 0-3; want")
    assert find("cpu", replace(needs, cpus={"generator": "0", "origin": "0-1"}), SIXTEEN).severity == "warn"


def own_lists() -> set[str]:
    tasks = Path("/proc/self/task").iterdir()
    return {(task / "status").read_text().partition("Cpus_allowed_list:")[2].split()[0] for task in tasks}


def test_every_thread_of_this_process_is_moved_and_put_back() -> None:
    before, stop = own_lists(), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    one = frozenset({min(os.sched_getaffinity(0))})
    try:
        with kept_to(one):
            assert own_lists() == {format_cpus(one)}
            with kept_to(None):
                assert own_lists() == {format_cpus(one)}
        assert own_lists() == before
        with pytest.raises(EnvironmentFault, match="8191"), kept_to(frozenset({8_191})):
            pass
        assert own_lists() == before
    finally:
        stop.set()
        thread.join()
