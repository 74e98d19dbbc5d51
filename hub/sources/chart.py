"""
The HelmChart controller: builds a chart package from its source, a folder of files or a repository of packages.

Nothing is built while the source's artifact is the one that was seen last; many HelmCharts that ask for the same build
share it. A registry has no artifact: it is asked at each interval.
"""

from __future__ import annotations

from dataclasses import replace
from posixpath import normpath
from typing import TYPE_CHECKING

from hub.api.meta import Key
from hub.api.repositories import HelmRepository
from hub.api.source import VERIFY_PROVENANCE, HelmChart, SourceStatus
from hub.content import digest as digests
from hub.content.package import VERSION, ChartRequest, expected_version
from hub.content.refs import commit_of
from hub.errors import Stalled, Waiting
from hub.sources.dependencies import Dependencies
from hub.sources.source import OUTDATED, STORED, VERIFIED, News, SourceReconciler

if TYPE_CHECKING:
    from pathlib import Path

    from hub.api.meta import Artifact
    from hub.content.builder import Build, ChartBuilder
    from hub.content.fetch import ArtifactReader
    from hub.content.oci.client import Registry
    from hub.content.store import Store
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.steps import Attempt
    from hub.sources.dependencies import DependencyTools
    from hub.sources.pulled import Found, PulledCharts
    from hub.sources.signatures import Signatures

_FOLDERS = ("GitRepository", "Bucket")
"""Kinds of sources in which charts are folders; in a HelmRepository they are packages."""


class HelmChartReconciler(SourceReconciler[HelmChart]):
    """Keeps a chart package for each HelmChart."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        store: Store,
        artifacts: ArtifactReader,
        builder: ChartBuilder,
        signatures: Signatures,
        pulled: PulledCharts,
        dependencies: DependencyTools,
    ) -> None:
        super().__init__(client, cache, recorder, store=store)
        self._artifacts = artifacts
        self._builder = builder
        self._signatures = signatures
        self._pulled = pulled
        self._dependencies = dependencies

    async def steps(self, attempt: Attempt[HelmChart]) -> float:
        """Bring the package to what the source has now; return the interval in seconds. Raises ``HubError``."""
        chart, ref = attempt.resource, attempt.resource.spec.source_ref
        current = await self.current(attempt)
        source = self._source(chart)
        if chart.provenance_keys and not isinstance(source, HelmRepository):
            raise Stalled("UnsupportedField", f"annotation {VERIFY_PROVENANCE} needs a HelmRepository")
        if chart.spec.verify is None and not chart.provenance_keys:
            attempt.conditions.delete(VERIFIED)
        registry = isinstance(source, HelmRepository) and source.is_oci
        artifact = None if registry else _artifact_of(chart, source)
        if current is not None and artifact is not None and self._is_seen(chart, artifact):
            attempt.conditions.delete(OUTDATED)
            return chart.spec.interval.seconds
        # A package of the same version is good enough, unless it was made for another spec, of another chart maybe.
        stored = attempt.conditions.get(STORED)
        same_spec = stored is not None and stored.observed_generation == chart.metadata.generation
        have = current.revision if current is not None and same_spec and _is_proven(chart) else ""
        async with self.needing(Key(ref.kind, chart.metadata.namespace, ref.name)):
            if isinstance(source, HelmRepository):
                await self._from_repository(attempt, source, have)
            elif artifact is not None:
                await self._from_folder(attempt, artifact, have)
        chart.status.observed_source_artifact_revision = artifact.revision if artifact is not None else ""
        return chart.spec.interval.seconds

    async def _from_folder(self, attempt: Attempt[HelmChart], source: Artifact, have: str) -> None:
        file = await self._artifacts.open(source)
        request = _request(attempt.resource, commit_of(source.revision) or _hex_of(source))
        fetch = Dependencies(self._dependencies, attempt.resource.metadata.namespace)
        build, package = await self._builder.build(file, source.digest, request, have, fetch)
        await self._put(attempt, build, package, _news(build))

    async def _from_repository(self, attempt: Attempt[HelmChart], repository: HelmRepository, have: str) -> None:
        chart = attempt.resource
        found = await self._pulled.find(repository, chart.spec.chart, chart.spec.version)
        # A package is what it is: what files of a source do to a version does not apply.
        request = replace(_request(chart, ""), strategy=VERSION)
        if have and have == expected_version(found.version, request):
            if chart.spec.verify is not None and not chart.provenance_keys:
                attempt.conditions.mark_true(VERIFIED, "Succeeded", f"verified signature of version {have}")
            self.unchanged(attempt, f"pulled '{chart.status.observed_chart_name}' chart with version '{have}'")
            return
        if chart.spec.verify is not None and not repository.is_oci:
            raise Stalled("UnsupportedField", "spec.verify needs a HelmRepository of type 'oci'")
        package = await found.fetch(lambda registry, digest: self._verify(attempt, registry, digest))
        key = await self._prove(chart, found, package.digest)
        build, path = await self._builder.repack(package.file, package.digest, request, have)
        await self._put(attempt, build, path, _news(build, "packaged" if build.values_files else "pulled"))
        if key or chart.spec.verify is not None:
            message = f"verified {'provenance' if key else 'signature'} of version {build.version}"
            attempt.conditions.mark_true(
                VERIFIED, "Succeeded", message + (f" with key '{key}'{_of(chart)}" if key else "")
            )

    async def _prove(self, chart: HelmChart, found: Found, digest: str) -> str:
        """Return the key that signed the package's provenance; empty when nobody asks for that."""
        if not (secret := chart.provenance_keys):
            return ""
        return await self._signatures.prove(chart.metadata.namespace, secret, found.provenance, digest)

    async def _verify(self, attempt: Attempt[HelmChart], registry: Registry, digest: str) -> None:
        chart = attempt.resource
        if chart.spec.verify is not None:
            await self._signatures.check(chart.spec.verify, chart.metadata.namespace, registry, digest)

    async def _put(self, attempt: Attempt[HelmChart], build: Build, package: Path | None, news: News) -> None:
        chart = attempt.resource
        if package is not None:
            name = f"{build.name}-{build.version}.tgz"
            meta = chart.metadata
            stored = await self.store.put("helmchart", meta.namespace, meta.name, name, build.version, package)
            await self.keep(attempt, stored, news)
        else:
            self.unchanged(attempt, news.event)
        chart.status.observed_chart_name = build.name
        may_miss = chart.spec.ignore_missing_values_files or chart.optional_values_files
        chart.status.observed_values_files = list(build.values_files) if may_miss else []

    def _source(self, chart: HelmChart) -> object:
        """
        Return the source that the chart is built from.

        Raises:
            Stalled: Charts are not built from sources of this kind (reason ``UnsupportedSourceKind``).
            Waiting: The source is not there; its next event brings the chart back.
        """
        ref = chart.spec.source_ref
        if ref.kind not in {*_FOLDERS, HelmRepository.KIND.name}:
            raise Stalled("UnsupportedSourceKind", f"unsupported source kind '{ref.kind}'")
        key = Key(ref.kind, chart.metadata.namespace, ref.name)
        source: object = self.cache.get(key)
        if source is None:
            where = f"{key.namespace}/{key.name}"
            raise Waiting("SourceUnavailable", f"failed to get source: {ref.kind} '{where}' not found")
        return source

    @staticmethod
    def _is_seen(chart: HelmChart, source: Artifact) -> bool:
        """Whether the package is of this spec and of this revision of the source, and was built without an error."""
        status = chart.status
        return (
            status.observed_generation == chart.metadata.generation
            and status.observed_source_artifact_revision == source.revision
            and (ready := status.condition("Ready")) is not None
            and ready.status == "True"
            and status.condition(STORED) is not None
            and _is_proven(chart)
            and not (status.observed_values_files and _lacks(chart))
        )


def _is_proven(chart: HelmChart) -> bool:
    """Whether the provenance of the package was checked with the keys that are named now."""
    verified = chart.status.condition(VERIFIED)
    return not chart.provenance_keys or (
        verified is not None and verified.status == "True" and verified.message.endswith(_of(chart))
    )


def _of(chart: HelmChart) -> str:
    return f" of secret '{chart.provenance_keys}'"


def _lacks(chart: HelmChart) -> bool:
    """Whether a values file that was skipped may be missing no more."""
    if chart.spec.ignore_missing_values_files:
        return False
    skipped = set(chart.values_files) - set(chart.status.observed_values_files)
    return bool({normpath(path) for path in skipped} - {normpath(path) for path in chart.optional_values_files})


def _artifact_of(chart: HelmChart, source: object) -> Artifact:
    status = getattr(source, "status", None)
    if not isinstance(status, SourceStatus) or status.artifact is None:
        ref = chart.spec.source_ref
        raise Waiting("NoSourceArtifact", f"no artifact available for {ref.kind} source '{ref.name}'", quiet=True)
    return status.artifact


def _hex_of(artifact: Artifact) -> str:
    """Return the digits that stand for a revision without a commit: a bucket's is a digest itself."""
    try:
        return digests.hex_of(artifact.revision)
    except ValueError:
        return digests.hex_of(artifact.digest)


def _request(chart: HelmChart, commit: str) -> ChartRequest:
    spec = chart.spec
    return ChartRequest(
        path=spec.chart,
        values_files=chart.values_files,
        ignore_missing_values_files=spec.ignore_missing_values_files,
        optional_values_files=chart.optional_values_files,
        strategy=spec.reconcile_strategy,
        generation=chart.metadata.generation,
        commit=commit,
    )


def _news(build: Build, verb: str = "packaged") -> News:
    merged = f" and merged values files [{' '.join(build.values_files)}]" if build.values_files else ""
    message = f"{verb} '{build.name}' chart with version '{build.version}'{merged}"
    return News("ChartPullSucceeded" if verb == "pulled" else "ChartPackageSucceeded", message, message)
