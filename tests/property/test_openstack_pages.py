"""Whatever the size of a page, forwards and backwards each item is listed once, in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from multidict import MultiDict

from seatrial.openstack.api.pages import Page, Query, page_of


def page(items: list[str], limit: int | None, marker: str | None, *, is_reverse: bool = False) -> Page[str]:
    asked = {"page_reverse": str(is_reverse)}
    asked |= {} if limit is None else {"limit": str(limit)}
    asked |= {} if marker is None else {"marker": marker}
    found = page_of(items, Query.read(MultiDict(asked), None, ()), str)
    assert found is not None
    return found


@given(count=some.integers(0, 30), limit=some.integers(1, 12))
def test_following_the_links_lists_everything_once(count: int, limit: int) -> None:
    items = [f"id-{number:02}" for number in range(count)]
    seen: list[str] = []
    at = page(items, limit, None)
    assert at.previous_marker is None
    pages = [at]
    while at.next_marker is not None:
        at = page(items, limit, at.next_marker)
        pages.append(at)
    seen = [item for one in pages for item in one.items]
    assert seen == items
    assert len(pages) <= count // limit + 1
    # And back from the last page that has something.
    filled = [one for one in pages if one.items]
    back = filled[-1] if filled else page(items, limit, None)
    behind = list(back.items)
    while back.previous_marker is not None:
        back = page(items, limit, back.previous_marker, is_reverse=True)
        behind = [*back.items, *behind]
    assert behind == items


@given(count=some.integers(1, 30), limit=some.integers(1, 12), gone=some.integers(0, 29))
def test_a_marker_that_is_gone_is_no_end_of_the_list(count: int, limit: int, gone: int) -> None:
    items = [f"id-{number:02}" for number in range(count) if number != gone]
    asked = Query.read(MultiDict({"limit": str(limit), "marker": f"id-{gone:02}"}), None, ())
    assert page_of(items, asked, str) is None
