"""
What happens to objects, for as long as somebody looks: list, then watch, over lost connections and restarts.

The first answer must come; whatever breaks after it is bridged, told once, and caught up with.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hub.errors import ApiError, Expired, Transient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from hub.api.kind import Api
    from hub.kube.client import Client, ObjectList

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0  # seconds between attempts to reach an API server that was lost


@dataclass(frozen=True, slots=True)
class Change:
    """An object as it is now; ``what`` is "listed" for those that were there at the start."""

    what: Literal["listed", "changed", "deleted"]
    object: dict[str, Any]


class Stream:
    """
    Objects of one kind.

    Args:
        client: The API server.
        api: The kind.
        namespace: None for all.
        labels: Label selector.
        name: Only the object of this name.
        lost: Told the reason each time the API server goes away.
    """

    def __init__(
        self,
        client: Client,
        api: Api,
        namespace: str | None,
        *,
        labels: str | None = None,
        name: str | None = None,
        lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._api = api
        self._namespace = namespace
        self._labels = labels
        self._name = name
        self._lost = lost
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    async def batches(self) -> AsyncGenerator[list[Change]]:
        """
        Yield every object there is in one batch (which may be empty), then whatever happens.

        Whoever stops before the end closes it (``aclosing``), and with it the connection.

        Raises:
            ApiError: The API server refuses to list or watch them.
            Unreachable: It did not answer the first time.
        """
        listed = await self._list()
        self._known = {_identity(item): item for item in listed.items}
        yield [Change("listed", item) for item in listed.items]
        version = listed.resource_version
        while True:
            try:
                async with aclosing(self._watch(version)) as changes:
                    async for change in changes:
                        yield [change]
            except Expired:
                pass  # its history is gone, which costs nothing: the list below has the present
            except Transient as error:
                if _is_refusal(error):
                    raise
                self._lost(error.message)
            listed = await self._list_again()
            version = listed.resource_version
            if missed := self._caught_up(listed):
                yield missed

    async def _list(self) -> ObjectList:
        fields = f"metadata.name={self._name}" if self._name else None
        return await self._client.list(self._api, self._namespace, labels=self._labels, fields=fields)

    async def _list_again(self) -> ObjectList:
        """List after a watch has ended, however long the API server is away."""
        pause = _FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            try:
                return await self._list()
            except Transient as error:
                if _is_refusal(error):
                    raise
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _watch(self, version: str) -> AsyncGenerator[Change]:
        events = self._client.watch(self._api, self._namespace, resource_version=version, labels=self._labels)
        async with aclosing(events):
            async for event in events:
                if event.type == "BOOKMARK" or (self._name and event.object["metadata"]["name"] != self._name):
                    continue
                if event.type == "DELETED":
                    self._known.pop(_identity(event.object), None)
                    yield Change("deleted", event.object)
                else:
                    self._known[_identity(event.object)] = event.object
                    yield Change("changed", event.object)

    def _caught_up(self, listed: ObjectList) -> list[Change]:
        """Return what happened while nobody looked."""
        now = {_identity(item): item for item in listed.items}
        gone = [Change("deleted", item) for identity, item in self._known.items() if identity not in now]
        news = [
            Change("changed", item)
            for identity, item in now.items()
            if _version(item) != _version(self._known.get(identity))
        ]
        self._known = now
        return [*gone, *news]


def _is_refusal(error: Transient) -> bool:
    """The API server is there and will say the same the next time."""
    return isinstance(error, ApiError) and (400 <= error.status < 500) and error.status not in (408, 409, 410, 429)


def _identity(item: dict[str, Any]) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _version(item: dict[str, Any] | None) -> str:
    return str(item["metadata"].get("resourceVersion", "")) if item else ""
