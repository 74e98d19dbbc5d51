"""Ask a member whether it is there: cheaply, bounded in time, and while a request is taking too long."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hub.errors import ApiError
from hub.kube.client import Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from hub.kube.client import Client

TIMEOUT = 5.0
PATIENCE = 2.0


async def probe(client: Client, timeout: float = TIMEOUT) -> None:
    """Return when the API server answers, be it "not ready" or "forbidden". Raises :class:`Unreachable`."""
    try:
        await client.probe("/readyz", timeout=timeout)
    except ApiError:
        return


@asynccontextmanager
async def watchdog(look: Callable[[], Awaitable[None]], patience: float = PATIENCE) -> AsyncIterator[None]:
    """
    Guard a request that may rightly take long: a slow webhook is waited for, a server that hangs is not.

    After ``patience`` seconds, and again and again, ``look`` asks beside the request whether the server is there. Its
    :class:`Unreachable` ends the body.
    """
    loop = asyncio.get_running_loop()
    found: list[Unreachable] = []
    dog: asyncio.Task[None] | None = None

    async def watch() -> None:
        while True:
            try:
                await look()
            except Unreachable as error:
                found.append(error)
                limit.reschedule(loop.time())
                return
            await asyncio.sleep(patience)

    def start() -> None:
        nonlocal dog
        dog = loop.create_task(watch())

    handle = loop.call_later(patience, start)  # most requests never get here, and pay for a timer only
    try:
        async with asyncio.timeout(None) as limit:
            yield
    except TimeoutError:
        if found:
            raise found[0] from None
        raise
    finally:
        handle.cancel()
        if dog is not None:
            dog.cancel()
