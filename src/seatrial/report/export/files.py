"""The files of an export: a directory that can be written, and each file whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from seatrial.report.files import unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def make_directory(path: Path) -> None:
    """Make a directory, and those above it; raise ``EnvironmentFault`` where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Give the name to write to; it becomes ``path`` at the end, unless something was raised.

    Raises ``EnvironmentFault`` where the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        with suppress(OSError):
            draft.unlink()
