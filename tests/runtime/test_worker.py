"""The worker: limits, what follows a reconcile, and the end (the clock is virtual)."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest

from hub.errors import Transient
from hub.runtime.queue import Queue, Shares
from hub.runtime.worker import Worker

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio(loop_scope="function")]


def now():
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def working(reconcile, limit=4):
    queue = Queue(chance=lambda: 0.0, shares=Shares(total=limit, each=limit, least=0))
    worker = Worker(queue, reconcile)
    run = asyncio.create_task(worker.run())
    try:
        yield queue, worker
    finally:
        await worker.drain(grace=0)
        await run


async def test_the_answer_says_when_to_look_again():
    seen = []

    async def reconcile(key):
        seen.append((key, now()))
        return 60.0 if len(seen) < 3 else None

    async with working(reconcile) as (queue, _):
        queue.add("a")
        await asyncio.sleep(1000)
    assert seen == [("a", 0), ("a", 60), ("a", 120)]


async def test_failures_are_retried_and_forgotten_after_success(caplog):
    seen = []

    async def reconcile(key):
        seen.append(round(now(), 2))
        if len(seen) in (1, 2, 4):
            raise Transient("Why", "because")
        return 10.0 if len(seen) == 3 else None

    caplog.set_level(logging.INFO)
    async with working(reconcile) as (queue, _):
        queue.add("a")
        await asyncio.sleep(100)
    assert seen == [0, 0.75, 2.25, 12.25, 13.0]
    assert [record.reason for record in caplog.records] == ["Why"] * 3
    assert "Traceback" not in caplog.text


async def test_a_bug_is_logged_with_its_traceback_and_stops_nobody(caplog):
    seen = []

    async def reconcile(key):
        seen.append(key)
        if key == "bad":
            raise ZeroDivisionError

    async with working(reconcile) as (queue, _):
        queue.add("bad")
        queue.add("good")
        await asyncio.sleep(1)
    assert seen == ["bad", "good", "bad"]
    assert "ZeroDivisionError" in caplog.text


async def test_no_more_than_the_limit_at_once_and_one_per_key():
    running, most = [], []

    async def reconcile(key):
        running.append(key)
        most.append(sorted(running))
        await asyncio.sleep(1)
        running.remove(key)

    async with working(reconcile, limit=2) as (queue, worker):
        for key in "abc":
            queue.add(key)
        await asyncio.sleep(0.5)
        queue.add("a")  # again, while it runs
        assert worker.busy == 2
        await asyncio.sleep(10)
        assert worker.busy == 0
    assert max(map(len, most)) == 2
    assert all(len(set(keys)) == len(keys) for keys in most)
    assert sum(keys.count("a") for keys in most) >= 2


async def test_drain_lets_what_runs_finish_in_time():
    done = []

    async def reconcile(key):
        try:
            await asyncio.sleep(5 if key == "quick" else 500)
        finally:
            done.append((key, now()))

    queue = Queue(shares=Shares(total=2, each=2, least=0))
    worker = Worker(queue, reconcile)
    run = asyncio.create_task(worker.run())
    for key in ("quick", "slow"):
        queue.add(key)
    await asyncio.sleep(1)
    queue.add("never")
    draining = asyncio.create_task(worker.drain(grace=30))
    await draining
    await run
    assert done == [("quick", 5), ("slow", 31)]


async def test_some_keys_are_ended_and_the_others_go_on():
    ended = []

    async def reconcile(key):
        try:
            await asyncio.sleep({"quick": 5}.get(key, 500))
        finally:
            ended.append((key, now()))

    async with working(reconcile) as (queue, worker):
        for key in ("quick", "slow", "other"):
            queue.add(key)
        await asyncio.sleep(1)
        await worker.end(lambda key: key != "other", grace=10)
        assert ended == [("quick", 5), ("slow", 11)]
        assert worker.busy == 1
        queue.add("later")
        await asyncio.sleep(1)
        assert worker.busy == 2


async def test_cancelling_the_run_cancels_the_reconciles():
    ended = []

    async def reconcile(key):
        try:
            await asyncio.sleep(500)
        finally:
            ended.append(now())

    queue = Queue()
    run = asyncio.create_task(Worker(queue, reconcile).run())
    queue.add("a")
    await asyncio.sleep(2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ended == [2]
