"""Whether the trials of a run were made in one environment: what differs between what was recorded when it was resumed.

Compared is all that :mod:`seatrial.record.environment` describes, but for what says nothing of the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from seatrial.analysis.reasons import Reason
from seatrial.record.environment import LOAD_NODE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.record.tables.rows import RecordedEnvironment

Way = tuple[str, ...]

# Free memory is another at any moment.
PASSED_OVER = {("memory", "available_bytes")}
# The kernel reckons these from the memory that is left when it has booted, which is not the same at each boot of one
# machine: by some pages. A machine with other memory differs by far more.
RECKONED_AT_BOOT = {
    ("memory", "total_bytes"),
    ("limits", "locked_memory_bytes", "soft"),
    ("limits", "locked_memory_bytes", "hard"),
    ("limits", "processes", "soft"),
    ("limits", "processes", "hard"),
    ("sysctls", "fs.file-max"),
    ("sysctls", "net.ipv4.tcp_mem"),
}
BOOT_TOLERANCE = 0.01
NAMED_LIMIT = 3
_SINGULAR = {"sysctls": "sysctl", "limits": "limit", "binaries": "program"}
NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that is not what it was, such as ``sysctl net.core.somaxconn``."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before}, then {self.after}"


@dataclass(frozen=True, slots=True)
class EnvironmentChange:
    """From ``first_trial`` on the environment was another one: the ``number``-th that this run has seen, from 1."""

    first_trial: int
    differences: tuple[Difference, ...]
    number: int = 2

    @property
    def text(self) -> str:
        """What differs: the first few facts, and how many more there are."""
        named = "; ".join(str(difference) for difference in self.differences[:NAMED_LIMIT])
        more = len(self.differences) - NAMED_LIMIT
        return f"{named}; and {more} more" if more > 0 else named

    @property
    def sentence(self) -> str:
        """What a reader must know of it."""
        return f"the trials from {self.first_trial} on were run in another environment than those before: {self.text}"


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Difference, ...]:
    """Return what differs between two descriptions of an environment; of an empty one nothing is known."""
    if not before:
        return (Difference("the environment", NOT_RECORDED, "known"),)
    earlier, later = dict(leaves(before)), dict(leaves(after))
    return tuple(
        Difference(_name(way), _text(earlier.get(way)), _text(later.get(way)))
        for way in dict.fromkeys((*earlier, *later))
        if not _is_passed_over(way) and not _is_same(way, earlier.get(way), later.get(way))
    )


def changes_in(environments: Sequence[RecordedEnvironment]) -> tuple[EnvironmentChange, ...]:
    """Return where the environment of a run changed; nowhere, where it was resumed in the same one."""
    # Of a run that was resumed and cut off before its next trial began, nothing was run in what was there then.
    used = list({environment.first_trial: environment for environment in environments}.values())
    distinct = [environment.document for environment in used[:1]]
    found = []
    for earlier, later in pairwise(used):
        differing = differences(earlier.document, later.document)
        if not differing:
            continue
        known = [at for at, one in enumerate(distinct, start=1) if not differences(one, later.document)]
        if not known:
            distinct.append(later.document)
        found.append(EnvironmentChange(later.first_trial, differing, known[0] if known else len(distinct)))
    return tuple(found)


def mixed(changes: Sequence[EnvironmentChange], trials: Sequence[int]) -> list[Reason]:
    """Return the doubt that is left where trials of one case were made in different environments."""
    numbers = {number_of(changes, trial) for trial in trials}
    if len(numbers) < 2:
        return []
    change = next(change for change in changes if min(trials) < change.first_trial <= max(trials))
    return [
        Reason(
            "environment.changed",
            f"its trials are of different environments, which no figure of all of them is of: {change.text}",
            "compare the trials, each with its own environment, or run the plan anew in one",
        )
    ]


def number_of(changes: Iterable[EnvironmentChange], trial: int) -> int:
    """Return in which environment of the run a trial was made, counting from 1."""
    numbers = [change.number for change in changes if change.first_trial <= trial]
    return numbers[-1] if numbers else 1


def leaves(document: object, way: Way = ()) -> Iterator[tuple[Way, object]]:
    """Yield every value of a document with the way to it."""
    if isinstance(document, Mapping):
        for name, inner in document.items():
            yield from leaves(inner, (*way, str(name)))
    elif isinstance(document, Sequence) and not isinstance(document, str):
        for number, inner in enumerate(document, start=1):
            yield from leaves(inner, (*way, str(number)))
    else:
        yield way, document


def _is_passed_over(way: Way) -> bool:
    # The same program, to the byte, may lie elsewhere.
    return way in PASSED_OVER or (way[0] == "binaries" and way[-1] == "path")


def _is_same(way: Way, before: object, after: object) -> bool:
    # A node has the same of its own.
    own = way[1:] if way[0] == LOAD_NODE else way
    if before == after or own not in RECKONED_AT_BOOT or before is None or after is None:
        return before == after
    try:
        pairs = list(zip(_numbers(before), _numbers(after), strict=True))
    except ValueError:
        return False
    return all(abs(first - second) <= BOOT_TOLERANCE * max(first, second) for first, second in pairs)


def _numbers(value: object) -> list[int]:
    return [int(word) for word in str(value).split()]


def _name(way: Way) -> str:
    return " ".join((_SINGULAR.get(way[0], way[0]), *way[1:]))


def _text(value: object) -> str:
    return "not known" if value is None else str(value)
