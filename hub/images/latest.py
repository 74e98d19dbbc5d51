"""
The ImagePolicy controller: picks the latest of the tags that a scan found.

Follows Flux image facts 9 to 16. Nothing is asked of a registry, except for digests when the policy wants them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hub.api.image import ImagePolicy, ImageRef, ImageRepository
from hub.api.meta import NAMESPACES, READY, Key
from hub.content.oci.errors import RegistryError
from hub.errors import ApiError, Stalled, Transient, Waiting
from hub.images.policy import InvalidPolicyError, NoLatestError, latest
from hub.images.scan import open_registry, repository_of
from hub.runtime.steps import Attempt, Reconciler

if TYPE_CHECKING:
    from hub.errors import HubError
    from hub.images.limits import RegistryLimits
    from hub.images.tags import TagStore
    from hub.kube.client import Client
    from hub.runtime.access import Access
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.origins import Origins

NOT_READY = "DependencyNotReady"
_NEXT_LOOK = 36_000.0
"""Seconds until a look that nothing but caution asks for: a new scan brings the policy back."""
_DIGEST_TIMEOUT = 30.0


class ImagePolicyReconciler(Reconciler[ImagePolicy]):
    """Keeps ``status.latestRef`` of each ImagePolicy."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        origins: Origins,
        tags: TagStore,
        limits: RegistryLimits,
        access: Access,
    ) -> None:
        super().__init__(client, cache, recorder)
        self._origins = origins
        self._tags = tags
        self._limits = limits
        self._access = access

    async def steps(self, attempt: Attempt[ImagePolicy]) -> float:
        """Pick the latest tag; return the seconds until the next look. Raises ``HubError``."""
        policy = attempt.resource
        spec = policy.spec
        if spec.digest_reflection_policy == "Always" and spec.interval is None:
            raise Stalled("IntervalNotConfigured", "spec.interval must be set when digestReflectionPolicy is 'Always'")
        repository = await self._repository(policy)
        tag = await self._latest(policy, repository)
        digest = await self._digest(policy, repository, tag)
        self._keep(attempt, ImageRef(name=repository.spec.image, tag=tag, digest=digest))
        return spec.interval.seconds if spec.interval is not None else _NEXT_LOOK

    async def finalize(self, attempt: Attempt[ImagePolicy]) -> None:
        """There is nothing to remove."""

    def summarize(self, attempt: Attempt[ImagePolicy], error: HubError | None) -> None:
        """Write Ready from the latest image or from what went wrong; the latest image stays."""
        if error is not None:
            attempt.conditions.mark_false(READY, error.reason, error.message)
        else:
            attempt.conditions.mark_true(READY, "Succeeded", _resolved(attempt.resource))

    async def _repository(self, policy: ImagePolicy) -> ImageRepository:
        """Return the repository that the policy may look at."""
        namespace, ref = policy.metadata.namespace, policy.spec.image_repository_ref
        key = Key(ImageRepository.KIND.name, ref.namespace or namespace, ref.name)
        self._access.check(namespace, key)
        repository: ImageRepository | None = self.cache.get(key)
        if repository is None:
            message = (
                "failed to get the referred ImageRepository: referenced ImageRepository does not exist: "
                f"'{key.namespace}/{key.name}' not found"
            )
            raise Waiting(NOT_READY, message, _NEXT_LOOK)
        if key.namespace != namespace:
            await self._check_access(policy, repository)
        repository_of(repository)
        return repository

    async def _check_access(self, policy: ImagePolicy, repository: ImageRepository) -> None:
        """Let a policy of another namespace in only when the repository says so (fact 9)."""
        namespace = policy.metadata.namespace
        where = f"'{repository.metadata.namespace}/{repository.metadata.name}'"
        allowed = repository.spec.access_from
        denied = f"'{namespace}/{policy.metadata.name}' can't access the ImageRepository {where} due to missing ACL"
        if allowed is None:
            raise Transient("AccessDenied", f"{denied}; set spec.accessFrom of the ImageRepository")
        try:
            labels = (await self.client.get(NAMESPACES, namespace))["metadata"].get("labels") or {}
        except ApiError as error:
            message = f"cannot read the labels of the namespace '{namespace}': {error.message}"
            raise Transient("AccessDenied", message) from error
        selectors = (one.match_labels for one in allowed.namespace_selectors)
        if not any(all(labels.get(key) == value for key, value in wanted.items()) for wanted in selectors):
            message = f"{denied}; no entry of spec.accessFrom matches the labels of the namespace"
            raise Transient("AccessDenied", message)

    async def _latest(self, policy: ImagePolicy, repository: ImageRepository) -> str:
        image = str(repository_of(repository))
        tags = await asyncio.to_thread(self._tags.read, repository.key, image)
        if not tags:
            raise Waiting(NOT_READY, "retrying in 30s error: no tags in database", 30.0, quiet=True)
        try:
            # In a thread: ten thousand tags take a tenth of a second, in which nothing else would move.
            return await asyncio.to_thread(latest, tags, policy.spec.policy, policy.spec.filter_tags)
        except InvalidPolicyError as error:
            raise Stalled("InvalidPolicy", str(error)) from error
        except NoLatestError as error:
            raise Transient("Failure", str(error)) from error

    async def _digest(self, policy: ImagePolicy, repository: ImageRepository, tag: str) -> str:
        """Return the digest of a tag, as far as the policy wants to know it (fact 12)."""
        before, wanted = policy.status.latest_ref, policy.spec.digest_reflection_policy
        if wanted not in {"IfNotPresent", "Always"}:
            return ""
        same = before is not None and (before.name, before.tag) == (repository.spec.image, tag)
        if wanted == "IfNotPresent" and same and before is not None and before.digest:
            return before.digest
        registry = await open_registry(self._origins, repository)
        image = f"{repository.spec.image}:{tag}"
        try:
            async with self._limits.turn(registry.repository.host), asyncio.timeout(_DIGEST_TIMEOUT):
                return (await registry.resolve(tag)).digest
        except TimeoutError as error:
            message = f"failed fetching digest of {image}: no answer within {_DIGEST_TIMEOUT:g}s"
            raise Transient("Failure", message) from error
        except RegistryError as error:
            raise Transient("Failure", f"failed fetching digest of {image}: {error.message}") from error

    def _keep(self, attempt: Attempt[ImagePolicy], found: ImageRef) -> None:
        status = attempt.resource.status
        before = status.latest_ref
        if before != found:
            status.observed_previous_ref = before if before is not None else status.observed_previous_ref
            status.latest_ref = found
        status.latest_image = f"{found.name}:{found.tag}"
        ready = attempt.conditions.get(READY)
        if before != found or ready is None or ready.status != "True":
            self.recorder.normal(attempt.resource, "Succeeded", _resolved(attempt.resource))


def _resolved(policy: ImagePolicy) -> str:
    latest_ref, before = policy.status.latest_ref, policy.status.observed_previous_ref
    if latest_ref is None:
        return ""
    digest = f" with digest {latest_ref.digest}" if latest_ref.digest else ""
    previous = ""
    if before is not None:
        previous = f" (previously {before.name}:{before.tag}{f'@{before.digest}' if before.digest else ''})"
    return f"Latest image tag for {latest_ref.name} resolved to {latest_ref.tag}{digest}{previous}"
