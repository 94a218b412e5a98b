"""Where something listens, as a person writes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from seatrial.machine.address import Address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:/\s]*)):(\d{1,5})")
EVERY_ADDRESS = "0.0.0.0"


class ListenAddress(click.ParamType[Address]):
    """``[ADDRESS]:PORT``, an IPv6 address in brackets. Without an address it is every one."""

    name = "address"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Return it; fail in words where it is none."""
        if isinstance(value, Address):
            return value
        found = ADDRESS.fullmatch(str(value))
        if found is None or int(found[3]) > 65_535:
            self.fail(
                f"{value!r} is no address with a port, such as 127.0.0.1:8765, [::1]:0 or :9464", param, ctx
            )
        return Address(found[1] or found[2] or EVERY_ADDRESS, int(found[3]))


class AddressOptional(click.Command):
    """A command with options whose address may be left out, also before an argument: ``--serve plan.yaml``.

    click takes whatever follows an option with an optional value for that value. An address ends with a port.
    """

    defaults: dict[str, str] = {}  # noqa: RUF012 - set once, where the options are added

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Give those that stand alone their default."""
        return super().parse_args(context, list(self._with_addresses(args)))

    def _with_addresses(self, args: Sequence[str]) -> Iterator[str]:
        for at, argument in enumerate(args):
            default = self.defaults.get(argument)
            if default is None or (at + 1 < len(args) and ADDRESS.fullmatch(args[at + 1])):
                yield argument
            else:
                yield f"{argument}={default}"
