"""Runs reconciles: one task per key, so many at once, and a calm end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

from hub.errors import HubError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from hub.runtime.queue import Queue

K = TypeVar("K", bound="Hashable")

_log = logging.getLogger(__name__)
_LAST_WORDS = 5.0  # seconds a cancelled reconcile may take to write down what it knows


class Worker(Generic[K]):
    """
    Takes keys from a queue and reconciles them, as many at once as the queue hands out.

    ``reconcile`` returns the seconds until the next look, or None when only events bring the key back; an exception
    means another attempt after a growing pause. No reconcile can end the worker or another reconcile.
    """

    def __init__(self, queue: Queue[K], reconcile: Callable[[K], Awaitable[float | None]]) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._tasks: dict[asyncio.Task[None], K] = {}
        self._runner: asyncio.Task[None] | None = None

    @property
    def busy(self) -> int:
        """Number of reconciles that are running."""
        return len(self._tasks)

    async def run(self) -> None:
        """Work until :meth:`drain`. When the caller is cancelled, so is everything that runs."""
        self._runner = asyncio.create_task(self._take(), name="worker")
        try:
            await asyncio.wait({self._runner})
        except asyncio.CancelledError:
            await self.drain(grace=0.0)
            raise
        if not self._runner.cancelled():
            self._runner.result()

    async def drain(self, grace: float = 30.0) -> None:
        """Take no more keys, let what runs finish for ``grace`` seconds, then cancel it."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner})
        await self.end(lambda _: True, grace)

    async def end(self, concerns: Callable[[K], bool], grace: float) -> None:
        """
        Let what runs for some keys finish for ``grace`` seconds, then cancel it; return when it has ended.

        The worker goes on meanwhile: whoever calls this sees to it that nothing new begins for those keys.
        """
        tasks = {task for task, key in self._tasks.items() if concerns(key)}
        if tasks and grace > 0:
            _, tasks = await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=_LAST_WORDS)
            if stuck:
                _log.error("Reconciles did not end when they were cancelled", extra={"count": len(stuck)})

    async def _take(self) -> None:
        while True:
            key = await self._queue.get()
            task = asyncio.create_task(self._one(key), name=f"reconcile {key}")
            self._tasks[task] = key
            task.add_done_callback(self._tasks.pop)

    async def _one(self, key: K) -> None:
        try:
            after = await self._reconcile(key)
        except HubError as error:
            pause = self._queue.retry(key)
            _log.info(
                "Will try again",
                extra={"key": str(key), "after": round(pause, 2), "reason": error.reason, "why": str(error)},
            )
        except Exception:  # noqa: BLE001  # a bug in one reconcile must not stop the others
            pause = self._queue.retry(key)
            _log.exception("Reconcile broke", extra={"key": str(key), "after": round(pause, 2)})
        else:
            self._queue.forget(key)
            if after is not None:
                self._queue.add(key, after)
        finally:
            self._queue.done(key)
