"""The reconciles of this replica: those whose shard it has, measured and traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.runtime import metrics, trace
from hub.runtime.shard import word_of
from hub.runtime.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.api.meta import Key
    from hub.runtime.cache import Cache
    from hub.runtime.leader import Leadership
    from hub.runtime.queue import Queue
    from hub.runtime.steps import Reconciler


class Work:
    """
    Runs the reconcilers for the keys in the queue that are ours.

    Every replica's queue has all keys; those of others cost one look. What was somebody else's a moment ago is looked
    at when its shard comes to us.
    """

    def __init__(
        self, cache: Cache, queue: Queue[Key], leadership: Leadership, reconcilers: Mapping[str, Reconciler[Any]]
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._leadership = leadership
        self._reconcilers = reconcilers
        self.worker = Worker(queue, self._reconcile)

    def gained(self, shard: int) -> None:
        """Look at everything of a shard: nobody may have for a while."""
        for key in list(self._cache.keys()):
            if self._shard(key) == shard:
                self._queue.add(key)

    async def lost(self, shard: int, grace: float) -> None:
        """End what runs of a shard."""
        await self.worker.end(lambda key: self._shard(key) == shard, grace)

    async def _reconcile(self, key: Key) -> float | None:
        if not self._leadership.owns(self._word(key)):
            return None  # whoever owns it heard of the change too
        if key.kind not in self._reconcilers:
            return None  # others take care of it: an ExternalArtifact
        with metrics.timed(key), trace.span("reconcile", kind=key.kind, namespace=key.namespace, name=key.name):
            return await self._reconcilers[key.kind].reconcile(key)

    def _shard(self, key: Key) -> int:
        return self._leadership.shard(self._word(key))

    def _word(self, key: Key) -> str:
        resource = self._cache.get(key)
        return word_of(resource) if resource is not None else str(key)
