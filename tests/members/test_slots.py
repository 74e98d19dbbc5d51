"""Who runs when: fairness between members, limits, parking (the clock is virtual)."""

from __future__ import annotations

import asyncio

import pytest

from hub.members.slots import Limits, Slots

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio(loop_scope="function")]


def now():
    return round(asyncio.get_running_loop().time(), 3)


class Runs:
    """Starts runs and notes when each got in."""

    def __init__(self, limits):
        self.slots = Slots(limits)
        self.got_in = []
        self._tasks = []

    def start(self, member, writes, waits=0.0):
        task = asyncio.create_task(self._run(member, writes, waits))
        self._tasks.append(task)
        return task

    async def _run(self, member, writes, waits):
        async with self.slots.turn(member) as turn:
            self.got_in.append((member, now()))
            await asyncio.sleep(writes)
            if waits:
                turn.park()
                await asyncio.sleep(waits)

    async def finish(self):
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert (self.slots.writing, self.slots.parked, self.slots.queued) == (0, 0, 0)


async def test_as_many_as_there_are_slots():
    runs = Runs(Limits(writing=2, writing_per_member=2))
    for _ in range(4):
        runs.start("a", writes=10)
    await runs.finish()
    assert runs.got_in == [("a", 0), ("a", 0), ("a", 10), ("a", 10)]


async def test_a_member_has_its_share_even_when_slots_are_free():
    runs = Runs(Limits(writing=10, writing_per_member=1))
    for member in ("a", "a", "b"):
        runs.start(member, writes=10)
    await runs.finish()
    assert runs.got_in == [("a", 0), ("b", 0), ("a", 10)]


async def test_members_take_turns_whatever_the_length_of_their_queues():
    runs = Runs(Limits(writing=1, writing_per_member=1))
    for member in ("a", "a", "a", "b", "c"):
        runs.start(member, writes=10)
    await runs.finish()
    assert runs.got_in == [("a", 0), ("b", 10), ("c", 20), ("a", 30), ("a", 40)]


async def test_a_member_that_hangs_costs_the_others_nothing():
    runs = Runs(Limits(writing=4, writing_per_member=2))
    for _ in range(50):
        runs.start("hung", writes=300)
    for _ in range(6):
        runs.start("well", writes=1)
    await asyncio.sleep(3.5)
    assert [moment for member, moment in runs.got_in if member == "well"] == [0, 0, 1, 1, 2, 2]
    await runs.finish()


async def test_who_only_waits_lets_others_in():
    runs = Runs(Limits(writing=1, writing_per_member=1))
    for _ in range(3):
        runs.start("a", writes=1, waits=100)
    await runs.finish()
    assert runs.got_in == [("a", 0), ("a", 1), ("a", 2)]
    assert now() == 103


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param(Limits(writing=1, writing_per_member=1, parked=1), id="over all members"),
        pytest.param(Limits(writing=1, writing_per_member=1, parked_per_member=1), id="on one"),
    ],
)
async def test_waiting_is_limited_too(limits):
    runs = Runs(limits)
    for _ in range(3):
        runs.start("a", writes=1, waits=100)
    await runs.finish()
    assert runs.got_in == [("a", 0), ("a", 1), ("a", 102)]  # the second had to keep its slot


async def test_who_was_parked_writes_again_before_those_who_only_came_later():
    slots = Slots(Limits(writing=1, writing_per_member=1))
    order = []

    async def run(name, writes):
        async with slots.turn("a"):
            order.append((name, now()))
            await asyncio.sleep(writes)

    async with slots.turn("a") as turn:
        assert turn.park()
        others = [asyncio.create_task(run(name, 10)) for name in ("x", "y")]
        await asyncio.sleep(5)
        await turn.resume()
        order.append(("parked", now()))
        assert (slots.writing, slots.parked) == (1, 0)
    await asyncio.gather(*others)
    assert order == [("x", 0), ("parked", 10), ("y", 10)]


async def test_who_is_cancelled_in_the_queue_leaves_no_trace():
    runs = Runs(Limits(writing=1, writing_per_member=1))
    runs.start("a", writes=10)
    waiting = runs.start("a", writes=10)
    runs.start("b", writes=10)
    await asyncio.sleep(1)
    waiting.cancel()
    await runs.finish()
    assert runs.got_in == [("a", 0), ("b", 10)]


async def test_a_slot_that_came_too_late_is_passed_on():
    slots = Slots(Limits(writing=1, writing_per_member=1))
    entered = []

    async def run(name):
        async with slots.turn("a"):
            entered.append((name, now()))

    async with slots.turn("a"):
        first = asyncio.create_task(run("first"))
        second = asyncio.create_task(run("second"))
        await asyncio.sleep(1)
    first.cancel()  # its slot was handed out in the same instant
    await asyncio.gather(first, second, return_exceptions=True)
    assert entered == [("second", 1)]
    assert (slots.writing, slots.queued) == (0, 0)


async def test_a_run_that_fails_gives_its_slot_back():
    slots = Slots(Limits(writing=1, writing_per_member=1))
    with pytest.raises(RuntimeError):
        async with slots.turn("a"):
            raise RuntimeError
    async with slots.turn("a"):
        assert slots.writing == 1
