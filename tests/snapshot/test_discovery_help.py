"""What ``seatrial openstack -h`` and ``seatrial discoverer -h`` print: the flags that scripts rely on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from syrupy.assertion import SnapshotAssertion
from tests.support.program import Outcome


@pytest.mark.parametrize("command", ["openstack", "discoverer"])
def test_the_flags_are_as_they_were(
    command: str, invoke: Callable[..., Outcome], snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    # click wraps at the terminal's width.
    monkeypatch.setenv("COLUMNS", "100")
    outcome = invoke(command, "--help")
    assert outcome.code == 0
    assert outcome.stdout == snapshot
