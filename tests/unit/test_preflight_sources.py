"""A load can come only from addresses that this machine has."""

from __future__ import annotations

import pytest

from seatrial.errors import EnvironmentFault
from seatrial.preflight.sources import require_sources


def test_every_address_of_loopback_is_one():
    require_sources(["127.0.0.1", "127.9.9.9", "127.255.255.254"])


def test_another_machines_address_is_refused_by_name():
    with pytest.raises(EnvironmentFault, match=r"192\.0\.2\.7 is not an address of this machine"):
        require_sources(["127.0.0.1", "192.0.2.7"])
