"""Programs of Seatrial that stand around a discoverer: each ends with the run, and is steered over HTTP."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from seatrial.errors import GeneratorFault, PlanError
from seatrial.machine.members import Member
from seatrial.machine.processes.child import Child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START_LIMIT_S = 60.0
END_LIMIT_S = 5.0
CALL_LIMIT_S = 120.0


class Helper:
    """A running program, and what it said of itself when it was ready: ``ready``. Made by ``start``."""

    def __init__(self, name: str, child: Child, ready: Mapping[str, Any]) -> None:
        self.name = name
        self.ready = ready
        self._child = child
        timeout = aiohttp.ClientTimeout(total=CALL_LIMIT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str]) -> Self:
        """Start ``seatrial`` with these arguments; raises ``GeneratorFault`` where it does not come up."""
        child = await Child.start([sys.executable, "-m", "seatrial", *arguments, "--with-parent"])
        try:
            async with asyncio.timeout(START_LIMIT_S):
                async for message in child.messages():
                    return cls(name, child, message)
        except TimeoutError:
            pass
        except BaseException:
            child.hang_up()
            raise
        child.hang_up()
        await child.end(END_LIMIT_S)
        words = (await child.words()).splitlines()[-3:]
        raise GeneratorFault(
            f"the {name} did not come up", cause=" ".join(words) or "it said nothing within a minute",
            next_step=f"see whether it starts by itself: seatrial {arguments[0]} --help",
        )  # fmt: skip

    def member(self) -> Member | None:
        """Return the process, to be counted as one of the generator's; None where it has ended."""
        return Member.alone("generator", self.name, self._child.pid)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask it something below its control URL; return the JSON that it answers, None for nothing.

        Raises ``PlanError`` for what it does not take, ``GeneratorFault`` where it does not answer.
        """
        url = f"{self.ready['control_url']}{path}"
        try:
            async with self._session.request(method, url, json=body) as answer:
                document = await answer.json() if answer.content_type == "application/json" else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise GeneratorFault(
                f"the {self.name} does not answer {method} {path}: {error or type(error).__name__}",
                next_step="see whether it was ended, and run the plan again",
            ) from None
        if answer.status >= 400:
            said = document.get("error") if isinstance(document, dict) else None
            raise PlanError(f"the {self.name} refuses {method} {path}: {said or answer.status}")
        return document

    async def befallen(self) -> int:
        """Return how many calls the fault that was planted last has befallen. Raises as ``ask`` does."""
        planted = (await self.ask("GET", "/faults"))["faults"]
        return int(planted[-1]["done"]) if planted else 0

    async def close(self) -> None:
        """End it."""
        await self._session.close()
        with suppress(RuntimeError):
            self._child.hang_up()
        await self._child.end(END_LIMIT_S)
