"""
Secrets and ConfigMaps that our objects refer to: read once, read again when a metadata watch says that they changed.

Only metadata of all of them crosses the wire, and bodies are held only for names that somebody asked for. Where
watching is not allowed every call reads anew: slower, never stale.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.api.meta import CONFIG_MAPS, SECRETS, Key
from hub.errors import Expired, Forbidden, HubError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.api.meta import Api
    from hub.kube.client import Client

_log = logging.getLogger(__name__)
_PAUSE = 1.0  # seconds before a broken watch is taken up again


@dataclass(frozen=True, slots=True)
class Data:
    """The content of a Secret or ConfigMap; ``repr`` does not show it."""

    data: dict[str, bytes] = field(repr=False)
    resource_version: str = ""


class SecretReader:
    """
    Reads Secrets and ConfigMaps of the host cluster.

    Args:
        client: Speaks to that cluster.
        namespace: Watch one namespace only; empty for all.
    """

    def __init__(self, client: Client, namespace: str = "") -> None:
        self._client = client
        self._namespace = namespace
        self._held: dict[Key, Data] = {}
        self._watched: set[str] = set()
        self._changes = 0
        self._subscribers: list[Callable[[Key], None]] = []

    async def get(self, namespace: str, name: str) -> Data:
        """
        Return a Secret.

        Raises:
            NotFound: There is none.
            ApiError: It may not be read.
        """
        return await self._read(SECRETS, namespace, name)

    async def config_map(self, namespace: str, name: str) -> Data:
        """Return a ConfigMap; raises as :meth:`get`."""
        return await self._read(CONFIG_MAPS, namespace, name)

    async def fresh(self, namespace: str, name: str) -> Data:
        """Return a Secret as it is on the server now, whatever is held: credentials were refused."""
        self._held.pop(Key("Secret", namespace, name), None)
        return await self._read(SECRETS, namespace, name)

    def subscribe(self, subscriber: Callable[[Key], None]) -> None:
        """Have ``subscriber(key)`` called when a Secret or ConfigMap is made, changed or deleted."""
        self._subscribers.append(subscriber)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(SECRETS))
            group.create_task(self._follow(CONFIG_MAPS))

    async def _read(self, api: Api, namespace: str, name: str) -> Data:
        key = Key(api.kind, namespace, name)
        if api.kind in self._watched and (held := self._held.get(key)) is not None:
            return held
        changes = self._changes
        found = _decode(await self._client.get(api, name, namespace))
        if changes == self._changes:  # else this answer may be older than what the watch has told meanwhile
            self._held[key] = found
        return found

    async def _follow(self, api: Api) -> None:
        while True:
            try:
                await self._watch(api)
            except Forbidden as error:
                _log.warning("Not allowed to watch; references are read each time", extra={"why": error.message})
                return
            except Expired:
                continue
            except HubError as error:
                _log.debug("Watch broke", extra={"kind": api.kind, "why": error.message})
            finally:
                self._watched.discard(api.kind)
            await asyncio.sleep(_PAUSE)

    async def _watch(self, api: Api) -> None:
        """List, drop what changed while nobody looked, and follow; from then on what is held is fresh."""
        namespace = self._namespace or None
        listed = await self._client.list(api, namespace, metadata_only=True)
        seen = {_key(api, item): str(item["metadata"]["resourceVersion"]) for item in listed.items}
        for key, held in list(self._held.items()):
            if key.kind == api.kind and seen.get(key) != held.resource_version:
                self._changed(key)
        self._watched.add(api.kind)
        version = listed.resource_version
        async for event in self._client.watch(api, namespace, resource_version=version, metadata_only=True):
            if event.type != "BOOKMARK":
                self._seen(_key(api, event.object), str(event.object["metadata"]["resourceVersion"]))

    def _seen(self, key: Key, resource_version: str) -> None:
        held = self._held.get(key)
        if held is None or held.resource_version != resource_version:
            self._changed(key)

    def _changed(self, key: Key) -> None:
        self._changes += 1
        self._held.pop(key, None)
        for subscriber in self._subscribers:
            subscriber(key)


def _key(api: Api, item: dict[str, Any]) -> Key:
    return Key(api.kind, item["metadata"]["namespace"], item["metadata"]["name"])


def _decode(raw: dict[str, Any]) -> Data:
    data: dict[str, bytes] = {}
    for name, value in (raw.get("data") or {}).items():
        if raw.get("kind") == "Secret":
            with contextlib.suppress(binascii.Error, ValueError):
                data[name] = base64.b64decode(value)
        else:
            data[name] = str(value).encode()
    for name, value in (raw.get("binaryData") or {}).items():
        data[name] = base64.b64decode(value)
    return Data(data, str(raw["metadata"]["resourceVersion"]))
