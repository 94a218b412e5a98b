"""A watch on bad days: whatever breaks, what is known in the end is what there is, and what was missed is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.support.fake_api import FakeApi, breaks, events, fake_client, meta, page, refuses, says, streams

from seatrial.cluster.watch import Change, Listed, Watch
from seatrial.errors import ClusterFault

PATH = "/api/v1/namespaces/n/configmaps"
TOO_OLD = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


def seen(script: Callable[[FakeApi], None], count: int) -> tuple[list[str], Watch, FakeApi]:
    """Return the first ``count`` of what a watch yields, in short."""

    async def run() -> tuple[list[str], Watch, FakeApi]:
        async with fake_client() as (api, client):
            script(api)
            watch = Watch(client, PATH)
            found = []
            async with asyncio.timeout(30):
                async for item in watch.changes():
                    found.append(short(item))
                    if len(found) == count:
                        break
            return found, watch, api

    return asyncio.run(run())


def short(item: Change | Listed) -> str:
    if isinstance(item, Listed):
        return f"listed {item.count}{' again' if item.because else ''}"
    return f"{item.kind} {item.object['metadata']['name']}{' (missed)' if item.was_missed else ''}"


def test_a_list_of_pages_is_followed_by_what_changes() -> None:
    def script(api: FakeApi) -> None:
        api.then(says(page(5, meta("a", 1), more="next")), says(page(5, meta("b", 2))))
        api.then(
            streams(
                events(("ADDED", meta("c", 6)), ("MODIFIED", meta("a", 7)), ("DELETED", meta("b", 8))), 9.0
            )
        )

    found, watch, api = seen(script, 6)
    assert found == ["added a", "added b", "listed 2", "added c", "modified a", "deleted b"]
    assert {name for _, name in watch.known} == {"a", "c"}
    assert (api.queries[1]["continue"], api.queries[2]["resourceVersion"]) == ("next", "5")
    assert api.queries[2]["allowWatchBookmarks"] == "true"


def test_a_turn_that_ends_in_order_goes_on_where_it_was_without_a_list() -> None:
    def script(api: FakeApi) -> None:
        api.then(says(page(5)))
        api.then(
            streams(events(("ADDED", meta("a", 6)), ("BOOKMARK", {"metadata": {"resourceVersion": "9"}})))
        )
        api.then(streams(events(("ADDED", meta("b", 10))), 9.0))

    found, watch, api = seen(script, 3)
    assert found == ["listed 0", "added a", "added b"]
    assert (watch.lists, watch.turns) == (1, 2)
    assert api.queries[2]["resourceVersion"] == "9"


@pytest.mark.parametrize(
    "how", ["gone", "gone at once", "cut off", "half an event", "not itself", "list broke"]
)
def test_whatever_breaks_it_lists_again_and_reports_what_was_missed(how: str) -> None:
    first = ("ADDED", meta("c", 6))

    def script(api: FakeApi) -> None:
        api.then(says(page(5, meta("a", 1), meta("b", 2), meta("d", 3))))
        api.then(
            {
                "gone": streams(events(first, ("ERROR", TOO_OLD))),
                "gone at once": streams(events(first), then_breaks=True),
                "cut off": streams(events(first), then_breaks=True),
                "half an event": streams(events(first) + b'{"type": "ADDED", "object": {"meta'),
                "not itself": streams(events(first)),
                "list broke": streams(events(first), then_breaks=True),
            }[how]
        )
        if how == "gone at once":
            api.then(refuses(410, "Expired"))
        if how == "not itself":
            api.then(refuses(503))
        if how == "list broke":
            api.then(breaks)
        # Meanwhile a was changed, b deleted, c deleted and made again, and e made; d is as it was.
        api.then(says(page(20, meta("a", 11), meta("c", 12, uid="other"), meta("d", 3), meta("e", 13))))
        api.then(streams(events(("DELETED", meta("e", 21))), 9.0))

    found, watch, _ = seen(script, 11)
    assert found[:5] == ["added a", "added b", "added d", "listed 3", "added c"]
    assert sorted(found[5:10]) == [
        "added c (missed)", "added e (missed)", "deleted b (missed)", "deleted c (missed)", "modified a (missed)",
    ]  # fmt: skip
    # What was replaced is gone before its successor comes.
    assert found.index("deleted c (missed)") < found.index("added c (missed)")
    assert found[10] == "listed 4 again"
    assert {name for _, name in watch.known} >= {"a", "c", "d"}


def test_who_may_not_watch_is_told_so_at_once() -> None:
    with pytest.raises(ClusterFault) as raised:
        seen(lambda api: api.then(refuses(403, "Forbidden", "no")), 1)
    assert raised.value.status == 403


def test_an_api_server_that_stays_away_is_given_up() -> None:
    async def run() -> None:
        async with fake_client() as (api, client):
            api.otherwise = refuses(410, "Expired")
            async for _ in Watch(client, PATH, outage_limit_s=0.5).changes():
                pass

    with pytest.raises(ClusterFault) as raised:
        asyncio.run(asyncio.wait_for(run(), 20))
    assert raised.value.status == 410
