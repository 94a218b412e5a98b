"""What ``seatrial openstack -h`` prints: the flags that scripts rely on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from syrupy.assertion import SnapshotAssertion
from tests.support.program import Outcome


def test_the_flags_are_as_they_were(
    invoke: Callable[..., Outcome], snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    # click wraps at the terminal's width.
    monkeypatch.setenv("COLUMNS", "100")
    outcome = invoke("openstack", "--help")
    assert outcome.code == 0
    assert outcome.stdout == snapshot
