"""
The loop of one reconcile: observe, classify, plan, act, record, until the release has settled.

Each type of action (release, test, unlock, drift, remediate) happens at most once, and a remediation ends the loop.
What counts is what Helm stored, not how the command ended: a failure without a new revision changed nothing and is
tried again with backoff; one with a new revision counts against the retries.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from hub.api.meta import Duration
from hub.errors import Stalled, ToolFailed, Transient, Waiting
from hub.release import diagnose, history, messages, options, remediation, state
from hub.release.actions import Superseded
from hub.release.helm import HelmFailed
from hub.release.inventory import inventory
from hub.release.plan import Action, Rollback, Status, next_action

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.api.helm import HelmRelease, Snapshot
    from hub.api.meta import Artifact
    from hub.kube.mapper import Mapper
    from hub.release.actions import Actions
    from hub.release.drift import Change, Drift
    from hub.release.health import HealthChecks
    from hub.release.hold import Hold
    from hub.release.names import Target
    from hub.release.storage import Storage, StoredRelease
    from hub.runtime.events import Recorder
    from hub.runtime.steps import Attempt

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Request:
    """
    Everything one reconcile needs to know, gathered before helm is touched.

    ``superseded`` names what has become newer than this, ``rival`` the other object that a revision was made for; both
    are empty when there is none.
    """

    attempt: Attempt[HelmRelease]
    target: Target
    desired: state.Desired
    storage: Storage
    drift: Drift
    health: HealthChecks
    mapper: Mapper
    values: dict[str, Any] = field(repr=False)
    artifact: Artifact
    superseded: Callable[[], str] = lambda: ""
    rival: Callable[[StoredRelease], str] = lambda _: ""

    @property
    def release(self) -> HelmRelease:
        return self.attempt.resource

    @property
    def chart_words(self) -> str:
        """``<chart>@<version>`` of what is desired."""
        return f"{self.desired.chart_name}@{self.desired.chart_version}"


class Loop:
    """Brings one release to its desired state."""

    def __init__(self, request: Request, actions: Actions, recorder: Recorder) -> None:
        self._request = request
        self._actions = actions
        self._recorder = recorder
        self._done: set[str] = set()
        self._changes: list[Change] = []
        self._helm_log: tuple[str, ...] = ()

    async def run(self) -> None:
        """
        Act until the release has settled.

        Raises:
            Stalled: No retries are left, or a rollback has no target.
            Waiting: The release failed and is tried again, or it is another object's.
            Transient: An action failed without changing anything.
        """
        request = self._request
        while True:
            stored = await self._observe()
            if stored is not None and (rival := request.rival(stored)):
                self._leave_to(rival)
            found = state.classify(stored, request.release.status.history, request.desired)
            if found.status is Status.IN_SYNC and stored is not None:
                found = await self._look_for_drift(stored, found)
            _log.debug("Release state", extra={"state": found.status.value, "why": found.reason})
            action = await self._plan(found.status)
            if action is None or action.kind in self._done:
                break
            self._done.add(action.kind)
            await self._act(action, stored, found)
            if action.kind == "remediate":
                break
        self._conclude(found.status)

    def _leave_to(self, rival: str) -> NoReturn:
        """Touch nothing of a release that another object made; tell once."""
        words = messages.taken(str(self._request.target), rival)
        told = self._request.attempt.conditions.get("Ready")
        if told is None or told.message != words.message:
            self._warn(words)
        raise Waiting(*words, quiet=True)

    async def _observe(self) -> StoredRelease | None:
        """Read the newest revision, and take up one of our own that a kill kept us from recording."""
        request = self._request
        stored = await request.storage.latest(request.target, watched=not self._done)
        status = request.release.status
        latest = status.history[0] if status.history else None
        if stored is None or (latest and latest.version >= stored.version):
            return stored
        if action := self._own_action(stored, latest):
            oci_digest = self._oci_digest(stored, action)
            status.history = history.record(status.history, stored, action.value, oci_digest=oci_digest)
            _log.info("Adopted a revision that an earlier process made", extra={"revision": str(stored)})
        return stored

    def _own_action(self, stored: StoredRelease, latest: Snapshot | None) -> Action | None:
        """Return the action of ours that made an unrecorded revision, and make up for what recording it does."""
        status, conditions = self._request.release.status, self._request.attempt.conditions
        goal = remediation.rollback_target(self._request.release)
        if latest and goal and latest.status == "failed" and stored.is_rollback_to(goal.version):
            revision, chart = history.revision_of(goal), history.chart_of(goal)
            conditions.mark("Remediated", "True", *messages.succeeded(Action.ROLLBACK, revision, chart))
            return Action.ROLLBACK
        desired = self._request.desired
        if latest and desired.hold and desired.hold.judge(stored) is Status.IN_SYNC:
            return Action.ROLLBACK
        if not stored.settled or (stored.attempt != desired.attempt and stored.owner != desired.owner):
            return None
        action = Action.UPGRADE if latest else Action.INSTALL
        if stored.attempt != desired.attempt:
            return action  # of a desired state that is past: something to roll back to, and no failure that counts
        status.last_attempted_release_action = _word(action)
        if stored.status == "failed":
            self._count_failure(action)
            words = messages.failed(action, str(self._request.target), stored.chart, stored.description)
            conditions.mark("Released", "False", *words)
            self._warn(words)
        else:
            self._succeed(messages.succeeded(action, str(stored), stored.chart), "Released")
        return action

    def _oci_digest(self, stored: StoredRelease, action: Action) -> str:
        """Return the digest in a registry of the chart of a revision: what it was made from is known by its version."""
        desired = self._request.desired
        known = {one.chart_version: one.oci_digest for one in reversed(self._request.release.status.history)}
        if action is not Action.ROLLBACK:
            known[desired.chart_version] = desired.oci_digest
        return known.get(stored.chart_version, "")

    async def _plan(self, status: Status) -> Action | None:
        release = self._request.release
        try:
            return next_action(status, remediation.policy(release, rollback_to=await self._rollback_state(status)))
        except Stalled as stop:
            if stop.reason == "RetriesExceeded":
                raise self._exhausted() from stop
            if status is Status.ROLLBACK_FAILED and (told := self._request.attempt.conditions.get("Released")):
                raise Stalled(stop.reason, told.message) from stop
            raise Stalled(stop.reason, f"Failed to perform remediation: {stop.message}") from stop

    async def _rollback_state(self, status: Status) -> Rollback:
        """Look whether the rollback target is still what we made; only asked when something failed."""
        if status is not Status.FAILED:
            return Rollback.READY
        target = remediation.rollback_target(self._request.release)
        if target is None:
            return Rollback.MISSING
        stored = await self._request.storage.revision(self._request.target, target.version)
        return Rollback.READY if stored is not None and _intact(stored, target) else Rollback.CHANGED

    async def _act(self, action: Action, stored: StoredRelease | None, found: state.State) -> None:
        request = self._request
        _log.info("Running action", extra={"action": action.value, "why": found.reason, "release": str(request.target)})
        match action:
            case Action.UNLOCK if stored is not None:
                await self._unlock(stored)
            case Action.INSTALL | Action.UPGRADE:
                await self._release(action, stored, found)
            case Action.ROLLBACK | Action.UNINSTALL if stored is not None:
                await self._remediate(action, stored)
            case Action.REVERT if stored is not None and request.desired.hold is not None:
                await self._revert(stored, request.desired.hold)
            case Action.TEST if stored is not None:
                await self._test(stored)
            case Action.CORRECT if stored is not None:
                await self._correct(stored)
            case _:
                raise Transient("StateError", f"action '{action.value}' is not possible in state {found.status.value}")

    async def _unlock(self, stored: StoredRelease) -> None:
        request = self._request
        freed = await request.storage.unlock(request.target, stored)
        words = messages.unlocked(str(freed), freed.chart, stored.status)
        request.attempt.conditions.mark("Released", "False", *words)
        self._recorder.normal(request.release, *words)

    async def _release(self, action: Action, stored: StoredRelease | None, found: state.State) -> None:
        request, status = self._request, self._request.release.status
        await self._actions.prepare(request)
        if action is Action.INSTALL or found.status is Status.UNMANAGED:
            status.history = []
        status.last_attempted_release_action = _word(action)
        status.storage_namespace = request.target.storage_namespace
        request.attempt.conditions.delete("TestSuccess", "Remediated")
        error = await self._try(action, stored, ready=True)
        after = await request.storage.latest(request.target)
        if error is None and after is not None:
            after, error = await self._await_health(action, after)
        if error is not None and after is not None and diagnose.waited_in_vain(error.message):
            error = await self._explained(error, after)
        if after is not None and _changed(stored, after) and not after.pending:
            oci_digest = request.desired.oci_digest
            status.history = history.record(status.history, after, action.value, oci_digest=oci_digest, before=stored)
        if error is None and after is not None:
            await self._take_stock(after)
            status.observed_post_renderers_digest = request.desired.post_renderers_digest
            status.observed_common_metadata_digest = request.desired.common_metadata_digest
            request.desired = replace(request.desired, changed="")
            self._succeed(messages.succeeded(action, str(after), after.chart), "Released")
            if request.desired.test:
                words = messages.awaiting_tests(str(after), after.chart)
                request.attempt.conditions.mark("TestSuccess", "Unknown", *words)
            return
        words = messages.failed(
            action, str(request.target), request.chart_words, error.message if error else "no release"
        )
        request.attempt.conditions.mark("Released", "False", *words)
        status.failures += 1
        if after is None or after.pending or not _changed(stored, after):
            # Nothing was released, or helm itself was killed: no failure of the release, so it costs no retry.
            raise Transient(*words)
        self._count_failure(action)
        self._warn(words)

    async def _explained(self, error: ToolFailed, stored: StoredRelease) -> ToolFailed:
        """Add to an error of waiting what the Pods say."""
        checks, namespace = self._request.health, self._request.target.namespace
        why = await diagnose.diagnose(stored.objects, namespace, checks.member, checks.mapper)
        return ToolFailed(error.tool, error.returncode, f"{error.message}: {why}") if why else error

    async def _await_health(self, action: Action, stored: StoredRelease) -> tuple[StoredRelease, ToolFailed | None]:
        """Wait for what only the user's expressions can judge; a release that fails them is marked so in its record."""
        request = self._request
        if not options.waits(request.release, action):
            return stored, None
        timeout = options.timeout_of(request.release, action).seconds
        try:
            await request.health.wait(stored.objects, request.target.namespace, timeout)
        except ToolFailed as error:
            description = f"{action.value.capitalize()} failed: {error.message}"
            return await request.storage.fail(request.target, stored, description), error
        return stored, None

    async def _remediate(self, action: Action, stored: StoredRelease) -> None:
        request, status = self._request, self._request.release.status
        status.history = history.truncated(status.history, ignore_tests=self._ignore_tests())
        goal = remediation.rollback_target(request.release)
        error = await self._try(action, stored)
        after = await request.storage.latest(request.target)
        if action is Action.ROLLBACK and goal is not None:
            revision, chart = history.revision_of(goal), history.chart_of(goal)
        else:
            revision, chart = str(stored), stored.chart
        if after is not None and _changed(stored, after):
            oci_digest = goal.oci_digest if action is Action.ROLLBACK and goal is not None else None
            status.history = history.record(status.history, after, action.value, oci_digest=oci_digest, before=stored)
        elif after is None and action is Action.UNINSTALL:
            status.history = history.uninstalled(status.history, stored)
        if error is None:
            await self._take_stock(after)
            self._succeed(messages.succeeded(action, revision, chart), "Remediated")
            return
        words = messages.failed(action, revision, chart, error.message)
        request.attempt.conditions.mark("Remediated", "False", *words)
        status.failures += 1
        if after is not None and not _changed(stored, after):
            raise Transient(*words)
        self._warn(words)

    async def _revert(self, stored: StoredRelease, hold: Hold) -> None:
        """Go back to the revision that people asked for; no failure of it counts against the retries."""
        request, status = self._request, self._request.release.status
        error = await self._try(Action.REVERT, stored, ready=True)
        after = await request.storage.latest(request.target)
        if after is not None and _changed(stored, after) and not after.pending:
            oci_digest = self._oci_digest(after, Action.ROLLBACK)
            status.history = history.record(
                status.history, after, Action.ROLLBACK.value, oci_digest=oci_digest, before=stored
            )
        if error is None and after is not None:
            await self._take_stock(after)
            request.attempt.conditions.delete("Remediated", "TestSuccess")
            self._succeed(messages.reverted(str(after), hold.to, after.chart), "Released")
            return
        words = messages.not_reverted(str(request.target), hold.to, error.message if error else "no release")
        request.attempt.conditions.mark("Released", "False", *words)
        if after is None or after.pending or not _changed(stored, after):
            raise Transient(*words)
        self._warn(words)

    async def _test(self, stored: StoredRelease) -> None:
        request, status = self._request, self._request.release.status
        error = await self._try(Action.TEST, stored)
        after = await request.storage.latest(request.target) or stored
        status.history = history.record(status.history, after)
        hooks = history.tests_of(after, request.release.spec.test)
        status.history[0].test_hooks = hooks
        if error is None:
            self._succeed(messages.tested(str(after), after.chart, len(hooks)), "TestSuccess")
            return
        words = messages.failed(Action.TEST, str(after), after.chart, error.message)
        request.attempt.conditions.mark("TestSuccess", "False", *words)
        self._warn(words)
        status.failures += 1
        if not history.has_failed_test(status.history[0]):
            raise Transient(*words)
        if not self._ignore_tests():
            self._count_failure(Action(status.last_attempted_release_action or "upgrade"))

    async def _look_for_drift(self, stored: StoredRelease, found: state.State) -> state.State:
        """Compare the objects on the member with what Helm stored, when the release asks for it."""
        request, conditions = self._request, self._request.attempt.conditions
        detection = request.release.spec.drift_detection
        if detection is None or detection.mode not in ("enabled", "warn"):
            conditions.delete("Drifted")
            return found
        full = await request.storage.revision(request.target, stored.version)
        self._changes = await request.drift.find(full.manifest, request.target, detection.ignore) if full else []
        words = messages.drifted(str(stored), self._changes) if self._changes else messages.not_drifted()
        news = conditions.get("Drifted")
        conditions.mark("Drifted", "True" if self._changes else "False", *words)
        if not self._changes:
            return found
        if news is None or news.message != words.message:
            self._warn(words)
        return state.State(Status.DRIFTED, "cluster state has drifted from the desired state")

    async def _correct(self, stored: StoredRelease) -> None:
        """Undo the drift that was found; no revision is made."""
        request = self._request
        async with self._actions.in_turn():
            await self._announce(Action.CORRECT, ready=True)
            failures = await request.drift.correct(self._changes)
        if not failures:
            self._recorder.normal(request.release, *messages.corrected(str(stored), self._changes))
            return
        words = messages.not_corrected(str(stored), failures, partially=len(failures) < len(self._changes))
        self._warn(words)
        raise Transient(*words)

    async def _try(self, action: Action, stored: StoredRelease | None, *, ready: bool = False) -> ToolFailed | None:
        clock = asyncio.get_running_loop().time
        async with self._actions.in_turn() as actions:
            await self._announce(action, ready=ready)
            self._request.storage.forget(self._request.target)
            began = clock()
            try:
                await actions.run(action, self._request, stored)
            except ToolFailed as error:
                self._helm_log = error.log if isinstance(error, HelmFailed) else ()
                return error
            except Superseded as newer:
                words = messages.superseded(str(newer))
                self._recorder.normal(self._request.release, *words)
                raise Waiting(*words, after=0.0, quiet=True) from newer
            finally:
                if action.kind == "release":
                    took = Duration.from_seconds(round(clock() - began, 6))
                    self._request.release.status.last_attempted_release_action_duration = took
        return None

    async def _take_stock(self, stored: StoredRelease | None) -> None:
        """List the objects of the revision that is there now."""
        request, status = self._request, self._request.release.status
        if stored is None:
            status.inventory = None
            return
        status.inventory = await inventory(stored.objects, request.target.namespace, request.mapper)

    async def _announce(self, action: Action, *, ready: bool = False) -> None:
        timeout = options.timeout_of(self._request.release, action)
        await self._request.attempt.progressing(messages.running(action, timeout), ready=ready)

    def _succeed(self, words: messages.Words, condition: str) -> None:
        self._request.attempt.conditions.mark(condition, "True", *words)
        self._recorder.normal(self._request.release, *words, annotations=self._annotations())

    def _warn(self, words: messages.Words) -> None:
        told = messages.with_log(words, self._helm_log)
        self._recorder.warning(self._request.release, *told, annotations=self._annotations())

    def _annotations(self) -> dict[str, str]:
        desired = self._request.desired
        return {
            "helm.toolkit.fluxcd.io/revision": desired.chart_version,
            "helm.toolkit.fluxcd.io/token": desired.config_digest,
        }

    def _count_failure(self, action: Action) -> None:
        status = self._request.release.status
        if action is Action.INSTALL:
            status.install_failures += 1
        else:
            status.upgrade_failures += 1

    def _ignore_tests(self) -> bool:
        block = remediation.active(self._request.release)
        return bool(block and block.ignore_tests)

    def _exhausted(self) -> Stalled:
        release = self._request.release
        action = release.status.last_attempted_release_action or "install"
        return Stalled("RetriesExceeded", messages.exhausted(action, remediation.failures(release)))

    def _conclude(self, status: Status) -> None:
        """Turn where the loop stopped into what happens next."""
        request = self._request
        release, conditions = request.release, request.attempt.conditions
        if "remediate" not in self._done and status in (Status.IN_SYNC, Status.DRIFTED):
            self._in_sync()
            return
        block = remediation.active(release)
        if block is None or (status is not Status.FAILED and "remediate" not in self._done):
            raise Transient("StateError", f"release {request.target} is still {status.value} after what was done")
        if block.retry:
            interval = block.retry_interval or 0.0
            raise Waiting(
                "ProgressingWithRetry", f"retrying after {Duration.from_seconds(interval)}", after=interval, quiet=True
            )
        failed = remediation.failures(release)
        uninstalled = release.status.last_attempted_release_action == "upgrade" and block.remedy is Action.UNINSTALL
        if block.exhausted(failed) and not uninstalled:
            raise self._exhausted()
        last = conditions.get("Released")
        raise Waiting("ProgressingWithRetry", last.message if last else "retrying", after=0.0, quiet=True)

    def _in_sync(self) -> None:
        """A settled release says so, whatever was said on the way there."""
        request, status = self._request, self._request.release.status
        conditions = request.attempt.conditions
        status.history = history.truncated(status.history, ignore_tests=self._ignore_tests())
        latest = status.history[0] if status.history else None
        hold = request.desired.hold
        if latest is not None and hold is not None and latest.action == "rollback" and latest.version > hold.after:
            conditions.delete("Remediated")
            words = messages.reverted(history.revision_of(latest), hold.to, history.chart_of(latest))
            conditions.mark("Released", "True", *words)
            return
        if latest is None or (conditions.is_true("Released") and conditions.get("Remediated") is None):
            return
        action = Action.INSTALL if latest.action == "install" else Action.UPGRADE
        revision, chart = history.revision_of(latest), history.chart_of(latest)
        conditions.delete("Remediated")
        conditions.mark("Released", "True", *messages.succeeded(action, revision, chart))


def _word(action: Action) -> Literal["install", "upgrade"]:
    return "install" if action is Action.INSTALL else "upgrade"


def _changed(before: StoredRelease | None, after: StoredRelease) -> bool:
    return before is None or (before.secret, before.resource_version) != (after.secret, after.resource_version)


def _intact(stored: StoredRelease, target: Snapshot) -> bool:
    """Whether a stored revision is the one in the snapshot; its status may have become ``superseded`` meanwhile."""
    return target.api_version != "v2" or target.digest in (
        stored.digest_with(target.oci_digest),
        stored.digest_as(target.status, target.oci_digest),
    )
