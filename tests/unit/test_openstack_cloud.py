"""The simulated cloud without a server: what becomes true when, limits and faults, on a clock of the test."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from seatrial.faults.fault import read_words
from seatrial.faults.planted import Faults
from seatrial.openstack.cloud.changes import KEPT_LIMIT, Change, Changes
from seatrial.openstack.cloud.cloud import Cloud
from seatrial.openstack.cloud.moments import Clock
from seatrial.openstack.cloud.projects import Directory
from seatrial.openstack.cloud.resources import Kind, Resource
from seatrial.openstack.cloud.services import Services, Shape, described
from seatrial.openstack.cloud.tokens import TOKENS_LIMIT, Tokens
from seatrial.openstack.faults.fault import CloudFault
from seatrial.openstack.faults.rates import Rate, RateLimit

SECOND_NS = 1_000_000_000


@dataclass
class Time:
    """A clock that the test sets."""

    now_ns: int = 10 * SECOND_NS

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now_ns, ahead_ns=0)


def made(seed: int, shape: Shape, time: Time | None = None) -> tuple[Cloud, Services, Directory]:
    cloud, directory = Cloud(seed, (time or Time()).clock), Directory(seed, "password")
    services = Services(cloud, directory)
    assert len(list(services.create(shape))) == shape.services
    cloud.open()
    return cloud, services, directory


def test_the_same_numbers_give_the_same_cloud() -> None:
    shape = Shape(services=40, projects=7, listeners=2, members=3)

    def picture(seed: int) -> list[dict[str, object]]:
        cloud, _, directory = made(seed, shape)
        found = []
        for one in cloud.all(Kind.LOAD_BALANCER):
            project = directory.project(one.project_id)
            assert project is not None
            found.append(described(one, project.name))
        assert sum(cloud.count(kind) for kind in Kind) == shape.resources
        return found

    first = picture(1)
    assert picture(1) == first
    assert {one["id"] for one in picture(2)}.isdisjoint(one["id"] for one in first)
    assert [one["project"] for one in first[:8]] == [f"project-{n:04}" for n in (1, 2, 3, 4, 5, 6, 7, 1)]
    addresses = [one["vip_address"] for one in first]
    assert len(set(addresses)) == len(addresses)


def test_a_change_is_through_at_exactly_its_moment() -> None:
    time = Time()
    cloud, _, _ = made(1, Shape(services=1, projects=1), time)
    (balancer,) = cloud.all(Kind.LOAD_BALANCER)
    (pool,) = cloud.all(Kind.POOL)
    attributes = {"address": "10.0.0.1", "protocol_port": 1}
    member = cloud.create(Kind.MEMBER, pool.project_id, attributes, pool, pending_ns=5)

    def statuses() -> tuple[str, str, str]:
        cloud.settle()
        return member.status, pool.status, balancer.status

    time.now_ns += 4
    assert statuses() == ("PENDING_CREATE", "PENDING_UPDATE", "PENDING_UPDATE")
    time.now_ns += 1
    assert statuses() == ("ACTIVE", "ACTIVE", "ACTIVE")
    cloud.delete(balancer, pending_ns=7)
    time.now_ns += 6
    assert statuses() == ("PENDING_DELETE", "PENDING_DELETE", "PENDING_DELETE")
    assert cloud.get(Kind.MEMBER, member.id) is member
    time.now_ns += 1
    cloud.settle()
    assert all(cloud.count(kind) == 0 for kind in Kind)
    changes = list(cloud.changes.after(0, 100))
    assert [(one.what, one.kind, one.done_ns - one.seen_ns) for one in changes] == [
        ("create", "member", 5),
        *(("delete", kind, 7) for kind in ("loadbalancer", "pool", "member", "member", "member", "listener")),
    ]


def test_what_is_removed_meanwhile_does_not_come_back() -> None:
    time = Time()
    cloud, _, _ = made(1, Shape(services=1, projects=1), time)
    (balancer,) = cloud.all(Kind.LOAD_BALANCER)
    cloud.update(balancer, {"name": "new"}, pending_ns=5)
    cloud.delete(balancer, pending_ns=10)
    time.now_ns += 5
    cloud.settle()
    assert balancer.status == "PENDING_DELETE"
    time.now_ns += 5
    cloud.settle()
    assert cloud.get(Kind.LOAD_BALANCER, balancer.id) is None


def test_a_pool_that_goes_is_no_listeners_default_any_more() -> None:
    cloud, _, _ = made(1, Shape(services=1, projects=1))
    (pool,), (listener,) = cloud.all(Kind.POOL), cloud.all(Kind.LISTENER)
    assert listener.attributes["default_pool_id"] == pool.id
    cloud.delete(pool)
    assert listener.attributes["default_pool_id"] is None
    assert cloud.count(Kind.MEMBER) == 0
    (balancer,) = cloud.all(Kind.LOAD_BALANCER)
    assert balancer.of(Kind.POOL) == {}


def test_the_last_changes_are_kept_and_the_dropped_are_counted() -> None:
    changes = Changes()
    change = Change(1, "update", "pool", "id", "name", "project", 1, 1)
    for sequence in range(1, KEPT_LIMIT + 4):
        changes.add(replace(change, sequence=sequence))
    assert (changes.last, changes.dropped) == (KEPT_LIMIT + 3, 3)
    assert [one.sequence for one in changes.after(0, 2)] == [4, 5]
    assert [one.sequence for one in changes.after(KEPT_LIMIT, 10)] == [KEPT_LIMIT + n for n in (1, 2, 3)]
    assert list(changes.after(KEPT_LIMIT + 3, 10)) == []


def test_a_token_is_good_until_it_expires_and_there_is_a_bound() -> None:
    time = Time()
    directory = Directory(1, "password")
    tokens = Tokens(time.clock, SECOND_NS)
    token = tokens.issue(directory.admin, directory.admin.project, ("password",))
    time.now_ns += SECOND_NS - 1
    assert tokens.find(token.value) is token
    time.now_ns += 1
    assert tokens.find(token.value) is None
    first, *rest = (tokens.issue(directory.admin, None, ("password",)) for _ in range(TOKENS_LIMIT + 1))
    assert tokens.find(first.value) is None
    assert tokens.find(rest[-1].value) is rest[-1]


def test_a_rate_lets_through_what_arithmetic_says() -> None:
    time = Time()
    limit = RateLimit(time.clock, Rate(per_s=4.0, burst=2.0))
    assert [limit.wait_s("a") for _ in range(3)] == [0.0, 0.0, 0.25]
    assert limit.wait_s("b") == 0.0
    time.now_ns += SECOND_NS // 4
    assert limit.wait_s("a") == 0.0
    assert limit.wait_s("a") == pytest.approx(0.25)
    # Asking four times as fast as allowed for ten seconds: the burst, and four a second.
    passed = 0
    for _ in range(160):
        passed += limit.wait_s("c") == 0.0
        time.now_ns += SECOND_NS // 16
    assert passed in range(40, 43)
    assert limit.refused == 2 + 160 - passed


def test_faults_befall_as_often_and_as_long_as_they_say() -> None:
    time = Time()
    faults = Faults(CloudFault, "openstack", 1, time.clock.now_ns)
    directory = Directory(1, "password")
    project = directory.add_project("team")
    counted, timed = faults.plant(
        [
            read_words(CloudFault, "status status=503 count=2 path=/network/*"),
            read_words(CloudFault, "reset for=2s project=team"),
        ]
    )

    def befallen(path: str, who: str | None = None) -> int | None:
        of = None if who is None else directory.project(who)
        _, found = faults.befalling(lambda fault: fault.is_about("GET", path, of))
        return None if found is None else found.id

    assert befallen("/network/v2.0/lbaas/pools") == counted.id
    assert befallen("/load-balancer/v2/lbaas/pools") is None
    assert befallen("/load-balancer/v2/lbaas/pools", "team") == timed.id
    # The first that fits happens, and only that one is counted.
    assert befallen("/network/v2.0/lbaas/pools", project.id) == counted.id
    assert (counted.done, timed.done) == (2, 1)
    assert befallen("/network/v2.0/lbaas/pools", "team") == timed.id
    time.now_ns += 2 * SECOND_NS
    assert befallen("/network/v2.0/lbaas/pools", "team") is None
    assert counted.is_over(time.now_ns)
    assert timed.is_over(time.now_ns)


def test_a_latencys_quantiles_are_those_that_were_asked_for() -> None:
    faults = Faults(CloudFault, "openstack", 1, Time().clock.now_ns)
    faults.plant([read_words(CloudFault, "latency p50=100ms p99=400ms")])
    drawn = sorted(faults.befalling(lambda _: True)[0] for _ in range(20_000))
    assert drawn[10_000] == pytest.approx(0.1, rel=0.05)
    assert drawn[19_800] == pytest.approx(0.4, rel=0.15)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "no fault"),
        ("reset share=0", "share"),
        ("status status=200", "out of range"),
        ("latency time=1s p50=1s p99=2s", "a latency is"),
        ("latency p50=2s p99=1s", "not below"),
        ("reset retry_after=1s", "`retry_after`"),
        ("token time=1s", "`time`"),
        ("page p50=1s", "`p50`"),
        ("reset colour=red", "colour"),
        ("reset method=FETCH", "method"),
    ],
)
def test_words_that_are_no_fault_are_refused_with_the_reason(words: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_words(CloudFault, words)


def test_only_what_hangs_on_it_goes_with_a_resource() -> None:
    cloud, _, _ = made(1, Shape(services=3, projects=2, listeners=2, members=2))
    balancers: list[Resource] = list(cloud.all(Kind.LOAD_BALANCER))
    cloud.delete(balancers[1])
    assert [cloud.count(kind) for kind in Kind] == [2, 4, 4, 8, 0]
    assert list(cloud.all(Kind.LOAD_BALANCER)) == [balancers[0], balancers[2]]
    assert list(cloud.all(Kind.LOAD_BALANCER, balancers[1].project_id)) == []
