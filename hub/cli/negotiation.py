"""
An API client for clusters that serve other versions of our kinds than we prefer, as an older Flux does.

The preferred version is asked first, so that nothing is paid where it is served. Only a server that knows no such kind
is asked what it has; that answer is kept. All versions of a kind have one schema here, so nothing is converted.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from hub.api.kinds import kind_for
from hub.cli.failures import is_missing_kind
from hub.errors import ApiError, NotFound
from hub.kube.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from hub.api.kind import Api
    from hub.kube.client import ObjectList, WatchEvent

T = TypeVar("T")


class NegotiatingClient(Client):
    """A client that uses the version of our kinds that there is."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._groups: dict[str, asyncio.Task[dict[str, str]]] = {}

    async def get(self, api: Api, *args: Any, **more: Any) -> dict[str, Any]:
        """Return one object, or only its metadata."""
        return await self._tried(api, lambda there: super(NegotiatingClient, self).get(there, *args, **more))

    async def list(self, api: Api, *args: Any, **more: Any) -> ObjectList:
        """Return every object."""
        return await self._tried(api, lambda there: super(NegotiatingClient, self).list(there, *args, **more))

    async def create(self, api: Api, body: dict[str, Any], *args: Any, **more: Any) -> dict[str, Any]:
        """Create an object."""

        def call(there: Api) -> Awaitable[dict[str, Any]]:
            return super(NegotiatingClient, self).create(there, _in(there, api, body), *args, **more)

        return await self._tried(api, call)

    async def apply(self, api: Api, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Apply an object on the server's side."""

        def call(there: Api) -> Awaitable[dict[str, Any]]:
            return super(NegotiatingClient, self).apply(there, _in(there, api, body), **more)

        return await self._tried(api, call)

    async def patch(self, api: Api, *args: Any, **more: Any) -> dict[str, Any]:
        """Change parts of an object."""
        return await self._tried(api, lambda there: super(NegotiatingClient, self).patch(there, *args, **more))

    async def delete(self, api: Api, *args: Any, **more: Any) -> None:
        """Delete an object. One that is gone is fine, so what the server has must be known before."""
        await super().delete(await self._known(api), *args, **more)

    def watch(self, api: Api, *args: Any, **more: Any) -> AsyncGenerator[WatchEvent]:
        """Yield what happens. It is listed before, so what the server has is known."""
        asked = self._groups.get(api.group)
        version = asked.result().get(api.plural) if asked is not None and asked.done() else None
        return super().watch(replace(api, version=version) if version else api, *args, **more)

    async def _tried(self, api: Api, call: Callable[[Api], Awaitable[T]]) -> T:
        was_asked = api.group in self._groups
        there = await self._known(api)
        try:
            return await call(there)
        except NotFound as error:
            if was_asked or not is_missing_kind(error) or kind_for(api.api_version, api.kind) is None:
                raise
            if api.group not in self._groups:
                self._groups[api.group] = asyncio.create_task(self._served(api.group))
            other = await self._known(api)
            if other == there:
                raise
        return await call(other)

    async def _known(self, api: Api) -> Api:
        """Return the kind in the version that this server has, as far as that had to be found out."""
        asked = self._groups.get(api.group)
        version = (await asked).get(api.plural) if asked is not None else None
        return replace(api, version=version) if version else api

    async def _served(self, group: str) -> dict[str, str]:
        """Return the version of each kind of a group, the one that the server prefers most; nothing if it won't say."""
        found: dict[str, str] = {}
        try:
            offered = (await self.read(f"/apis/{group}")).get("versions") or ()
            for version in [one["version"] for one in offered]:
                for resource in (await self.read(f"/apis/{group}/{version}")).get("resources") or ():
                    found.setdefault(resource["name"], version)
        except ApiError:
            return found
        return found


def _in(there: Api, asked: Api, body: dict[str, Any]) -> dict[str, Any]:
    """Return an object as one of the version that there is."""
    return body if there == asked else {**body, "apiVersion": there.api_version}
