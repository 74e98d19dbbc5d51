"""Blocking work beside the event loop. The one rule: nobody cleans up under a thread that still runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Return what ``work`` returns, run in a thread.

    A thread cannot be stopped: when the caller is cancelled, this waits for the thread to end before it says so, and a
    folder that the thread writes to can be removed safely afterwards.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                continue  # told again: the answer is the same
        if not running.cancelled():
            running.exception()  # nobody is left to be told
        raise
