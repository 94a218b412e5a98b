"""A URL of something that is there already, as a person writes it."""

from __future__ import annotations

from urllib.parse import urlsplit

import click


class HttpUrl(click.ParamType[str]):
    """``http://`` or ``https://``, with a host; ``example`` is what it looks like."""

    name = "url"

    def __init__(self, example: str) -> None:
        self._example = example

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is; fail in words where it is none."""
        text = str(value)
        try:
            parts = urlsplit(text)
            is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one or any(letter.isspace() for letter in text):
            # It may hold a password.
            self.fail(f"{text.rpartition('@')[2]!r} is no URL, such as {self._example}", param, ctx)
        return text
