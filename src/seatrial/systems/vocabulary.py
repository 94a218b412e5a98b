"""The options that every kind of proxy has, in one vocabulary, and how a kind says that it lacks one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from seatrial.schema.fields import Model, Switch
from seatrial.schema.quantities import COUNT, SIZE, Quantity
from seatrial.systems.raw import Document, refusal_of

MAX_LIMIT = 10_000_000
"""The most connections that a plan may ask for, and so the highest limit that one could want to test."""

MIN_BUFFER_BYTES, MAX_BUFFER_BYTES = 1_024, 16 << 20
"""Below, no proxy reads the head of a plain request; above, a few connections fill the memory of a machine."""

Limits = Literal["raised", "default"] | Annotated[int, Quantity(COUNT, 1, MAX_LIMIT)]
AccessLog = Literal["off", "file", "stdout"]


@dataclass(frozen=True, slots=True)
class Lack:
    """An ``option``, by its name in a plan, of which a kind of proxy takes the ``allowed`` values only, and why."""

    option: str
    allowed: tuple[object, ...]
    why: str


class SharedOptions(Model):
    """What all kinds of proxies may be given; what one of them has not, its ``lacks`` say, and a plan is refused."""

    lacks: ClassVar[tuple[Lack, ...]] = ()
    raw: ClassVar[Document] = Document({})
    not_counted: ClassVar[tuple[str, ...]] = ()

    limits: Limits = Field(
        "raised",
        description="Circuit breakers and limits of connections: `raised` out of the way of the load, the proxy's own "
        "`default`, or this number. What is in force is read from the running proxy, and is in the report.",
        examples=["default", 100],
    )
    tls_upstream: Switch = Field(
        False,
        description="TLS to the origin too, which then serves it; its certificate is verified.",
        examples=[True],
    )
    keepalive_upstream: Annotated[int, Quantity(COUNT, 0, 65_536)] | None = Field(
        None,
        description="Idle connections to the origin that each proxy keeps open; 0 turns keep-alive to the origin off: "
        "a connection for each request. If left out: as many as come.",
        examples=[512, 0],
    )
    access_log: AccessLog = Field(
        "off",
        description="A line for each request in the proxy's own format, into a file of the run's `logs/`: written by "
        "the proxy itself (`file`), or to its standard output.",
        examples=["file"],
    )
    buffer_bytes: Annotated[int, Quantity(SIZE, MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)] | None = Field(
        None,
        alias="buffer",
        description="The proxy's buffer of what it passes on. If left out: its default.",
        examples=["64 KiB"],
    )
    header_buffer_bytes: Annotated[int, Quantity(SIZE, MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)] | None = Field(
        None,
        alias="header_buffer",
        description="The largest head of a request that the proxy takes. If left out: its default.",
        examples=["16 KiB"],
    )
    config: dict[str, Any] | None = Field(
        None,
        description="Configuration in the proxy's own language, merged into what is rendered, or a file with it.",
    )

    @field_validator("*")
    @classmethod
    def _has_it(cls, value: object, info: ValidationInfo) -> object:
        alias = cls.model_fields[info.field_name or ""].alias
        for lack in cls.lacks:
            if lack.option in {info.field_name, alias} and value not in lack.allowed:
                raise ValueError(lack.why)
        return value

    @field_validator("config")
    @classmethod
    def _leaves_what_is_needed(cls, config: dict[str, Any] | None) -> dict[str, Any] | None:
        if config is not None and (refusal := refusal_of(config, cls.raw)):
            raise ValueError(refusal)
        return config
