"""
The frame around every reconcile, and the one reader of errors.

An :class:`Attempt` is one reconcile of one object: a private copy of it, its conditions, and the only place that writes
its status. A :class:`Reconciler` runs the steps of its kind inside that frame::

    object gone -> nothing        deleted -> finalize, drop our finalizer
    suspended   -> remember what was asked, nothing else
    else        -> steps() -> settle(error) -> one status patch -> events -> when to look again

Errors say what happens next (see :mod:`hub.errors`); nobody else catches them.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from hub.api.conditions import Conditions
from hub.api.meta import FINALIZER, READY, RECONCILING, REQUESTED_AT, STALLED, Resource, rfc3339
from hub.api.registry import KINDS
from hub.errors import HubError, MemberUnreachable, NotFound, Stalled, Transient, Waiting
from hub.runtime import log
from hub.runtime.status import merge_patch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.api.meta import Key
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder

_log = logging.getLogger(__name__)
_JITTER = 0.05
_WRITES = 8
"""Statuses of one kind that are written at a time. After a push all charts are ready at once: each write beyond these
would open a connection of its own, whose TLS handshake costs both sides more than the write."""
ARTIFACT_FAILED = "ArtifactFailed"
STORAGE_FAILED = "StorageOperationFailed"
_STORAGE_ERRORS = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOENT,
})  # fmt: skip

R = TypeVar("R", bound=Resource)


class Attempt(Generic[R]):
    """
    One reconcile of one object.

    Attributes:
        resource: A copy that this attempt may edit; its ``status`` is what :meth:`save` writes.
        conditions: The conditions of that status.
    """

    def __init__(self, resource: R, client: Client, cache: Cache, room: asyncio.Semaphore) -> None:
        self._room = room
        self.resource: R = resource.model_copy(deep=True)
        self._client = client
        self._cache = cache
        self._written: dict[str, Any] = self.resource.status.dump()
        self.conditions = Conditions(self.resource.status.conditions, self.resource.metadata.generation, _now)

    async def save(self) -> None:
        """Write what changed in the status; nothing when nothing did. An object that is gone is left gone."""
        self.resource.status.conditions = self.conditions.items()
        wanted = self.resource.status.dump()
        if patch := merge_patch(self._written, wanted):
            await self._patch({"status": patch}, subresource="status")
            self._written = wanted

    async def progressing(self, message: str, *, ready: bool = False) -> None:
        """Tell that work is under way before it starts; with ``ready``, that the outcome is open too."""
        self.conditions.mark_true(RECONCILING, "Progressing", message)
        if ready or self.conditions.get(READY) is None:
            self.conditions.mark_unknown(READY, "Progressing", message)
        await self.save()

    def handled(self) -> None:
        """Remember the request (``requestedAt``) that this attempt answers."""
        if self.resource.requested_at:
            self.resource.status.last_handled_reconcile_at = self.resource.requested_at

    async def add_finalizer(self) -> None:
        """Make sure that deletion waits for us."""
        finalizers = self.resource.metadata.finalizers
        if FINALIZER not in finalizers:
            await self._set_finalizers([*finalizers, FINALIZER])

    async def drop_finalizer(self) -> None:
        """Let deletion go on."""
        finalizers = self.resource.metadata.finalizers
        if FINALIZER in finalizers:
            await self._set_finalizers([one for one in finalizers if one != FINALIZER])

    async def _set_finalizers(self, finalizers: list[str]) -> None:
        # The resource version guards the list: somebody else's finalizer must not be lost.
        meta = self.resource.metadata
        await self._patch({"metadata": {"finalizers": finalizers, "resourceVersion": meta.resource_version}})
        meta.finalizers = finalizers

    async def _patch(self, body: dict[str, Any], subresource: str | None = None) -> None:
        meta = self.resource.metadata
        api = self.resource.KIND.api
        try:
            async with self._room:
                answer = await self._client.patch(api, meta.name, meta.namespace, body, subresource=subresource)
        except NotFound:
            return
        meta.resource_version = answer["metadata"]["resourceVersion"]
        self._cache.put(answer)


class Reconciler(ABC, Generic[R]):
    """
    The controller of one kind: its steps, in the common frame.

    ``FINALIZES`` is False for a kind that leaves nothing behind: its objects get no finalizer.
    """

    FINALIZES: ClassVar[bool] = True

    def __init__(self, client: Client, cache: Cache, recorder: Recorder) -> None:
        self.client = client
        self.cache = cache
        self.recorder = recorder
        self._room = asyncio.Semaphore(_WRITES)

    @abstractmethod
    async def steps(self, attempt: Attempt[R]) -> float:
        """Bring the object to its desired state; return the seconds until the next look. Raises ``HubError``."""

    @abstractmethod
    async def finalize(self, attempt: Attempt[R]) -> None:
        """Remove what the object stands for; the finalizer goes afterwards. Raises ``HubError``."""

    @abstractmethod
    def summarize(self, attempt: Attempt[R], error: HubError | None) -> None:
        """Write ``Ready`` from the other conditions and the error, if any."""

    async def reconcile(self, key: Key) -> float | None:
        """
        Reconcile one object.

        Returns:
            Seconds until the next look; None when only an event brings the object back.

        Raises:
            Transient: Try again with backoff. The status tells already.
        """
        resource: R | None = self.cache.get(key)
        if resource is None:
            return None
        with log.bind(kind=key.kind, namespace=key.namespace, name=key.name):
            attempt = Attempt(resource, self.client, self.cache, self._room)
            if resource.deleted:
                return await self._delete(attempt)
            if self.FINALIZES:
                await attempt.add_finalizer()
            if attempt.resource.spec.suspend:
                await self._suspended(attempt)
                return None
            return await self._run(attempt)

    @asynccontextmanager
    async def needing(self, *sources: Key) -> AsyncIterator[None]:
        """
        Have artifacts stored again when the body finds that storage does not have one of them any more.

        Raises:
            Transient: Instead of the ``Waiting`` that says so (reason ``ArtifactFailed``).
        """
        try:
            yield
        except Waiting as error:
            if error.reason != ARTIFACT_FAILED:
                raise
            for key in sources:
                await self._ask(key)
            names = ", ".join(f"{key.kind} '{key.namespace}/{key.name}'" for key in sources)
            message = f"the artifact of {names} is not in storage any more: asked for it again"
            raise Transient(ARTIFACT_FAILED, message) from error

    async def _ask(self, key: Key) -> None:
        """Request a reconcile, as a person would: that works wherever the other object is taken care of."""
        kind = next(kind for kind in KINDS if kind.name == key.kind)
        asked = {"metadata": {"annotations": {REQUESTED_AT: _now()}}}
        await self.client.patch(kind.api, key.name, key.namespace, asked)

    async def _suspended(self, attempt: Attempt[R]) -> None:
        attempt.handled()
        attempt.resource.status.observed_generation = attempt.resource.metadata.generation
        await attempt.save()

    async def _delete(self, attempt: Attempt[R]) -> float | None:
        if FINALIZER not in attempt.resource.metadata.finalizers:
            return None
        try:
            await self.finalize(attempt)
        except HubError as error:
            return await self._failed(attempt, error)
        await attempt.drop_finalizer()
        return None

    async def _run(self, attempt: Attempt[R]) -> float | None:
        try:
            after = await self.steps(attempt)
        except HubError as error:
            return await self._failed(attempt, error)
        except asyncio.CancelledError:
            # The process is stopping: what was learnt so far is still worth a patch.
            await asyncio.shield(attempt.save())
            raise
        except Exception as error:  # noqa: BLE001  a bug in one reconcile must not stop the others
            return await self._failed(attempt, _unexpected(error))
        attempt.conditions.delete(RECONCILING, STALLED)
        await self._settled(attempt, None)
        return jittered(after)

    async def _failed(self, attempt: Attempt[R], error: HubError) -> float | None:
        """The one reader of errors: conditions, event, and when to look again."""
        before = attempt.conditions.get(READY)
        await self._settled(attempt, error)
        news = before is None or (before.reason, before.message) != (error.reason, error.message)
        match error:
            case Stalled():
                self.recorder.warning(attempt.resource, error.reason, error.message)
                return None
            case Waiting():
                if news and not error.quiet:
                    self.recorder.normal(attempt.resource, error.reason, error.message)
                return jittered(error.after)
            case MemberUnreachable():
                # Said once for each outage; the condition keeps saying it.
                if news:
                    self.recorder.warning(attempt.resource, error.reason, error.message)
            case _:
                self.recorder.warning(attempt.resource, error.reason, error.message)
        raise error

    async def _settled(self, attempt: Attempt[R], error: HubError | None) -> None:
        attempt.handled()
        if error is None or isinstance(error, Stalled):
            attempt.resource.status.observed_generation = attempt.resource.metadata.generation
        if isinstance(error, Stalled):
            attempt.conditions.mark_true(STALLED, error.reason, error.message)
        self.summarize(attempt, error)
        if error is not None and not isinstance(error, Stalled):
            attempt.conditions.mark_true(RECONCILING, "ProgressingWithRetry", error.message)
        await attempt.save()


def _unexpected(error: Exception) -> Transient:
    """What nobody below foresaw: a machine without room, which people can help, or a mistake of ours."""
    if isinstance(error, OSError) and error.errno in _STORAGE_ERRORS:
        what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        return Transient(
            STORAGE_FAILED, f"the hub cannot use its storage folder ({what}): make room, or check the folder"
        )
    _log.error("Reconcile failed unexpectedly", exc_info=error)
    return Transient("InternalError", f"unexpected {type(error).__name__}: {error}")


def jittered(seconds: float) -> float:
    """Return an interval spread by five percent, so that objects made together do not stay together."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  spreads load, guards nothing


def _now() -> str:
    return rfc3339(datetime.now(tz=UTC))
