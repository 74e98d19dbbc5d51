"""
From ``apiVersion`` and ``kind`` to the path of an API: what the server offers, asked once for each group and version.

A kind that is not known is asked for again before it is called unknown: its definition may just have been installed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hub.api.meta import Api
from hub.content.shared import Shared
from hub.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PAUSE = 1.0  # seconds within which an unknown kind is not asked for again


class Mapper:
    """
    The kinds of one API server.

    Args:
        read: Gets the JSON document at a path of that server; what it raises is passed on.
    """

    def __init__(self, read: Callable[[str], Awaitable[dict[str, Any]]]) -> None:
        self._read = read
        self._kinds: dict[str, dict[str, Api]] = {}
        self._asked: dict[str, float] = {}
        self._asking: Shared[None] = Shared()

    async def api(self, api_version: str, kind: str) -> Api:
        """
        Return the API of a kind.

        Raises:
            NotFound: The server does not offer it.
            ApiError: It refuses to say.
            MemberUnreachable: It does not answer.
        """
        known = self._kinds.get(api_version, {}).get(kind)
        if known is not None:
            return known
        if asyncio.get_running_loop().time() - self._asked.get(api_version, float("-inf")) > _PAUSE:
            await self._asking.run(api_version, lambda: self._learn(api_version))
        found = self._kinds.get(api_version, {}).get(kind)
        if found is None:
            raise NotFound(404, "NotFound", f'no matches for kind "{kind}" in version "{api_version}"')
        return found

    async def _learn(self, api_version: str) -> None:
        """Ask, and keep the answer: only then it counts as asked, for those too who wait for the same."""
        self._kinds[api_version] = await self._ask(api_version)
        self._asked[api_version] = asyncio.get_running_loop().time()

    async def _ask(self, api_version: str) -> dict[str, Api]:
        group, _, version = api_version.rpartition("/")
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            offered = await self._read(path)
        except NotFound:
            return {}
        return {
            item["kind"]: Api(group, version, item["kind"], item["name"], namespaced=bool(item["namespaced"]))
            for item in offered.get("resources") or ()
            if "/" not in item["name"]
        }
