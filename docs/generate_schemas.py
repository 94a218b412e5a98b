"""Write docs/reference/schema/*.json, the schemas of documents: ``python docs/generate_schemas.py``."""

from __future__ import annotations

import json
from pathlib import Path

from seatrial.report.schemas.documents import SCHEMAS

TARGET = Path(__file__).parent / "reference/schema"


def write() -> None:
    """Write each; they are kept in git, so that a change of what is promised shows."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, schema in SCHEMAS.items():
        (TARGET / f"{name}.json").write_text(f"{json.dumps(schema(), indent=2)}\n", encoding="utf-8")


if __name__ == "__main__":
    write()
