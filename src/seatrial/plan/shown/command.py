"""A case's load as the ``seatrial load`` command that drives it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.plan.load_options import load_anywhere
from seatrial.workload.words.command import load_command

if TYPE_CHECKING:
    from seatrial.plan.cases import Case

ADDRESS = "ADDRESS"
"""Stands for where the system listens, which no plan knows."""
CA = "CA"
"""Stands for the file of who issues the system's certificate, which each trial makes anew."""


def case_command(case: Case, address: str = ADDRESS, ca: str = CA) -> str:
    """Return the command, for a shell; flags that have the command's own default are left out.

    The seed is not in it: each trial draws its own.
    """
    return load_command(load_anywhere(case, address, ca))
