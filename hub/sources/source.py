"""
What the controllers of all sources share: storing an artifact, telling about it, and ``Ready``.

Conditions follow Flux: negative ones (``FetchFailed``, ``BuildFailed``, ``StorageOperationFailed``,
``ArtifactOutdated``) exist only while they are true, ``ArtifactInStorage`` is the good one, and ``Ready`` is a summary.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hub.api.kinds import SOURCE
from hub.api.meta import READY, Artifact, Resource
from hub.api.source import SourceStatus
from hub.content.store import StoreFailed
from hub.runtime.steps import Attempt, Reconciler

if TYPE_CHECKING:
    from hub.content.store import Store, Stored
    from hub.errors import HubError
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.origins import Origins

_log = logging.getLogger(__name__)

STORED = "ArtifactInStorage"
OUTDATED = "ArtifactOutdated"
FETCH_FAILED = "FetchFailed"
BUILD_FAILED = "BuildFailed"
STORAGE_FAILED = "StorageOperationFailed"
VERIFIED = "SourceVerified"
VERIFICATION_FAILED = "VerificationError"
_FAILURES = (STORAGE_FAILED, FETCH_FAILED, BUILD_FAILED)
_BUILD_REASONS = frozenset({
    "MetadataPatchError", "ValuesFilesError", "DependencyBuildError", "ChartPackageError", "ChartVerificationError",
    "Unknown",
})  # fmt: skip

S = TypeVar("S", bound=Resource)


class News(NamedTuple):
    """What is said of an artifact: the condition's reason and message, and the event's message when it is new."""

    reason: str
    message: str
    event: str


class SourceReconciler(Reconciler[S]):
    """A controller whose objects have an artifact."""

    def __init__(self, client: Client, cache: Cache, recorder: Recorder, *, store: Store) -> None:
        super().__init__(client, cache, recorder)
        self.store = store

    async def finalize(self, attempt: Attempt[S]) -> None:
        """Remove the artifacts of the object. Raises ``StoreFailed``."""
        await self.store.remove(*self._place(attempt))

    def summarize(self, attempt: Attempt[S], error: HubError | None) -> None:
        """Say what failed in its own condition, and the whole in Ready."""
        conditions = attempt.conditions
        conditions.delete(*_FAILURES)
        if error is None:
            conditions.delete(OUTDATED)
        else:
            if error.reason == VERIFICATION_FAILED:
                conditions.mark_false(VERIFIED, error.reason, error.message)
            else:
                conditions.mark_true(_condition_of(error), error.reason, error.message)
            conditions.mark_false(READY, error.reason, error.message)
            return
        stored = conditions.get(STORED)
        if stored is not None:
            conditions.mark(READY, stored.status, stored.reason, stored.message)

    async def current(self, attempt: Attempt[S]) -> Artifact | None:
        """
        Return the artifact of the object if the store still has it unchanged, its URL brought up to date.

        One that disappeared is taken out of the status, so that nobody is sent to it and it is built again.
        """
        status = _status(attempt)
        artifact = status.artifact
        if artifact is None:
            return None
        if not await self.store.verify(artifact.path, artifact.digest):
            if self.store.exists(artifact.path, artifact.digest):
                message = f"failed to verify artifact: the file '{artifact.path}' was changed in storage"
                self.recorder.warning(attempt.resource, "ArtifactVerificationFailed", message)
            _log.info("Artifact disappeared from storage; it is built again")
            status.artifact = None
            attempt.conditions.delete(STORED)
            return None
        artifact.url = self.store.url_of(artifact.path)
        return artifact

    async def keep(self, attempt: Attempt[S], stored: Stored, news: News) -> None:
        """Record a stored artifact, tell of it if it is new, and remove what is too old."""
        status, before = _status(attempt), _status(attempt).artifact
        status.artifact = Artifact.parse(stored.as_dict())
        attempt.conditions.mark_true(STORED, news.reason, news.message)
        if before is None or before.digest != stored.digest:
            reason = "NewArtifact" if news.reason == "Succeeded" else news.reason
            self._tell(attempt, reason, news.event)
        else:
            self.unchanged(attempt, news.event)
        await self.store.collect(*self._place(attempt), current=stored.path)

    async def announce(self, attempt: Attempt[S], outdated: str, building: str) -> None:
        """Tell what is coming before it is fetched, which may take long; ``outdated`` when something is there now."""
        if _status(attempt).artifact is not None:
            attempt.conditions.mark_true(OUTDATED, "NewRevision", outdated)
        await attempt.progressing(f"building artifact: {building}", ready=True)

    def unchanged(self, attempt: Attempt[S], event: str) -> None:
        """Tell that the artifact is still right, if the attempt before had failed."""
        failed = any(attempt.conditions.is_true(kind) for kind in _FAILURES)
        if failed or attempt.conditions.is_false(VERIFIED):
            self._tell(attempt, "Succeeded", event)

    def _tell(self, attempt: Attempt[S], reason: str, message: str) -> None:
        artifact = _status(attempt).artifact
        annotations = {}
        if artifact is not None:
            annotations[f"{SOURCE}/revision"] = artifact.revision
            annotations[f"{SOURCE}/digest"] = artifact.digest
        self.recorder.normal(attempt.resource, reason, message, annotations=annotations)

    def _place(self, attempt: Attempt[S]) -> tuple[str, str, str]:
        meta = attempt.resource.metadata
        return attempt.resource.KIND.name.lower(), meta.namespace, meta.name


class FetchingReconciler(SourceReconciler[S]):
    """
    A controller whose objects are fetched as they are from an origin.

    Args:
        client: Speaks to the hub cluster.
        cache: Our objects.
        recorder: Tells events.
        store: Keeps artifacts.
        origins: Says how origins are reached.
        max_size: Bytes of what is fetched, packed and unpacked.
    """

    def __init__(
        self, client: Client, cache: Cache, recorder: Recorder, *, store: Store, origins: Origins, max_size: int
    ) -> None:
        super().__init__(client, cache, recorder, store=store)
        self.origins = origins
        self.max_size = max_size


def _status(attempt: Attempt[S]) -> SourceStatus:
    status = attempt.resource.status
    if not isinstance(status, SourceStatus):
        raise TypeError(f"{attempt.resource.KIND.name} has no artifact")
    return status


def _condition_of(error: HubError) -> str:
    """Return the negative condition that speaks of an error."""
    if isinstance(error, StoreFailed) or error.reason == STORAGE_FAILED:
        return STORAGE_FAILED
    return BUILD_FAILED if error.reason in _BUILD_REASONS else FETCH_FAILED
