"""Reading what proxies and the kernel print, without either."""

from __future__ import annotations

import os

import pytest

from seatrial.errors import SystemFault
from seatrial.machine import proc
from seatrial.machine.address import Endpoint
from seatrial.machine.processes.guard import describe_exit
from seatrial.systems.nginx.dialect import parse_stub_status

PAGE = """Active connections: 291
server accepts handled requests
 16630948 16630948 31070465
Reading: 6 Writing: 179 Waiting: 106
"""


def test_stub_status_is_read_less_the_readings_themselves() -> None:
    assert parse_stub_status(PAGE, own_polls=3) == {
        "active": 290, "accepts": 16630945, "handled": 16630945, "requests": 31070462,
        "reading": 6, "writing": 178, "waiting": 106,
    }  # fmt: skip


def test_another_page_is_not_taken_for_stub_status() -> None:
    with pytest.raises(SystemFault, match="something else"):
        parse_stub_status("<html>404</html>", 1)


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "ended with exit status 0"), (-9, "was killed by SIGKILL"), (-200, "was killed by signal 200")],
)
def test_an_exit_status_is_put_into_words(status: int, words: str) -> None:
    assert describe_exit(status) == words


@pytest.mark.parametrize(
    ("address", "url"),
    [(Endpoint("127.0.0.1", 80), "http://127.0.0.1:80/"), (Endpoint("::1", 80), "http://[::1]:80/")],
)
def test_an_address_has_a_url(address: Endpoint, url: str) -> None:
    assert address.url == url
    assert str(address) == url[7:-1]


def test_this_process_is_itself_and_no_other() -> None:
    its = proc.stat(os.getpid())
    assert its is not None
    assert its.parent == os.getppid()
    assert proc.is_alive(os.getpid(), its.started_ticks)
    assert not proc.is_alive(os.getpid(), its.started_ticks + 1)
    assert proc.stat(2**22 + 1) is None
