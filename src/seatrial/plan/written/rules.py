"""What must hold between the parts of a plan, read from the nodes: said together with every other mistake."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seatrial import units
from seatrial.limits import MAX_CASES, MAX_TRIALS
from seatrial.plan.metrics import DURING, OF_CHANGES
from seatrial.plan.model.variables import VARIABLES
from seatrial.plan.written.discovery import impossible_discovery
from seatrial.plan.written.observe import half_observed, observed_of_nobody
from seatrial.plan.yaml.problems import Problem
from seatrial.plan.yaml.yaml12 import List, Map, Node, Scalar
from seatrial.systems.registry import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.plan.yaml.problems import Span


def broken_rules(root: Map) -> Iterator[Problem]:
    """Yield what does not fit together in a plan as it was written (before its short forms were reshaped)."""
    vary = root.get("vary")
    varied = vary if isinstance(vary, Map) else Map(root.span, {})
    yield from _given_twice(root, varied)
    yield from _proxies_of_nobody(root, varied)
    if "discovery" not in root.entries:
        yield from _rate_and_loop(root, varied)
    yield from _rate_and_profile(root, varied)
    yield from _nothing_to_do(root, varied)
    yield from _nothing_to_hold(root, varied)
    yield from _nothing_to_use(root, varied)
    yield from _delay_and_timeout(root)
    yield from _proxies_of_objectives(root)
    yield from _windows_of_nobody(root)
    yield from _changes_of_nobody(root, varied)
    yield from impossible_discovery(root)
    yield from half_observed(root, varied)
    yield from observed_of_nobody(root)
    yield from _too_many(root, varied)


def _given_twice(root: Map, varied: Map) -> Iterator[Problem]:
    for name, kind in VARIABLES.items():
        where = kind.path[0]
        for section in _sections(root.get(where)):
            key = kind.key or name
            if name in varied.entries and key in section.entries:
                text = f"`{key}` is given in `{where}` as well as in `vary`{f' as `{name}`' if key != name else ''}"
                yield Problem(
                    section.entries[key].key, text, "one of the two: `vary` moves it, or it stands still"
                )


def _sections(node: Node | None) -> list[Map]:
    """Return the mappings that options of a section are in: itself, or those of each system."""
    if isinstance(node, Map):
        return [node]
    systems = [item for item in node.items if isinstance(item, Map)] if isinstance(node, List) else []
    options = [entry.node for system in systems for entry in system.entries.values()]
    return [given for given in options if isinstance(given, Map)]


def _proxies_of_nobody(root: Map, varied: Map) -> Iterator[Problem]:
    """Yield proxies, or scrapes of them, that move where no system has any: each case would be the same."""
    systems = root.get("systems")
    if not isinstance(systems, List) or _may_be_proxied(_kinds(systems)):
        return
    for name, text in (
        ("proxies", "`proxies` varies, and no system of this plan has any"),
        ("scrape", "`scrape` varies, and no system of this plan has a proxy to scrape"),
    ):
        if name in varied.entries:
            yield Problem(varied.entries[name].key, text, f"{_proxied_kinds()} among the `systems`")


def _rate_and_loop(root: Map, varied: Map) -> Iterator[Problem]:
    section = root.get("load") or Map(root.span, {})
    if not isinstance(section, Map):
        return
    rate = _where("rate", varied, section) or _where("profile", varied, section)
    silent = _is_zero(section.get("active")) and "active" not in varied.entries
    loop = section.get("loop")
    if isinstance(loop, Scalar) and loop.text == "closed":
        if silent:
            text = "a closed loop needs connections that send, but `active` is 0"
            yield Problem(section.entries["active"].key, text, "`active` of 1 or more, or `loop: open`")
        if rate:
            text = "a closed loop has no `rate`: it sends when the answer before has come"
            yield Problem(rate, text, "`loop: open`, or no `rate`")
        arrival = section.get("arrival")
        if isinstance(arrival, Scalar) and arrival.text == "poisson":
            text = "a closed loop has no `arrival`: it sends when the answer before has come"
            yield Problem(section.entries["arrival"].key, text, "`loop: open`, or no `arrival`")
    elif rate and silent:
        yield Problem(
            rate, "a `rate` needs connections that carry it, but `active` is 0", "`active` of 1 or more"
        )
    elif not rate and not silent:
        where = root.entries["load"].key if "load" in root.entries else root.span
        yield Problem(
            where, "no `rate`: an open loop sends by a schedule, and this plan has none", _RATE_ALLOWED
        )


_RATE_ALLOWED = "`rate` in `load` or in `vary`; `active: 0` to hold idle connections only; `loop: closed`"


def _where(name: str, varied: Map, section: Map) -> Span | None:
    entry = varied.entries.get(name) or section.entries.get(name)
    return entry.key if entry else None


def _is_zero(node: Node | None) -> bool:
    try:
        return isinstance(node, Scalar) and units.parse_count(node.value) == 0  # type: ignore[arg-type]
    except ValueError:
        return False


def _rate_and_profile(root: Map, varied: Map) -> Iterator[Problem]:
    """Yield a profile beside a rate, of which one would not be driven."""
    section = root.get("load")
    if isinstance(section, Map) and "profile" in section.entries and _where("rate", varied, section):
        yield Problem(
            section.entries["profile"].key, "`profile` is given as well as `rate`", "one of the two"
        )


def _nothing_to_hold(root: Map, varied: Map) -> Iterator[Problem]:
    """Yield traffic of idle connections where no case has any."""
    section = root.get("load")
    traffic = section.get("hold_traffic") if isinstance(section, Map) else None
    if not isinstance(section, Map) or not isinstance(traffic, Scalar) or traffic.text == "silent":
        return
    connections = varied.get("connections") or section.get("connections")
    given = connections.items if isinstance(connections, List) else [connections]
    if all(node is None or _is_zero(node) for node in given):
        text = "`hold_traffic` is of idle connections, and this plan holds none"
        yield Problem(section.entries["hold_traffic"].key, text, "`connections` of 1 or more")


def _nothing_to_use(root: Map, varied: Map) -> Iterator[Problem]:
    """Yield options of active connections where there are none: each would seem to have been tried."""
    section = root.get("load")
    if not isinstance(section, Map) or not _is_zero(section.get("active")) or "active" in varied.entries:
        return
    for name in ("lifetime", "requests_per_connection", "reuse", "arrival"):
        if where := _where(name, varied, section):
            text = f"`{name}` is of active connections, and `active` is 0"
            yield Problem(where, text, f"`active` of 1 or more, or no `{name}`")


def _nothing_to_do(root: Map, varied: Map) -> Iterator[Problem]:
    """Yield cases without requests and without idle connections: they would be VALID about nothing."""
    section = root.get("load")
    if not isinstance(section, Map) or not _is_zero(section.get("active")) or "active" in varied.entries:
        return
    connections = varied.get("connections")
    allowed = "`connections` of 1 or more, or `active` and a `rate`"
    if isinstance(connections, List):
        for item in connections.items:
            if _is_zero(item):
                yield Problem(item.span, "this case has no load: no connections, and `active` is 0", allowed)
    elif "connections" not in section.entries or _is_zero(section.get("connections")):
        text = "a plan without a load: no `connections`, and `active` is 0"
        yield Problem(section.entries["active"].key, text, allowed)


DEFAULT_TIMEOUT_S = 2.0
"""That of ``LoadPlan``, which a test holds it against: this module reads nodes, before there are models."""


def _delay_and_timeout(root: Map) -> Iterator[Problem]:
    """Yield delays that no answer comes in time for: they would measure the timeout."""
    origin = root.get("origin")
    delay = origin.get("delay") if isinstance(origin, Map) else None
    timeout_s = _shortest_timeout_s(root)
    parts = [delay.get("mean"), delay.get("low")] if isinstance(delay, Map) else [delay]
    for part in parts:
        delay_s = None if part is None else _duration_s(part)
        if part is not None and delay_s is not None and timeout_s is not None and delay_s >= timeout_s:
            shown = f"{units.format_duration(delay_s)} is not below the timeout of {units.format_duration(timeout_s)}"
            yield Problem(
                part.span, f"a delay of {shown}: requests would time out", "a longer `timeout` in `load`"
            )


def _shortest_timeout_s(root: Map) -> float | None:
    """Return the shortest timeout of any case, None where it cannot be read."""
    load, vary = root.get("load"), root.get("vary")
    varied = vary.get("timeout") if isinstance(vary, Map) else None
    given = varied or (load.get("timeout") if isinstance(load, Map) else None)
    if given is None:
        return DEFAULT_TIMEOUT_S
    read = [_duration_s(node) for node in (given.items if isinstance(given, List) else (given,))]
    known = [timeout_s for timeout_s in read if timeout_s is not None]
    return min(known) if len(known) == len(read) else None


def _proxies_of_objectives(root: Map) -> Iterator[Problem]:
    """Yield objectives that no system is held to: never judged, they would look as if they held."""
    systems, objectives = root.get("systems"), root.get("objectives")
    if not isinstance(systems, List) or not isinstance(objectives, List):
        return
    kinds = _kinds(systems)
    for item in objectives.items:
        if (
            kinds
            and not _may_be_proxied(kinds)
            and isinstance(item, Scalar)
            and item.text.strip().startswith("proxy_")
        ):
            text = f"`{item.text.split()[0]}` is of a proxy, and this plan has none"
            yield Problem(item.span, text, f"{_proxied_kinds()} among the `systems`")


def _windows_of_nobody(root: Map) -> Iterator[Problem]:
    """Yield objectives on what comes of disturbances where there are none."""
    objectives = root.get("objectives")
    for item in objectives.items if isinstance(objectives, List) and "during" not in root.entries else ():
        if isinstance(item, Scalar) and item.text.strip().startswith(DURING):
            text = f"`{item.text.split()[0]}` is of disturbances, and this plan has none"
            yield Problem(item.span, text, "`during`, such as `during: [{at: 10 s, do: reload}]`")


def _changes_of_nobody(root: Map, varied: Map) -> Iterator[Problem]:
    """Yield objectives on how soon changes are live, and what varies of them, where there are none."""
    if "objects" in root.entries:
        return
    for name, kind in VARIABLES.items():
        if kind.path[0] == "objects" and name in varied.entries:
            text = f"`{name}` is of routes that change, and this plan has none"
            yield Problem(varied.entries[name].key, text, _CHANGES_ALLOWED)
    objectives = root.get("objectives")
    for item in objectives.items if isinstance(objectives, List) else ():
        if isinstance(item, Scalar) and item.text.split()[:1] and item.text.split()[0] in OF_CHANGES:
            text = f"`{item.text.split()[0]}` is of routes that change, and this plan has none"
            yield Problem(item.span, text, _CHANGES_ALLOWED)


_CHANGES_ALLOWED = "`objects`, such as `objects: {at_a_time: 5}`"


def _kinds(systems: List) -> list[str]:
    return [
        item.text if isinstance(item, Scalar) else next(iter(item.entries), "")
        for item in systems.items
        if isinstance(item, Scalar | Map)
    ]


def _may_be_proxied(kinds: list[str]) -> bool:
    """Return whether any is a proxy; a word that is no kind at all is complained of elsewhere."""
    return any(kind not in SYSTEMS or SYSTEMS[kind].proxied for kind in kinds)


def _proxied_kinds() -> str:
    return " or ".join(f"`{kind}`" for kind, options in SYSTEMS.items() if options.proxied)


def _duration_s(node: Node) -> float | None:
    try:
        return units.parse_duration_s(node.value) if isinstance(node, Scalar) else None  # type: ignore[arg-type]
    except ValueError:
        return None


def _too_many(root: Map, varied: Map) -> Iterator[Problem]:
    systems = root.get("systems")
    lists = [entry.node for entry in varied.entries.values() if isinstance(entry.node, List)]
    counts = [len(systems.items) if isinstance(systems, List) else 1, *(len(node.items) for node in lists)]
    cases = math.prod(counts)
    where = root.entries["vary"].key if "vary" in root.entries else root.span
    sum_text = " x ".join(str(count) for count in counts)
    if cases > MAX_CASES:
        yield Problem(where, f"{sum_text} = {cases} cases are too many", f"at most {MAX_CASES} in one plan")
    elif (trials := cases * _repeat(root)) > MAX_TRIALS:
        yield Problem(
            where, f"{sum_text} cases, repeated, are {trials} trials", f"at most {MAX_TRIALS} in one plan"
        )


def _repeat(root: Map) -> int:
    node = root.get("repeat")
    try:
        return units.parse_count(node.value) if isinstance(node, Scalar) else 3  # type: ignore[arg-type]
    except ValueError:
        return 1
