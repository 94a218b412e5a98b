"""What counts as replicated, by watch events that are played: the wrong ports, two names, one that comes and goes."""

from __future__ import annotations

from typing import Any, Literal, cast

import pytest

from seatrial.cluster.client import Client
from seatrial.cluster.watch import Change
from seatrial.discovery.destination import Destination
from seatrial.discovery.sources.base import Service, gone
from seatrial.systems.discovering import ReplicaKind

OWN = "run-1"
WANTED = Service("1", OWN, "shop", frozenset({"172.16.0.1:8080", "172.16.0.2:8080"}))
UPDATED = Service("1", OWN, "shop", frozenset({"172.16.0.3:8080", "172.16.0.4:8080"}))


class Played:
    """A destination whose watches are this test; ``seen`` are the moments at which ``shop`` was as wanted."""

    def __init__(self, kind: ReplicaKind = "endpointslices", is_wanted: bool = True) -> None:
        self.seen: list[float] = []
        self.now_s = 0.0
        # It follows nothing here, and so asks for nothing.
        client = cast("Client", None)
        self.destination = Destination(client, kind, [OWN], lambda _, seen_s: self.seen.append(seen_s))
        if is_wanted:
            self.destination.want(WANTED)

    def service(
        self, name: str = "shop", namespace: str = OWN, ports: tuple[int, ...] = (80,), gone: bool = False
    ) -> None:
        spec = {"ports": [{"port": port} for port in ports]}
        body = {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        self._play("service", "deleted" if gone else "added", body)

    def slice(
        self,
        service: str = "shop",
        namespace: str = OWN,
        of: Service = WANTED,
        port: int = 8080,
        gone: bool = False,
        part: str = "",
    ) -> None:
        labels = {"kubernetes.io/service-name": service}
        addresses = sorted(one.rpartition(":")[0] for one in of.endpoints)
        if part:
            addresses = [one for one in addresses if one.endswith(part)]
        body = {
            "metadata": {"name": f"{service}-{part}", "namespace": namespace, "labels": labels},
            "endpoints": [{"addresses": [one]} for one in addresses],
            "ports": [{"port": port}],
        }
        self._play("endpoints", "deleted" if gone else "added", body)

    def endpoints(self, *subsets: dict[str, Any]) -> None:
        self._play(
            "endpoints", "added", {"metadata": {"name": "shop", "namespace": OWN}, "subsets": list(subsets)}
        )

    @property
    def missing(self) -> list[str]:
        return self.destination.missing()

    def _play(
        self, what: Literal["service", "endpoints"], kind: Literal["added", "deleted"], body: Any
    ) -> None:
        self.now_s += 1.0
        take = self.destination.take_service if what == "service" else self.destination.take_endpoints
        take(Change(kind, body, self.now_s))


def test_a_service_is_there_with_its_endpoints_behind_its_ports() -> None:
    played = Played()
    played.service()
    assert played.missing
    played.slice()
    assert (played.missing, played.seen) == ([], [2.0])


def test_in_several_slices_it_is_there_with_the_last() -> None:
    played = Played()
    played.service()
    played.slice(part=".1")
    assert played.missing
    played.slice(part=".2")
    assert (played.missing, played.seen) == ([], [3.0])


def test_endpoints_say_it_by_their_subsets() -> None:
    played = Played("endpoints")
    played.service()
    ports = [{"port": 8080}]
    played.endpoints({"addresses": [{"ip": "172.16.0.1"}], "ports": ports})
    assert played.missing
    played.endpoints(
        {
            "addresses": [{"ip": "172.16.0.1"}],
            "notReadyAddresses": [{"ip": "172.16.0.2"}],
            "ports": ports,
        }
    )
    assert not played.missing


def test_the_wrong_port_of_its_endpoints_is_not_it() -> None:
    played = Played()
    played.service()
    played.slice(port=8081)
    assert played.missing
    played.slice()
    assert not played.missing


@pytest.mark.parametrize("ports", [(81,), (80, 443), ()])
def test_the_wrong_ports_of_a_service_are_not_it(ports: tuple[int, ...]) -> None:
    played = Played()
    played.slice()
    played.service(ports=ports)
    assert played.missing
    played.service()
    assert not played.missing


def test_endpoints_without_their_service_and_a_service_without_endpoints_are_not_it() -> None:
    played = Played()
    played.slice()
    assert played.missing
    played.service()
    assert not played.missing
    played.slice(gone=True)
    assert played.missing


def test_the_endpoints_of_before_beside_those_of_now_are_not_it() -> None:
    played = Played()
    played.service()
    played.slice(part=".1")
    played.slice(part=".2")
    played.destination.want(UPDATED)
    played.slice(of=UPDATED, part=".3")
    played.slice(of=UPDATED, part=".4")
    assert played.missing
    played.slice(part=".1", gone=True)
    played.slice(part=".2", gone=True)
    assert not played.missing


def test_what_is_there_under_two_names_is_not_it() -> None:
    played = Played()
    for name in ("shop", "shop-again"):
        played.service(name)
        played.slice(name)
    assert played.missing
    # It counts as a relapse: the first was right before the second came.
    assert (played.seen, played.destination.relapses) == ([2.0], 1)
    played.service("shop-again", gone=True)
    assert played.missing, "its endpoints are still there twice"
    played.slice("shop-again", gone=True)
    assert not played.missing


def test_another_name_does_not_matter() -> None:
    played = Played()
    played.service("backend-1-shop")
    played.slice("backend-1-shop")
    assert not played.missing


def test_what_another_run_has_made_with_the_same_addresses_does_not_count() -> None:
    played = Played()
    played.service(namespace="run-2")
    played.slice(namespace="run-2")
    assert (played.missing, played.seen, played.destination.changes) == (["run-1/shop"], [], 0)
    played.service()
    played.slice()
    played.destination.want(gone(WANTED, 9.0).service)
    played.slice(gone=True)
    played.service(gone=True)
    assert not played.missing, "that of the other run is none of ours"


def test_what_comes_and_goes_is_counted() -> None:
    played = Played()
    played.service()
    for _ in range(3):
        played.slice()
        played.slice(gone=True)
    assert (played.destination.relapses, played.seen) == (3, [2.0, 4.0, 6.0])


def test_what_was_asked_for_is_no_relapse() -> None:
    played = Played()
    played.service()
    played.slice()
    played.destination.want(UPDATED)
    assert played.missing
    played.slice(gone=True)
    played.slice(of=UPDATED)
    played.destination.want(gone(UPDATED, 9.0).service)
    played.slice(of=UPDATED, gone=True)
    played.service(gone=True)
    assert (played.missing, played.destination.relapses) == ([], 0)


def test_what_was_deleted_and_comes_back_is_a_relapse() -> None:
    played = Played()
    played.service()
    played.slice()
    played.destination.want(gone(WANTED, 9.0).service)
    played.slice(gone=True)
    played.service(gone=True)
    played.service()
    assert (played.missing, played.destination.relapses) == (["run-1/shop"], 1)


def test_one_that_was_there_before_anybody_asked_is_there_since_it_was_seen() -> None:
    # A discoverer that watches may be done with the first of many before the source has the last.
    played = Played(is_wanted=False)
    played.service()
    played.slice()
    played.slice("other", of=UPDATED)
    played.destination.want(WANTED)
    assert (played.missing, played.seen, played.destination.relapses) == ([], [2.0], 0)


def test_one_that_was_gone_before_anybody_asked_is_gone_since_it_was_seen() -> None:
    played = Played()
    played.service()
    played.slice()
    played.destination.changing(["run-1/shop"])
    played.slice(gone=True)
    played.service(gone=True)
    played.destination.want(gone(WANTED, 1.0).service)
    assert (played.missing, played.seen, played.destination.relapses) == ([], [2.0, 4.0], 0)
