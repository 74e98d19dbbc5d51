"""The queue's promises, with the times at which they are kept (the clock is virtual)."""

from __future__ import annotations

import asyncio

import pytest

from hub.runtime.queue import Backoff, Priority, Queue, Shares

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio(loop_scope="function")]


def now():
    return asyncio.get_running_loop().time()


@pytest.fixture
def queue():
    return Queue(chance=lambda: 0.0)


async def take(queue):
    """Take a key and say when it came."""
    key = await queue.get()
    return key, round(now(), 3)


async def test_what_is_added_comes_at_once(queue):
    queue.add("a")
    assert await take(queue) == ("a", 0)


async def test_who_waits_is_woken(queue):
    waiting = asyncio.create_task(take(queue))
    await asyncio.sleep(3)
    queue.add("a")
    assert await waiting == ("a", 3)


async def test_an_hour_is_an_hour(queue):
    queue.add("a", 3600)
    assert await take(queue) == ("a", 3600)


async def test_the_same_key_is_one_entry(queue):
    for _ in range(3):
        queue.add("a")
    await take(queue)
    queue.done("a")
    assert len(queue) == 0


@pytest.mark.parametrize(
    ("first", "second", "when"),
    [
        pytest.param(10, 5, 5, id="the earlier one wins"),
        pytest.param(5, 10, 5, id="also when it came first"),
        pytest.param(10, 0, 0, id="an event does not wait for the interval"),
    ],
)
async def test_the_earliest_time_wins(queue, first, second, when):
    queue.add("a", first)
    queue.add("a", second)
    assert await take(queue) == ("a", when)
    queue.done("a")
    assert len(queue) == 0


async def test_a_key_is_never_handed_out_twice_at_a_time(queue):
    queue.add("a")
    await take(queue)
    queue.add("a")  # while it is worked on
    again = asyncio.create_task(take(queue))
    await asyncio.sleep(7)
    assert not again.done()
    queue.done("a")
    assert await again == ("a", 7)


async def test_what_was_asked_for_during_the_work_keeps_its_time(queue):
    queue.add("a")
    await take(queue)
    queue.add("a", 20)
    await asyncio.sleep(5)
    queue.done("a")
    assert await take(queue) == ("a", 20)


async def test_keys_come_in_the_order_in_which_they_became_due(queue):
    queue.add("late", 2)
    queue.add("early", 1)
    await asyncio.sleep(10)
    assert [await queue.get(), await queue.get()] == ["early", "late"]


@pytest.mark.parametrize(
    ("added", "order"),
    [
        pytest.param(
            [("routine", 1, None), ("event", 2, Priority.EVENT), ("request", 3, Priority.REQUEST)],
            ["request", "event", "routine"],
            id="people, then events, then rounds",
        ),
        pytest.param(
            [("old routine", 1, None), ("event", 40, Priority.EVENT)],
            ["old routine", "event"],
            id="who waited for half a minute is passed no more",
        ),
        pytest.param(
            [("event", 1, Priority.EVENT), ("x", 1, Priority.ROUTINE), ("x", 1, Priority.REQUEST)],
            ["event", "x"],
            id="a request for later does not make a routine look come sooner",
        ),
    ],
)
async def test_priority(queue, added, order):
    for key, after, priority in added:
        queue.add(key, after, priority=priority)
    await asyncio.sleep(50)
    assert [await queue.get() for _ in order] == order


async def test_a_request_makes_a_waiting_key_more_pressing(queue):
    queue.add("event")
    queue.add("me", priority=Priority.ROUTINE)
    queue.add("me", priority=Priority.REQUEST)
    assert [await queue.get(), await queue.get()] == ["me", "event"]


async def test_failures_wait_longer_each_time_up_to_a_limit(queue):
    queue = Queue(Backoff(first=1, limit=10, jitter=0), chance=lambda: 0.5)
    pauses = []
    for _ in range(6):
        pauses.append(queue.retry("a"))
        await queue.get()
        queue.done("a")
    assert pauses == [1, 2, 4, 8, 10, 10]
    assert now() == pytest.approx(35)
    assert queue.failures("a") == 6
    queue.forget("a")
    assert queue.failures("a") == 0
    assert queue.retry("a") == 1


@pytest.mark.parametrize("failures", [pytest.param(1, id="first"), pytest.param(5000, id="thousands")])
async def test_chance_only_shortens_a_pause(failures):
    backoff = Backoff(first=2, limit=100, jitter=0.5)
    assert backoff.pause(failures, 1.0) == backoff.pause(failures, 0.0) / 2 <= 100


async def test_an_event_does_not_wait_for_the_backoff(queue):
    for _ in range(10):
        queue.retry("a")
    queue.add("a")
    assert await take(queue) == ("a", 0)


async def test_a_discarded_key_does_not_come(queue):
    queue.add("gone", 1)
    queue.add("gone too")
    queue.retry("gone too")
    queue.discard("gone")
    queue.discard("gone too")
    queue.add("b", 2)
    assert await take(queue) == ("b", 2)
    assert queue.failures("gone too") == 0


async def test_many_takers_share(queue):
    takers = [asyncio.create_task(take(queue)) for _ in range(3)]
    await asyncio.sleep(0)
    queue.add("later", 4)
    queue.add("a")
    queue.add("b", 2)
    assert sorted(await asyncio.gather(*takers)) == [("a", 0), ("b", 2), ("later", 4)]


async def test_a_taker_that_is_cancelled_as_it_is_woken_passes_the_word_on(queue):
    first, second = asyncio.create_task(take(queue)), asyncio.create_task(take(queue))
    await asyncio.sleep(1)
    queue.add("a")
    first.cancel()
    assert await second == ("a", 1)


async def test_who_is_overdue_is_not_lost_among_what_a_busy_key_leaves_behind(queue, monkeypatch):
    queue.add("overdue", 1)
    monkeypatch.setattr(queue, "_now", lambda: now() + 2)  # the loop was held up: nobody has seen yet that it is due
    for left in range(200):
        queue.add("busy", 1000 - left)
    assert await take(queue) == ("overdue", 0)


async def test_a_busy_key_leaves_nothing_behind(queue):
    for _ in range(10_000):
        queue.add("a")
        await queue.get()
        queue.add("a", 600)
        queue.done("a")
    assert len(queue._delayed) < 200
    assert await take(queue) == ("a", 600)


class TestShares:
    """``a1`` is the first key of lane ``a``."""

    SHARES = Shares(total=4, each=3, least=1)

    @pytest.fixture
    def queue(self):
        return Queue(chance=lambda: 0.0, shares=self.SHARES, lane=lambda key: key[0])

    @staticmethod
    async def drawn(queue):
        """What is handed out until somebody has to wait."""
        keys = []
        while True:
            try:
                async with asyncio.timeout(1):
                    keys.append(await queue.get())
            except TimeoutError:
                return keys

    @pytest.mark.parametrize(
        ("added", "drawn"),
        [
            pytest.param(["a1", "a2", "a3", "a4", "a5"], ["a1", "a2", "a3"], id="a lane has its share"),
            pytest.param(["a1", "a2", "a3", "b1", "b2"], ["a1", "b1", "a2", "a3"], id="who has little goes first"),
            pytest.param(
                ["a1", "a2", "a3", "b1", "b2", "c1", "d1", "e1"],
                ["a1", "b1", "c1", "d1", "e1"],
                id="nobody is shut out, however full it is",
            ),
        ],
    )
    async def test_who_comes(self, queue, added, drawn):
        for key in added:
            queue.add(key)
        assert await self.drawn(queue) == drawn

    async def test_stuck_keys_leave_room_for_others_who_come_later(self, queue):
        for number in range(100):
            queue.add(f"a{number}")
        assert len(await self.drawn(queue)) == 3
        queue.add("b1")
        assert await self.drawn(queue) == ["b1"]
        queue.done("b1")
        queue.add("b2")
        assert await self.drawn(queue) == ["b2"]

    async def test_the_most_pressing_of_a_lane_comes_when_there_is_room(self, queue):
        for number in range(5):
            queue.add(f"a{number}")
        await self.drawn(queue)
        queue.add("a4", priority=Priority.REQUEST)
        queue.done("a0")
        assert await self.drawn(queue) == ["a4"]

    async def test_what_was_asked_for_again_waits_for_room(self, queue):
        for number in range(4):
            queue.add(f"a{number}")
        await self.drawn(queue)
        queue.add("a0")
        queue.done("a0")
        assert await self.drawn(queue) == ["a3"], "it was there before"
        queue.done("a3")
        assert await self.drawn(queue) == ["a0"]
