"""Lists as the services give them: filters, an order, pages by ``limit`` and ``marker``, links, and fields.

Source: the sections on filtering, sorting and pagination of the Networking API v2.0, the Octavia API v2 and the
Identity API v3. A page is full or the last, and a full one has a link to the next, which may be empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode

from seatrial.openstack.api.answers import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from aiohttp import web
    from multidict import MultiMapping

Item = TypeVar("Item")

_OF_PAGES = {"limit", "marker", "page_reverse", "sort", "sort_key", "sort_dir", "fields", "nocatalog"}
# What openstacksdk calls it, which Octavia takes, too.
_ALIASES = {"load_balancer_id": "loadbalancer_id"}
_TAGS: Mapping[str, Callable[[set[str], set[str]], bool]] = {
    "tags": lambda asked, has: asked <= has,
    "tags-any": lambda asked, has: bool(asked & has),
    "not-tags": lambda asked, has: not asked <= has,
    "not-tags-any": lambda asked, has: not asked & has,
}


@dataclass(frozen=True, slots=True)
class Query:
    """What a client asks of a list. ``filters`` are the values that an attribute may have."""

    limit: int | None
    marker: str | None
    is_reverse: bool
    order: tuple[tuple[str, bool], ...]
    fields: tuple[str, ...]
    filters: Mapping[str, tuple[str, ...]]
    tags: Mapping[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, given: MultiMapping[str], page_limit: int | None, known: Collection[str]) -> Query:
        """Read a query string; raises ``Refused`` for what is no attribute of ``known``."""
        asked = [key for key in given if key not in _OF_PAGES and key not in _TAGS]
        filters = {_ALIASES.get(key, key): tuple(given.getall(key)) for key in asked}
        strange = sorted(set(filters) - set(known))
        if strange:
            raise Refused(
                400, f"One or more arguments are either invalid or not in the list: {', '.join(strange)}"
            )
        order = _order(given)
        wrong = next((key for key, _ in order if key not in known), None)
        if wrong is not None:
            raise Refused(400, f"Supplied sort key '{wrong}' is not valid.")
        return cls(
            _limit(given.get("limit"), page_limit),
            given.get("marker"),
            given.get("page_reverse", "").lower() == "true",
            order,
            tuple(name for value in given.getall("fields", []) for name in value.split(",")),
            filters,
            {
                key: {tag for value in given.getall(key) for tag in value.split(",")}
                for key in _TAGS
                if key in given
            },
        )

    def takes(self, document: Mapping[str, Any]) -> bool:
        """Return whether something passes the filters."""
        has = set(document.get("tags") or ())
        return all(_text(document.get(key)) in values for key, values in self.filters.items()) and all(
            _TAGS[key](asked, has) for key, asked in self.tags.items()
        )

    def in_order(self, documents: list[Item], of: Callable[[Item], Mapping[str, Any]]) -> list[Item]:
        """Return things in the order asked for; the order in which they came settles what is equal."""
        for key, is_descending in reversed(self.order):
            documents = sorted(documents, key=lambda one: _sortable(of(one).get(key)), reverse=is_descending)
        return documents


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """What is on a page, the ids of its ends where other pages are there, and the query that it answers."""

    items: Sequence[Item]
    limit: int | None
    previous_marker: str | None
    next_marker: str | None

    def rel_links(self, request: web.Request) -> list[dict[str, str]]:
        """Return the links as Neutron and Octavia have them."""
        markers = (("previous", self.previous_marker), ("next", self.next_marker))
        return [
            {"rel": rel, "href": self._url(request, marker, is_reverse=rel == "previous")}
            for rel, marker in markers
            if marker is not None
        ]

    def keystone_links(self, request: web.Request) -> dict[str, str | None]:
        """Return the links as Keystone has them."""
        return {
            "self": str(request.url),
            "previous": None,
            "next": None if self.next_marker is None else self._url(request, self.next_marker),
        }

    def _url(self, request: web.Request, marker: str, *, is_reverse: bool = False) -> str:
        kept = [
            (key, value)
            for key, value in request.query.items()
            if key not in {"limit", "marker", "page_reverse"}
        ]
        asked = [*kept, ("limit", str(self.limit)), ("marker", marker)]
        if is_reverse:
            asked.append(("page_reverse", "True"))
        return f"{request.url.origin()}{request.path}?{urlencode(asked)}"


def page_of(items: Iterable[Item], query: Query, identity: Callable[[Item], str]) -> Page[Item] | None:
    """Return the page that is asked for, or None where its marker is not in the list."""
    if query.is_reverse:
        items = list(items)[::-1]
    rest = iter(items)
    if query.marker is not None and not any(identity(item) == query.marker for item in rest):
        return None
    found = list(islice(rest, query.limit))
    if query.is_reverse:
        found.reverse()
    is_full = query.limit is not None and len(found) >= query.limit and bool(found)
    has_next = is_full if not query.is_reverse else bool(found)
    has_previous = query.marker is not None and bool(found) and (is_full or not query.is_reverse)
    return Page(
        found,
        query.limit,
        identity(found[0]) if has_previous and query.limit else None,
        identity(found[-1]) if has_next and query.limit else None,
    )


def _limit(given: str | None, page_limit: int | None) -> int | None:
    if given is None or given == "infinite":
        return page_limit
    try:
        asked = int(given)
    except ValueError:
        raise Refused(400, f"Supplied pagination limit '{given}' is not valid.") from None
    limits = [limit for limit in (asked if asked > 0 else None, page_limit) if limit is not None]
    return min(limits, default=None)


def _order(given: MultiMapping[str]) -> tuple[tuple[str, bool], ...]:
    """Return the keys to sort by, and whether downwards: ``sort=name:desc,id``, or ``sort_key`` and ``sort_dir``."""
    if "sort" in given:
        pairs = [key.partition(":")[::2] for key in given["sort"].split(",")]
    else:
        keys = [key for value in given.getall("sort_key", []) for key in value.split(",")]
        directions = [word for value in given.getall("sort_dir", []) for word in value.split(",")]
        pairs = list(zip(keys, [*directions, *[""] * len(keys)], strict=False))
    wrong = next((direction for _, direction in pairs if direction.lower() not in {"", "asc", "desc"}), None)
    if wrong is not None:
        raise Refused(400, f"Supplied sort direction '{wrong}' is not valid.")
    return tuple((key, direction.lower() == "desc") for key, direction in pairs)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sortable(value: Any) -> tuple[int, Any]:
    # Numbers before texts, and what is not there first.
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, int | float) else (2, str(value))
