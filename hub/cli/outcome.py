"""Do the same to several objects at once: each gets its chance, each failure its line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hub.cli.failures import Failed, explain

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from hub.cli.say import Say


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
