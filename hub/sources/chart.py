"""
The HelmChart controller: builds a chart package from the artifact of its source.

Nothing is built while the source's artifact is the one that was seen last; many HelmCharts that ask for the same build
share it.
"""

from __future__ import annotations

from posixpath import normpath
from typing import TYPE_CHECKING

from hub.api.meta import Key
from hub.api.source import HelmChart, SourceStatus
from hub.content import digest as digests
from hub.content.package import ChartRequest
from hub.content.refs import commit_of
from hub.errors import Stalled, Waiting
from hub.sources.source import OUTDATED, STORED, News, SourceReconciler

if TYPE_CHECKING:
    from hub.api.meta import Artifact
    from hub.content.builder import Build, ChartBuilder
    from hub.content.fetch import ArtifactReader
    from hub.content.store import Store
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.steps import Attempt

_KINDS = frozenset({"GitRepository"})
"""Kinds of sources that charts can be built from."""


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
    ) -> None:
        super().__init__(client, cache, recorder, store=store)
        self._artifacts = artifacts
        self._builder = builder

    async def steps(self, attempt: Attempt[HelmChart]) -> float:
        """Bring the package to what the source has now; return the interval in seconds. Raises ``HubError``."""
        chart = attempt.resource
        current = await self.current(attempt)
        source = self._source(chart)
        if current is not None and self._is_seen(chart, source):
            attempt.conditions.delete(OUTDATED)
            return chart.spec.interval.seconds
        request = _request(chart, source)
        async with self.needing(Key(chart.spec.source_ref.kind, chart.metadata.namespace, chart.spec.source_ref.name)):
            file = await self._artifacts.open(source)
        # A package of the same version is good enough, unless the spec has changed: it may name another chart.
        same_spec = chart.status.observed_generation == chart.metadata.generation
        have = current.revision if current is not None and same_spec else ""
        build, package = await self._builder.build(file, source.digest, request, have)
        if package is not None:
            name = f"{build.name}-{build.version}.tgz"
            stored = await self.store.put(
                "helmchart", chart.metadata.namespace, chart.metadata.name, name, build.version, package
            )
            await self.keep(attempt, stored, _news(build))
        else:
            self.unchanged(attempt, _news(build).event)
        chart.status.observed_chart_name = build.name
        chart.status.observed_source_artifact_revision = source.revision
        may_miss = chart.spec.ignore_missing_values_files or chart.optional_values_files
        chart.status.observed_values_files = list(build.values_files) if may_miss else []
        return chart.spec.interval.seconds

    def _source(self, chart: HelmChart) -> Artifact:
        """
        Return the artifact that the chart is built from.

        Raises:
            Stalled: The kind of source is not supported (reason ``UnsupportedSourceKind``).
            Waiting: The source is not there or has no artifact yet; its next event brings the chart back.
        """
        ref = chart.spec.source_ref
        if ref.kind not in _KINDS:
            raise Stalled(
                "UnsupportedSourceKind", f"source kind '{ref.kind}' is not supported yet: use {', '.join(_KINDS)}"
            )
        key = Key(ref.kind, chart.metadata.namespace, ref.name)
        source = self.cache.get(key)
        if source is None:
            where = f"{key.namespace}/{key.name}"
            raise Waiting("SourceUnavailable", f"failed to get source: {ref.kind} '{where}' not found")
        if not isinstance(source.status, SourceStatus) or source.status.artifact is None:
            raise Waiting("NoSourceArtifact", f"no artifact available for {ref.kind} source '{ref.name}'", quiet=True)
        return source.status.artifact

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
            and not (status.observed_values_files and _lacks(chart))
        )


def _lacks(chart: HelmChart) -> bool:
    """Whether a values file that was skipped may be missing no more."""
    if chart.spec.ignore_missing_values_files:
        return False
    skipped = set(chart.values_files) - set(chart.status.observed_values_files)
    return bool({normpath(path) for path in skipped} - {normpath(path) for path in chart.optional_values_files})


def _request(chart: HelmChart, source: Artifact) -> ChartRequest:
    spec = chart.spec
    return ChartRequest(
        path=spec.chart,
        values_files=chart.values_files,
        ignore_missing_values_files=spec.ignore_missing_values_files,
        optional_values_files=chart.optional_values_files,
        strategy=spec.reconcile_strategy,
        generation=chart.metadata.generation,
        commit=commit_of(source.revision) or digests.hex_of(source.digest),
    )


def _news(build: Build) -> News:
    merged = f" and merged values files [{' '.join(build.values_files)}]" if build.values_files else ""
    message = f"packaged '{build.name}' chart with version '{build.version}'{merged}"
    return News("ChartPackageSucceeded", message, message)
