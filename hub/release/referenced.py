"""
Charts that ``chartRef`` names outside of HelmCharts: artifacts of OCIRepositories and ExternalArtifacts.

The version of such a chart gets the first 12 digits of what the revision names, so that a tag that was moved is an
upgrade (Flux HelmRelease fact 25).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.content import digest as digests
from hub.content.package import REVISION, VERSION, ChartRequest
from hub.content.remembered import Remembered
from hub.content.semver import parse_version
from hub.content.threads import in_thread
from hub.errors import Transient
from hub.release.chart import ChartSource

if TYPE_CHECKING:
    from hub.api.meta import Artifact, Key
    from hub.content.builder import ChartBuilder
    from hub.content.fetch import ArtifactReader


class ReferencedCharts:
    """
    Makes charts of artifacts.

    Args:
        artifacts: Gives their bytes.
        builder: Gives them another version.
    """

    def __init__(self, artifacts: ArtifactReader, builder: ChartBuilder) -> None:
        self._artifacts = artifacts
        self._builder = builder
        self._digests: Remembered[str, str] = Remembered(4096)

    async def ready(self, key: Key, artifact: Artifact) -> ChartSource:
        """
        Return the chart in an artifact, ready to be used.

        Raises:
            Stalled: It is no chart.
            Waiting: The artifact is being stored again.
            Transient: It cannot be had, or is of another version than its tag (reason ``ChartMutateError``).
        """
        tag, digest = parse_revision(artifact.revision)
        request = ChartRequest(
            path=f"of {key.kind} {key.namespace}/{key.name}",
            strategy=REVISION if digest else VERSION,
            commit=digest.rpartition(":")[2],
        )
        file = await self._artifacts.open(artifact)
        build, package = await self._builder.repack(file, artifact.digest, request)
        _check_tag(tag, build.version)
        if package is None:
            raise Transient("ArtifactFailed", f"the chart of {key.kind} '{key.name}' was removed meanwhile")
        packed = self._digests.find(build.key)
        if packed is None:
            packed = await in_thread(digests.of_file, package)
            self._digests.put(build.key, packed)
        used = artifact.model_copy(update={"digest": packed, "revision": build.version})
        return ChartSource(build.name, build.version, used, origin=artifact.digest, oci_digest=digest)


def parse_revision(revision: str) -> tuple[str, str]:
    """Return tag and digest of a revision: ``1.2.3@sha256:<hex>``, or the digest alone; what is missing is empty."""
    tag, _, digest = revision.rpartition("@")
    return (tag, digest) if ":" in digest else (revision, "")


def _check_tag(tag: str, version: str) -> None:
    wanted, found = parse_version(tag.replace("_", "+"), strict=True), parse_version(version)
    if wanted is not None and found is not None and wanted.compare(found) != 0:
        plain = found.replace(build=None)
        raise Transient("ChartMutateError", f"artifact revision {tag} does not match chart version {plain}")
