"""
Follows one kind on one API server for as long as it is let: list, watch, list again when the thread was lost.

For kinds that kopf does not watch for us: Secrets and ConfigMaps (metadata alone), and whatever lives on members.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from hub.errors import ApiError, Transient
from hub.kube.roster import Roster

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.api.meta import Api
    from hub.kube.client import Client

_log = logging.getLogger(__name__)
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds between attempts; the last one repeats


class Reflector:
    """
    Tells what happens to the objects of one kind.

    Args:
        client: The cluster.
        api: The kind.
        namespace: Where; None for everywhere.
        labels: Only objects with these labels.
        metadata_only: Leave out all but ``metadata``.

    Attributes:
        synced: Set when everything that exists was told once.
        live: The watch is open: what was told is what there is, up to the travel time of an event.
    """

    def __init__(
        self,
        client: Client,
        api: Api,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        metadata_only: bool = False,
    ) -> None:
        self.synced = asyncio.Event()
        self.live = False
        self._client = client
        self._api = api
        self._namespace = namespace
        self._filter: dict[str, Any] = {"labels": labels, "metadata_only": metadata_only}
        self._roster = Roster(api)

    async def run(self, on_event: Callable[[str, dict[str, Any]], None]) -> None:
        """
        Call ``on_event(type, raw)`` for everything that exists and then for every change, until cancelled.

        ``type`` is ADDED, MODIFIED or DELETED; the object of a DELETED may hold no more than its identity. An API
        server that cannot be reached or has trouble is tried again, slower each time.

        Raises:
            ApiError: It says no (401, 403, 404); asking again would not help.
        """
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._follow(on_event)
            except Transient as error:  # also Expired: to list again is what comes next
                if isinstance(error, ApiError) and error.status in (401, 403, 404):
                    raise
                _log.debug("Lost a watch", extra={"watched": self._api.plural, "why": error.message})
            finally:
                self.live = False
            failures = 0 if asyncio.get_running_loop().time() - began > 60.0 else failures + 1
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES)) - 1])

    async def _follow(self, on_event: Callable[[str, dict[str, Any]], None]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        listed = await self._client.list(self._api, self._namespace, **self._filter)
        now = loop.time()
        for item in listed.items:
            for news in self._roster.take(None, item, now):
                on_event(*news)
        for news in self._roster.vanished({item["metadata"]["uid"] for item in listed.items}, began):
            on_event(*news)
        watch = self._client.watch(self._api, self._namespace, resource_version=listed.resource_version, **self._filter)
        self.live = True
        self.synced.set()
        async with contextlib.aclosing(watch) as events:
            async for event in events:
                if event.type != "BOOKMARK":
                    for news in self._roster.take(event.type, event.object, loop.time()):
                        on_event(*news)
