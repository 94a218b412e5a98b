"""The messages of one pod, each once and in order, however often lines of its log are read.

Programs of ours number the lines that they write (``LinePipe::send_object`` in ``crates/net``), from 0. So what is read
again after a break is known by its number, and so is what is missing.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS_KEPT = 20
"""Of what is no message only the end is kept: how a program explains itself, and not all that it ever wrote."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Lines that are not in the log where they should be, by their numbers; both ends are missing."""

    first: int
    last: int

    def __str__(self) -> str:
        which = f"line {self.first}" if self.first == self.last else f"lines {self.first} to {self.last}"
        return f"{which} of its log"


class Lines:
    """Takes the lines of a log as they are read."""

    def __init__(self) -> None:
        self._next = 0
        self._words: deque[str] = deque(maxlen=WORDS_KEPT)
        self.repeated = 0
        """Lines that were read again, and dropped."""

    @property
    def words(self) -> str:
        """What was written beside messages: an error's text."""
        return "\n".join(self._words)

    def take(self, line: str) -> Iterator[dict[str, Any] | Hole]:
        """Yield the message of a line unless there was it; before one that comes too early, what is missing."""
        message = _message(line)
        if message is None:
            self._say(line.strip())
            return
        number = message.pop("line")
        if number < self._next:
            self.repeated += 1
            return
        if number > self._next:
            yield Hole(self._next, number - 1)
        self._next = number + 1
        yield message

    def _say(self, text: str) -> None:
        # What is read again is not said again.
        if text and text not in self._words:
            self._words.append(text)


def _message(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("line"), int) else None
