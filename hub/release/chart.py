"""
The chart of a release: the HelmChart object that the hub keeps for ``spec.chart``, and whether it can be used yet.

As in Flux, the HelmChart is a real object that tools can see; the sources controllers build its artifact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hub.api.meta import READY, Key
from hub.api.repositories import ExternalArtifact, OCIRepository
from hub.api.source import OPTIONS, HelmChart, SourceStatus
from hub.errors import ApiError, NotFound, Stalled, Transient, Waiting
from hub.release.names import chart_key

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease
    from hub.api.meta import Artifact, Resource
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder

OWNER_NAME = "helm.toolkit.fluxcd.io/name"
OWNER_NAMESPACE = "helm.toolkit.fluxcd.io/namespace"
_REFERENCED = (HelmChart.KIND.name, OCIRepository.KIND.name, ExternalArtifact.KIND.name)
"""Kinds that ``chartRef`` may name."""


class ChartSource(NamedTuple):
    """
    A chart that is ready to be installed: its name, its version in the package, and where the package is.

    Attributes:
        origin: Digest of the artifact that the package was made from.
        oci_digest: Digest of what is in a registry; empty for charts from elsewhere.
    """

    name: str
    version: str
    artifact: Artifact
    origin: str
    oci_digest: str = ""


class Referenced(Protocol):
    """Makes charts of artifacts that are not of HelmCharts."""

    async def ready(self, key: Key, artifact: Artifact) -> ChartSource:
        """Return the chart in an artifact. Raises ``HubError``."""


class Charts:
    """Keeps the HelmChart objects of releases in step with their ``spec.chart``, and finds the charts of all."""

    def __init__(self, client: Client, cache: Cache, recorder: Recorder, referenced: Referenced) -> None:
        self._client = client
        self._cache = cache
        self._recorder = recorder
        self._referenced = referenced

    async def sync(self, release: HelmRelease) -> Key:
        """
        Make the HelmChart what the release asks for, and return its key.

        No request is sent when the cached object says so already.

        Raises:
            Stalled: Both ``spec.chart`` and ``spec.chartRef`` are set, or neither (reason ``InvalidChartReference``).
            Transient: The host cluster refused the HelmChart.
        """
        if (release.spec.chart is None) == (release.spec.chart_ref is None):
            raise Stalled(
                "InvalidChartReference", "invalid Chart reference: exactly one of chart and chartRef must be set"
            )
        if release.spec.chart is None:
            await self.remove(release)
            return _referenced(release)
        namespace, name = chart_key(release)
        key = Key("HelmChart", namespace, name)
        previous = release.status.helm_chart
        if previous and previous != f"{namespace}/{name}":
            await self.remove(release)
        wanted = template(release)
        if not _matches(self._cache.get(key), wanted):
            await self._apply(release, wanted)
        release.status.helm_chart = f"{namespace}/{name}"
        return key

    async def remove(self, release: HelmRelease) -> None:
        """Delete the HelmChart that was made for the release, if any."""
        if not release.status.helm_chart:
            return
        namespace, name = release.status.helm_chart.split("/", maxsplit=1)
        chart = self._cache.get(Key(HelmChart.KIND.name, namespace, name))
        await self._client.delete(HelmChart.KIND.api, name, namespace)
        # A deletion is gone through again when something comes between: what is going already is no news.
        if chart is not None and not chart.deleted:
            self._recorder.normal(release, "HelmChartDeleted", f"deleted HelmChart '{namespace}/{name}'")
        release.status.helm_chart = ""

    async def ready(self, key: Key) -> ChartSource:
        """
        Return the chart, ready to be used.

        Raises:
            Waiting: It has not been built yet (reason ``SourceNotReady``).
            HubError: What is in the artifact that ``chartRef`` names cannot be used.
        """
        artifact, source = self.offered(key), self._cache.get(key)
        if not isinstance(source, HelmChart):
            return await self._referenced.ready(key, artifact)
        if not source.status.observed_chart_name:
            # Another chart than before means that the release is replaced: that must never be concluded from nothing.
            raise _not_ready(key, "does not tell the name of its chart yet")
        return ChartSource(source.status.observed_chart_name, artifact.revision, artifact, artifact.digest)

    def offered(self, key: Key) -> Artifact:
        """
        Return the artifact that holds the chart.

        Raises:
            Waiting: There is none yet (reason ``SourceNotReady``).
        """
        source = self._cache.get(key)
        if source is None or not isinstance(source.status, SourceStatus):
            raise _not_ready(key, "does not have an artifact")
        status = source.status
        # Whoever provides an ExternalArtifact need not say which generation it is of.
        current = isinstance(source, ExternalArtifact) or source.metadata.generation == status.observed_generation
        if not current:
            raise _not_ready(key, _why(source) or "latest generation of object has not been reconciled")
        if any(one.type == "Stalled" and one.status == "True" for one in status.conditions):
            raise _not_ready(key, _why(source) or "is stalled")
        if status.artifact is None:
            raise _not_ready(key, _why(source) or "does not have an artifact")
        return status.artifact

    async def _apply(self, release: HelmRelease, wanted: dict[str, Any]) -> None:
        meta = wanted["metadata"]
        try:
            applied = await self._client.apply(HelmChart.KIND.api, wanted)
        except NotFound as error:
            raise Transient("HelmChartSyncErr", f"namespace '{meta['namespace']}' does not exist") from error
        except ApiError as error:
            raise Transient(
                "HelmChartSyncErr", f"could not apply HelmChart '{meta['name']}': {error.message}"
            ) from error
        created = self._cache.put(applied) is not None and applied["metadata"]["generation"] == 1
        source = wanted["spec"]["sourceRef"]
        verb = "Created" if created else "Configured"
        self._recorder.normal(
            release,
            f"HelmChart{verb}",
            f"{verb} HelmChart/{meta['namespace']}/{meta['name']} with SourceRef "
            f"'{source['kind']}/{meta['namespace']}/{source['name']}'",
        )


def template(release: HelmRelease) -> dict[str, Any]:
    """Return the HelmChart that ``spec.chart`` asks for."""
    chart = release.spec.chart
    if chart is None:
        raise ValueError("the release has no spec.chart")
    namespace, name = chart_key(release)
    wanted = chart.spec.dump()
    wanted["interval"] = str(chart.spec.interval or release.spec.interval)
    wanted["sourceRef"].pop("namespace", None)
    extra = chart.metadata.dump() if chart.metadata else {}
    labels = extra.get("labels", {}) | {OWNER_NAME: release.metadata.name, OWNER_NAMESPACE: release.metadata.namespace}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    if extra.get("annotations"):
        metadata["annotations"] = extra["annotations"]
    return {"apiVersion": HelmChart.KIND.api.api_version, "kind": "HelmChart", "metadata": metadata, "spec": wanted}


def _matches(chart: object, wanted: dict[str, Any]) -> bool:
    """Whether the object has everything that is wanted; labels and annotations of others are not ours to judge."""
    if not isinstance(chart, HelmChart) or chart.deleted:
        return False
    labels, annotations = chart.metadata.labels, chart.metadata.annotations
    meta = wanted["metadata"]
    return (
        all(labels.get(key) == value for key, value in meta["labels"].items())
        and all(annotations.get(key) == value for key, value in meta.get("annotations", {}).items())
        and all(annotations.get(key) == meta.get("annotations", {}).get(key) for key in OPTIONS)
        and chart.spec == type(chart.spec).parse(wanted["spec"])
    )


def _referenced(release: HelmRelease) -> Key:
    ref = release.spec.chart_ref
    if ref is None or ref.kind not in _REFERENCED:
        kind = ref.kind if ref else "none"
        raise Stalled(
            "UnsupportedSourceKind", f"chartRef of kind '{kind}' is not supported: use {', '.join(_REFERENCED)}"
        )
    return Key(ref.kind, ref.namespace or release.metadata.namespace, ref.name)


def _why(source: Resource) -> str:
    """Return the source's own words when it says that it is not ready."""
    ready = source.status.condition(READY)
    return ready.message if ready is not None and ready.status == "False" else ""


def _not_ready(key: Key, why: str) -> Waiting:
    # The source's next event brings the release back at once; the time is only a safety net.
    return Waiting(
        "SourceNotReady", f"{key.kind} '{key.namespace}/{key.name}' is not ready: {why}", after=30.0, quiet=True
    )
