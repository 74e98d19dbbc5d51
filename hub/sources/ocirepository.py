"""
The OCIRepository controller: keeps a layer of an artifact in a registry as an artifact here. Follows Flux sources facts
44-48.

A look that finds nothing new costs one HEAD request (with ``semver`` also a list of tags) and no write.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.api.repositories import OCIRepository
from hub.content.oci.errors import RegistryError, TooManyRequests
from hub.content.oci.manifest import CHART_CONTENT
from hub.content.oci.reference import BadReferenceError, is_digest, is_tag, parse
from hub.content.regex import BadPattern, Pattern
from hub.content.repack import repack
from hub.content.semver import BadConstraint, Constraint
from hub.content.tarball import BadTarballError, Limits
from hub.content.threads import in_thread
from hub.errors import HubError, Stalled, Transient, Waiting
from hub.runtime.origins import RegistryRefs
from hub.sources.source import STORED, VERIFIED, FetchingReconciler, News

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hub.api.repositories import LayerSelector, OCIRepositorySpec, OCIRepositoryStatus
    from hub.content.oci.client import Registry
    from hub.content.oci.manifest import Descriptor, Manifest
    from hub.content.oci.reference import Repository
    from hub.runtime.steps import Attempt
    from hub.sources.signatures import Signatures

PULL_FAILED = "OCIArtifactPullFailed"
LAYER_FAILED = "OCIArtifactLayerOperationFailed"
_COPY = "copy"
_PLATFORM = {"os": "linux", "architecture": "amd64"}


class Upstream(NamedTuple):
    """What a reference stands for now."""

    digest: str
    revision: str


class OCIRepositoryReconciler(FetchingReconciler[OCIRepository]):
    """
    Keeps an artifact of what each OCIRepository refers to.

    Args:
        common: As for every fetching controller, and so ``more``.
        signatures: Checks them.
    """

    def __init__(self, *common: Any, signatures: Signatures, **more: Any) -> None:
        super().__init__(*common, **more)
        self._signatures = signatures

    async def steps(self, attempt: Attempt[OCIRepository]) -> float:
        """Bring the artifact to what is in the registry; return the interval in seconds. Raises ``HubError``."""
        spec, status = attempt.resource.spec, attempt.resource.status
        repository = _repository(spec)
        current = await self.current(attempt)
        refs = RegistryRefs(
            spec.secret_ref,
            spec.service_account_name,
            spec.cert_secret_ref,
            spec.proxy_secret_ref,
            spec.insecure,
            spec.provider,
        )
        registry = await self.origins.registry(attempt.resource.metadata.namespace, repository, refs)
        try:
            async with asyncio.timeout(spec.timeout.seconds):
                upstream = await _resolve(registry, spec)
                await self._verify(attempt, registry, upstream)
                if current is not None and current.revision == upstream.revision and _is_of(spec, status):
                    attempt.conditions.mark_true(STORED, "Succeeded", _stored(upstream))
                    self.unchanged(attempt, _stored(upstream))
                else:
                    news = f"new upstream revision '{upstream.revision}'"
                    await self.announce(attempt, news, f"new revision '{upstream.revision}' for '{spec.url}'")
                    await self._build(attempt, registry, upstream)
        except TimeoutError as error:
            why = f"no complete answer within {spec.timeout.seconds:g}s (spec.timeout)"
            raise Transient(PULL_FAILED, f"failed to pull artifact from '{spec.url}': {why}") from error
        return spec.interval.seconds

    async def _verify(self, attempt: Attempt[OCIRepository], registry: Registry, upstream: Upstream) -> None:
        """Check the signature of what is new, or newly asked to be checked."""
        resource, conditions = attempt.resource, attempt.conditions
        if resource.spec.verify is None:
            conditions.delete(VERIFIED)
            return
        message = f"verified signature of revision {upstream.revision}"
        before = conditions.get(VERIFIED)
        done = before is not None and (before.status, before.message) == ("True", message)
        if done and resource.status.observed_generation == resource.metadata.generation:
            return
        await self._signatures.check(resource.spec.verify, resource.metadata.namespace, registry, upstream.digest)
        conditions.mark_true(VERIFIED, "Succeeded", message)

    async def _build(self, attempt: Attempt[OCIRepository], registry: Registry, upstream: Upstream) -> None:
        spec, meta = attempt.resource.spec, attempt.resource.metadata
        with _failing(PULL_FAILED, f"failed to pull artifact from '{spec.url}'"):
            manifest = await _manifest(registry, upstream.digest)
            layer = select_layer(manifest, spec.layer_selector)
        async with self.store.workspace() as folder:
            file = folder / "layer"
            with _failing(PULL_FAILED, f"failed to pull artifact from '{spec.url}'"):
                await registry.fetch(layer, file, max_size=self.max_size)
            if spec.layer_selector is None or spec.layer_selector.operation != _COPY:
                file = await _extracted(file, folder, spec.ignore, Limits(size=self.max_size))
            name = f"{upstream.digest}.tar.gz"
            stored = await self.store.put(
                "ocirepository", meta.namespace, meta.name, name, upstream.revision, file, manifest.annotations
            )
        await self.keep(attempt, stored, News("Succeeded", _stored(upstream), _event(spec, upstream, manifest)))
        attempt.resource.status.observed_ignore = spec.ignore
        attempt.resource.status.observed_layer_selector = spec.layer_selector


def select_layer(manifest: Manifest, selector: LayerSelector | None) -> Descriptor:
    """
    Return the layer that is wanted.

    Raises:
        Transient: There is none (reason ``OCIArtifactLayerOperationFailed``).
    """
    wanted = selector.media_type if selector is not None else ""
    if not manifest.layers:
        raise Transient(LAYER_FAILED, "no layers found in artifact")
    for layer in manifest.layers:
        if not wanted or layer.media_type == wanted:
            return layer
    raise Transient(LAYER_FAILED, f"failed to find layer with media type '{wanted}' in artifact")


async def _resolve(registry: Registry, spec: OCIRepositorySpec) -> Upstream:
    ref = spec.ref
    with _failing(PULL_FAILED, "failed to determine artifact digest"):
        if ref is not None and ref.digest:
            if not is_digest(ref.digest):
                raise Transient(PULL_FAILED, f"failed to determine artifact digest: '{ref.digest}' is not a digest")
            return Upstream((await registry.resolve(ref.digest)).digest, ref.digest)
        tag = await _tag(registry, spec)
        digest = (await registry.resolve(tag)).digest
        return Upstream(digest, f"{tag}@{digest}")


async def _tag(registry: Registry, spec: OCIRepositorySpec) -> str:
    ref = spec.ref
    what = f"failed to determine the artifact tag for '{spec.url}'"
    if ref is None or not ref.semver:
        tag = (ref.tag if ref is not None else "") or "latest"
        if not is_tag(tag):
            raise Stalled("URLInvalid", f"{what}: '{tag}' is not a tag")
        return tag
    with _failing("ReadOperationFailed", what):
        tags = await registry.tags()
    is_chart = spec.layer_selector is not None and spec.layer_selector.media_type == CHART_CONTENT
    try:
        best = await in_thread(highest, tags, ref.semver, ref.semver_filter, is_chart=is_chart)
    except (BadConstraint, BadPattern) as error:
        raise Transient("ReadOperationFailed", f"{what}: {error}") from error
    if not best:
        raise Transient("ReadOperationFailed", f"{what}: no match found for semver: {ref.semver}")
    return best


def highest(tags: list[str], semver: str, pattern: str, *, is_chart: bool) -> str:
    """
    Return the tag of the highest version within a range, among those that a regular expression matches; empty if none.

    A tag cannot hold a plus, so helm writes an underscore for it.

    Raises:
        BadConstraint: ``semver`` is not a range.
        BadPattern: ``pattern`` is not a regular expression.
    """
    wanted = Pattern(pattern) if pattern else None
    names = {tag.replace("_", "+") if is_chart else tag: tag for tag in tags if wanted is None or wanted.matches(tag)}
    best = Constraint(semver).highest(names, strict=False)
    return names[best[0]] if best else ""


async def _manifest(registry: Registry, digest: str) -> Manifest:
    """Return the manifest of a digest; of an index the one for linux/amd64, as Flux takes it."""
    manifest = await registry.manifest(digest)
    if not manifest.manifests:
        return manifest
    for one in manifest.manifests:
        if all(one.platform.get(name) == value for name, value in _PLATFORM.items()):
            return await registry.manifest(one.digest)
    raise Transient(PULL_FAILED, f"the index {digest} names no manifest for linux/amd64")


async def _extracted(file: Path, folder: Path, ignore: str | None, limits: Limits) -> Path:
    tree, packed = folder / "tree", folder / "packed.tar.gz"
    try:
        await asyncio.to_thread(tree.mkdir)
        await in_thread(repack, file, tree, packed, ignore, limits)
    except BadTarballError as error:
        raise Transient(LAYER_FAILED, f"failed to extract layer contents from artifact: {error}") from error
    return packed


def _repository(spec: OCIRepositorySpec) -> Repository:
    try:
        reference = parse(spec.url)
        if reference.tag:
            raise BadReferenceError(f"URL must not contain a tag; remove ':{reference.tag}'")
        if reference.digest:
            raise BadReferenceError(f"URL must not contain a digest; remove '@{reference.digest}'")
    except BadReferenceError as error:
        raise Stalled("URLInvalid", f"URL validation failed for '{spec.url}': {error}") from error
    return reference.repository


def _is_of(spec: OCIRepositorySpec, status: OCIRepositoryStatus) -> bool:
    """Whether the artifact was made the way that the spec asks for."""
    return (status.observed_ignore or "") == (
        spec.ignore or ""
    ) and status.observed_layer_selector == spec.layer_selector


@contextmanager
def _failing(reason: str, what: str) -> Iterator[None]:
    """Say what failed of what a registry refuses in the body. Raises ``HubError``."""
    try:
        yield
    except TooManyRequests as error:
        raise Waiting(reason, f"{what}: {error.message}", error.after) from error
    except RegistryError as error:
        failed: HubError = Transient(reason, f"{what}: {error.message}")
        raise failed from error


def _stored(upstream: Upstream) -> str:
    return f"stored artifact for digest '{upstream.revision}'"


def _event(spec: OCIRepositorySpec, upstream: Upstream, manifest: Manifest) -> str:
    message = f"stored artifact with revision '{upstream.revision}' from '{spec.url}'"
    names = {"source": "origin source", "revision": "origin revision"}
    for name, words in names.items():
        if value := manifest.annotations.get(f"org.opencontainers.image.{name}"):
            message += f", {words} '{value}'"
    return message
