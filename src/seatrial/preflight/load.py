"""Every check about one load. Imports no plan, so that `seatrial load` may ask too and still start light."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.preflight.cpu import check_cpu
from seatrial.preflight.descriptors import check_descriptors
from seatrial.preflight.memory import check_memory
from seatrial.preflight.network import check_network
from seatrial.preflight.places.namespaces import check_namespaces
from seatrial.preflight.ports import check_ports

if TYPE_CHECKING:
    from seatrial.machine.facts import Machine
    from seatrial.preflight.findings import Finding
    from seatrial.preflight.needs import Needs

_CHECKS = (check_descriptors, check_ports, check_memory, check_network, check_namespaces, check_cpu)


def check_needs(needs: Needs, machine: Machine) -> tuple[Finding, ...]:
    """Return every check's finding about one load. Pure: the machine's facts come in, findings go out."""
    return tuple(finding for check in _CHECKS for finding in check(needs, machine))
