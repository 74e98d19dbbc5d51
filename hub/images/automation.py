"""
The ImageUpdateAutomation controller: brings the latest images into Git, one commit for all that changed.

Follows Flux image facts 17 to 28. Killed between push and status, the next run finds its commit on the branch and tells
of it; killed before the push, it makes the commit again, for nobody ever saw the first.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub.api.duration import rfc3339
from hub.api.image import ImagePolicy, ImageRef, ImageUpdateAutomation
from hub.api.meta import READY, RECONCILING
from hub.content.git import GitFailed
from hub.content.gitwrite import WriteFailed
from hub.errors import Stalled, Transient
from hub.images.commit import Order, Outcome
from hub.images.message import BadTemplateError
from hub.images.repository import Repositories
from hub.images.setters import Image
from hub.images.target import Target, target_of
from hub.runtime.steps import Attempt, Reconciler

if TYPE_CHECKING:
    from hub.api.meta import Key
    from hub.content.gitcache import GitCache, Remote
    from hub.content.gitlogin import GitLogin
    from hub.content.refs import Head
    from hub.errors import HubError
    from hub.images.commit import Committer
    from hub.kube.client import Client
    from hub.runtime.access import Access
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.secrets import SecretReader

FAILED = "GitOperationFailed"
IGNORED = "MarkerIgnored"
"""Reason of the event that names markers and files which were left alone; ours."""
_PUSHING = re.compile(r"pushing commit '([0-9a-f]{40})' to branch '(.+)'\Z")
_SHOWN = 8
_NAMED = 10


class ImageUpdateAutomationReconciler(Reconciler[ImageUpdateAutomation]):
    """Keeps the files of a repository at the latest images."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        secrets: SecretReader,
        git: GitCache,
        committer: Committer,
        access: Access,
        login: GitLogin,
    ) -> None:
        super().__init__(client, cache, recorder)
        self._repositories = Repositories(cache, secrets, access, login)
        self._git = git
        self._committer = committer
        self._told: dict[Key, str] = {}
        self._branches: dict[Key, str] = {}

    async def steps(self, attempt: Attempt[ImageUpdateAutomation]) -> float:
        """Commit and push what has to change; return the interval in seconds. Raises ``HubError``."""
        automation = attempt.resource
        spec, status = automation.spec, automation.status
        policies = chosen_policies(self.cache.all(ImagePolicy.KIND), automation)
        remote, order = await prepare(self._repositories, automation, policies)
        head = await self._head(remote, order.target)
        await self._adopt(attempt, remote, order, head)
        status.last_automation_run_time = _now()
        if self._is_seen(automation, order, policies, head):
            return spec.interval.seconds
        outcome = await self._commit(attempt, remote, order, head)
        self._tell_problems(automation, outcome)
        switches = order.target.switches
        status.observed_policies = policies
        status.observed_source_revision = outcome.revision
        if outcome.commit:
            self._pushed(attempt, outcome.commit, outcome.branch, outcome.message, order.target.refspec)
            if not switches:
                status.observed_source_revision = f"{head.label or outcome.branch}@sha1:{outcome.commit}"
        return spec.interval.seconds

    async def finalize(self, attempt: Attempt[ImageUpdateAutomation]) -> None:
        """Forget what was told; commits stay."""
        self._told.pop(attempt.resource.key, None)
        self._branches.pop(attempt.resource.key, None)

    def summarize(self, attempt: Attempt[ImageUpdateAutomation], error: HubError | None) -> None:
        """Write Ready: what went wrong, what was pushed just now, or that there was nothing to do."""
        if error is not None:
            attempt.conditions.mark_false(READY, error.reason, error.message)
            return
        status = attempt.resource.status
        if status.last_push_commit and status.last_push_time == status.last_automation_run_time:
            branch = self._branches.get(attempt.resource.key, "")
            message = f"committed and pushed commit '{status.last_push_commit}' to branch '{branch}'"
        elif status.last_push_commit:
            message = f"no updates made; last commit {status.last_push_commit[:7]} at {status.last_push_time}"
        else:
            message = "no updates made"
        attempt.conditions.mark_true(READY, "Succeeded", message)

    async def _head(self, remote: Remote, target: Target) -> Head:
        try:
            return await self._git.resolve(remote, target.checkout)
        except GitFailed as error:
            raise Transient(FAILED, f"failed to checkout source: {error.message}") from error

    def _is_seen(
        self, automation: ImageUpdateAutomation, order: Order, policies: dict[str, ImageRef], head: Head
    ) -> bool:
        """Whether nothing can be different from the last run, which succeeded (fact 20)."""
        status, ready = automation.status, automation.status.condition(READY)
        asked = bool(automation.requested_at) and automation.requested_at != status.last_handled_reconcile_at
        return (
            not asked
            and not order.target.switches
            and not order.target.refspec
            and ready is not None
            and ready.status == "True"
            and status.observed_generation == automation.metadata.generation
            and status.observed_policies == policies
            and status.observed_source_revision == head.revision
        )

    async def _commit(
        self, attempt: Attempt[ImageUpdateAutomation], remote: Remote, order: Order, head: Head
    ) -> Outcome:
        async def announce(commit: str, branch: str) -> None:
            # What a run that is killed after the push leaves behind, for the next one to find.
            await attempt.progressing(f"pushing commit '{commit}' to branch '{branch}'")

        try:
            return await self._committer.run(remote, order, announce, head)
        except BadTemplateError as error:
            raise Transient(FAILED, f"failed to update source: {error}") from error
        except (GitFailed, WriteFailed) as error:
            raise Transient(FAILED, f"failed to update source: {error.message}") from error

    async def _adopt(self, attempt: Attempt[ImageUpdateAutomation], remote: Remote, order: Order, head: Head) -> None:
        """Tell of a commit that was pushed by a run which did not live to say so."""
        reconciling = attempt.conditions.get(RECONCILING)
        announced = _PUSHING.search(reconciling.message) if reconciling is not None else None
        if announced is None:
            return
        attempt.conditions.delete(RECONCILING)
        there = head.commit
        if order.target.switches:
            there = await self._git.look(remote, f"refs/heads/{announced[2]}")
        if announced[1] == there and announced[1] != attempt.resource.status.last_push_commit:
            self._pushed(attempt, announced[1], announced[2], "", "")

    def _pushed(
        self, attempt: Attempt[ImageUpdateAutomation], commit: str, branch: str, message: str, refspec: str
    ) -> None:
        status = attempt.resource.status
        status.last_push_commit, status.last_push_time = commit, _now()
        status.last_automation_run_time = status.last_push_time
        also = f" and using refspec '{refspec}'" if refspec else ""
        text = f"committed and pushed commit '{commit}' to branch '{branch}'{also}"
        self._branches[attempt.resource.key] = branch
        self.recorder.normal(attempt.resource, "Succeeded", f"{text}\n{message}".rstrip("\n"))

    def _tell_problems(self, automation: ImageUpdateAutomation, outcome: Outcome) -> None:
        """Name once what was left alone: files and markers that nobody can follow."""
        known = {f"{one.metadata.namespace}:{one.metadata.name}" for one in self.cache.all(ImagePolicy.KIND)}
        lines = list(outcome.edits.problems)
        lines += [
            f"{place}: the marker names the ImagePolicy '{policy.replace(':', '/')}', which does not exist"
            for place, policy in outcome.edits.unknown
            if policy not in known
        ]
        text = "; ".join(lines[:_NAMED]) + (f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else "")
        if text and self._told.get(automation.key) != text:
            self.recorder.warning(automation, IGNORED, text)
        self._told[automation.key] = text


def chosen_policies(policies: list[ImagePolicy], automation: ImageUpdateAutomation) -> dict[str, ImageRef]:
    """
    Return the images of the policies that an automation follows, by the names of the policies.

    Raises:
        Stalled: Its selector is none (reason ``InvalidPolicySelector``).
    """
    namespace = automation.metadata.namespace
    _selects(automation, {})  # a selector that is none is told even when there is nothing to select
    found = {}
    for policy in sorted(policies, key=lambda one: one.metadata.name):
        if policy.metadata.namespace != namespace or policy.status.latest_ref is None:
            continue
        if _selects(automation, policy.metadata.labels):
            found[policy.metadata.name] = policy.status.latest_ref
    return found


def _selects(automation: ImageUpdateAutomation, labels: dict[str, str]) -> bool:
    selector = automation.spec.policy_selector
    if selector is None:
        return True
    if any(labels.get(key) != value for key, value in selector.match_labels.items()):
        return False
    for one in selector.match_expressions:
        match one.operator:
            case "In":
                fits = labels.get(one.key) in one.values
            case "NotIn":
                fits = labels.get(one.key) not in one.values
            case "Exists":
                fits = one.key in labels
            case "DoesNotExist":
                fits = one.key not in labels
            case _:
                message = f"failed to parse policy selector: '{one.operator}' is not a valid label selector operator"
                raise Stalled("InvalidPolicySelector", message)
        if not fits:
            return False
    return True


async def prepare(
    repositories: Repositories, automation: ImageUpdateAutomation, policies: dict[str, ImageRef]
) -> tuple[Remote, Order]:
    """
    Return the repository of an automation, and what is to be done there.

    Raises:
        HubError: The automation says too little, or refers to what is not there.
    """
    source = repositories.source(automation)
    target = target_of(automation.spec, source.spec)
    git, namespace = automation.spec.git, automation.metadata.namespace
    if git is None:
        raise Stalled("InvalidSourceConfiguration", "spec.git is missing")
    remote = await repositories.remote(source)
    signer = await repositories.signer(namespace, git.commit.signing_key)
    images = {f"{namespace}:{name}": Image(ref.name, ref.tag, ref.digest) for name, ref in policies.items()}
    return remote, Order(automation.key, git, target, automation.spec.update.path, images, signer)


def _now() -> str:
    return rfc3339(datetime.now(tz=UTC))
