"""
The Member controller: looks at a member, and writes down how it is.

A look is one request for the version. What releases need of a member does not pass here: they come and go with it
whether there is a Member or not.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub.api.duration import Duration
from hub.api.fleet import Member, MemberCredentials
from hub.api.helm import HelmRelease
from hub.api.meta import READY, SECRETS, KubeConfig, rfc3339
from hub.errors import Conflict, Forbidden, MemberUnreachable, NotFound
from hub.members import metrics
from hub.members.inventory import counts, kubeconfig_of, member_names, new_member, same_kubeconfig
from hub.members.records import Scope
from hub.runtime.cache import Change
from hub.runtime.steps import Reconciler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hub.api.meta import Key, Resource, SecretKeyRef
    from hub.errors import HubError
    from hub.kube.client import Client
    from hub.members.member import Member as Cluster
    from hub.members.pool import Pool
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.steps import Attempt

_log = logging.getLogger(__name__)

_NAMED = "HelmRelease by the name of its Member"

VALID = "CredentialsValid"
WATCHED = "RecordsWatched"


class MemberReconciler(Reconciler[Member]):
    """
    Keeps the inventory.

    Args:
        client: Of the host cluster.
        cache: What is known of it.
        recorder: For events.
        pool: The members.
        releases: Gives the releases that name the Secret of a Member.
    """

    FINALIZES = False

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        pool: Pool,
        releases: Callable[[Member], Sequence[Resource]],
    ) -> None:
        super().__init__(client, cache, recorder)
        self._pool = pool
        self._releases = releases
        self._not_ours: set[Key] = set()  # exist and are hidden from us, or may not be made
        cache.add_index(_NAMED, HelmRelease.KIND, member_names)
        cache.subscribe(self._changed)

    async def reconcile(self, key: Key) -> float | None:
        """Look at a Member; make the one of a kubeconfig in use that has none."""
        if self.cache.get(key) is None:
            await self._make(key)
            return None
        return await super().reconcile(key)

    async def steps(self, attempt: Attempt[Member]) -> float:
        """Ask the member for its version; return its interval in seconds. Raises ``HubError``."""
        resource, status = attempt.resource, attempt.resource.status
        status.releases = counts(resource, self._releases(resource))
        wanted = KubeConfig(secret_ref=resource.spec.kube_config.secret_ref)
        cluster = await self._pool.find(resource.metadata.namespace, wanted)
        status.server = cluster.client.address
        self._tell_expiry(attempt, cluster)
        self._tell_watch(attempt, cluster)
        try:
            await self._look(attempt, cluster)
        except MemberUnreachable:
            status.breaker, status.reachable_since = "open", ""
            raise
        return resource.spec.interval.seconds

    async def finalize(self, attempt: Attempt[Member]) -> None:
        """Do nothing: what runs on a member stays."""

    def summarize(self, attempt: Attempt[Member], error: HubError | None) -> None:
        """Write ``Ready``: the member answers us."""
        status = attempt.resource.status
        if error is not None:
            attempt.conditions.mark(READY, "False", error.reason, error.message)
            return
        before = attempt.conditions.get(READY)
        message = f"{status.server} answers, Kubernetes {status.version}"
        if before is not None and before.reason == "MemberUnreachable":
            self.recorder.normal(attempt.resource, "Reachable", message)
        attempt.conditions.mark(READY, "True", "Reachable", message)

    def _changed(self, change: Change, old: Resource | None, _new: Resource | None) -> None:
        """Let go of a cluster whose Member was deleted, unless releases still go there."""
        if change is Change.DELETED and isinstance(old, Member) and not self._releases(old):
            self._pool.drop(old.metadata.namespace, old.spec.kube_config.secret_ref.name)

    async def _look(self, attempt: Attempt[Member], cluster: Cluster) -> None:
        status, clock = attempt.resource.status, asyncio.get_running_loop().time
        began = clock()
        answer = await cluster.call(lambda client: client.read("/version"))
        latency = clock() - began
        now = rfc3339(datetime.now(UTC))
        status.version = str(answer.get("gitVersion", ""))
        status.breaker, status.last_seen = "closed", now
        status.latency = str(Duration.from_seconds(round(latency, 3)))
        status.reachable_since = status.reachable_since or now
        metrics.LATENCY.labels(cluster.name).set(latency)

    def _tell_expiry(self, attempt: Attempt[Member], cluster: Cluster) -> None:
        """Say when the credentials end, and say it aloud when that is soon."""
        resource, conditions, expiry = attempt.resource, attempt.conditions, cluster.expiry
        if expiry is None:
            resource.status.credentials = None
            conditions.delete(VALID)
            return
        metrics.EXPIRY.labels(cluster.name).set(expiry.at.timestamp())
        at, now = rfc3339(expiry.at), datetime.now(UTC)
        resource.status.credentials = MemberCredentials(what=expiry.what, expires=at)
        if now < expiry.warn_from:
            conditions.mark(VALID, "True", "Valid", f"the {expiry.what} is good until {at}")
            return
        over = now >= expiry.at
        reason, verb = ("CredentialsExpired", "expired") if over else ("CredentialsExpireSoon", "expires")
        namespace, secret = resource.metadata.namespace, resource.spec.kube_config.secret_ref.name
        way_out = f"write a new kubeconfig there, or try 'hubctl member rotate {resource.metadata.name}'"
        message = f"the {expiry.what} in Secret '{namespace}/{secret}' {verb} at {at}: {way_out}"
        told = conditions.get(VALID)
        if told is None or (told.reason, told.message) != (reason, message):
            self.recorder.warning(resource, reason, message)
        conditions.mark(VALID, "False", reason, message)

    def _tell_watch(self, attempt: Attempt[Member], cluster: Cluster) -> None:
        coverage, conditions = cluster.records.coverage, attempt.conditions
        attempt.resource.status.watch = coverage.scope.value
        if coverage.scope is Scope.CLUSTER:
            conditions.mark(WATCHED, "True", "Cluster", "Helm's records are watched")
        elif coverage.scope is Scope.NAMESPACES:
            message = f"Helm's records are watched in each storage namespace: {coverage.why}"
            conditions.mark(WATCHED, "True", "Namespaces", message)
        elif coverage.why:
            message = f"Helm's records are read at each interval and not watched: {coverage.why}"
            conditions.mark(WATCHED, "False", "NotAllowed", message)
        else:
            conditions.delete(WATCHED)

    async def _make(self, key: Key) -> None:
        user = next(iter(self.cache.lookup(_NAMED, key)), None)
        reference = kubeconfig_of(self.cache.get(user)) if user is not None else None
        if reference is None or key in self._not_ours or self._is_known(key.namespace, reference):
            return
        try:
            secret = await self.client.get(SECRETS, reference.name, key.namespace, metadata_only=True)
            await self.client.create(Member.KIND.api, new_member(key, reference, secret))
        except NotFound:
            return  # the release says that there is no such Secret
        except (Conflict, Forbidden) as error:
            self._not_ours.add(key)
            _log.info("No Member is made", extra={"member": str(key), "why": error.message})
            return
        _log.info("Made a Member of a kubeconfig in use", extra={"member": str(key)})

    def _is_known(self, namespace: str, reference: SecretKeyRef) -> bool:
        return any(
            one.metadata.namespace == namespace and same_kubeconfig(one.spec.kube_config.secret_ref, reference)
            for one in self.cache.all(Member.KIND)
        )
