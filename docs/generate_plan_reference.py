"""Write docs/reference/plan.md from the JSON Schema of a plan: ``python docs/generate_plan_reference.py``."""

from __future__ import annotations

from pathlib import Path

from seatrial.plan.shown.reference import reference_text

TARGET = Path(__file__).parent / "reference" / "plan.md"


def write() -> None:
    """Write the page; called by hand and by the site's build."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(reference_text(), encoding="utf-8")


if __name__ == "__main__":
    write()
