"""Each faulty relative of the reference discoverer has its fault, and the one with set times keeps them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.api_server import ApiServer
from tests.support.discovering import Backend, RunningDiscoverer, discovering
from tests.support.listed import ListSource, listing
from tests.support.program import wait_until
from tests.support.tampering import tampering

pytestmark = pytest.mark.cluster
AFTER_NS = 300_000_000


@pytest.fixture
def source() -> Iterator[ListSource]:
    with listing() as made:
        yield made


@pytest.fixture
def backend(server: ApiServer) -> Iterator[Backend]:
    made = Backend(server, f"r-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()


def flags(source: ListSource, backend: Backend, kubeconfig: Path | None = None) -> tuple[str, ...]:
    into = ("--into", str(kubeconfig or backend.server.kubeconfig), "--backend", backend.name)
    return *source.flags(), *into, "--period", "200ms"


def names(backend: Backend, count: int, namespace: str = "storm") -> list[str]:
    return [f"{backend.name}-{namespace}/shop-{number:03}" for number in range(count)]


def depth(running: RunningDiscoverer) -> float:
    return running.metric("queue_depth")


def test_rewrites_calls_for_every_object_in_each_cycle_and_its_queue_grows(
    source: ListSource, backend: Backend
) -> None:
    source.set(*names(backend, 10))
    with discovering(*flags(source, backend), "--qps", "50", "--burst", "1", relative="rewrites") as running:
        backend.becomes(source.ends)
        # 10 services of two objects each, five times a second, at 50 calls a second.
        first = depth(running)
        running.after_cycles(5)
        second, writes = depth(running), running.writes()
        running.after_cycles(5)
        assert first < second < depth(running)
        assert running.writes() > writes


def test_gauge_never_comes_back_to_zero(source: ListSource, backend: Backend) -> None:
    source.set(*names(backend, 12))
    with discovering(*flags(source, backend), "--qps", "0", relative="gauge") as running:
        backend.becomes(source.ends)
        assert wait_until(lambda: running.metric("enqueued_total") == running.metric("done_total"), 20)
        running.after_cycles(3)
        assert depth(running) > 0


def test_drops_loses_what_has_failed_once(source: ListSource, backend: Backend, tmp_path: Path) -> None:
    source.set(*names(backend, 4))
    lost = names(backend, 4)[2]
    with tampering(backend.server, tmp_path) as between:
        between.refuse("POST", f"*/namespaces/{backend.name}-storm/services", 500, 1)
        with discovering(
            *flags(source, backend, between.kubeconfig), "--workers", "1", relative="drops"
        ) as running:
            assert wait_until(lambda: running.metric("dropped_total") == 1, 20)
            running.after_cycles(3)
            assert len(backend.addresses()) == 3
            assert (running.metric("replicated_services"), depth(running)) == (3, 0)
            (lost,) = source.ends.keys() - backend.addresses().keys()
            source.set(lost)
            backend.becomes(source.ends)


def test_limited_makes_five_calls_a_second_whatever_it_is_told(source: ListSource, backend: Backend) -> None:
    source.set(*names(backend, 15))
    began_s = time.monotonic()
    with discovering(*flags(source, backend), "--qps", "0", relative="limited") as running:
        backend.becomes(source.ends)
        # 30 objects and a namespace: 10 at once, the others at 5 a second.
        assert running.writes() == 31
        assert time.monotonic() - began_s > 21 / 5


def test_starves_does_all_of_a_storm_before_anything_else(
    source: ListSource, backend: Backend, tmp_path: Path
) -> None:
    storm, new = names(backend, 30), f"{backend.name}-quiet/new"
    source.set(*storm)
    with discovering(*flags(source, backend), "--qps", "0"):
        backend.becomes(source.ends)
    with tampering(backend.server, tmp_path) as between:
        # Doomed: they are gone already, it says.
        doomed = between.refuse("DELETE", f"*/namespaces/{backend.name}-storm/services/*", 404, 20)
        limited = ("--qps", "20", "--burst", "1")
        with discovering(
            *flags(source, backend, between.kubeconfig), *limited, relative="starves"
        ) as running:
            running.after_cycles(1)
            source.remove(*storm)
            assert wait_until(lambda: running.metric("enqueued_total") >= 30, 20)
            source.set(new)
            assert wait_until(lambda: new in backend.addresses(), 30, 0.02)
            assert doomed.done == 20
            # All but what was dropped: that waits for the next cycle.
            first_of_new = between.paths.index(("POST", f"/api/v1/namespaces/{backend.name}-quiet/services"))
            before = [path for method, path in between.paths[:first_of_new] if method == "DELETE"]
            assert len({path for path in before if "/services/" in path}) == 30


def test_leaves_deletes_nothing(source: ListSource, backend: Backend) -> None:
    one, other, third = names(backend, 3)
    source.set(one, other)
    with discovering(*flags(source, backend), relative="leaves") as running:
        backend.becomes(source.ends)
        left = dict(source.ends)
        source.remove(one)
        source.set(third)
        backend.becomes(left | source.ends)
        running.after_cycles(2)
        backend.becomes(left | source.ends)
        running.assert_conserved()


def test_moments_replicates_at_set_moments_and_keeps_a_journal(
    source: ListSource, backend: Backend, tmp_path: Path
) -> None:
    one, other, third = names(backend, 3)
    source.set(one, other)
    journal = tmp_path / "journal"
    more = ("--after", f"{AFTER_NS // 1_000_000}ms", "--journal", str(journal))
    with discovering(*flags(source, backend), *more, relative="moments"):
        backend.becomes(source.ends)
        added_ns = {name: source.visible_ns[name] for name in (one, other)}
        source.set(third)
        source.set(one)
        source.remove(other)
        changes = {
            ("create", third): source.visible_ns[third],
            ("update", one): source.visible_ns[one],
            ("delete", other): source.extra["visible_ns"],
        } | {("create", name): moment_ns for name, moment_ns in added_ns.items()}
        backend.becomes(source.ends)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert {line["kind"] for line in lines} == {"namespaces", "services", "endpointslices"}
    for (change, name), visible_ns in changes.items():
        found = [
            line
            for line in lines
            if (line["change"], f"{line['namespace']}/{line['name']}") == (change, name)
        ]
        assert len(found) == (1 if change == "update" else 2), (change, name, lines)
        for line in found:
            assert line["answered_ns"] > line["sent_ns"] >= visible_ns + AFTER_NS
        # A busy machine may be late, never early.
        assert min(line["sent_ns"] for line in found) < visible_ns + AFTER_NS + 2_000_000_000
