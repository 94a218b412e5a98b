"""Read a plan file: bytes, YAML nodes, the models' shape, the models. Every mistake is said in one go."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import PlanError
from seatrial.limits import MAX_FILE_BYTES
from seatrial.plan.cases import compile_cases
from seatrial.plan.load_options import load_anywhere
from seatrial.plan.model.words import of_a_plan
from seatrial.plan.sanity import impossible_sanity
from seatrial.plan.scale import parse_scale, scaled
from seatrial.plan.written.decode import decode
from seatrial.plan.written.discovery import impossible_sources
from seatrial.plan.written.during import impossible_disturbances, require_possible
from seatrial.plan.written.forms import describe, reshape
from seatrial.plan.written.objects import impossible_objects, require_possible_objects
from seatrial.plan.written.rules import broken_rules
from seatrial.plan.yaml.problems import PlanFileError, Problem, Span, refusal
from seatrial.plan.yaml.yaml12 import Map, read_yaml
from seatrial.units import format_duration
from seatrial.workload.profile import length_s, parse_profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.plan.cases import Case
    from seatrial.plan.model.load import LoadPlan
    from seatrial.plan.model.plan import PlaceName, Plan

ROUNDING = 1e-9
"""Times are fractions: ten times 0.1 s is no longer than 1 s."""
_BYTE_ORDER_MARK = "\ufeff"
"""Editors on Windows put it before a text; it is no part of the plan."""


@dataclass(frozen=True, slots=True)
class GivenPlan:
    """A plan at a part of its size, and the very text that it was read from, each character as it stood in the file."""

    plan: Plan
    text: str
    scale: Fraction = Fraction(1)


def read_given_plan(path: Path | str, scale: str | None = None, place: PlaceName | None = None) -> GivenPlan:
    """Return the plan in a file with its text, scaled where asked; raises PlanError with every mistake and its place.

    With a ``place`` it runs there, whatever the plan says.
    The file is read once: it may be a pipe, and it may be edited while what was in it is run.
    """
    part = Fraction(1) if scale is None else parse_scale(scale)
    return given_again(read_plan_text(path), str(path), part, place)


def given_again(text: str, name: str, scale: Fraction, place: PlaceName | None = None) -> GivenPlan:
    """Return the plan in a text that was read before; ``name`` is the file's in messages. Raises PlanError."""
    plan = scaled(parse_plan(text, name), scale)
    plan = placed(plan, place or plan.place)
    if scale != 1 and (plan.during or plan.objects):
        cases = compile_cases(plan.model_copy(update={"systems": plan.systems[:1]}))
        require_possible(plan, cases)
        require_possible_objects(plan, cases)
    return GivenPlan(plan, text, scale)


ANY_HOST = "ingress.example.com"
"""What requests on a cluster say as their host where the plan says none: there are routes that have to have one."""


def placed(plan: Plan, place: PlaceName) -> Plan:
    """Return the plan at a place; raises PlanError where it cannot be there."""
    if place == "kubernetes" and plan.discovery is not None:
        raise PlanError(
            "a discoverer runs on this machine, and leads into a cluster",
            next_step="leave --on kubernetes out: --kubeconfig and --context say which cluster it is",
        )
    update: dict[str, Any] = {"place": place}
    if place == "kubernetes":
        update["load"] = _named(plan.load)
    return plan.model_copy(update=update)


def _named(load: LoadPlan) -> LoadPlan:
    """Return a load that says a host, and over TLS a name: nobody knows the addresses of pods before they run."""
    name = (load.tls.sni if load.tls is not None else None) or ANY_HOST
    update: dict[str, Any] = {} if load.host is not None else {"host": name}
    if load.tls is not None and load.tls.sni is None:
        update["tls"] = load.tls.model_copy(update={"sni": name})
    return load.model_copy(update=update)


def read_plan(path: Path | str, scale: str | None = None) -> Plan:
    """Return the plan in a file, at a part of its size; raises PlanError with every mistake and its place."""
    return read_given_plan(path, scale).plan


def read_plan_text(path: Path | str) -> str:
    """Return a plan file's text, as the record keeps it; raises PlanError if it is missing or unreadable."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PlanError(
            f"the plan {path} cannot be read: {error.strerror or error}",
            next_step="name a plan file, such as plans/quick.yaml",
        ) from None
    return decode_plan_bytes(content, str(path))


def decode_plan_bytes(content: bytes, name: str) -> str:
    """Return the text of a plan file's bytes; raises PlanError if they are too many or not UTF-8."""
    if len(content) > MAX_FILE_BYTES:
        raise PlanError(
            f"the plan {name} is larger than {MAX_FILE_BYTES} bytes", cause="this is probably another file"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", errors="replace").removeprefix(_BYTE_ORDER_MARK)
        span = Span(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        problem = Problem(span, f"the byte 0x{content[error.start]:02x} is not UTF-8", "text in UTF-8")
        raise PlanFileError(name, content.decode("utf-8", errors="replace"), [problem]) from None


def parse_plan(source: str, name: str) -> Plan:
    """Return the plan in a text; ``name`` is the file's in messages. Raises PlanError with every mistake."""
    source = source.removeprefix(_BYTE_ORDER_MARK)
    root, problems = read_yaml(source)
    if root is None:
        raise PlanFileError(name, source, problems)
    if not isinstance(root, Map):
        text = f"a plan is a mapping, not {describe(root)}"
        raise PlanFileError(
            name, source, [*problems, Problem(root.span, text, "a mapping that starts with `name:`")]
        )
    problems.extend(broken_rules(root))
    plan, mistakes = decode(reshape(root, problems))
    problems.extend(mistakes)
    if plan is not None and not problems:
        cases = compile_cases(plan.model_copy(update={"systems": plan.systems[:1]}))
        problems.extend(_impossible_topology(cases, root) or _impossible_load(plan, cases, root))
        problems.extend(impossible_disturbances(plan, cases, root))
        problems.extend(impossible_objects(plan, cases, root))
        problems.extend(impossible_sources(plan, compile_cases(plan) if plan.discovery else (), root))
        if wrong := impossible_sanity(plan):
            problems.append(Problem(root.entries["sanity"].key, *wrong))
    if plan is None or problems:
        raise PlanFileError(name, source, problems)
    return plan


def _impossible_topology(cases: Sequence[Case], root: Map) -> list[Problem]:
    """Return what does not fit of the first topology that does not, be it that one case has it."""
    where = root.entries["topology"].key if "topology" in root.entries else root.span
    for case in cases:
        try:
            case.topology.check()
        except ValueError as error:
            return [refusal(where, error, "this topology cannot be: ")]
        load, topology = case.load, case.topology
        if topology.hosts and load.host:
            return [
                Problem(
                    where,
                    "hosts are the topology's: each route has its own",
                    "no `host` in `load`, or `by: path`",
                )
            ]
        if topology.paths and load.path != "/":
            return [
                Problem(
                    where,
                    "paths are the topology's: each route has its own",
                    "no `path` in `load`, or `by: host`",
                )
            ]
    return []


def _impossible_load(plan: Plan, cases: Sequence[Case], root: Map) -> Iterator[Problem]:
    """Yield what the reader of the options refuses of a load whose values are right, each by itself."""
    where = root.entries["load"].key if "load" in root.entries else root.span
    lasts_s = length_s(parse_profile(plan.load.profile)) if plan.load.profile else 0.0
    if lasts_s > plan.phases.measure_s * (1 + ROUNDING):
        measured, lasts = format_duration(plan.phases.measure_s), format_duration(lasts_s)
        text = f"the profile lasts {lasts}, and `measure` is {measured}: its end would not be driven"
        yield Problem(where, text, f"a `measure` of at least {lasts}")
    for case in cases:
        options = load_anywhere(case)
        if case is not cases[0]:
            # Those do not vary, and may be a hundred thousand.
            options = dataclasses.replace(options, host=None, path=None)
        try:
            options.spec()
        except PlanError as error:
            yield refusal(where, of_a_plan(error), "this load cannot be driven: ")
            return
