"""
What Helm keeps on a member, as a watch of metadata tells it.

A look at a release whose newest record is still the one that was read last needs no request; a record that somebody
else wrote or deleted brings its release back at once. One watch covers the member. Where the kubeconfig may not watch
Secrets everywhere there is one for each storage namespace, and where it may not watch at all the records are read at
each look: slower, never stale.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hub.api.meta import SECRETS
from hub.errors import ApiError, Unauthorized
from hub.kube.reflector import Reflector
from hub.runtime.debounce import Debounce

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hub.kube.client import Client

_log = logging.getLogger(__name__)
_NAME: Final = re.compile(r"sh\.helm\.release\.v1\.(?P<release>.+)\.v(?P<version>\d+)")
_WIDER: Final = 600.0  # seconds until rights that were missing are looked for again
_AGAIN: Final = 30.0  # seconds until credentials that were refused are tried again
_QUIET, _LIMIT = 0.2, 1.0  # seconds: one run of helm writes several times


class Scope(StrEnum):
    """How much of a member is watched."""

    NONE = "None"
    NAMESPACES = "Namespaces"
    CLUSTER = "Cluster"


class Record(NamedTuple):
    """One record: its Secret, and the version of that."""

    secret: str
    resource_version: str


class _Release(NamedTuple):
    namespace: str
    name: str


class _Seen(NamedTuple):
    record: Record
    pending: bool
    """Some helm is at work: it may be somebody's own, so it is left in peace until it has ended."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    What is watched now.

    Attributes:
        scope: How much of the member.
        why: What keeps us from watching more; empty when nothing does, or nothing was asked for yet.
    """

    scope: Scope
    why: str = ""


class Records:
    """
    Helm's records on one member.

    Args:
        client: Gives the client to watch with; it may be another one each time.
        renew: Reads refused credentials again; True when there are others now.
        changed: Called with storage namespace and name of a release whose newest record is not the one we know.
        covered: Called when :attr:`coverage` may have changed.
    """

    def __init__(
        self,
        client: Callable[[], Client],
        renew: Callable[[Client], Awaitable[bool]],
        changed: Callable[[str, str], None],
        covered: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._renew = renew
        self._changed = changed
        self._covered = covered
        self._there: defaultdict[_Release, dict[int, _Seen]] = defaultdict(dict)
        self._known: dict[_Release, Record] = {}
        self._watches: dict[str | None, Reflector] = {}
        self._refused: dict[str | None, str] = {}
        self._namespaces: set[str] = set()
        self._another = asyncio.Event()
        self._bursts = Debounce[_Release](self._compare, _QUIET, _LIMIT)
        self._running: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def is_newest(self, namespace: str, name: str, record: Record) -> bool:
        """Whether a release's newest record is surely still this one; False also when nobody can tell."""
        newest = self._newest(_Release(namespace, name))
        return newest is not None and newest.record == record and self._is_live(namespace)

    def note(self, namespace: str, name: str, record: Record) -> None:
        """Remember what was read as a release's newest record: any other one is news."""
        if namespace not in self._namespaces:
            self._namespaces.add(namespace)
            self._another.set()
        self._known[_Release(namespace, name)] = record

    def forget(self, namespace: str, name: str) -> None:
        """Take what comes as ours: we are about to write."""
        self._known.pop(_Release(namespace, name), None)

    @property
    def coverage(self) -> Coverage:
        """What is watched now."""
        if self._is_open(None):
            return Coverage(Scope.CLUSTER)
        why = self._refused.get(None, "")
        narrow = [one for one in self._namespaces if self._is_open(one)]
        if narrow and len(narrow) == len(self._namespaces):
            return Coverage(Scope.NAMESPACES, why)
        blind = next((text for namespace, text in sorted(self._refused.items(), key=str) if namespace), why)
        return Coverage(Scope.NONE, blind)

    def start(self) -> None:
        """Watch from now on; does nothing when it does already."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="watch records")

    def stop(self) -> None:
        """Watch no more: there is nobody to ask."""
        self._watches.clear()  # at once: from here on nobody can tell
        if self._running is not None:
            self._running.cancel()
            self._ending.add(self._running)
            self._running.add_done_callback(self._ending.discard)
            self._running = None

    def restart(self) -> None:
        """Watch with another client."""
        if self._running is not None:
            self.stop()
            self.start()

    async def aclose(self) -> None:
        """Stop, and wait for the end of it."""
        self.stop()
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while True:
                self._refused.clear()
                await self._watch(None)
                await self._watch_each()
        except Exception:  # noqa: BLE001  # a mistake of ours: the records are read at each look instead
            _log.exception("The watch of Helm's records broke")

    async def _watch_each(self) -> None:
        """Watch one namespace after the other as they are asked for, for some time."""
        watched: dict[str, asyncio.Task[None]] = {}
        try:
            async with asyncio.timeout(_WIDER):
                while True:
                    self._another.clear()
                    for namespace in self._namespaces - watched.keys():
                        watched[namespace] = asyncio.create_task(self._watch(namespace), name=f"watch {namespace}")
                    await self._another.wait()
        except TimeoutError:
            return
        finally:
            for task in watched.values():
                task.cancel()
            await asyncio.gather(*watched.values(), return_exceptions=True)

    async def _watch(self, namespace: str | None) -> None:
        """Watch a namespace, or all, until that is refused."""
        while True:
            client = self._client()
            reflector = self._watches[namespace] = Reflector(
                client, SECRETS, namespace, labels="owner=helm", metadata_only=True
            )
            self._drop(namespace)
            catching_up = asyncio.create_task(self._catch_up(reflector, namespace))
            try:
                await reflector.run(self._told)
            except ApiError as error:
                self._refused[namespace] = error.message
                self._covered()
                if not isinstance(error, Unauthorized):
                    _log.info("Cannot watch Helm's records", extra={"member": client.name, "why": error.message})
                    return
                if not await self._renew(client):
                    await asyncio.sleep(_AGAIN)
            finally:
                catching_up.cancel()
                if self._watches.get(namespace) is reflector:  # else there is a newer one already
                    del self._watches[namespace]

    async def _catch_up(self, reflector: Reflector, namespace: str | None) -> None:
        """Compare what was there all along once everything was told: what is gone is not told at all."""
        await reflector.synced.wait()
        self._covered()
        for release in self._known:
            if namespace in (None, release.namespace):
                self._bursts.touch(release)

    def _told(self, type_: str, raw: dict[str, Any]) -> None:
        metadata = raw["metadata"]
        if (found := _NAME.fullmatch(metadata["name"])) is None:
            return
        release = _Release(metadata["namespace"], found["release"])
        version = int(found["version"])
        if type_ != "DELETED":
            pending = (metadata.get("labels") or {}).get("status", "").startswith("pending-")
            self._there[release][version] = _Seen(Record(metadata["name"], metadata["resourceVersion"]), pending)
        else:
            self._there[release].pop(version, None)
            if not self._there[release]:
                del self._there[release]
        if release in self._known:
            self._bursts.touch(release)

    def _compare(self, release: _Release) -> None:
        known = self._known.get(release)
        if known is None or not self._is_live(release.namespace):
            return
        newest = self._newest(release)
        if newest is None or (newest.record != known and not newest.pending):
            self._changed(release.namespace, release.name)

    def _newest(self, release: _Release) -> _Seen | None:
        records = self._there.get(release)
        return records[max(records)] if records else None

    def _drop(self, namespace: str | None) -> None:
        for release in [one for one in self._there if namespace in (None, one.namespace)]:
            del self._there[release]

    def _is_live(self, namespace: str) -> bool:
        return self._is_open(None) or self._is_open(namespace)

    def _is_open(self, namespace: str | None) -> bool:
        watch = self._watches.get(namespace)
        return watch is not None and watch.live
