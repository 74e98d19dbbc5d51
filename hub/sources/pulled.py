"""
Charts in Helm repositories: which version is asked for, and its package. Follows Flux sources facts 35 and 42.

Packages are kept by what they are, so that all who ask for the same one fetch it once.
"""

from __future__ import annotations

import asyncio
import posixpath
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hub.content import digest as digests
from hub.content.helmindex import BadIndexError, ChartVersion, Lookups, NoSuchVersionError, pick
from hub.content.helmrepo import RepositoryFailed
from hub.content.oci.errors import RegistryDenied, RegistryError
from hub.content.oci.manifest import CHART_CONTENT, CHART_PROVENANCE
from hub.content.oci.reference import BadReferenceError, parse_repository
from hub.content.provenance import MAX_SIZE, BadProvenanceError, Provenance
from hub.content.remembered import Remembered
from hub.content.semver import parse_version
from hub.content.shared import Shared
from hub.content.threads import in_thread
from hub.errors import Stalled, Transient
from hub.runtime.origins import RegistryRefs
from hub.sources.helmrepository import TIMEOUT, repo_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from hub.api.repositories import HelmRepository
    from hub.content.fetch import ArtifactReader
    from hub.content.helmrepo import HelmRepo, HelmRepos
    from hub.content.oci.client import Registry
    from hub.content.oci.manifest import Descriptor, Manifest
    from hub.content.store import Store
    from hub.runtime.origins import Origins

    Check = Callable[[Registry, str], Awaitable[None]]

_PULL = "chart pull error: "
# As Flux has it, written so that no name takes long to be refused.
_NAME = re.compile(r"[-a-z0-9]+(?:(?:/\.?|\.)[-a-z0-9]+)*(?:/\.?|\.)?\Z")


@dataclass(frozen=True, slots=True)
class Package:
    """A ``.tgz`` on this disk."""

    file: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """
    One version of a chart in a repository.

    Attributes:
        fetch: Gives its package; in a registry, after its argument has agreed to the digest of the manifest.
        provenance: Gives the signed text beside it; raises ``BadProvenanceError`` when that cannot be had.
    """

    version: str
    fetch: Callable[[Check], Awaitable[Package]]
    provenance: Callable[[], Awaitable[Provenance]]


class PulledCharts:
    """
    Finds charts in Helm repositories.

    Args:
        store: Keeps packages.
        artifacts: Gives the indexes.
        repos: Fetches packages over HTTP.
        origins: Reads the Secrets of repositories.
        max_chart: Bytes of a package.
    """

    def __init__(
        self, store: Store, artifacts: ArtifactReader, repos: HelmRepos, origins: Origins, max_chart: int
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._repos = repos
        self._origins = origins
        self._max_chart = max_chart
        self._lookups = Lookups()
        self._fetching: Shared[Package] = Shared()
        self._fetched: Remembered[object, str] = Remembered(4096)

    async def find(self, repository: HelmRepository, chart: str, version: str) -> Found:
        """
        Return the version of a chart that is asked for.

        Raises:
            Stalled: The name, the version, or the repository's URL is at fault.
            Waiting: The index is being stored again.
            Transient: The repository cannot be read.
        """
        if not _NAME.match(chart):
            why = (
                f"invalid chart name '{chart}': a valid name must be lower case letters and numbers and MAY be "
                "separated with dashes (-), slashes (/) or periods (.)"
            )
            raise Stalled("InvalidChartReference", f"invalid chart reference: {why}")
        if repository.is_oci:
            return await self._find_in_registry(repository, chart, version)
        return await self._find_in_index(repository, chart, version)

    async def _find_in_index(self, repository: HelmRepository, chart: str, version: str) -> Found:
        artifact = repository.status.artifact
        if artifact is None:
            raise Transient(
                "NoSourceArtifact", f"no artifact available for HelmRepository '{repository.metadata.name}'"
            )
        file = await self._artifacts.open(artifact)
        try:
            found = pick(await in_thread(self._lookups.versions, file, artifact.digest, chart), version)
        except NoSuchVersionError as error:
            why = f"failed to get chart version for remote reference: {error}"
            raise Stalled("InvalidChartReference", f"invalid chart reference: {why}") from error
        except BadIndexError as error:
            raise Transient("ChartPullError", f"{_PULL}failed to load the index: {error}") from error
        repo = await repo_of(repository, self._origins)
        timeout = _timeout(repository)
        return Found(
            found.version,
            lambda _: self.fetch(repo, found, timeout),
            lambda: self._provenance(repo, repo.absolute(found.urls[0]), timeout),
        )

    async def fetch(self, repo: HelmRepo, chart: ChartVersion, timeout: float) -> Package:
        """
        Return the package of a version in an index, from this disk when it is here.

        Raises:
            Transient: It cannot be had, or is another one than the index says.
        """
        digest = f"{digests.ALGORITHM}:{chart.digest}" if chart.digest else ""
        url = repo.absolute(chart.urls[0])
        known = digest or self._fetched.find((repo, url, chart)) or ""
        if known and (path := await self._store.read(known)):
            return Package(path, known)
        package = await self._fetching.run((repo, url, digest), lambda: self._download(repo, url, digest, timeout))
        self._fetched.put((repo, url, chart), package.digest)
        return package

    async def _download(self, repo: HelmRepo, url: str, digest: str, timeout: float) -> Package:
        async with self._store.workspace() as folder:
            target = folder / "chart.tgz"
            with _pulling(timeout):
                async with asyncio.timeout(timeout):
                    found = await self._repos.fetch_chart(repo, url, target)
            if digest and found != digest:
                why = f"digest mismatch: the index says {digest}, what came has {found}"
                raise Transient("ChartPullError", f"{_PULL}{why}")
            return Package(await self._store.adopt(target, found), found)

    async def _provenance(self, repo: HelmRepo, url: str, timeout: float) -> Provenance:
        async with self._store.workspace() as folder:
            target = folder / "chart.prov"
            with _proving(timeout):
                async with asyncio.timeout(timeout):
                    await self._repos.fetch_provenance(repo, url, target)
            return Provenance(await asyncio.to_thread(target.read_bytes), posixpath.basename(urlsplit(url).path))

    async def _find_in_registry(self, repository: HelmRepository, chart: str, version: str) -> Found:
        registry = await self.registry(repository, chart)
        timeout = _timeout(repository)
        with _pulling(timeout, "failed to get chart version for remote reference: "):
            async with asyncio.timeout(timeout):
                tag = await pick_tag(registry, version)
        return Found(
            tag.replace("_", "+"),
            lambda check: self.pull(registry, tag, timeout, check),
            lambda: self._provenance_layer(registry, tag, timeout),
        )

    async def registry(self, repository: HelmRepository, chart: str) -> Registry:
        """
        Return the registry of a chart.

        Raises:
            Stalled: The URL names none (reason ``URLInvalid``).
            Transient: A Secret cannot be used.
        """
        spec = repository.spec
        try:
            if not spec.url.startswith("oci://"):
                raise BadReferenceError("an 'oci' repository has a URL that begins with oci://")
            name = parse_repository(f"{spec.url.rstrip('/')}/{chart}")
        except BadReferenceError as error:
            raise Stalled("URLInvalid", f"invalid Helm repository URL: {error}") from error
        refs = RegistryRefs(
            secret=spec.secret_ref,
            certificate=spec.cert_secret_ref,
            insecure=spec.insecure,
            provider=spec.provider,
        )
        return await self._origins.registry(repository.metadata.namespace, name, refs)

    async def pull(self, registry: Registry, tag: str, timeout: float, check: Check | None = None) -> Package:
        """Return the package that helm pushed under a tag. Raises ``Transient``, and what ``check`` raises."""
        with _pulling(timeout):
            async with asyncio.timeout(timeout):
                manifest = await registry.manifest(tag)
                layer = chart_layer(manifest)
                if check is not None:
                    await check(registry, manifest.descriptor.digest)
                return await self._fetching.run(layer.digest, lambda: self._pull(registry, layer))

    async def _provenance_layer(self, registry: Registry, tag: str, timeout: float) -> Provenance:
        with _proving(timeout):
            async with asyncio.timeout(timeout):
                manifest = await registry.manifest(tag)
                for layer in manifest.layers:
                    if layer.media_type == CHART_PROVENANCE:
                        name = registry.repository.path.rpartition("/")[2]
                        file = f"{name}-{tag.replace('_', '+')}.tgz"
                        return Provenance(await registry.read(layer, max_size=MAX_SIZE), file)
                raise RegistryError(f"{registry.repository}:{tag} has no layer of type {CHART_PROVENANCE}")

    async def _pull(self, registry: Registry, layer: Descriptor) -> Package:
        digest = layer.digest
        if path := await self._store.read(digest):
            return Package(path, digest)
        async with self._store.workspace() as folder:
            target = folder / "chart.tgz"
            await registry.fetch(layer, target, max_size=self._max_chart)
            return Package(await self._store.adopt(target, digest), digest)


def chart_layer(manifest: Manifest) -> Descriptor:
    """
    Return the layer that is a chart.

    Raises:
        RegistryError: There is none.
    """
    for layer in manifest.layers:
        if layer.media_type == CHART_CONTENT:
            return layer
    kind = manifest.config.media_type if manifest.config is not None else manifest.descriptor.media_type
    raise RegistryError(f"what the tag names is no chart but '{kind}'")


async def pick_tag(registry: Registry, version: str) -> str:
    """
    Return the tag of the version that is asked for. An exact version needs no list of tags.

    Raises:
        NoSuchVersionError: There is none.
        RegistryError: Tags cannot be listed.
    """
    if parse_version(version, strict=True) is not None:
        return version.replace("+", "_")
    name = registry.repository.path.rpartition("/")[2]
    tags = {tag.replace("_", "+"): tag for tag in await registry.tags()}
    known = [ChartVersion(name, one, (), "", "") for one in tags if parse_version(one) is not None]
    if not known:
        raise NoSuchVersionError(f"no '{name}' chart with version matching '{version}' found")
    return tags[pick(known, version).version]


def _timeout(repository: HelmRepository) -> float:
    return repository.spec.timeout.seconds if repository.spec.timeout is not None else TIMEOUT


@contextmanager
def _pulling(timeout: float, what: str = "") -> Iterator[None]:
    """Say of what goes wrong in the body that the chart could not be pulled. Raises ``Transient``."""
    try:
        yield
    except (RepositoryFailed, RegistryError) as error:
        denied = isinstance(error, RegistryDenied) or (isinstance(error, RepositoryFailed) and error.denied)
        if denied or "certificate" in error.message:
            message = f"failed to authenticate with the Helm repository: {error.message}"
            raise Transient("AuthenticationFailed", message) from error
        raise Transient("ChartPullError", f"{_PULL}{what}{error.message}") from error
    except NoSuchVersionError as error:
        raise Transient("ChartPullError", f"{_PULL}{what}{error}") from error
    except TimeoutError as error:
        why = f"no complete answer within {timeout:g}s (spec.timeout of the HelmRepository)"
        raise Transient("ChartPullError", f"{_PULL}{what}{why}") from error


@contextmanager
def _proving(timeout: float) -> Iterator[None]:
    """Say of what goes wrong in the body that there is no provenance. Raises ``BadProvenanceError``."""
    try:
        yield
    except (RepositoryFailed, RegistryError) as error:
        raise BadProvenanceError(f"it cannot be had: {error.message}") from error
    except TimeoutError as error:
        raise BadProvenanceError(f"it cannot be had: no complete answer within {timeout:g}s") from error
