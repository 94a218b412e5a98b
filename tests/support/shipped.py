"""Plans that come along, made short: other systems, fewer values and shorter phases; all else is what is shipped."""

from __future__ import annotations

import re
from pathlib import Path

PLANS = Path(__file__).parents[2] / "plans"


def shipped(name: str, **changes: str) -> str:
    """Return a plan's text with another value for each of these keys, which stands on one line of its own.

    An underscore is a step down: ``vary__routes``. Each key must be there, so that the plan is still the one meant.
    """
    text = (PLANS / f"{name}.yaml").read_text()
    for key, value in {"repeat": "1\nretry: 0", **changes}.items():
        *steps, last = key.split("__")
        line = re.compile(rf"^{'  ' * len(steps)}{last}: .*$", re.MULTILINE)
        (found,) = line.findall(text)
        text = text.replace(found, f"{'  ' * len(steps)}{last}: {value}")
    return text
