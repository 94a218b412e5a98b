"""Any program as a discoverer: the plan has its command line, and what its metrics are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from seatrial.errors import PlanError
from seatrial.machine.processes import programs
from seatrial.machine.processes.programs import Program
from seatrial.schema.fields import Model
from seatrial.systems.discoverers.invocation import Carries, Invocation
from seatrial.systems.discoverers.options import DiscovererOptions, Period, kubeconfig_of
from seatrial.systems.discovering import QueueNames, ReplicaKind, SourceKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from seatrial.machine.address import Address
    from seatrial.machine.processes.programs import BinaryInfo
    from seatrial.systems.discovering import Wiring

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_OPENSTACK = {
    "auth_url": "OS_AUTH_URL",
    "username": "OS_USERNAME",
    "password": "OS_PASSWORD",
    "project": "OS_PROJECT_NAME",
}
OF_SOURCE: Mapping[str, SourceKind] = {
    "kubeconfig": "kubernetes",
    "url": "http",
    **dict.fromkeys(_OPENSTACK, "openstack"),
}
"""Which source has what stands for a placeholder."""
PLACEHOLDERS = ("into", "backend", "metrics_port", *OF_SOURCE)


class PageOptions(Model):
    """A discoverer's metrics page, in the format of Prometheus: where it is, and what it calls what its queue does."""

    path: Annotated[str, Field(pattern=r"^/\S*$")] = Field(
        "/metrics", description="Its path.", examples=["/metrics"]
    )
    depth: str | None = Field(
        None, description="The gauge of items in the queue.", examples=["discoverer_queue_depth"]
    )
    enqueued: str | None = Field(
        None,
        description="The counter of items that were put into it.",
        examples=["discoverer_enqueued_total"],
    )
    done: str | None = Field(
        None, description="The counter of items that are done.", examples=["discoverer_done_total"]
    )
    dropped: str | None = Field(
        None,
        description="The counter of items that were given up.",
        examples=["discoverer_dropped_total"],
    )
    retries: str | None = Field(
        None, description="The counter of further tries.", examples=["discoverer_retries_total"]
    )

    @property
    def names(self) -> QueueNames:
        """The names that there are."""
        return QueueNames(**self.model_dump(exclude={"path"}, exclude_none=True))


class AnyDiscovererOptions(DiscovererOptions):
    """Any discoverer: its command is the plan's, and it runs as a process of this machine.

    In `command` and `environment` stand `{into}` for the destination's kubeconfig, `{backend}` for the name that the
    source goes by there, `{metrics_port}` for where its page is to be, on 127.0.0.1; and of the source `{kubeconfig}`,
    `{url}`, or `{auth_url}`, `{username}`, `{password}` and `{project}`.
    """

    kind: Literal["discoverer"] = "discoverer"
    command: tuple[str, ...] = Field(
        description="The program and its arguments, as they are given to it: no shell reads them.",
        examples=["[/opt/discoverer, '--into={into}', '--metrics=:{metrics_port}']"],
    )
    environment: dict[str, str] = Field(
        {},
        description="Variables of its environment, beside ours and the `OS_*` of an OpenStack source.",
        examples=["{DISCOVERER_PASSWORD: '{password}'}"],
    )
    sources: tuple[SourceKind, ...] = Field(
        ("openstack", "kubernetes", "http"),
        description="What it can read.",
        examples=["[openstack]"],
    )
    reads: ReplicaKind = Field(
        "endpointslices",
        description="What of a Kubernetes source it reads the addresses of a service from.",
        examples=["endpoints"],
    )
    replicas: ReplicaKind = Field(
        "endpointslices",
        description="What it writes the addresses of a service into.",
        examples=["endpoints"],
    )
    period_s: Period = Field(
        30.0,
        alias="period",
        description="Within what time it should notice a change by itself.",
        examples=["5 s"],
    )
    metrics: PageOptions | None = Field(
        None,
        description="Its metrics page: `path`, and the names there of `depth`, `enqueued`, `done`, `dropped` and "
        "`retries`, each with labels as on the page where one needs them. If left out: it has none.",
        examples=["{path: /metrics, depth: queue_depth}"],
    )

    @field_validator("command")
    @classmethod
    def _seen_by_all(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if not command or not command[0]:
            raise ValueError(
                "`command` names no program: such as `command: [/opt/discoverer, '--into={into}']`"
            )
        _require_known(command)
        if "password" in _named_in(command):
            raise ValueError(
                "`{password}` in `command` would be in the list of processes, for everybody: put it in `environment`"
            )
        return command

    @field_validator("environment")
    @classmethod
    def _known(cls, environment: dict[str, str]) -> dict[str, str]:
        _require_known(environment.values())
        return environment

    @field_validator("sources")
    @classmethod
    def _reads_something(cls, sources: tuple[SourceKind, ...]) -> tuple[SourceKind, ...]:
        if not sources:
            raise ValueError("it reads nothing: one or more of `openstack`, `kubernetes` and `http`")
        return sources

    @model_validator(mode="after")
    def _page_is_found(self) -> AnyDiscovererOptions:
        if self.metrics is not None and "metrics_port" not in _named_in(self._texts()):
            raise ValueError(
                "`metrics` are read at a port that Seatrial chooses: `{metrics_port}` in `command` or `environment`"
            )
        return self

    @property
    def carries(self) -> Carries:
        """What the plan says."""
        return Carries(frozenset(self.sources), self.reads, self.replicas)

    @property
    def notices_within_s(self) -> float:
        """What the plan says."""
        return self.period_s

    def program(self) -> Path:
        """Find it. Raises as ``Invoked.program`` does."""
        get_it = "correct the first word of the plan's `command`, or install it"
        # A link stays one: an interpreter of a virtual environment knows by its own path which packages are its own.
        return programs.located(Program(self.command[:1], (), "", get_it))

    def version(self) -> BinaryInfo:
        """Return the program; which version it is it is not asked, for nobody knows how."""
        return programs.describe(self.program(), "version not asked")

    def invocation(self, wiring: Wiring, metrics: Address, directory: Path) -> Invocation:  # noqa: ARG002
        """Put what there is in place of the placeholders."""
        values = self._values(wiring, metrics)

        def filled(text: str) -> str:
            return _PLACEHOLDER.sub(lambda found: values[found[1]], text)

        page = self.metrics
        return Invocation(
            tuple(map(filled, self.command[1:])),
            {name: filled(text) for name, text in self.environment.items()},
            None if page is None else f"http://{metrics}{page.path}",
            queue=QueueNames() if page is None else page.names,
        )

    def _texts(self) -> tuple[str, ...]:
        return (*self.command, *self.environment.values())

    def _values(self, wiring: Wiring, metrics: Address) -> Mapping[str, str]:
        values = {
            "into": str(wiring.into),
            "backend": wiring.backend,
            "metrics_port": str(metrics.port),
        }
        named = _named_in(self._texts())
        for name in named:
            if name in OF_SOURCE and OF_SOURCE[name] != wiring.kind:
                raise PlanError(
                    f"`{{{name}}}` is of a source that is {OF_SOURCE[name]}, and this one is {wiring.kind}",
                    next_step=f"`sources: [{OF_SOURCE[name]}]` for this discoverer, or another `source`",
                )
        if "kubeconfig" in named:
            values["kubeconfig"] = kubeconfig_of(wiring, self.kind)
        if wiring.kind == "http":
            values["url"] = wiring.source["url"]
        values |= {name: wiring.source.get(variable, "") for name, variable in _OPENSTACK.items()}
        return values


def _named_in(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for text in texts for name in _names(text)))


def _names(text: str) -> Iterator[str]:
    return (found[1] for found in _PLACEHOLDER.finditer(text))


def _require_known(texts: Iterable[str]) -> None:
    if unknown := [name for name in _named_in(texts) if name not in PLACEHOLDERS]:
        known = ", ".join(f"`{{{name}}}`" for name in PLACEHOLDERS)
        raise ValueError(f"`{{{unknown[0]}}}` stands for nothing; there are {known}")
