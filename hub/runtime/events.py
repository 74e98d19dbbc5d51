"""
Kubernetes Events about our objects: written in the background, folded when they repeat, bounded when they flood.

Like client-go's correlator: the same event again within ten minutes raises the ``count`` of the one that is there, and
an object that tells too much is cut short (25 at once, then one in five minutes). An event is news, never state: losing
one is allowed, blocking a reconcile is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hub.api.meta import EVENTS, rfc3339
from hub.errors import HubError, NotFound
from hub.kube.client import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.api.meta import Resource
    from hub.kube.client import Client

_log = logging.getLogger(__name__)
_MAX_MESSAGE = 1024  # bytes that the API server accepts
_WAITING = 1000  # events that may wait to be written
_REMEMBERED = 4096
_FOLD_SECONDS = 600.0
_BURST = 25.0
_REFILL_SECONDS = 300.0
_PAUSES = (1.0, 3.0)  # seconds before an event that the API server could not take is offered again


@dataclass(slots=True)
class _Written:
    """An event that is on the server."""

    name: str
    count: int
    at: float


@dataclass(slots=True)
class _Bucket:
    """How much an object may still tell."""

    left: float
    at: float


@dataclass(frozen=True, slots=True)
class _Event:
    type: str
    reason: str
    message: str
    involved: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]

    @property
    def namespace(self) -> str:
        return dict(self.involved)["namespace"]


class Recorder:
    """
    Records events about resources.

    Args:
        client: Speaks to the cluster of the resources.
        component: Who says it.
    """

    def __init__(self, client: Client, component: str = "hub") -> None:
        self._client = client
        self._component = component
        self._queue: asyncio.Queue[_Event] = asyncio.Queue(_WAITING)
        self._written: OrderedDict[_Event, _Written] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def normal(
        self, resource: Resource, reason: str, message: str, *, annotations: Mapping[str, str] | None = None
    ) -> None:
        """Tell good news. Never blocks, never raises."""
        self._add("Normal", resource, reason, message, annotations or {})

    def warning(
        self, resource: Resource, reason: str, message: str, *, annotations: Mapping[str, str] | None = None
    ) -> None:
        """Tell bad news. Never blocks, never raises."""
        self._add("Warning", resource, reason, message, annotations or {})

    async def aclose(self, timeout: float = 3.0) -> None:
        """Write what waits, for so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._queue.join()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _add(self, type_: str, resource: Resource, reason: str, message: str, annotations: Mapping[str, str]) -> None:
        level = logging.WARNING if type_ == "Warning" else logging.INFO
        _log.log(level, message, extra={"reason": reason})
        event = _Event(type_, reason, _cut(message), _involved(resource), tuple(sorted(annotations.items())))
        if self._task is None or self._task.done():
            # In a context of its own: what it logs is not about the object that happened to tell first.
            loop, nobody = asyncio.get_running_loop(), contextvars.Context()
            self._task = loop.create_task(self._run(), name="events", context=nobody)
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(event)

    async def _run(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                await self._persist(event)
            except HubError as error:
                _log.debug("Event was not written", extra={"reason": error.reason, "why": error.message})
            except Exception:  # noqa: BLE001  an event is not worth a task
                _log.exception("Event was not written")
            finally:
                self._queue.task_done()

    async def _persist(self, event: _Event) -> None:
        for pause in _PAUSES:
            try:
                return await self._write(event)
            except HubError as error:
                if not isinstance(error, Unreachable) and getattr(error, "status", 0) < 500:
                    raise  # refused: the namespace is going away, or we may not write events
            await asyncio.sleep(pause)
        return await self._write(event)

    async def _write(self, event: _Event) -> None:
        now = asyncio.get_running_loop().time()
        known = self._written.get(event)
        if known is not None and now - known.at < _FOLD_SECONDS:
            with contextlib.suppress(NotFound):
                await self._count(event, known)
                known.at = now
                return
        if not self._may_tell(event, now):
            return
        body = self._body(event)
        await self._client.create(EVENTS, body, event.namespace)
        self._written[event] = _Written(body["metadata"]["name"], 1, now)
        self._written.move_to_end(event)
        if len(self._written) > _REMEMBERED:
            self._written.popitem(last=False)

    async def _count(self, event: _Event, known: _Written) -> None:
        known.count += 1
        patch = {"count": known.count, "lastTimestamp": _now()}
        await self._client.patch(EVENTS, known.name, event.namespace, patch)

    def _may_tell(self, event: _Event, now: float) -> bool:
        """Take one from the object's bucket of tokens."""
        uid = dict(event.involved)["uid"]
        bucket = self._buckets.setdefault(uid, _Bucket(_BURST, now))
        self._buckets.move_to_end(uid)
        bucket.left = min(_BURST, bucket.left + (now - bucket.at) / _REFILL_SECONDS)
        bucket.at = now
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    def _body(self, event: _Event) -> dict[str, Any]:
        now, involved = _now(), dict(event.involved)
        metadata: dict[str, Any] = {
            "name": f"{involved['name'][:200]}.{secrets.token_hex(8)}",
            "namespace": involved["namespace"],
        }
        if event.annotations:
            metadata["annotations"] = dict(event.annotations)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": metadata,
            "involvedObject": involved,
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }


def _involved(resource: Resource) -> tuple[tuple[str, str], ...]:
    api, meta = resource.KIND.api, resource.metadata
    return (
        ("apiVersion", api.api_version),
        ("kind", api.kind),
        ("name", meta.name),
        ("namespace", meta.namespace),
        ("uid", meta.uid),
        ("resourceVersion", ""),  # the event is about the object, whatever its version: so that it folds
    )


def _cut(message: str) -> str:
    """Shorten a message to what the API server accepts, which counts bytes."""
    content = message.encode()
    if len(content) <= _MAX_MESSAGE:
        return message
    return content[: _MAX_MESSAGE - 3].decode("utf-8", "ignore") + "..."


def _now() -> str:
    return rfc3339(datetime.now(tz=UTC))
