"""Keystone v3: versions, tokens by password, application credential or another token, the catalogue, projects.

Source: OpenStack's Identity API reference v3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from seatrial.faults.control import json_answer
from seatrial.openstack.api.answers import Face, Refused, base_of, body_of, unauthorized
from seatrial.openstack.api.context import caller
from seatrial.openstack.api.pages import Query, page_of
from seatrial.openstack.cloud.projects import (
    CREDENTIAL_NAME,
    DOMAIN_ID,
    DOMAIN_NAME,
    Project,
    User,
    identity,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from seatrial.openstack.cloud.moments import Clock
    from seatrial.openstack.cloud.projects import Directory
    from seatrial.openstack.cloud.tokens import Token, Tokens

PREFIX = f"/{Face.KEYSTONE.value}"
DOMAIN = {"id": DOMAIN_ID, "name": DOMAIN_NAME}
REGION = "RegionOne"
SERVICES = (
    ("identity", "keystone", "/identity/v3/"),
    ("network", "neutron", "/network/"),
    ("load-balancer", "octavia", "/load-balancer/"),
)
_FILTERS = ("id", "name", "domain_id", "enabled", "parent_id", "is_domain")


class Identity:
    """Answers for Keystone."""

    def __init__(self, directory: Directory, tokens: Tokens, clock: Clock, page_limit: int | None) -> None:
        self._directory = directory
        self._tokens = tokens
        self._clock = clock
        self._page_limit = page_limit

    def routes(self) -> list[web.RouteDef]:
        """Return what is answered."""
        v3 = f"{PREFIX}/v3"
        return [
            *(web.get(f"{PREFIX}{end}", self._versions) for end in ("", "/")),
            *(web.get(f"{v3}{end}", self._version) for end in ("", "/")),
            web.post(f"{v3}/auth/tokens", self._issue),
            web.get(f"{v3}/auth/tokens", self._show_token),
            web.delete(f"{v3}/auth/tokens", self._revoke),
            web.get(f"{v3}/auth/catalog", self._catalog),
            web.get(f"{v3}/auth/projects", self._own_projects),
            web.get(f"{v3}/projects", self._projects),
            web.get(f"{v3}/projects/{{project_id}}", self._project),
            web.get(f"{v3}/users/{{user_id}}/projects", self._projects_of_user),
        ]

    async def _versions(self, request: web.Request) -> web.Response:
        return json_answer({"versions": {"values": [_version(base_of(request))]}}, 300)

    async def _version(self, request: web.Request) -> web.Response:
        return json_answer({"version": _version(base_of(request))})

    async def _issue(self, request: web.Request) -> web.Response:
        token = self._authenticated(await body_of(request), unauthorized(base_of(request)))
        return self._token_answer(request, token, 201)

    async def _show_token(self, request: web.Request) -> web.Response:
        asking, subject = caller(request), self._tokens.find(request.headers.get("X-Subject-Token", ""))
        if subject is None:
            raise Refused(404, "This is not a recognized Fernet token.")
        if subject.user is not asking.user and not asking.is_admin:
            raise _forbidden("identity:validate_token")
        return self._token_answer(request, subject, 200)

    async def _revoke(self, request: web.Request) -> web.Response:
        asking, value = caller(request), request.headers.get("X-Subject-Token", "")
        subject = self._tokens.find(value)
        if subject is None:
            raise Refused(404, "This is not a recognized Fernet token.")
        if subject.user is not asking.user and not asking.is_admin:
            raise _forbidden("identity:revoke_token")
        self._tokens.revoke(value)
        return web.Response(status=204)

    async def _catalog(self, request: web.Request) -> web.Response:
        caller(request)
        links = {"self": str(request.url), "next": None, "previous": None}
        return json_answer({"catalog": catalog(base_of(request)), "links": links})

    async def _projects(self, request: web.Request) -> web.Response:
        if not caller(request).is_admin:
            raise _forbidden("identity:list_projects")
        return self._listed(request, self._directory.projects)

    async def _own_projects(self, request: web.Request) -> web.Response:
        return self._listed(request, self._directory.of_user(caller(request).user))

    async def _projects_of_user(self, request: web.Request) -> web.Response:
        asking, user = caller(request), self._directory.user(request.match_info["user_id"])
        if not asking.is_admin and (user is None or asking.user is not user):
            raise _forbidden("identity:list_user_projects")
        if user is None:
            raise _missing("user", request.match_info["user_id"])
        return self._listed(request, self._directory.of_user(user))

    async def _project(self, request: web.Request) -> web.Response:
        asking, identity_given = caller(request), request.match_info["project_id"]
        project = self._directory.project(identity_given)
        is_own = project is not None and project in self._directory.of_user(asking.user)
        if not asking.is_admin and not is_own:
            raise _forbidden("identity:get_project")
        if project is None or project.id != identity_given:
            raise _missing("project", identity_given)
        return json_answer({"project": _project(project, base_of(request))})

    def _listed(self, request: web.Request, projects: Iterable[Project]) -> web.Response:
        base = base_of(request)
        query = Query.read(request.query, self._page_limit, _FILTERS)
        found = [
            document
            for document in (_project(project, base) for project in projects)
            if query.takes(document)
        ]
        page = page_of(found, query, lambda document: str(document["id"]))
        if page is None:
            raise _missing("project", query.marker or "")
        return json_answer({"projects": page.items, "links": page.keystone_links(request)})

    def _authenticated(self, body: dict[str, Any], refused: Refused) -> Token:
        """Return a new token for what is in a body; raises ``Refused``."""
        try:
            auth = body["auth"]
            methods = auth["identity"]["methods"]
            (method,) = methods
            user = self._user(method, auth["identity"][method])
            scope = auth.get("scope")
            project = user.project if method == "application_credential" and user else None
            if user is None or (project is not None and scope is not None):
                raise refused
            if scope is not None and scope != "unscoped":
                project = self._scoped(user, scope["project"])
                if project is None:
                    raise refused
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refused(
                400,
                "Expecting to find auth.identity with one method of password, application_credential or token, and a "
                "scope of a project. The server could not comply with the request since it is either malformed or "
                "otherwise incorrect. The client is assumed to be in error.",
            ) from error
        return self._tokens.issue(user, project, methods)

    def _user(self, method: str, given: dict[str, Any]) -> User | None:
        """Return who has shown who it is; None where it has not."""
        if method == "token":
            token = self._tokens.find(given["id"])
            return None if token is None else token.user
        if method == "password":
            user, secret = self._named_user(given["user"]), given["user"]["password"]
        elif method == "application_credential":
            if "id" in given:
                user = self._directory.credential(given["id"])
            else:
                user = self._named_user(given["user"]) if given["name"] == CREDENTIAL_NAME else None
            secret = given["secret"]
        else:
            raise ValueError(method)
        return user if secret == self._directory.password else None

    def _named_user(self, given: dict[str, Any]) -> User | None:
        if "id" in given:
            user = self._directory.user(given["id"])
            return user if user is not None and user.id == given["id"] else None
        return self._directory.user(given["name"]) if _is_domain(given["domain"]) else None

    def _scoped(self, user: User, given: dict[str, Any]) -> Project | None:
        if "id" not in given and not _is_domain(given["domain"]):
            return None
        project = self._directory.project(str(given["id"] if "id" in given else given["name"]))
        if project is None or project.id != given.get("id", project.id):
            return None
        return project if user.is_admin or user.project is project else None

    def _token_answer(self, request: web.Request, token: Token, status: int) -> web.Response:
        document: dict[str, Any] = {
            "methods": list(token.methods),
            "user": {
                "id": token.user.id,
                "name": token.user.name,
                "domain": DOMAIN,
                "password_expires_at": None,
            },
            "audit_ids": [token.audit_id],
            "issued_at": self._time(token.issued_ns),
            "expires_at": self._time(token.expires_ns),
        }
        if token.project is not None:
            document |= {
                "project": {"id": token.project.id, "name": token.project.name, "domain": DOMAIN},
                "is_domain": False,
                "roles": [{"id": identity("role", token.user.role), "name": token.user.role}],
            }
            if "nocatalog" not in request.query:
                document["catalog"] = catalog(base_of(request))
        return json_answer(
            {"token": document}, status, {"X-Subject-Token": token.value, "Vary": "X-Auth-Token"}
        )

    def _time(self, moment_ns: int) -> str:
        return self._clock.wall(moment_ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def catalog(base: str) -> Sequence[dict[str, Any]]:
    """Return where each service is, for every interface the same."""
    return [
        {
            "id": identity("service", kind),
            "type": kind,
            "name": name,
            "endpoints": [
                {
                    "id": identity("endpoint", kind, interface),
                    "interface": interface,
                    "region": REGION,
                    "region_id": REGION,
                    "url": base + path,
                }
                for interface in ("public", "internal", "admin")
            ],
        }
        for kind, name, path in SERVICES
    ]


def _version(base: str) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base}{PREFIX}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def _project(project: Project, base: str) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "domain_id": DOMAIN_ID,
        "parent_id": DOMAIN_ID,
        "enabled": True,
        "is_domain": False,
        "options": {},
        "tags": [],
        "links": {"self": f"{base}{PREFIX}/v3/projects/{project.id}"},
    }


def _is_domain(given: dict[str, Any]) -> bool:
    return given.get("id") == DOMAIN_ID or given.get("name") == DOMAIN_NAME


def _forbidden(action: str) -> Refused:
    return Refused(403, f"You are not authorized to perform the requested action: {action}.")


def _missing(kind: str, identity_given: str) -> Refused:
    return Refused(404, f"Could not find {kind}: {identity_given}.")
