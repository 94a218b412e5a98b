"""Words that plans and ``seatrial load`` have in common: one reader reads both, and a plan is refused in its terms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import AfterValidator

from seatrial.errors import PlanError
from seatrial.plan.yaml.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAG = re.compile(r"^--[a-z][a-z-]*(?: and --[a-z][a-z-]*)*:?\s+")


def by_reader(read: Callable[[Any], object]) -> AfterValidator:
    """Return the check of a field whose words ``read`` takes; the words stay as they are, for they are read again.

    What ``read`` refuses with a ``PlanError`` or a ``ValueError`` becomes a mistake of the plan, which names its own
    key: the name of a flag in front is left out.
    """

    def check(words: Any) -> Any:
        try:
            read(words)
        except (PlanError, ValueError) as error:
            raise of_a_plan(error) from None
        return words

    return AfterValidator(check)


def of_a_plan(error: PlanError | ValueError) -> ValueError:
    """Return the mistake of a plan: without the name of a flag in front."""
    if not isinstance(error, PlanError):
        return ValueError(_FLAG.sub("", str(error)))
    what = _FLAG.sub("", error.what)
    return Refused(what, error.next_step) if error.next_step else ValueError(what)
