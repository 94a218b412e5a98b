"""A plan's objectives as a file of alerting rules: a group a system, an alert an objective."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any, Final

import yaml

from seatrial.analysis.measured import unit_of
from seatrial.analysis.run.objectives import AS_EXPECTED
from seatrial.plan.metrics import DURING
from seatrial.plan.model.plan import Objective
from seatrial.plan.observed import parts_of
from seatrial.record.layout import file_safe
from seatrial.report.rules.expressions import (
    TRIAL,
    AfterTheTrial,
    Exact,
    NotAsked,
    Selection,
    watched,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.plan.model.plan import Plan
    from seatrial.plan.model.target import SystemPlan

Rule = dict[str, Any]

_WIDTH: Final = 112
_BASE_UNITS: Final = {"us": ("seconds", 1_000_000)}
"""As Prometheus has them: the value of an alert and its threshold are in one unit."""
_ON_ERRORS: Final = ("errors", "unexpected", f"{DURING}errors", f"{DURING}unexpected")
_HEAD: Final = """\
# The objectives of the plan {name} as alerts, on what `seatrial run --metrics` exposes.
# An alert says what is so while a trial runs, before anybody judged it; the verdict is in the report. One of a trial
# that turns out INVALID ends, and SeatrialTrialInvalid begins. Evaluate at least every 15 s: phases are short.
"""


def rules_text(plan: Plan) -> str:
    """Return the file: YAML that ``promtool check rules`` takes, with a comment wherever a rule is not exact."""
    return "".join(
        (
            _HEAD.format(name=plan.name),
            "groups:\n",
            *_validity(plan),
            *(_group(plan, own) for own in plan.systems),
        )
    )


def objectives_of(plan: Plan) -> tuple[Objective, ...]:
    """Return the objectives of a plan, that answers are as expected among them where it says nothing of errors."""
    if any(objective.metric in _ON_ERRORS for objective in plan.objectives):
        return plan.objectives
    implicit = Objective(
        text=AS_EXPECTED.text, metric=AS_EXPECTED.metric, comparison="==", threshold=AS_EXPECTED.threshold
    )
    return (*plan.objectives, implicit)


def _validity(plan: Plan) -> Iterator[str]:
    rule = {
        "alert": "SeatrialTrialInvalid",
        "expr": f"seatrial_trial_valid{{{_run(plan)}}} == 0",
        "labels": {"plan": plan.name},
        "annotations": {
            "summary": "{{ $labels.system }}: trial {{ $labels.trial }} is INVALID",
            "description": "Its figures may not be believed: the report has the reasons.",
        },
    }
    yield f"- name: seatrial-{plan.name}\n  rules:\n"
    yield _entry(rule)


def _group(plan: Plan, system: SystemPlan) -> str:
    matchers = f'{_run(plan)}, system="{system.label}", case!~"sanity-.*"'
    of = Selection(system.kind, matchers, plan.load)
    entries = [_of_objective(plan, system, objective, of) for objective in objectives_of(plan)]
    rules = [entry for entry in entries if not entry.lstrip().startswith("# not asked")]
    said = "".join(entry for entry in entries if entry not in rules)
    empty = "  rules: []\n" if not rules else "  rules:\n"
    return f"- name: seatrial-{plan.name}-{system.label}\n{said}{empty}{''.join(rules)}"


def _run(plan: Plan) -> str:
    """Return what matches the runs of a plan: they are named after when they began and the plan."""
    name = re.escape(file_safe(plan.name)).replace("\\", "\\\\").replace("\\\\-", "-")
    return f'run=~"[0-9TZ]+-{name}(-[0-9]+)?"'


def _of_objective(plan: Plan, system: SystemPlan, objective: Objective, of: Selection) -> str:
    match watched(objective, of):
        case NotAsked(reason):
            return _comment(f"not asked of {system.label}: {objective.text}, for {reason}")
        case Exact() as found:
            return _entry(_alert(plan, system, objective, _unless_invalid(found.expression), found))
        case AfterTheTrial(reason) as found:
            met = of.whole("seatrial_objective_met", f'objective="{_escaped(objective.text)}"')
            rule = _alert(plan, system, objective, _unless_invalid(f"{met} == 0"), found)
            return _comment(f"{objective.text}: only after each trial, for {reason}.") + _entry(rule)


def _unless_invalid(expression: str) -> str:
    return f"{expression}\nunless on ({TRIAL}) seatrial_trial_valid == 0"


def _alert(
    plan: Plan, system: SystemPlan, objective: Objective, expression: str, found: Exact | AfterTheTrial
) -> Rule:
    implicit = objective not in plan.objectives
    own = _unit(plan, objective.metric)
    unit, scale = _BASE_UNITS.get(own, (own, 1))
    asked = "Every plan asks" if implicit else "The plan asks"
    if isinstance(found, Exact):
        seen = f"It is {found.value} in trial {{{{ $labels.trial }}}} of {{{{ $labels.case }}}}. {found.note}"
    else:
        seen = "It did not hold in trial {{ $labels.trial }} of {{ $labels.case }}, which is over."
    return {
        "alert": f"Seatrial{_camel(objective.metric)}NotMet",
        "expr": expression,
        # What has several systems is one rule in several groups otherwise.
        "labels": {"plan": plan.name, "system": system.label, "objective": objective.text},
        "annotations": {
            "summary": f"{system.label}: {objective.text} does not hold",
            "description": f"{asked}: {objective.text}. {objective.metric}: {words_of(objective.metric)}. {seen}",
            "threshold": f"{objective.threshold / scale:.12g}",
            "unit": unit,
        },
    }


def _unit(plan: Plan, metric: str) -> str:
    asked, queries = parts_of(metric), () if plan.observe is None else plan.observe.queries
    return next((one.unit for one in queries if asked and one.name == asked[0]), unit_of(metric))


def _entry(rule: Rule) -> str:
    text = yaml.dump([rule], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return textwrap.indent(text, "  ")


def _comment(text: str) -> str:
    return "".join(f"  # {line}\n" for line in textwrap.wrap(text, _WIDTH))


def _camel(metric: str) -> str:
    return "".join(part.capitalize() for part in re.split("[._]", metric))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such: an expression is to be read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
