"""What a plan says of a discoverer, of whatever kind."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

from pydantic import Field, field_validator

from seatrial.errors import PlanError
from seatrial.machine.address import Address
from seatrial.machine.processes import programs
from seatrial.machine.processes.programs import Program
from seatrial.schema.quantities import COUNT, DURATION, Quantity
from seatrial.systems.discovering import SourceKind
from seatrial.systems.options import SystemOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.discoverers.invocation import Carries, Invocation
    from seatrial.systems.discoverers.process import Discoverer
    from seatrial.systems.discovering import Wiring

MAX_PERIOD_S = 86_400.0
Period: TypeAlias = Annotated[float, Quantity(DURATION, 0.1, MAX_PERIOD_S)]
Workers: TypeAlias = Annotated[int, Quantity(COUNT, 1, 1_000)]
PerSecond: TypeAlias = Annotated[int, Quantity(COUNT, 1, 100_000)]


class DiscovererOptions(SystemOptions):
    """The options of a discoverer that runs on this machine, wherever its source and its destination are."""

    proxied: ClassVar[bool] = False
    discovers: ClassVar[bool] = True
    bytes_per_connection: ClassVar[int] = 0
    not_counted: ClassVar[tuple[str, ...]] = ("requests", "accepted connections", "upstream requests")
    listens_at: ClassVar[tuple[Address, ...]] = ()

    source: SourceKind | None = Field(
        None,
        description="Where this one reads from. If left out: where the plan's `discovery` says.",
        examples=["kubernetes"],
    )

    @property
    @abstractmethod
    def carries(self) -> Carries:
        """See ``Invoked``; so are all of these."""

    @property
    @abstractmethod
    def notices_within_s(self) -> float:
        """See ``Invoked``."""

    @abstractmethod
    def program(self) -> Path:
        """See ``Invoked``."""

    @abstractmethod
    def version(self) -> BinaryInfo:
        """See ``Invoked``."""

    @abstractmethod
    def invocation(self, wiring: Wiring, metrics: Address, directory: Path) -> Invocation:
        """See ``Invoked``."""

    def create(self) -> Discoverer:
        """Return it, not started."""
        from seatrial.systems.discoverers.process import Discoverer

        return Discoverer(self)


class ForeignOptions(DiscovererOptions):
    """The options of one whose program is somebody else's, and takes flags as Go's programs do.

    ``own_flags`` are set by Seatrial or by options, ``looked_for`` is the program where the plan does not name it.
    """

    own_flags: ClassVar[frozenset[str]]
    looked_for: ClassVar[Program]

    binary: str | None = Field(
        None,
        description="Its program, a path or a name. If left out: looked for on the PATH.",
        examples=["/opt/discoverer"],
    )
    flags: tuple[str, ...] = Field(
        (), description="Further flags, as on its command line.", examples=["[--v=2]"]
    )

    @field_validator("flags")
    @classmethod
    def _not_taken(cls, flags: tuple[str, ...]) -> tuple[str, ...]:
        for flag in flags:
            if not flag.startswith("-"):
                raise ValueError(
                    f"`{flag}` is no flag: with its value it is one word, such as `--name=value`"
                )
            if flag.lstrip("-").partition("=")[0] in cls.own_flags:
                raise ValueError(
                    f"`{flag}` is not for `flags`: Seatrial sets it, or an option of this system does"
                )
        return flags

    def program(self) -> Path:
        """Find it. Raises as ``Invoked.program`` does."""
        return programs.find(self._wanted)

    def version(self) -> BinaryInfo:
        """Ask it. Raises as ``Invoked.program`` does."""
        return programs.installed(self._wanted)

    @property
    def _wanted(self) -> Program:
        wanted = self.looked_for
        names = wanted.names if self.binary is None else (self.binary,)
        return Program(names, wanted.ask_version, wanted.version, wanted.get_it)


def kubeconfig_of(wiring: Wiring, kind: str) -> str:
    """Return the source's kubeconfig, for a program that knows of no contexts: it reads the current one.

    Raises ``PlanError`` where the source is in another one.
    """
    import yaml

    path, context = wiring.source["kubeconfig"], wiring.source.get("context")
    if context is not None:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        if document.get("current-context") != context:
            raise PlanError(
                f"`{kind}` reads the current context of a kubeconfig only, and the source is another one of {path}",
                next_step=f"give it one of its own: kubectl config view --minify --flatten --context {context}",
            )
    return path


def go_flags(flags: Mapping[str, object]) -> tuple[str, ...]:
    """Return ``--name=value`` for each."""
    return tuple(f"--{name}={value}" for name, value in flags.items())


def seconds(value_s: float) -> str:
    """Return a duration as Go's programs and ours read it: ``0.5s``."""
    return f"{value_s:g}s"
