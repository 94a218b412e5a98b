"""Which failures belong to the measure window: those of its requests, and of connections that broke in it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seatrial.analysis.load.result import LoadResult
    from seatrial.analysis.load.window import Window
    from seatrial.generator.frames import Frame

OWN_LIMITS = ("descriptors_exhausted", "ports_exhausted")
"""Kinds that are of the generator's machine, not of the system."""


REMEDIES = {
    "connect_refused": "nothing listens there: start the system, or mend the address and the port",
    "connect_timeout": "nobody answers there: look at the address, the firewall and the listen queue of the system",
    "connect_unreachable": "there is no way there: look at the address and at this machine's routes",
    "tls_certificate": "the certificate is not trusted: name its CA (`--ca`), or do without (`--insecure`)",
    "tls_handshake": "the port may not speak TLS (then it is http://), or no version or cipher in common",
    "protocol_head": "what answers there does not speak HTTP/1.1: does the port want TLS (https://)?",
}
"""What to do about the kinds of failure whose cause is plain."""


def remedy_of(counts: Mapping[str, int], otherwise: str) -> str:
    """Return what to do about the most frequent kind of failure."""
    most = max(counts, key=lambda kind: counts[kind], default="")
    return REMEDIES.get(most, otherwise)


def is_of_connection(kind: str) -> bool:
    """Return whether a kind of failure is one of establishing a connection, which belongs to no request."""
    return kind.startswith(("connect_", "tls_")) or kind in OWN_LIMITS


def errors_in(frames: Sequence[Frame], window: Window) -> dict[str, int]:
    """Return the failures of the window by kind; those of the ramp and of the warm-up are not in it."""
    found: Counter[str] = Counter()
    for frame in window.begun_in(frames):
        found.update(_of_connections(frame))
    for frame in frames:
        found.update(_of_requests(frame))
    return dict(sorted(found.items()))


def _of_connections(frame: Frame) -> Counter[str]:
    """Return what broke apart from requests: connections that were not established, and such as broke while idle."""
    return Counter(frame.errors) - sum((Counter(part.errors) for part in frame.parts), Counter[str]())


def _of_requests(frame: Frame) -> Counter[str]:
    return sum((Counter(part.errors) for part in frame.parts if part.phase == "measure"), Counter[str]())


def held_answers_text(load: LoadResult) -> str | None:
    """Return what became of the requests of idle connections; None where all were answered as they should be.

    The last request of each connection may still be awaited when the load ends.
    """
    good = sum(count for name, count in load.connections.held_answers.items() if name in {"2xx", "3xx"})
    answered = sum(load.connections.held_answers.values())
    is_well = (
        answered == good
        and not load.connections.held_unanswered
        and (good or not load.connections.held_requests)
    )
    if is_well:
        return None
    listed = [f"{count:,} answered {name}" for name, count in load.connections.held_answers.items()]
    return f"idle connections sent {load.connections.held_requests:,} requests: " + ", ".join(
        [*listed, f"{load.connections.held_requests - answered:,} not answered"]
    )
