"""The flags of an origin that misbehaves: delays, faults and stalls, from words to the engine's specification."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from seatrial.errors import PlanError
from seatrial.units import parse_seconds

FAULTS = ("reset", "half", "garbage", "long-length", "short-length", "slow")
OF_THE_BODY = {"half", "long_length", "short_length", "slow"}
"""These cannot happen to an answer without a body."""
STATUSES_WITHOUT_A_BODY = (204, 304)
SHARE_ROUNDING = 1e-9
_SHARE = re.compile(r"(\d+(?:\.\d+)?)%", re.ASCII)
_DELAYS = "a time, `uniform:1ms..9ms`, `exponential:5ms` or `lognormal:p50=5ms,p99=40ms`"


class Words(click.ParamType[Any]):
    """A text that one of the parsers below reads; what it refuses is reported with the column."""

    def __init__(self, name: str, parse: Callable[[str], dict[str, Any]]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse, or say where the mistake is and what is allowed."""
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_delay(text: str) -> dict[str, Any]:
    """Return the engine's delay; a bare time is constant. Raises ``ValueError`` with the column."""
    kind, colon, rest = text.partition(":")
    start = len(kind) + 1
    if not colon:
        mean_us = _time_us(text, 0, text)
        return {"kind": "fixed", "mean_us": mean_us} if mean_us else {"kind": "none"}
    if kind == "exponential":
        return {"kind": kind, "mean_us": _time_us(text, start, rest)}
    if kind == "uniform":
        low_us, high_us = _ascending(text, start, re.fullmatch(r"(.+)\.\.(.+)", rest))
        return {"kind": kind, "low_us": low_us, "high_us": high_us}
    if kind == "lognormal":
        p50_us, p99_us = _ascending(text, start, re.fullmatch(r"p50=([^,]+),p99=(.+)", rest))
        if not p50_us:
            raise _refusal(text, start, "a p50 is above 0")
        return {"kind": kind, "p50_us": p50_us, "p99_us": p99_us}
    raise _refusal(text, 0, f"`{kind}` is no kind of delay: use {_DELAYS}")


def parse_fault(text: str) -> dict[str, Any]:
    """Return the engine's fault for ``KIND:SHARE%``, or ``slow:SHARE%:TIME``. Raises ``ValueError`` with the column."""
    kind, _, rest = text.partition(":")
    if kind not in FAULTS:
        raise _refusal(text, 0, f"`{kind}` is no fault: use one of {', '.join(FAULTS)}")
    share, colon, time = rest.partition(":")
    found = _SHARE.fullmatch(share)
    if found is None or not 0 < float(found[1]) <= 100:
        example = f"{kind}:1%:200ms" if kind == "slow" else f"{kind}:0.5%"
        raise _refusal(
            text, len(kind) + 1, f"`{share}` is no share: use a percentage up to 100%, as in `{example}`"
        )
    fault: dict[str, Any] = {"kind": kind.replace("-", "_"), "share": float(found[1]) / 100}
    time_at = len(kind) + len(share) + 2
    if kind == "slow":
        if not time:
            raise _refusal(text, time_at - 1, "a slow body needs its time, as in `slow:1%:200ms`")
        fault["over_us"] = _time_us(text, time_at, time)
    elif colon:
        raise _refusal(text, time_at - 1, f"`{kind}` has a share and nothing else, as in `{kind}:{share}`")
    return fault


def parse_stall(text: str) -> dict[str, Any]:
    """Return the engine's stall for ``TIME@TIME``. Raises ``ValueError`` with the column."""
    length, at_sign, begin = text.partition("@")
    if not at_sign:
        raise _refusal(text, len(text), "a stall has a length and a beginning, as in `2s@10s`")
    for_us = _time_us(text, 0, length)
    if not for_us:
        raise _refusal(text, 0, "a stall is longer than 0")
    return {"for_us": for_us, "at_us": _time_us(text, len(length) + 1, begin)}


def require_possible(faults: tuple[dict[str, Any], ...], body_bytes: int, status: int) -> None:
    """Raise ``PlanError`` for faults that cannot happen as asked."""
    shares = sum(fault["share"] for fault in faults)
    if shares > 1 + SHARE_ROUNDING:
        raise PlanError(
            f"the faults' shares are {shares:.4%} together",
            cause="an answer has one fault at most, so that each share is of all answers",
            next_step="let the shares be 100% together at most",
        )
    impossible = [fault["kind"].replace("_", "-") for fault in faults if fault["kind"] in OF_THE_BODY]
    if impossible and (not body_bytes or status in STATUSES_WITHOUT_A_BODY):
        raise PlanError(
            f"{', '.join(impossible)}: an answer without a body cannot have this fault",
            next_step="give a --body above 0 and a --status other than 204 and 304, or take reset or garbage",
        )


def _ascending(text: str, start: int, found: re.Match[str] | None) -> tuple[float, float]:
    if found is None:
        raise _refusal(text, start, f"`{text[start:]}` does not fit: use {_DELAYS}")
    low_us, high_us = (_time_us(text, start + found.start(part), found[part]) for part in (1, 2))
    if low_us > high_us:
        raise _refusal(text, start + found.start(2), f"`{found[2]}` is below `{found[1]}`")
    return low_us, high_us


def _time_us(text: str, at: int, part: str) -> float:
    try:
        return parse_seconds(part) * 1e6
    except ValueError as error:
        raise _refusal(text, at, str(error)) from None


def _refusal(text: str, at: int, why: str) -> ValueError:
    return ValueError(f"{text!r}, column {at + 1}: {why}")


DELAY = Words("SHAPE", parse_delay)
FAULT = Words("KIND:SHARE", parse_fault)
STALL = Words("TIME@TIME", parse_stall)
