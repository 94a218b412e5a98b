"""One fault as a person or a script writes it: what goes wrong, for which calls, how often and how long."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar, get_args

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from seatrial.schema.fields import Model, Time
from seatrial.schema.quantities import COUNT, FROM_YAML, Quantity

DEFAULT_TIMEOUT_S = 3_600.0
"""Longer than any client waits."""


def _share(value: object) -> object:
    if not isinstance(value, str):
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    number, percent, rest = value.partition("%")
    try:
        return float(number) / (100 if percent and not rest else 1)
    except ValueError:
        raise ValueError(f"`{value}` is no share: `10%` or 0.1") from None


Share: TypeAlias = Annotated[float, BeforeValidator(_share), Field(gt=0, le=1)]
Whole: TypeAlias = Annotated[int, Quantity(COUNT, 1, 10**9)]
Status: TypeAlias = Annotated[int, Quantity(COUNT, 400, 599)]


class Fault(Model):
    """What goes wrong with a call that fits; where several fit, latencies add up, and of the rest the first happens.

    The faults of a program are a subclass: it has the words that ``kind`` may be, and which calls are meant.
    ``counted_later`` are the kinds of which is not known whether they happen when they are due.
    """

    counted_later: ClassVar[frozenset[str]] = frozenset()

    kind: str
    share: Share = 1.0
    count: Whole | None = None
    for_s: Time | None = Field(None, alias="for")
    status: Status | None = None
    retry_after_s: Time | None = Field(None, alias="retry_after")
    time_s: Time | None = Field(None, alias="time")
    p50_s: Time | None = Field(None, alias="p50")
    p99_s: Time | None = Field(None, alias="p99")

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Return what may go wrong."""
        return get_args(cls.model_fields["kind"].annotation)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        has_spread = self.p50_s is not None or self.p99_s is not None
        if self.kind == "latency":
            if (self.time_s is None) != has_spread:
                raise ValueError("a latency is a `time`, or a `p50` and a `p99`")
            if has_spread and not (self.p50_s and self.p99_s and self.p50_s <= self.p99_s):
                raise ValueError("a latency has a `p50` above 0 and a `p99` that is not below it")
        elif has_spread:
            raise ValueError(f"`p50` and `p99` are of a latency, not of `{self.kind}`")
        if (self.kind == "status") != (self.status is not None):
            raise ValueError("a fault of kind `status` has a `status`, and no other has")
        if self.retry_after_s is not None and self.kind != "status":
            raise ValueError("`retry_after` is of a `status`")
        if self.time_s is not None and self.kind not in {"latency", "timeout"}:
            raise ValueError("`time` is of a latency or a timeout")
        return self

    def document(self) -> dict[str, Any]:
        """Return what was given, with times in seconds."""
        return self.model_dump(exclude_none=True)


AnyFault = TypeVar("AnyFault", bound=Fault)


def read_fault(model: type[AnyFault], given: object) -> AnyFault:
    """Return the fault that a document or words describe; raises ``ValueError`` with what is wrong, in words."""
    try:
        return model.model_validate(given, context=FROM_YAML)
    except ValidationError as error:
        raise ValueError("; ".join(_words(one) for one in error.errors())) from None


def read_words(model: type[AnyFault], text: str) -> AnyFault:
    """Return the fault of ``KIND KEY=VALUE ...``; raises ``ValueError``."""
    given = document_of(text)
    if given["kind"] not in model.kinds():
        raise ValueError(f"`{given['kind']}` is no fault: {', '.join(model.kinds())}")
    return read_fault(model, given)


def document_of(text: str) -> dict[str, str | bool]:
    """Return the document that ``KIND KEY=VALUE ...`` stands for, as a control API takes it; raises ``ValueError``."""
    kind, *rest = text.split() or [""]
    pairs = [word.partition("=") for word in rest]
    bare = next((key for key, sign, _ in pairs if not sign), None)
    if bare is not None:
        raise ValueError(f"`{bare}` has no value: `{bare}=...`")
    words = {key: {"true": True, "false": False}.get(value, value) for key, _, value in pairs}
    return {"kind": kind, **words}


def _words(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {text}" if where else text
