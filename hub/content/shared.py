"""Work that several callers want at once is done once. Asyncio only; no I/O of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")


class Shared(Generic[T]):
    """Runs one task per key; whoever asks for the key meanwhile waits for the same task.

    A caller that is cancelled leaves the others alone; when the last one has gone, the task is cancelled too and
    awaited, so nothing goes on working for nobody.
    """

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[T]] = {}
        self._waiting: dict[Hashable, int] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return or raise what the task of ``key`` does; start it with ``work()`` when there is none."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(self._run(key, work))
            self._tasks[key] = task
            self._waiting[key] = 0
        self._waiting[key] += 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._tasks.get(key) is task and self._waiting[key] == 1:
                del self._tasks[key], self._waiting[key]  # a newcomer must not join a task that is about to end
                task.cancel()
                await asyncio.wait([task])
            raise
        finally:
            if self._tasks.get(key) is task:
                self._waiting[key] -= 1

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        finally:
            if self._tasks.get(key) is asyncio.current_task():
                del self._tasks[key], self._waiting[key]
