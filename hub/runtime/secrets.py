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
from functools import partial
from typing import TYPE_CHECKING, Any

from hub.api.meta import CONFIG_MAPS, SECRETS, Key
from hub.errors import HubError
from hub.kube.reflector import Reflector

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.api.meta import Api
    from hub.kube.client import Client

_log = logging.getLogger(__name__)
_PAUSE = 60.0  # seconds until a watch that was refused is asked for again


@dataclass(frozen=True, slots=True)
class Data:
    """The content of a Secret or ConfigMap, and its annotations; ``repr`` does not show it."""

    data: dict[str, bytes] = field(repr=False)
    resource_version: str = ""
    annotations: dict[str, str] = field(default_factory=dict, repr=False)


class SecretReader:
    """
    Reads Secrets and ConfigMaps of the host cluster.

    Args:
        client: Speaks to that cluster.
        namespace: Watch one namespace only; empty for all.
    """

    def __init__(self, client: Client, namespace: str = "") -> None:
        self._client = client
        scope = namespace or None
        self._watches = {
            # Helm's own release records come and go with every upgrade of the host cluster; nobody refers to them.
            SECRETS.kind: Reflector(client, SECRETS, scope, labels="owner!=helm", metadata_only=True),
            CONFIG_MAPS.kind: Reflector(client, CONFIG_MAPS, scope, labels="owner!=helm", metadata_only=True),
        }
        self._held: dict[Key, Data] = {}
        self._reads: dict[Key, asyncio.Task[Data]] = {}
        self._asked: set[Key] = set()
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
        self._outdate(Key(SECRETS.kind, namespace, name))
        return await self._read(SECRETS, namespace, name)

    def subscribe(self, subscriber: Callable[[Key], None]) -> None:
        """Have ``subscriber(key)`` called when a Secret or ConfigMap is made, changed or deleted."""
        self._subscribers.append(subscriber)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for api in (SECRETS, CONFIG_MAPS):
                group.create_task(self._follow(api), name=f"watch {api.plural}")

    async def _read(self, api: Api, namespace: str, name: str) -> Data:
        key = Key(api.kind, namespace, name)
        self._asked.add(key)
        if not self._watches[api.kind].live:
            return _decode(await self._client.get(api, name, namespace))
        if (held := self._held.get(key)) is not None:
            return held
        read = self._reads.get(key)
        if read is None:  # many who ask at once cost one read
            read = self._reads[key] = asyncio.create_task(self._load(api, key), name=f"read {key}")
        return await asyncio.shield(read)

    async def _load(self, api: Api, key: Key) -> Data:
        me = asyncio.current_task()
        try:
            raw = await self._client.get(api, key.name, key.namespace)
            found = _decode(raw)
            # Not when the watch told of a change meanwhile, nor when it would never tell.
            if self._reads.get(key) is me and (raw["metadata"].get("labels") or {}).get("owner") != "helm":
                self._held[key] = found
            return found
        finally:
            if self._reads.get(key) is me:
                del self._reads[key]

    async def _follow(self, api: Api) -> None:
        watch = self._watches[api.kind]
        while True:
            try:
                await watch.run(partial(self._changed, api))
            except HubError as error:
                self._forget(api)
                _log.warning(
                    "Cannot watch; references are read each time", extra={"watched": api.plural, "why": error.message}
                )
            await asyncio.sleep(_PAUSE)

    def _changed(self, api: Api, type_: str, raw: dict[str, Any]) -> None:
        metadata = raw["metadata"]
        key = Key(api.kind, metadata["namespace"], metadata["name"])
        held = self._held.get(key)
        if type_ != "DELETED" and held is not None and held.resource_version == metadata["resourceVersion"]:
            return
        self._outdate(key)
        if not self._watches[api.kind].synced.is_set() and key not in self._asked:
            return  # the first list: nobody can have missed what nobody asked for
        for subscriber in self._subscribers:
            try:
                subscriber(key)
            except Exception:  # noqa: BLE001  # the watch outlives whoever listens
                _log.exception("Subscriber broke", extra={"key": str(key)})

    def _outdate(self, key: Key) -> None:
        self._held.pop(key, None)
        self._reads.pop(key, None)  # a read under way may be too old for those who ask from now on

    def _forget(self, api: Api) -> None:
        for key in [key for key in self._held if key.kind == api.kind]:
            del self._held[key]


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
    metadata = raw["metadata"]
    return Data(data, str(metadata["resourceVersion"]), metadata.get("annotations") or {})
