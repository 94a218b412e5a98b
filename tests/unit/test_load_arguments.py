"""Whatever a script gives ``seatrial.load()``: taken, or refused by our own error with the option's name."""

from __future__ import annotations

import dataclasses
import decimal
import fractions
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import EnvironmentFault, PlanError
from seatrial.generator.split import split
from seatrial.run.library import LoadCall

URL = "http://127.0.0.1:9/"
HUGE = 10**5000
"""Python refuses to print it."""

NEVER_ALLOWED: tuple[Callable[[], Any], ...] = (
    object, set, lambda: 1j, lambda: iter(()), lambda: [None], lambda: {1: 2}, lambda: type, lambda: bytearray(b"x"),
    lambda: decimal.Decimal(1), lambda: [2.5], lambda: [True], lambda: {"a": None},
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 3, 1.5, float("nan"), float("inf"), HUGE, fractions.Fraction(1, 3), "", " ", "yes",
    "a\0b", "caf\udce9", "\u00e9", b"x", (), [], ["a"], [1], ["200"], {}, {"a": "b"}, {"a": "b\0"}, Path("/nowhere"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked for names: answers may take seconds."""

    def numbers_only(host: bytes, port: int, **_: Any) -> Any:
        if host != b"127.0.0.1":
            raise OSError("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", numbers_only)


FIELDS = [field.name for field in dataclasses.fields(LoadCall)]


def specs(name: str, value: Any) -> str:
    """What the workers would get, as it goes to them."""
    options = {"rate": 10, "connections": 1, "duration": 0.01} | {name: value}
    url = options.pop("url", URL)
    return json.dumps(split(LoadCall(url, **options).spec(), 20_000))


@pytest.mark.parametrize("name", FIELDS)
def test_what_no_option_can_be_is_refused_with_its_name(name: str) -> None:
    for make in NEVER_ALLOWED:
        with pytest.raises(PlanError) as caught:
            specs(name, make())
        assert str(caught.value).startswith(f"{name} cannot be "), caught.value
        assert (caught.value.next_step or "").startswith("give "), caught.value


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_odd_is_taken_or_refused_in_words(name: str) -> None:
    unnamed = [
        (value, said) for value in ODD if (said := refusal(name, value)) is not None and name not in said
    ]
    # A URL is named itself.
    assert not unnamed or name == "url", unnamed


def refusal(name: str, value: Any) -> str | None:
    try:
        # A worker reads UTF-8 only.
        specs(name, value).encode()
    except PlanError as error:
        return f"{error} {error.next_step}".replace("-", "_")
    except EnvironmentFault as error:
        return f"{name}: {error}"
    return None


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("closed", "yes", "give True or False"),
        ("closed", 1, "give True or False"),
        ("body", True, "give a whole number, a text or bytes"),
        ("rate", True, "give a number, a text or None"),
        ("arrival", "sometimes", "give 'uniform' or 'poisson'"),
        ("expect_status", ["200"], "give a whole number, a text, several whole numbers or None"),
        ("header", [("A", "b")], "give a text, several texts or a mapping of texts to texts"),
        ("ca", 3, "give a path, a text or None"),
    ],
)
def test_what_is_allowed_is_said(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(PlanError) as caught:
        specs(name, value)
    assert caught.value.next_step == allowed


def test_a_long_value_is_not_printed_whole() -> None:
    with pytest.raises(PlanError) as caught:
        specs("closed", "x" * 10_000)
    assert len(str(caught.value)) < 120
