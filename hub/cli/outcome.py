"""Several things as one: the same done to several objects, and steps of which none may be left out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from hub.cli.failures import Failed, explain

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from hub.cli.say import Say

T = TypeVar("T")


async def to_the_end(work: Coroutine[object, object, T]) -> T:
    """Run work that must not be left half done: Ctrl-C counts when it has ended. A second one ends it at once."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.cancelled():
            await task
        raise


async def gathered(say: Say, work: Sequence[Coroutine[object, object, None]]) -> None:
    """
    Run everything.

    Raises:
        HubError: The failure, when there was one thing to do.
        Failed: Some of several failed; each was told already.
    """
    if len(work) == 1:
        await work[0]
        return
    results = await asyncio.gather(*work, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        sentence = explain(failure) if isinstance(failure, Exception) else None
        if sentence is None:
            raise failure
        say.failure(sentence)
    if failures:
        raise Failed(f"{len(failures)} of {len(work)} failed")
