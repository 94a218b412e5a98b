"""Whether the proxies of a controller had the same configuration from it once all was over."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from seatrial.systems.running import GIVEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seatrial.record.facts import TrialFacts


def drifted(facts: TrialFacts) -> tuple[str, ...] | None:
    """Return the proxies to which their controller had given another configuration after the load than to the most.

    All of them where there is no most. None where they do not say what they were given.
    """
    given = {one.member: one.after[GIVEN] for one in facts.configurations if one.after and GIVEN in one.after}
    if not given:
        return None
    (most, count), *others = Counter(given.values()).most_common(2)
    # Where as many had another, nobody knows which is the right one.
    is_tie = any(other == count for _, other in others)
    return tuple(member for member, digest in given.items() if is_tie or digest != most)


def drifted_text(trials: Iterable[TrialFacts]) -> str | None:
    """Return "after the load its proxies did not have the same configuration: envoy-2 differ", or None."""
    names = dict.fromkeys(name for facts in trials for name in drifted(facts) or ())
    if not names:
        return None
    return f"after the load its proxies did not all have the same configuration: {', '.join(names)} differ"
