"""The reference discoverer from a list over HTTP: what has not changed is not sent, what is no list changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.api_server import ApiServer
from tests.support.discovering import Backend, discovering
from tests.support.listed import ListSource, listing
from tests.support.program import wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture
def source() -> Iterator[ListSource]:
    with listing() as made:
        yield made


@pytest.fixture
def backend(server: ApiServer) -> Iterator[Backend]:
    made = Backend(server, f"h-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()


def flags(source: ListSource, backend: Backend) -> tuple[str, ...]:
    into = ("--into", str(backend.server.kubeconfig), "--backend", backend.name)
    return *source.flags(), *into, "--period", "100ms", "--source-timeout", "1s", "--qps", "0"


def test_a_list_is_carried_and_its_order_means_nothing(source: ListSource, backend: Backend) -> None:
    names = [f"{backend.name}/shop-{number}" for number in range(8)]
    source.set(*names)
    source.ends[names[0]] += ["172.19.0.1:9090", "[fd00::1]:8080"]
    with discovering(*flags(source, backend)) as running:
        wanted = source.ends | {names[0]: [*source.ends[names[0]][:2], "fd00::1:8080"]}
        backend.becomes(wanted)
        slices = [one for one in backend.objects() if one["kind"] == "EndpointSlice"]
        # Ports or families that differ cannot be in one slice.
        assert len(slices) == 8 + 2
        versions, writes, fetched = backend.versions(), running.writes(), source.statuses[200]
        running.after_cycles(3)
        assert source.statuses[200] == fetched == 1
        source.is_reversed = True
        running.after_cycles(3)
        assert source.statuses[200] == 2
        assert (backend.versions(), running.writes()) == (versions, writes)
        source.set(names[1])
        source.remove(names[0], names[2])
        del wanted[names[0]], wanted[names[2]]
        backend.becomes(wanted | {names[1]: source.ends[names[1]]})
        running.assert_conserved()


def test_a_source_that_is_away_or_broken_is_no_empty_one(source: ListSource, backend: Backend) -> None:
    source.set(*(f"{backend.name}/shop-{number}" for number in range(3)))
    with discovering(*flags(source, backend)) as running:
        backend.becomes(source.ends)
        versions = backend.versions()
        answers: tuple[tuple[Any, dict[str, Any]], ...] = (
            (500, {}),
            (404, {}),
            ("half", {}),
            (200, {"services": "none"}),
            (200, {"services": [{"name": "shop-1"}]}),
            (
                200,
                {"services": [{"name": "a", "namespace": "b", "ports": [80], "endpoints": ["nowhere:80"]}]},
            ),
        )
        for answer, extra in answers:
            # What is cut off is another list, or none would be sent.
            source.answer, source.extra = answer, extra or {"changed": answer}
            before = running.metric("errors_total", errortype="fetch")
            assert wait_until(
                lambda seen=before: running.metric("errors_total", errortype="fetch") > seen, 20, 0.05
            )
            assert backend.versions() == versions
        source.answer, source.extra = 200, {}
        source.set(f"{backend.name}/later")
        backend.becomes(source.ends)
        running.assert_conserved()


def test_a_source_that_is_away_when_it_begins_is_waited_for(server: ApiServer, backend: Backend) -> None:
    with listing() as source:
        source.set(f"{backend.name}/shop")
        with discovering(*flags(source, backend)):
            backend.becomes(source.ends)
        source.answer = 503
        with discovering(*flags(source, backend)) as running:
            running.after_cycles(3)
            assert running.health()[0] == 503
            assert (running.writes(), backend.addresses()) == (0, source.ends)
            source.answer = 200
            source.remove(f"{backend.name}/shop")
            backend.becomes({})
            assert running.health() == (200, "ok\n")


def test_it_goes_on_when_the_destination_is_back(source: ListSource, backend: Backend) -> None:
    source.set(*(f"{backend.name}/shop-{number}" for number in range(3)))
    with discovering(*flags(source, backend)) as running:
        backend.becomes(source.ends)
        backend.server.kill()
        source.set(f"{backend.name}/shop-1", f"{backend.name}/new")
        source.remove(f"{backend.name}/shop-2")
        assert wait_until(lambda: running.metric("dropped_total") > 0, 20, 0.05)
        backend.server.start()
        backend.becomes(source.ends)
        running.assert_conserved()
        assert running.metric("errors_total", errortype="watch_destination") > 0
