"""How many connections a worker pod holds: the arithmetic, by hand."""

from __future__ import annotations

import pytest

from seatrial.preflight.needs import Needs
from seatrial.preflight.places.pods import Pod, check_pods, pods_needed, room_of

GIB = 1 << 30
POD = Pod(memory_bytes=GIB, ports=64_512, descriptors=1_048_576)


def test_the_least_of_ports_memory_and_open_files_holds() -> None:
    assert room_of(POD, Needs()).by_ports == 64_512
    # 80 % of a GiB without the process, over half a pair of sockets and a worker's own state of it.
    assert room_of(POD, Needs()).by_memory == int((0.8 * GIB - 40e6) / (4_800 + 256)) == 161_984
    few = Pod(GIB, 64_512, 20_000)
    assert (room_of(POD, Needs()).bound_by, room_of(few, Needs()).bound_by) == ("ports", "open files")
    assert room_of(few, Needs()).connections == 20_000 - 66
    wide = room_of(POD, Needs(destinations=4))
    assert (wide.connections, wide.bound_by) == (161_984, "memory")


@pytest.mark.parametrize(("held", "pods"), [(1, 1), (64_512, 1), (64_513, 2), (10_000_000, 156)])
def test_so_many_pods_are_needed(held: int, pods: int) -> None:
    assert pods_needed(POD, Needs(held=held)) == pods


def test_connections_that_are_opened_anew_keep_their_ports_for_a_second() -> None:
    assert pods_needed(POD, Needs(held=64_000, reopened_per_s=1_000)) == 2


def test_tls_takes_more_memory() -> None:
    small = Pod(256 << 20, 64_512, 1_048_576)
    assert room_of(small, Needs(tls=True)).by_memory < room_of(small, Needs()).by_memory / 1.5


def test_too_few_pods_are_refused_with_the_number_that_is_needed() -> None:
    (finding,) = check_pods(Needs(held=200_000), POD, 3)
    assert finding.severity == "refuse"
    assert "200000 connections need 4 pods, asked for: 3" in finding.text
    assert finding.remedy == "`workers: 4` or more, or more destination addresses"
    (fine,) = check_pods(Needs(held=200_000), POD, 4)
    assert fine.severity == "ok"


def test_a_pod_too_small_for_its_program_is_refused() -> None:
    (finding,) = check_pods(Needs(held=10), Pod(32 << 20, 64_512, 1_024), 5)
    assert (finding.severity, finding.remedy) == ("refuse", "give each pod more memory, or more open files")
