"""The program: it reads a line of JSON for each question on stdin, and writes lines of JSON on stdout.

Its lines are numbered from 0, as those of workers and origins are, and stay short: runtimes break long lines of a log.
Each question has a number. That it has come is confirmed at once and then every second while it is worked on; one that
is said again is not worked on again, and a new one takes the place of one before.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from seatrial.machine import proc
from seatrial.machine.address import Address
from seatrial.probe.asking import ask_all, certificate_at
from seatrial.probe.facts import Facts
from seatrial.probe.looks import Looks
from seatrial.probe.question import Question, ranges_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

WORD_S = 1.0
"""Whoever waits for an answer hears so often that it is being worked on."""

RANGES_A_LINE, NAMED_A_LINE, LOOKS_A_LINE = 400, 20, 3
"""Some 6 KiB each; a runtime breaks lines at 16 KiB."""


def main() -> None:
    """Answer what is asked on stdin until that ends, or ``stop`` comes."""
    Program(sys.stdout).run(sys.stdin)


class Program:
    """Answers questions by writing to ``out``."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._writing, self._written = out, threading.Lock(), 0
        self._number = -1
        self._given_up = threading.Event()
        self._work: threading.Thread | None = None

    def run(self, lines: Iterable[str]) -> None:
        """Take questions to the end of the lines."""
        self._say("hello", boot_id=proc.boot_id())
        for line in lines:
            command = _command(line)
            if command.get("cmd") == "stop":
                break
            if command.get("cmd") == "give up":
                # One that comes late, or again, is not of the question that is worked on by then.
                if command.get("id") == self._number:
                    self._given_up.set()
            elif command.get("cmd") in _ANSWERS and isinstance(command.get("id"), int):
                self._take(command)
        self._rest()

    def _take(self, command: Mapping[str, Any]) -> None:
        number = command["id"]
        if number > self._number:
            self._rest()
            self._number, self._given_up = number, threading.Event()
            # It holds up nothing where this program is to end.
            self._work = threading.Thread(target=self._answer, args=(command, self._given_up), daemon=True)
            self._work.start()
        self._say("asking", id=number)

    def _rest(self) -> None:
        self._given_up.set()
        if self._work is not None:
            self._work.join()

    def _answer(self, command: Mapping[str, Any], given_up: threading.Event) -> None:
        number, is_done = command["id"], threading.Event()
        telling = threading.Thread(target=self._tell, args=(number, is_done), daemon=True)
        telling.start()
        try:
            kind, fields = _ANSWERS[command["cmd"]](
                command, given_up, lambda **more: self._say("part", **more)
            )
        except Exception as error:  # noqa: BLE001 - whoever asked hears of whatever it is.
            kind, fields = "failed", {"what": f"{type(error).__name__}: {error}"}
        finally:
            is_done.set()
        telling.join()
        self._say(kind, id=number, **fields)

    def _tell(self, number: int, is_done: threading.Event) -> None:
        while not is_done.wait(WORD_S):
            self._say("asking", id=number)

    def _say(self, kind: str, **fields: Any) -> None:
        with self._writing:
            message = {"line": self._written, "type": kind, **fields}
            self._out.write(json.dumps(message, separators=(",", ":")) + "\n")
            self._out.flush()
            self._written += 1


def _command(line: str) -> dict[str, Any]:
    # What was cut off in the middle is said again.
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _prove(
    command: Mapping[str, Any], given_up: threading.Event, say: Callable[..., None]
) -> tuple[str, dict[str, Any]]:
    question = Question.of(command)
    answer = ask_all(question, None, given_up)
    for ranges in _parts(ranges_of(answer.dead), RANGES_A_LINE):
        say(id=command["id"], ranges=ranges)
    for named in _parts(answer.named, NAMED_A_LINE):
        say(id=command["id"], named=named)
    fields = {"asked": len(question.asked), "dead": len(answer.dead), "elsewhere": answer.elsewhere}
    return "proved", fields


def _parts(found: Sequence[Any], length: int) -> Iterator[Sequence[Any]]:
    return (found[first : first + length] for first in range(0, len(found), length))


def _facts(
    command: Mapping[str, Any], _given_up: threading.Event, _say: Callable[..., None]
) -> tuple[str, dict[str, Any]]:
    return "facts", Facts.read(command["settings"]).document()


def _certificate(
    command: Mapping[str, Any], _given_up: threading.Event, _say: Callable[..., None]
) -> tuple[str, dict[str, Any]]:
    host, port = command["endpoint"]
    shown = certificate_at(Address(host, port), command["ca_pem"], None, command.get("server_name"))
    return "certificate", {"der": None if shown is None else base64.b64encode(shown).decode()}


def _network(
    command: Mapping[str, Any], _given_up: threading.Event, say: Callable[..., None]
) -> tuple[str, dict[str, Any]]:
    looks = _looks(command["interval_s"]).after(command["after"])
    for part in _parts(looks, LOOKS_A_LINE):
        say(id=command["id"], looks=part)
    return "network", {"looks": len(looks)}


@cache
def _looks(interval_s: float) -> Looks:
    return Looks(interval_s)


_ANSWERS = {"prove": _prove, "facts": _facts, "certificate": _certificate, "network": _network}
