"""What a pod says of moments is on our clock once it is here: a prober's, too, down to those within a message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from seatrial.generator.clocks import Clocks
from seatrial.generator.pod_channel import PodChannel
from seatrial.pods.talk import Talk

AHEAD_NS = 5_000_000_000_000_000
"""By so much the clock of the pod is before ours."""
NEVER = {"count": 0, "sent_ns": 0, "heard_ns": 0}


class Saying:
    """A conversation with a pod that says these things."""

    def __init__(self, *messages: Mapping[str, Any]) -> None:
        self._messages = messages

    async def messages(self) -> AsyncIterator[Mapping[str, Any]]:
        for message in self._messages:
            yield message

    def send(self, _: Mapping[str, Any]) -> None:
        """Take a command."""

    def send_made(self, _: object) -> None:
        """Take one that is made when it is sent."""

    def leave(self) -> None:
        """Say no more."""


def test_every_moment_of_a_sighting_is_put_onto_our_clock() -> None:
    async def play() -> list[dict[str, Any]]:
        began_ns = time.monotonic_ns()
        hello = {"type": "hello", "boot_id": "other", "monotonic_ns": began_ns + AHEAD_NS}
        moments = {"after_ns": began_ns + AHEAD_NS + 10, "sent_ns": 0, "heard_ns": began_ns + AHEAD_NS + 30}
        lost = {"count": 2, "sent_ns": began_ns + AHEAD_NS + 100, "heard_ns": began_ns + AHEAD_NS + 400}
        settled = {"type": "settled", "id": 1, **moments, "lost": lost, "stale": NEVER}
        channel = PodChannel(cast(Talk, Saying(hello, settled)), "prober", {"worker": 0}, Clocks())
        said = [message async for message in channel.messages()]
        await channel.close()
        took_ns = time.monotonic_ns() - began_ns
        one = said[-1]
        assert abs(one["after_ns"] - began_ns - 10) <= took_ns
        assert one["heard_ns"] - one["after_ns"] == 20
        # By the same difference, and nothing that never came has a moment.
        assert one["lost"] == {
            "count": 2,
            "sent_ns": one["after_ns"] + 90,
            "heard_ns": one["after_ns"] + 390,
        }
        assert (one["sent_ns"], one["stale"]) == (0, NEVER)
        return said

    assert [one["type"] for one in asyncio.run(play())] == ["hello", "settled"]
