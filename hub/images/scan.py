"""
The ImageRepository controller: lists the tags of a repository, as often as its interval says.

Follows Flux image facts 1 to 8. A registry that wants to be asked less often is asked less often, by all objects
together; policies keep the tags that the last good scan found.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub.api.duration import Duration, parse_time, rfc3339
from hub.api.image import ImageRepository, ScanResult
from hub.api.meta import READY
from hub.content.cloud.clouds import CLOUDS
from hub.content.http import BadProxyError, BadTlsError
from hub.content.oci.errors import RegistryError, TooManyRequests
from hub.content.oci.reference import BadReferenceError, parse, parse_repository
from hub.errors import Stalled, Transient, Waiting
from hub.images.policy import InvalidPolicyError, excluded
from hub.runtime.origins import RegistryRefs
from hub.runtime.steps import STORAGE_FAILED, Attempt, Reconciler

if TYPE_CHECKING:
    from hub.content.oci.client import Registry
    from hub.content.oci.reference import Repository
    from hub.errors import HubError
    from hub.images.limits import RegistryLimits
    from hub.images.tags import TagStore
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.origins import Origins

READ_FAILED = "ReadOperationFailed"
_LATEST = 10
_EARLY = 0.94  # of the interval: looks are spread by chance, and one that comes a little early is not turned away
_MIN_TIMEOUT = 1.0


class ImageRepositoryReconciler(Reconciler[ImageRepository]):
    """Keeps the tags of each ImageRepository."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        origins: Origins,
        tags: TagStore,
        limits: RegistryLimits,
    ) -> None:
        super().__init__(client, cache, recorder)
        self._origins = origins
        self._tags = tags
        self._limits = limits

    async def steps(self, attempt: Attempt[ImageRepository]) -> float:
        """Scan if it is time; return the seconds until it is. Raises ``HubError``."""
        resource = attempt.resource
        repository = repository_of(resource)
        interval = resource.spec.interval.seconds
        why, remaining = await self._reason(resource, repository)
        if not why:
            return remaining
        await attempt.progressing(f"scanning: {why}")
        registry = await open_registry(self._origins, resource)
        before = resource.status.last_scan_result
        tags = await self._scan(attempt, registry, repository)
        try:
            revision = await asyncio.to_thread(self._tags.write, resource.key, str(repository), tags)
        except OSError as error:
            raise Transient(STORAGE_FAILED, f"cannot keep the tags: {error.strerror}") from error
        status = resource.status
        status.canonical_image_name = str(repository)
        status.observed_exclusion_list = list(resource.spec.exclusion_list)
        status.last_scan_result = ScanResult(
            revision=revision,
            tag_count=len(tags),
            scan_time=rfc3339(datetime.now(tz=UTC)),
            latest_tags=tags[::-1][:_LATEST],
        )
        self._tell(attempt, before)
        return interval

    async def finalize(self, attempt: Attempt[ImageRepository]) -> None:
        """Forget the tags."""
        try:
            await asyncio.to_thread(self._tags.drop, attempt.resource.key)
        except OSError as error:
            raise Transient(STORAGE_FAILED, f"cannot remove the tags: {error.strerror}") from error

    def summarize(self, attempt: Attempt[ImageRepository], error: HubError | None) -> None:
        """Write Ready from the last scan or from what went wrong."""
        result = attempt.resource.status.last_scan_result
        if error is not None:
            attempt.conditions.mark_false(READY, error.reason, error.message)
        elif result is not None:
            attempt.conditions.mark_true(READY, "Succeeded", _found(result))

    async def _reason(self, resource: ImageRepository, repository: Repository) -> tuple[str, float]:
        """Return why to scan now; or nothing, and the seconds until the next scan."""
        status, spec = resource.status, resource.spec
        result = status.last_scan_result
        if result is None or not result.scan_time:
            return "first scan", 0.0
        if resource.requested_at and resource.requested_at != status.last_handled_reconcile_at:
            return "reconcile requested", 0.0
        if status.canonical_image_name != str(repository):
            return "new image name", 0.0
        if list(spec.exclusion_list) != list(status.observed_exclusion_list):
            return "updated exclusion list", 0.0
        if await asyncio.to_thread(self._tags.read, resource.key, str(repository)) is None:
            return "no tags in database", 0.0
        ready = status.condition(READY)
        if ready is not None and ready.status == "False":
            return "the last scan failed", 0.0
        passed = (datetime.now(tz=UTC) - parse_time(result.scan_time)).total_seconds()
        if passed >= spec.interval.seconds * _EARLY:
            return "triggered by interval", 0.0
        return "", spec.interval.seconds - passed

    async def _scan(self, attempt: Attempt[ImageRepository], registry: Registry, repository: Repository) -> list[str]:
        """Return the tags that are not excluded, in alphabetical order."""
        spec = attempt.resource.spec
        timeout = max(_MIN_TIMEOUT, (spec.timeout or spec.interval).seconds)
        try:
            async with self._limits.turn(repository.host), asyncio.timeout(timeout):
                return await asyncio.to_thread(excluded, await registry.tags(), spec.exclusion_list)
        except TimeoutError as error:
            message = f"scan failed: {repository.host} did not list the tags within {timeout:g}s"
            raise Transient(READ_FAILED, message) from error
        except TooManyRequests as error:
            self._limits.pause(repository.host, error.after)
            message = f"scan failed: {error.message}; {repository.host} is asked again in {error.after:g}s"
            self.recorder.warning(attempt.resource, READ_FAILED, message)
            raise Waiting(READ_FAILED, message, error.after, quiet=True) from error
        except RegistryError as error:
            raise Transient(READ_FAILED, f"scan failed: {error.message}") from error
        except InvalidPolicyError as error:
            raise Stalled("InvalidExclusionList", str(error)) from error

    def _tell(self, attempt: Attempt[ImageRepository], before: ScanResult | None) -> None:
        resource, result = attempt.resource, attempt.resource.status.last_scan_result
        if result is None:
            return
        ready = attempt.conditions.get(READY)
        was_good = ready is not None and ready.status == "True"
        if before is not None and before.revision == result.revision and was_good:
            after = Duration.from_seconds(resource.spec.interval.seconds)
            self.recorder.normal(resource, "Succeeded", f"no new tags found, next scan in {after}")
        else:
            self.recorder.normal(resource, "Succeeded", _found(result))


def repository_of(resource: ImageRepository) -> Repository:
    """
    Return the repository that an ImageRepository names.

    Raises:
        Stalled: It names none (reason ``ImageURLInvalid``).
    """
    image = resource.spec.image
    scheme, separator, _ = image.partition("://")
    if separator:
        message = f"image '{image}' should not include URL scheme; remove '{scheme}://'"
        raise Stalled("ImageURLInvalid", message)
    try:
        reference = parse(image)
        if reference.digest:
            raise Stalled(
                "ImageURLInvalid", f"image '{image}' should not include a digest; remove '@{reference.digest}'"
            )
        if reference.tag:
            message = f"image '{image}' should not include a tag; remove ':{reference.tag}'"
            raise Stalled("ImageURLInvalid", message)
        return parse_repository(image)
    except BadReferenceError as error:
        raise Stalled("ImageURLInvalid", f"could not parse image '{image}': {error}") from error


async def open_registry(origins: Origins, resource: ImageRepository) -> Registry:
    """
    Return the client of the registry of an ImageRepository.

    Raises:
        Stalled: The image cannot be meant.
        Transient: A Secret is missing or cannot be used (reason ``AuthenticationFailed``).
    """
    spec = resource.spec
    by_cloud = spec.provider in CLOUDS  # then its Secret does not count (Flux image fact 8)
    refs = RegistryRefs(
        secret=None if by_cloud else spec.secret_ref,
        service_account=spec.service_account_name,
        certificate=spec.cert_secret_ref,
        proxy=spec.proxy_secret_ref,
        insecure=spec.insecure,
        provider=spec.provider,
    )
    try:
        return await origins.registry(resource.metadata.namespace, repository_of(resource), refs)
    except (BadTlsError, BadProxyError) as error:
        raise Transient("AuthenticationFailed", f"failed to configure authentication options: {error}") from error


def _found(result: ScanResult) -> str:
    return f"successful scan: found {result.tag_count} tags"
