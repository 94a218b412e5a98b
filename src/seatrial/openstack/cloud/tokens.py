"""Tokens: given for a while, to be renewed; taken back on demand."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.openstack.cloud.moments import Clock
    from seatrial.openstack.cloud.projects import Project, User

TOKENS_LIMIT = 20_000
"""Tokens that are good at a time; where there are more the oldest goes."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a client shows; ``project`` is None where it is not scoped to one."""

    value: str
    audit_id: str
    user: User
    project: Project | None
    methods: Sequence[str]
    issued_ns: int
    expires_ns: int

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything, in all projects."""
        return self.user.is_admin and self.project is not None


class Tokens:
    """Those that are good. ``life_ns`` is how long a new one is."""

    def __init__(self, clock: Clock, life_ns: int) -> None:
        self.life_ns = life_ns
        self._clock = clock
        self._good: OrderedDict[str, Token] = OrderedDict()

    def issue(self, user: User, project: Project | None, methods: Sequence[str]) -> Token:
        """Return a new token."""
        now_ns = self._clock.now_ns()
        token = Token(
            secrets.token_urlsafe(96),
            secrets.token_urlsafe(16),
            user,
            project,
            methods,
            now_ns,
            now_ns + self.life_ns,
        )
        self._good[token.value] = token
        while len(self._good) > TOKENS_LIMIT:
            self._good.popitem(last=False)
        return token

    def find(self, value: str) -> Token | None:
        """Return the token if it is good still."""
        token = self._good.get(value)
        if token is not None and token.expires_ns <= self._clock.now_ns():
            self.revoke(value)
            return None
        return token

    def revoke(self, value: str) -> None:
        """Take one back."""
        self._good.pop(value, None)

    def revoke_all(self) -> int:
        """Take all back, as if they had expired; return how many there were."""
        count = len(self._good)
        self._good.clear()
        return count
