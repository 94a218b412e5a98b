"""Who there is: projects, their users, and application credentials, all of the one domain ``Default``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.seeds import derive

if TYPE_CHECKING:
    from collections.abc import Collection

DOMAIN_ID, DOMAIN_NAME = "default", "Default"
ADMIN = "admin"
CREDENTIAL_NAME = "seatrial"
PROJECTS_LIMIT = 10_000
"""More than twice the projects of the largest cloud that is known of from Gimbal's issues (3,900)."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project, which OpenStack has called a tenant, too."""

    id: str
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """A user; ``project`` is where it works, and an administrator everywhere."""

    id: str
    name: str
    project: Project
    is_admin: bool

    @property
    def role(self) -> str:
        """The name of the role that it has."""
        return ADMIN if self.is_admin else "member"

    @property
    def credential_id(self) -> str:
        """The id of its application credential; the secret is the password."""
        return identity("credential", self.id)


def identity(*names: str | int) -> str:
    """Return an id as Keystone has them, 32 hexadecimal digits, which names give."""
    return hashlib.blake2b(repr(names).encode(), digest_size=16).hexdigest()


class Directory:
    """All projects, each with a user of its name, and the administrator. Every user has the same password."""

    def __init__(self, seed: int, password: str) -> None:
        self.password = password
        self._seed = seed
        self._projects: dict[str, Project] = {}
        self._users: dict[str, User] = {}
        self._by_name: dict[str, Project] = {}
        self._credentials: dict[str, User] = {}
        self._users_by_name: dict[str, User] = {}
        self.admin = self._user(self.add_project(ADMIN, "for the administrator"), is_admin=True)

    @property
    def projects(self) -> Collection[Project]:
        """All projects, in the order in which they were made."""
        return self._projects.values()

    def add_project(self, name: str, description: str = "") -> Project:
        """Return the project of this name, which is made where there is none."""
        project = self._by_name.get(name)
        if project is None:
            project = Project(identity("project", derive(self._seed, name)), name, description)
            self._projects[project.id] = self._by_name[name] = project
            if name != ADMIN:
                self._user(project, is_admin=False)
        return project

    def project(self, id_or_name: str) -> Project | None:
        """Return the project that has this id, or else this name."""
        return self._projects.get(id_or_name) or self._by_name.get(id_or_name)

    def user(self, id_or_name: str) -> User | None:
        """Return the user that has this id, or else this name."""
        return self._users.get(id_or_name) or self._users_by_name.get(id_or_name)

    def credential(self, credential_id: str) -> User | None:
        """Return the user that an application credential is of."""
        return self._credentials.get(credential_id)

    def of_user(self, user: User) -> list[Project]:
        """Return the projects that a user may work in."""
        return list(self.projects) if user.is_admin else [user.project]

    def _user(self, project: Project, *, is_admin: bool) -> User:
        user = User(identity("user", derive(self._seed, project.name)), project.name, project, is_admin)
        self._users[user.id] = self._users_by_name[user.name] = self._credentials[user.credential_id] = user
        return user
