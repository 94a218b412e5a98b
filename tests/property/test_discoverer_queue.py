"""The queue under any order of events: nothing is lost, nothing is in two hands, and the counts always add up."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.discoverer import queue as module
from seatrial.discoverer.queue import WorkQueue

Key = tuple[str, str]
keys = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"))
events = st.lists(
    st.one_of(
        st.tuples(st.just("add"), keys),
        st.tuples(st.sampled_from(["take", "finish", "fail", "rest"]), st.none()),
    ),
    max_size=60,
)


def queue_of(retries: int = 2) -> WorkQueue[Key]:
    return WorkQueue(lambda key: key[0], retries)


async def taken(queue: WorkQueue[Key]) -> Key | None:
    try:
        return await asyncio.wait_for(queue.get(), 0.001)
    except TimeoutError:
        return None


def assert_adds_up(queue: WorkQueue[Key]) -> None:
    assert queue.enqueued == queue.done + queue.dropped + queue.depth


@given(events)
def test_nothing_is_lost_and_the_counts_add_up(given_events: Any) -> None:
    async def lived() -> None:
        queue, in_work, unseen = queue_of(), list[Key](), set[Key]()
        for what, key in given_events:
            if what == "add":
                queue.add(key)
                unseen.add(key)
            elif what == "take" and (item := await taken(queue)) is not None:
                assert item not in in_work
                in_work.append(item)
                unseen.discard(item)
            elif what == "finish" and in_work:
                queue.finish(in_work.pop(0))
            elif what == "fail" and in_work:
                queue.fail(in_work.pop(0))
            elif what == "rest":
                await asyncio.sleep(0.002)
            assert_adds_up(queue)
        for item in in_work:
            queue.finish(item)
        # Whatever was added since it was taken last comes once more.
        while queue.depth:
            last = await asyncio.wait_for(queue.get(), 5)
            unseen.discard(last)
            queue.finish(last)
            assert_adds_up(queue)
        assert unseen == set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PAUSE_FIRST_S", 0.001)
        asyncio.run(lived())


def test_an_item_is_there_once_and_comes_again_if_it_was_added_meanwhile() -> None:
    async def lived() -> None:
        queue = queue_of()
        for _ in range(3):
            queue.add(("a", "x"))
        assert queue.depth == 1
        item = await queue.get()
        queue.add(item)
        assert await taken(queue) is None
        queue.finish(item)
        assert await taken(queue) == item
        queue.finish(item)
        assert (queue.enqueued, queue.done, queue.depth) == (1, 1, 0)

    asyncio.run(lived())


def test_namespaces_have_turns_however_many_items_one_of_them_has() -> None:
    async def lived() -> None:
        queue = queue_of()
        for number in range(1_000):
            queue.add(("storm", str(number)))
        queue.add(("quiet", "x"))
        served = Counter([(await queue.get())[0] for _ in range(3)])
        assert served["quiet"] == 1

    asyncio.run(lived())


def test_what_fails_comes_again_later_each_time_and_is_dropped_at_last() -> None:
    async def lived() -> None:
        queue, loop = queue_of(retries=2), asyncio.get_running_loop()
        queue.add(("a", "x"))
        waits_s = []
        item = await queue.get()
        for _ in range(2):
            began_s = loop.time()
            assert queue.fail(item)
            # Adding it meanwhile does not hurry it.
            queue.add(item)
            assert queue.depth == 1
            item = await queue.get()
            waits_s.append(loop.time() - began_s)
        assert not queue.fail(item)
        assert waits_s[0] >= module.PAUSE_FIRST_S * 0.9
        assert waits_s[1] >= module.PAUSE_FIRST_S * 1.9
        assert (queue.dropped, queue.retries_made, queue.depth) == (1, 2, 0)

    asyncio.run(lived())


def test_a_server_that_says_how_long_to_wait_is_obeyed() -> None:
    async def lived() -> float:
        queue, loop = queue_of(), asyncio.get_running_loop()
        queue.add(("a", "x"))
        queue.fail(await queue.get(), at_least_s=0.3)
        began_s = loop.time()
        await queue.get()
        return loop.time() - began_s

    assert asyncio.run(lived()) >= 0.29
