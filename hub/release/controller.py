"""
The HelmRelease controller: gathers what a release needs, step by step, and hands it to the loop.

The order of the steps is Flux's: chart object, dependencies, chart ready, values, member, target change, failure
counters, attempt, loop. A step that cannot go on raises; :mod:`hub.runtime.steps` reads it.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from hub.api.helm import HelmRelease
from hub.api.meta import FORCE_AT, RESET_AT, parse_time
from hub.content.values import values_digest
from hub.errors import HubError, MemberUnreachable, NotFound, ToolFailed, Transient
from hub.members.pool import REASON as NO_CLIENT
from hub.release import deletion, dependencies, history, messages, remediation
from hub.release.actions import Actions, stamp_of
from hub.release.chart import Charts, ChartSource
from hub.release.drift import Drift
from hub.release.health import HealthChecks, compile_checks
from hub.release.hold import requested
from hub.release.inputs import inputs_of
from hub.release.layer_refs import sources_of
from hub.release.loop import Loop, Request
from hub.release.names import Target, target_of
from hub.release.referenced import ReferencedCharts
from hub.release.source_files import SourceFiles
from hub.release.state import Desired
from hub.release.storage import Memory, Storage
from hub.release.summary import ready
from hub.release.triggers import chart_of
from hub.release.values import Values
from hub.runtime.access import Access
from hub.runtime.steps import Attempt, Reconciler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.api.meta import Key
    from hub.content.builder import ChartBuilder
    from hub.content.fetch import ArtifactReader
    from hub.content.trees import Trees
    from hub.kube.client import Client
    from hub.members.gateway import Gateway
    from hub.members.member import Member
    from hub.members.pool import Pool
    from hub.release.helm import Helm
    from hub.release.inputs import Inputs
    from hub.release.postrender import PostRenderers
    from hub.release.storage import StoredRelease
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.secrets import SecretReader


class HelmReleaseReconciler(Reconciler[HelmRelease]):
    """Brings HelmReleases to their desired state on their members."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        secrets: SecretReader,
        artifacts: ArtifactReader,
        trees: Trees,
        builder: ChartBuilder,
        pool: Pool,
        gateway: Gateway,
        renderers: PostRenderers,
        helm: Helm,
        access: Access | None = None,
    ) -> None:
        super().__init__(client, cache, recorder)
        self._access = access or Access()
        self._charts = Charts(client, cache, recorder, ReferencedCharts(artifacts, builder))
        self._values = Values(secrets, SourceFiles(cache.get, artifacts, trees))
        self._artifacts = artifacts
        self._pool = pool
        self._gateway = gateway
        self._renderers = renderers
        self._helm = helm
        self._memory: Memory = {}

    async def steps(self, attempt: Attempt[HelmRelease]) -> float:
        """Bring one release to its desired state; return its interval in seconds. Raises ``HubError``."""
        with _telling_last_good(attempt.resource):
            return await self._steps(attempt)

    async def _steps(self, attempt: Attempt[HelmRelease]) -> float:
        release = attempt.resource
        for chart in chart_of(release):
            self._access.check(release.metadata.namespace, chart)
        checks = compile_checks(release.spec.health_check_exprs)
        chart_key = await self._charts.sync(release)
        dependencies.check(release, self.cache.get)
        async with self.needing(chart_key):
            source = await self._charts.ready(chart_key)
        async with self.needing(*sources_of(release)):
            values = await self._values.compose(release, self.cache.get(chart_key))
        member = await self._member(release)
        desired = _desired(release, source, values)
        storage, actions = self._storage(member), self._actions(member)
        target, mapper = target_of(release), member.mapper
        await self._leave_old_target(attempt, actions, storage, source)
        _reset_failures(release, desired, member)
        _record_attempt(release, desired, member)
        release.status.last_attempted_revision_digest = source.oci_digest
        request = Request(
            attempt=attempt,
            target=target,
            desired=desired,
            storage=storage,
            drift=Drift(member, mapper, stamp_of(release)),
            health=HealthChecks(checks, member, mapper),
            mapper=mapper,
            values=values,
            artifact=source.artifact,
            superseded=partial(self._newer, release, chart_key, source),
            rival=partial(self._rival, release, target),
        )
        async with self.needing(chart_key):
            await Loop(request, actions, self.recorder).run()
        return release.spec.interval.seconds

    async def finalize(self, attempt: Attempt[HelmRelease]) -> None:
        """Uninstall the release and delete its HelmChart; a suspended release leaves both behind."""
        release = attempt.resource
        if release.spec.suspend:
            return
        if release.status.storage_namespace and release.status.history:
            await self._part_with(attempt)
        await self._charts.remove(release)

    def summarize(self, attempt: Attempt[HelmRelease], error: HubError | None) -> None:
        """Write ``Ready``, and remember the one-off requests as handled."""
        release = attempt.resource
        annotations = release.metadata.annotations
        if forced := annotations.get(FORCE_AT):
            release.status.last_handled_force_at = forced
        if reset := annotations.get(RESET_AT):
            release.status.last_handled_reset_at = reset
        test = release.spec.test
        if not (test and test.enable):
            attempt.conditions.delete("TestSuccess")
        summary = ready(attempt.conditions, error, count_tests=bool(test and test.enable and not test.ignore_failures))
        if summary is not None:
            attempt.conditions.mark("Ready", *summary)

    async def _member(self, release: HelmRelease) -> Member:
        return await self._pool.get(
            release.metadata.namespace, release.spec.kube_config, release.spec.service_account_name
        )

    def _actions(self, member: Member) -> Actions:
        return Actions(self._helm, self._gateway, self._renderers, self._artifacts, self.recorder, member)

    def _newer(self, release: HelmRelease, chart_key: Key, source: ChartSource) -> str:
        """Return what has become newer than what an attempt set out with; empty when nothing has."""
        now = self.cache.get(release.key)
        if now is None or now.metadata.generation != release.metadata.generation:
            return str(release.key)
        try:
            artifact = self._charts.offered(chart_key)
        except HubError:
            return ""
        return "" if artifact.digest == source.origin else str(chart_key)

    def _rival(self, release: HelmRelease, target: Target, stored: StoredRelease) -> str:
        """Return the other object that wants the same release and made this revision of it; empty without one."""
        if stored.owner in {"", release.metadata.uid}:
            return ""
        owner = next((one for one in self.cache.all(HelmRelease.KIND) if one.metadata.uid == stored.owner), None)
        if owner is None or target_of(owner).record != target.record:
            return ""
        return f"{owner.metadata.namespace}/{owner.metadata.name}"

    def _storage(self, member: Member) -> Storage:
        return Storage(member, self._memory)

    async def _leave_old_target(
        self, attempt: Attempt[HelmRelease], actions: Actions, storage: Storage, source: ChartSource
    ) -> None:
        """Uninstall what was installed under another name, namespace or chart."""
        release = attempt.resource
        old = _old_target(release, source)
        if old is None:
            return
        await self._uninstall_from(attempt, actions, storage, old)
        release.status.history = []
        release.status.storage_namespace = ""
        _forget_failures(release)

    async def _part_with(self, attempt: Attempt[HelmRelease]) -> None:
        """Uninstall the release of a deleted object, or leave it where it is when that is wanted or has to be."""
        release = attempt.resource
        revision = history.revision_of(release.status.history[0])
        policy = deletion.policy_of(release)
        if not policy.uninstall:
            self.recorder.normal(release, *messages.orphaned(revision, f"{deletion.POLICY} is 'Orphan'"))
            return
        try:
            with _telling_last_good(release):
                await self._uninstall(attempt)
        except Transient as error:
            if isinstance(error.__cause__, NotFound) and error.reason == NO_CLIENT:
                self.recorder.warning(release, *messages.orphaned(revision, error.message))
            elif not isinstance(error, MemberUnreachable) and error.reason != NO_CLIENT:
                raise
            elif deletion.gives_up(release, policy, datetime.now(UTC)):
                self.recorder.warning(release, *messages.orphaned(revision, error.message))
            else:
                raise deletion.with_way_out(error) from error

    async def _uninstall(self, attempt: Attempt[HelmRelease]) -> None:
        release = attempt.resource
        member = await self._member(release)
        latest = release.status.history[0]
        old = Target(latest.name, latest.namespace, release.status.storage_namespace)
        await self._uninstall_from(attempt, self._actions(member), self._storage(member), old)

    async def _uninstall_from(
        self, attempt: Attempt[HelmRelease], actions: Actions, storage: Storage, target: Target
    ) -> None:
        release = attempt.resource
        latest = release.status.history[0]
        revision, chart = history.revision_of(latest), history.chart_of(latest)
        stored = await storage.latest(target)
        if stored is None:
            attempt.conditions.mark("Released", "False", *messages.not_found(revision))
            return
        if rival := self._rival(release, target, stored):
            self.recorder.normal(release, *messages.orphaned(revision, f"it belongs to HelmRelease '{rival}'"))
            return
        try:
            async with actions.in_turn() as running:
                storage.forget(target)
                await running.uninstall(release, target)
        except ToolFailed as error:
            words = messages.not_uninstalled(revision, chart, error.message)
            attempt.conditions.mark("Released", "False", *words)
            raise Transient(*words) from error
        words = messages.uninstalled(revision, chart)
        attempt.conditions.mark("Released", "False", *words)
        self.recorder.normal(release, *words)


def _desired(release: HelmRelease, source: ChartSource, values: dict[str, object]) -> Desired:
    config = values_digest(values)
    forced = release.metadata.annotations.get(FORCE_AT, "") if remediation.forced(release) else ""
    identity = (release.metadata.uid, source.name, source.version, source.artifact.digest, config, forced)
    test = release.spec.test
    block = remediation.active(release)
    inputs = inputs_of(release, source.version, config)
    return Desired(
        chart_name=source.name,
        chart_version=source.version,
        config_digest=config,
        owner=release.metadata.uid,
        attempt=hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32],
        test=bool(test and test.enable),
        ignore_test_failures=bool(block.ignore_tests if block else test and test.ignore_failures),
        changed=_changed(release, inputs),
        post_renderers_digest=inputs.renderers,
        common_metadata_digest=inputs.metadata,
        hold=requested(release, inputs),
        oci_digest=source.oci_digest,
    )


def _changed(release: HelmRelease, inputs: Inputs) -> str:
    """Return what besides chart and values has to be applied again; only a new spec can have changed it."""
    status = release.status
    if status.observed_generation == release.metadata.generation:
        return ""
    if inputs.renderers != status.observed_post_renderers_digest:
        return "postrenderers digest has changed"
    return "common metadata digest has changed" if inputs.metadata != status.observed_common_metadata_digest else ""


def _reset_failures(release: HelmRelease, desired: Desired, member: Member) -> None:
    """Failures count against one desired state on one member as it was; anything else starts anew."""
    status = release.status
    known = status.last_attempted_kube_config_digest
    if (
        release.metadata.generation != status.last_attempted_generation
        or desired.chart_version != status.last_attempted_revision
        or desired.config_digest != status.last_attempted_config_digest
        or (known and member.digest != known)
        or _returned_since(release, member)
        or remediation.reset_requested(release)
    ):
        _forget_failures(release)


def _returned_since(release: HelmRelease, member: Member) -> bool:
    """Whether the member was lost and came back after the last revision: what failed there may have failed for that."""
    latest = release.status.history[0] if release.status.history else None
    return bool(latest and member.returned_at and member.returned_at > parse_time(latest.last_deployed))


def _forget_failures(release: HelmRelease) -> None:
    """Set the counters to zero; one that never counted stays unwritten."""
    status = release.status
    if status.failures or status.install_failures or status.upgrade_failures:
        status.failures = status.install_failures = status.upgrade_failures = 0


def _record_attempt(release: HelmRelease, desired: Desired, member: Member) -> None:
    status = release.status
    status.last_attempted_generation = release.metadata.generation
    status.last_attempted_revision = desired.chart_version
    status.last_attempted_config_digest = desired.config_digest
    status.last_attempted_kube_config_digest = member.digest if release.spec.kube_config else ""


def _old_target(release: HelmRelease, source: ChartSource) -> Target | None:
    """Return where the release was, when that is not where it should be now."""
    status = release.status
    if not status.storage_namespace or not status.history:
        return None
    latest = status.history[0]
    old = Target(latest.name, latest.namespace, status.storage_namespace)
    upgrade = release.spec.upgrade
    in_place = bool(upgrade and upgrade.chart_name_change_strategy == "InPlaceUpdate")
    same_chart = in_place or latest.chart_name == source.name
    return None if old == target_of(release) and same_chart else old


@contextmanager
def _telling_last_good(release: HelmRelease) -> Iterator[None]:
    """Say what still runs on a member that is lost, so that nobody has to look elsewhere."""
    try:
        yield
    except MemberUnreachable as error:
        good = next((one for one in release.status.history if one.status == "deployed"), None)
        if good is None:
            raise
        last = f"last good revision is {history.revision_of(good)} with chart {history.chart_of(good)}"
        raise MemberUnreachable(error.member, f"{error.message}; {last}") from error
