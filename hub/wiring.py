"""
Who brings whom back: the one table of changes and the objects they concern.

An object's own change counts when somebody else made it: a new spec, an annotation, a deletion. What the hub writes
into its status does not bring the object itself back, but those that look at it: a new artifact its charts, a built
chart its releases, a ready release those that wait for it, a scan its policies and they their automations, a changed
Secret whoever reads it. Of Secrets, ConfigMaps, layers and images often many change at once: those who look at them are
brought back when the burst is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.api.fleet import Member
from hub.api.helm import HelmRelease
from hub.api.image import ImagePolicy, ImageRepository, ImageUpdateAutomation
from hub.api.meta import Key
from hub.api.notification import Receiver
from hub.api.source import GitRepository, HelmChart
from hub.images import triggers as images
from hub.members import inventory
from hub.members.pool import Change as MemberChange
from hub.notify import triggers as notify
from hub.release import dependencies, layer_refs
from hub.release import triggers as release
from hub.runtime.cache import Change
from hub.runtime.debounce import Debounce
from hub.runtime.queue import Priority
from hub.sources import triggers as sources

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from hub.api.meta import Kind, Resource
    from hub.runtime.cache import Cache
    from hub.runtime.queue import Queue


class Route(NamedTuple):
    """Objects of ``kind`` look at what ``looks_at`` names; a change there matters when ``matters`` says so."""

    kind: Kind
    looks_at: Callable[[Resource], Iterable[Key]]
    matters: Callable[[Resource | None, Resource | None], bool]
    seen_as: Callable[[Key], Key] = lambda key: key
    """What a changed object is called in ``looks_at``, when not by its own key."""

    @property
    def named(self) -> str:
        """Name of the index in the cache."""
        return f"{self.kind.name} by {self.looks_at.__name__}"


ROUTES = (
    Route(GitRepository.KIND, sources.includes_of, sources.artifact_matters),
    Route(HelmChart.KIND, sources.source_of, sources.artifact_matters),
    Route(HelmRelease.KIND, release.chart_of, release.chart_matters),
    Route(HelmRelease.KIND, dependencies.keys_of, dependencies.became_ready),
    Route(HelmRelease.KIND, dependencies.keys_by_expression, dependencies.changed),
    Route(HelmRelease.KIND, layer_refs.charts_of, layer_refs.chart_was_rebuilt),
)
SOON = (
    Route(ImagePolicy.KIND, images.repository_of, images.tags_matter),
    Route(ImageUpdateAutomation.KIND, images.policies_of, images.image_matters, images.all_of),
    Route(ImageUpdateAutomation.KIND, images.source_of, images.spec_matters),
)
LAYERS = Route(HelmRelease.KIND, layer_refs.sources_of, sources.artifact_matters)
REFERENCES = (
    *(Route(kind, sources.references_of, lambda _old, _new: True) for kind in sources.READERS),
    Route(HelmRelease.KIND, release.references_of, lambda _old, _new: True),
    Route(HelmRelease.KIND, layer_refs.objects_of, lambda _old, _new: True),
    Route(ImageRepository.KIND, images.references_of, lambda _old, _new: True),
    Route(ImageUpdateAutomation.KIND, images.signing_key_of, lambda _old, _new: True),
    Route(Receiver.KIND, notify.secret_of, lambda _old, _new: True),
)
AT_PLACE = Route(GitRepository.KIND, sources.place_of, lambda _old, _new: True)
OF_SECRET = Route(Member.KIND, inventory.secrets_of, lambda _old, _new: True)
RECORD = Route(HelmRelease.KIND, release.record_of, lambda _old, _new: True)
ON_MEMBER = Route(HelmRelease.KIND, release.member_of, lambda _old, new: release.misses_its_member(new))


class Wiring:
    """Turns changes in the cache into work in the queue."""

    def __init__(self, cache: Cache, queue: Queue[Key]) -> None:
        self._cache = cache
        self._queue = queue
        self._soon = Debounce[Key](queue.add)
        for route in (*ROUTES, *SOON, LAYERS, *REFERENCES, AT_PLACE, OF_SECRET, RECORD, ON_MEMBER):
            cache.add_index(route.named, route.kind, route.looks_at)
        self._later = Debounce[Key](queue.add, quiet=1.0, limit=5.0)
        cache.subscribe(self.changed)

    def changed(self, change: Change, old: Resource | None, new: Resource | None) -> None:
        """Queue everything that a change of one of our objects concerns."""
        key = (new or old).key  # type: ignore[union-attr]  # one of them is there
        if change is Change.DELETED:
            self._queue.discard(key)
        elif new is not None and concerns_itself(old, new):
            self._queue.add(key, priority=Priority.REQUEST if _is_request(old, new) else None)
        for route in ROUTES:
            users = self._cache.lookup(route.named, key)
            if users and route.matters(old, new):
                for user in users:
                    self._queue.add(user)
        self._count(old, new)
        for source in images.pushed_to(old, new):
            self._queue.add(source)
        for route in (*SOON, LAYERS):
            users = self._cache.lookup(route.named, route.seen_as(key))
            if users and route.matters(old, new):
                for user in users:
                    self._soon.touch(user)

    def reference_changed(self, key: Key) -> None:
        """Queue everything that reads a Secret or ConfigMap."""
        for route in (*REFERENCES, OF_SECRET):
            for user in self._cache.lookup(route.named, key):
                self._soon.touch(user)

    def repository_moved(self, url: str) -> None:
        """Queue every GitRepository of a URL whose server said something new to one of them."""
        for user in self._cache.lookup(AT_PLACE.named, Key(sources.PLACE, "", url)):
            self._queue.add(user)

    def record_changed(self, namespace: str, secret: str, storage_namespace: str, name: str) -> None:
        """Queue the release whose records on a member somebody else changed."""
        for user in self._cache.lookup(RECORD.named, release.record(namespace, secret, storage_namespace, name)):
            self._queue.add(user)

    def member_changed(self, namespace: str, secret: str, change: MemberChange) -> None:
        """Queue whoever tells how a member is; when it answers again, every release that waits for it too."""
        for member in self._cache.lookup(OF_SECRET.named, Key("Secret", namespace, secret)):
            self._queue.add(member)
        if change is not MemberChange.BACK:
            return
        for user in self._cache.lookup(ON_MEMBER.named, Key(release.MEMBER, namespace, secret)):
            if ON_MEMBER.matters(None, self._cache.get(user)):
                self._queue.add(user)

    def releases_of(self, member: Member) -> list[HelmRelease]:
        """Return the releases that name the Secret of a Member."""
        secret = member.spec.kube_config.secret_ref.name
        users = self._cache.lookup(ON_MEMBER.named, Key(release.MEMBER, member.metadata.namespace, secret))
        return [self._cache.get(user) for user in users]

    def _count(self, old: Resource | None, new: Resource | None) -> None:
        """Have the Members of a release count anew, and one made of a kubeconfig that has none."""
        if not inventory.counts_differently(old, new):
            return
        for one in (old, new):
            if not isinstance(one, HelmRelease) or (reference := inventory.kubeconfig_of(one)) is None:
                continue
            secret = Key("Secret", one.metadata.namespace, reference.name)
            for member in self._cache.lookup(OF_SECRET.named, secret) or inventory.member_names(one):
                self._later.touch(member)


def lane_of(cache: Cache, key: Key) -> Hashable:
    """Return who a key shares its part of the work with: releases those of their member, others those of their kind."""
    resource = cache.get(key)
    return next(iter(release.member_of(resource)), key.kind) if resource is not None else key.kind


def concerns_itself(old: Resource | None, new: Resource) -> bool:
    """Whether an object has to be looked at because of its own change: not for its status, which is ours."""
    if old is None:
        return True
    before, after = old.metadata, new.metadata
    return (
        before.uid != after.uid
        or before.generation != after.generation
        or before.annotations != after.annotations
        or before.deletion_timestamp != after.deletion_timestamp
    )


def _is_request(old: Resource | None, new: Resource) -> bool:
    """Whether a person asks and waits: those go first."""
    return old is not None and old.requested_at != new.requested_at
