"""What a plan asks of the network, against what was measured of it: the arithmetic, and when it is measured."""

from __future__ import annotations

import pytest

from seatrial.analysis.validity.evidence import capacity_use
from seatrial.errors import SystemFault
from seatrial.machine.namespaces import Namespaces
from seatrial.machine.place import Places
from seatrial.machine.processes.changes import Unrecorded
from seatrial.plan.cases import Case, compile_cases
from seatrial.plan.model.plan import Plan
from seatrial.plan.read import parse_plan
from seatrial.preflight.capacity import (
    Capacity,
    Direction,
    Figure,
    capacity_text,
    check_capacity,
    narrowest,
)
from seatrial.preflight.places.cluster import check_words
from seatrial.run.capacity.iperf3 import bytes_per_s
from seatrial.run.capacity.ways import Way, is_measured, plan_text, way_names, ways_of
from seatrial.run.places.ends import ends_at

PLAN = """
name: wide
systems: [direct, nginx]
origin: {{body: {body}}}
load: {{active: 10, rate: {rate}, request_body: {upload}, method: POST}}
phases: {{warmup: 0 s, measure: {measure}}}
repeat: 1
{rest}
"""


def read(
    body: str = "22 KB", rate: str = "10k/s", upload: str = "0", measure: str = "1 s", rest: str = ""
) -> tuple[Plan, tuple[Case, ...]]:
    plan = parse_plan(
        PLAN.format(body=body, rate=rate, upload=upload, measure=measure, rest=rest), "wide.yaml"
    )
    return plan, compile_cases(plan)


def way(name: str, responses: float, requests: float = 1e9, tool: str = "seatrial") -> Capacity:
    given: tuple[tuple[Direction, float], ...] = (("responses", responses), ("requests", requests))
    return Capacity(name, tuple(Figure(tool, direction, 8, carried) for direction, carried in given), 50_000)


def test_a_plan_within_70_percent_of_the_narrowest_way_is_taken() -> None:
    # Through nginx each body crosses two ways: 10,000 x 22,000 B x 2 = 440 MB/s, and 70 % of 629 MB/s is 440.3 MB/s.
    _, cases = read()
    (finding,) = check_capacity(cases, (way("a", 629e6), way("b", 900e6)))
    assert (finding.code, finding.severity) == ("network-responses", "ok")
    assert "10k/s x 22 KB of responses x 2 ways, to the proxy and on = 440 MB/s" in finding.text
    assert "measured 629 MB/s (seatrial, 8 connections), 70% of it is 440 MB/s" in finding.text
    assert finding.text.startswith("largest case nginx: ")


def test_beyond_it_is_refused_with_what_would_fit() -> None:
    _, cases = read()
    (finding,) = check_capacity(cases, (way("a", 628e6), way("b", 900e6)))
    assert finding.severity == "refuse"
    # 0.7 x 628 MB/s = 439.6 MB/s: over 2 x 22 KB that is 9,990.9/s, over 2 x 10k/s it is 21,980 B.
    assert "a rate of 9990/s at most, or bodies of 21.98 KB" in finding.remedy
    _, direct = read(rest="")
    (only_direct,) = check_capacity(
        [case for case in direct if case.system.kind == "direct"], (way("a", 628e6),)
    )
    assert only_direct.severity == "ok"
    assert "x 2 ways" not in only_direct.text


def test_both_directions_are_looked_at() -> None:
    _, cases = read(body="1 B", upload="22 KB")
    found = {finding.code: finding.severity for finding in check_capacity(cases, (way("a", 1e9, 600e6),))}
    assert found == {"network-responses": "ok", "network-requests": "refuse"}


def test_of_one_way_the_largest_figure_counts_and_of_several_the_least() -> None:
    two = Capacity("a", (Figure("seatrial", "responses", 1, 5e8), Figure("iperf3", "responses", 8, 9e8)), 1)
    most = narrowest((two, way("b", 2e9)), "responses")
    assert most == Figure("iperf3", "responses", 8, 9e8)
    assert narrowest((), "responses") is None
    assert check_capacity(read()[1], ()) == ()


def test_between_nodes_each_way_carries_each_body_once() -> None:
    _, cases = read(rest="place: kubernetes")
    # 10,000 x 22,000 B = 220 MB/s, through a proxy or not; 70 % of 314 MB/s is 219.8 MB/s.
    (finding,) = check_capacity(cases, (way("load - proxy", 315e6), way("proxy - origin", 900e6)))
    assert finding.severity == "ok"
    (finding,) = check_capacity(cases, (way("load - proxy", 314e6), way("proxy - origin", 900e6)))
    assert finding.severity == "refuse"
    assert "10k/s x 22 KB of responses = 220 MB/s; measured 314 MB/s" in finding.text


def test_a_capacity_is_read_back_as_it_was() -> None:
    capacity = Capacity("load - proxy", way("a", 1e9).figures, 12_345.6, ("no iperf3 is installed (get it)",))
    assert Capacity.from_document(capacity.document()) == capacity
    assert capacity_text(capacity) == (
        "responses 1 GB/s (seatrial, 8 connections), requests 1 GB/s (seatrial, 8 connections), 12,346/s small requests"
        "; not measured: no iperf3 is installed (get it)"
    )


@pytest.mark.parametrize(
    ("given", "is_first"),
    [
        ({"rate": "1k/s"}, False),
        # 15 s beside the window, of two systems: measuring takes 13.5 s, which is worth a run of 270 s.
        ({"rate": "1k/s", "measure": "1 min 59 s"}, False),
        ({"rate": "1k/s", "measure": "2 min"}, True),
        # 1,200/s x 22 KB x 2 = 52.8 MB/s.
        ({"rate": "1.2k/s"}, True),
        ({"rate": "1.2k/s", "rest": "capacity: never"}, False),
        ({"rate": "1k/s", "rest": "capacity: always"}, True),
    ],
)
def test_it_is_measured_first_where_that_pays(given: dict[str, str], is_first: bool) -> None:
    plan, cases = read(**given)
    assert is_measured(plan, cases) is is_first
    said = plan_text(plan, cases)
    assert said.startswith("measured first (loopback), about 14 s more" if is_first else "not measured")
    assert "largest case nginx: " in said


@pytest.mark.parametrize(
    ("rest", "is_first", "said"),
    [
        # Three ways of 20 s: worth a run of 1,200 s, or of bodies.
        (
            "place: kubernetes",
            True,
            "measured first (load - proxy, proxy - origin, load - origin), about 60 s more; ",
        ),
        (
            "place: kubernetes\ncapacity: never",
            False,
            "not measured (`capacity: always`, or `seatrial check PLAN --network`, does); ",
        ),
        (
            "place: kubernetes\nkubernetes: {nodes: any}",
            False,
            "not measured: with `kubernetes: {nodes: any}` the roles have no nodes of their own, between which it could"
            " be measured; ",
        ),
    ],
)
def test_on_a_cluster_it_is_measured_between_nodes_of_their_own(rest: str, is_first: bool, said: str) -> None:
    plan, cases = read(rest=rest)
    assert is_measured(plan, cases) is is_first
    assert plan_text(plan, cases).startswith(said)


def test_what_cannot_be_measured_on_a_cluster_is_refused_where_a_plan_insists() -> None:
    on_any = "place: kubernetes\nkubernetes: {nodes: any}\ncapacity: always"
    refused = {finding.text for finding in check_words(read(rest=on_any)[1])}
    assert (
        "`capacity: always`: with `kubernetes: {nodes: any}` the roles have no nodes of their own"
        in "".join(refused)
    )
    _, apart = read(rest="place: kubernetes\ncapacity: always")
    assert not any("capacity" in finding.text for finding in check_words(apart))


def test_the_ways_are_those_that_the_systems_use() -> None:
    plan, _ = read()
    assert way_names(plan) == ("loopback",)
    apart, _ = read(rest="place: namespaces")
    assert way_names(apart) == ("load - proxy", "proxy - origin", "load - origin")
    places = Namespaces(Unrecorded()).places()
    ends = [hosts(way) for way in ways_of(apart, ends_at(places))]
    assert ends == [
        ("198.18.0.1", "198.18.128.1"),
        ("198.18.128.1", "198.19.0.1"),
        ("198.18.0.1", "198.19.0.1"),
    ]
    (loopback,) = ways_of(plan, ends_at(Places.on_this_machine()))
    assert hosts(loopback) == ("127.0.0.1", "127.0.0.1")


def hosts(way: Way) -> tuple[str, str]:
    assert way.clients.place is not None
    assert way.servers.place is not None
    return way.clients.place.host, way.servers.place.host


# What iperf3 3.12 printed here with -R -P 8, without its streams.
IPERF3 = """{"start": {}, "intervals": [], "end": {"streams": [], "sum_sent": {"start": 0, "end": 1.018465,
"seconds": 1.018465, "bytes": 743178240, "bits_per_second": 5837634008.041513, "retransmits": 162, "sender": false},
"sum_received": {"start": 0, "end": 1.000425, "seconds": 1.000425, "bytes": 705822720, "bits_per_second":
5644182982.232552, "sender": false}, "sender_tcp_congestion": "bbr", "receiver_tcp_congestion": "bbr"}}"""


def test_the_figure_of_iperf3_is_what_was_received() -> None:
    assert bytes_per_s(IPERF3, "out.json") == pytest.approx(705_822_720 / 1.000425)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"start": {}, "end": {}, "error": "unable to connect to server: Connection refused"}', "refused"),
        ("", "it printed nothing"),
        ('{"end": {}}', '{"end": {}}'),
        ("iperf3: parameter error", "parameter error"),
    ],
)
def test_an_iperf3_that_measured_nothing_says_why(text: str, why: str) -> None:
    with pytest.raises(SystemFault) as raised:
        bytes_per_s(text, "out.json")
    assert why in (raised.value.cause or "")


def test_without_a_load_nothing_was_carried() -> None:
    assert dict(capacity_use(None, (way("a", 1e9),), proxied=True).carried) == {}
