"""What connections carry is a mixture: a server of ours writes down which connection asked for which host."""

from __future__ import annotations

import re
import socket
from collections import Counter
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from tests.support.hostile import ANSWER, Behaviour, asked, serving
from tests.support.program import run_seatrial

from seatrial.errors import ExitCode

HOST = re.compile(rb"\r\nHost: (\S+)\r\n")


class Seen:
    """How often each connection to each server asked for each host."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, int], Counter[bytes]] = {}

    def behaviour(self, server: str) -> Behaviour:
        def behave(connection: socket.socket) -> None:
            counts = self.counts.setdefault((server, connection.getpeername()[1]), Counter())
            while request := asked(connection):
                found = HOST.search(request)
                assert found, request
                counts[found[1]] += 1
                connection.sendall(ANSWER)

        return behave

    def hosts(self) -> Counter[bytes]:
        return sum(self.counts.values(), Counter())

    def dependence(self) -> float:
        """Pearson's statistic of connection and host, in standard deviations above its mean if independent."""
        hosts = self.hosts()
        total, statistic = sum(hosts.values()), 0.0
        for counts in self.counts.values():
            for host, of_host in hosts.items():
                expected = sum(counts.values()) * of_host / total
                statistic += (counts[host] - expected) ** 2 / expected
        degrees = (len(self.counts) - 1) * (len(hosts) - 1)
        return float((statistic - degrees) / (2 * degrees) ** 0.5)


@pytest.mark.parametrize(
    "pace", [("-R", "2000", "-d", "2s"), ("--closed", "-d", "1s")], ids=["open", "closed"]
)
def test_every_connection_worker_and_target_carries_every_host(pace: tuple[str, ...]) -> None:
    seen = Seen()
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(seen.behaviour(name))) for name in ("first", "second")]
        targets = ",".join(urlsplit(url).netloc for url in urls)
        outcome = run_seatrial(
            "load", urls[0], "-q", "--json", "-", "-t", "2", "-c", "8", "--target", targets, "--host", "a,b", *pace
        )  # fmt: skip
    assert outcome.code in {ExitCode.PASS, ExitCode.INVALID_MEASUREMENT}, outcome.stderr
    assert len(seen.counts) == 8
    assert [server for server, _ in seen.counts].count("first") == 4
    hosts = seen.hosts()
    # Each worker's last block of 64 may be unfinished.
    assert abs(hosts[b"a"] - hosts[b"b"]) <= 2 * 64, hosts
    assert sum(hosts.values()) == outcome.document["requests"]["sent"]
    assert seen.dependence() < 6, seen.counts


def test_connections_of_many_workers_are_dealt_to_targets_alike() -> None:
    """Three workers with one connection each: were each to begin with the first target, all would go there."""
    seen = Seen()
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(seen.behaviour(name))) for name in ("first", "second", "third")]
        targets = ",".join(urlsplit(url).netloc for url in urls)
        run_seatrial(
            "load", urls[0], "-q", "-t", "3", "-c", "3", "-R", "60", "-d", "500ms", "--target", targets
        )
    assert sorted(server for server, _ in seen.counts) == ["first", "second", "third"]
