"""Network namespaces: whether this process may make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.preflight.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.machine.facts import Machine
    from seatrial.preflight.needs import Needs

NEEDED = {"NET_ADMIN": 12, "SYS_ADMIN": 21}
"""The capabilities and their bits (<linux/capability.h>): links and addresses take the one, a namespace the other."""


def check_namespaces(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield whether this process has what `place: namespaces` takes."""
    if not needs.namespaces:
        return
    has = -1 if machine.capabilities is None else machine.capabilities
    missing = [name for name, bit in NEEDED.items() if not has >> bit & 1]
    text = "load, proxy and origin each in a network namespace of its own"
    if not missing:
        yield Finding("namespaces", "ok", text)
        return
    yield Finding(
        "namespaces",
        "refuse",
        f"{text}: this process may not make them, it lacks {' and '.join(missing)}",
        "run as root, in a container with these capabilities (`--cap-add`), or use `place: machine`",
    )
