"""
Everything that the values of a release are made of, read from outside the hub: objects from the API server, files from
the artifacts that the hub serves.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from posixpath import normpath
from typing import TYPE_CHECKING, Any

import aiohttp

from hub.api.helm import HelmRelease
from hub.api.meta import Artifact, Key
from hub.api.registry import kind_named
from hub.api.source import HelmChart, SourceStatus
from hub.content.chart import ChartReferenceError, read_archive
from hub.content.fetch import ArtifactReader
from hub.content.store import Store
from hub.content.threads import in_thread
from hub.content.trees import Trees
from hub.content.values import ValuesError, merge, parse, values_digest
from hub.errors import HubError, NotFound
from hub.release.layer_refs import sources_of
from hub.release.layers import Layer
from hub.release.source_files import SourceFiles
from hub.release.triggers import chart_of
from hub.release.values import Values, inline_of
from hub.runtime.cache import Cache
from hub.runtime.secrets import SecretReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hub.kube.client import Client

_RETRIES = 1


@dataclass(slots=True)
class Story:
    """
    What the values of a release are made of.

    Attributes:
        chart: What the chart's own ``values.yaml`` is made of.
        layers: What the release adds to it.
        warnings: What could not be found out.
    """

    release: HelmRelease
    inline: Layer
    chart: list[Layer] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Reader:
    """
    Reads stories.

    Args:
        client: Speaks to the hub's cluster.
        artifacts: Gives artifacts.
        trees: Unpacks them.
        base_url: Where the artifacts are served, when not where their URLs say.
    """

    def __init__(self, client: Client, artifacts: ArtifactReader, trees: Trees, base_url: str = "") -> None:
        self._client = client
        self._artifacts = artifacts
        self._cache = Cache()
        self._files = SourceFiles(self._find, artifacts, trees)
        self._base_url = base_url.rstrip("/")

    async def read(self, raw: dict[str, Any]) -> Story:
        """
        Return the story of a HelmRelease as the API server has it.

        Raises:
            HubError: Its values cannot be put together; the message is that of its condition.
        """
        release = HelmRelease.parse(raw)
        story = Story(release, inline_of(release))
        chart = next(iter([await self._fetch(key) for key in chart_of(release)]), None)
        await self._read_chart(story, chart)
        story.layers = await self.layers(release)
        return story

    async def layers(self, release: HelmRelease) -> list[Layer]:
        """Return what a release adds to its chart's values. Raises as :meth:`read`."""
        for key in sources_of(release):
            await self._fetch(key)
        # The chart is not asked for its revision: what is there now counts, whatever is being built.
        return (await Values(SecretReader(self._client), self._files).gather(release, None)).layers

    def assume(self, raw: dict[str, Any]) -> None:
        """Take an object to be like this, whatever the API server says."""
        self._cache.put(raw)

    async def _read_chart(self, story: Story, chart: Any) -> None:
        if not isinstance(chart, HelmChart) or chart.status.artifact is None:
            story.warnings.append("the chart's own values are not shown: the chart is not built yet")
            return
        try:
            packaged = await self._packaged(chart)
            files = await self._values_files(chart)
        except HubError as error:
            story.warnings.append(f"the chart's own values are not shown: {error.message}")
            return
        total: dict[str, Any] = {}
        for layer in files:
            total = merge(total, layer.values)
        if files and values_digest(total) == values_digest(packaged.values):
            story.chart = files
            return
        story.chart = [packaged]
        if files:
            story.warnings.append(
                "the values files have changed since the chart was built: shown is what is in the chart"
            )

    async def _packaged(self, chart: HelmChart) -> Layer:
        """Return the values in the package."""
        status = chart.status
        file = await self._artifacts.open(self._reachable(status.artifact or Artifact()))
        name = f"chart {status.observed_chart_name}-{(status.artifact or Artifact()).revision} values.yaml"
        try:
            found = await in_thread(read_archive, file, chart.metadata.name)
            return Layer(name, parse(found.get("values.yaml", b"")))
        except (ChartReferenceError, ValuesError) as error:
            raise HubError("ValuesError", str(error)) from error

    async def _values_files(self, chart: HelmChart) -> list[Layer]:
        """Return the values files that went into the package; none when the chart has its own."""
        ref = chart.spec.source_ref
        source = await self._fetch(Key(ref.kind, chart.metadata.namespace, ref.name)) if chart.values_files else None
        if source is None or not isinstance(source.status, SourceStatus) or source.status.artifact is None:
            return []
        observed = {normpath(path) for path in chart.status.observed_values_files}
        found = []
        for path in chart.values_files:
            if observed and normpath(path) not in observed:
                continue
            file = await self._files.read(source.status.artifact, path)
            if file is not None:
                found.append(Layer(f"{ref.kind}/{ref.name} {path}", file.values))
        return found

    async def _fetch(self, key: Key) -> Any:
        """Get an object that the story needs; None when there is none, or its kind is unknown."""
        if (known := self._find(key)) is not None:
            return known
        try:
            kind = kind_named(key.kind)
            found = self._cache.put(await self._client.get(kind.api, key.name, key.namespace))
        except (LookupError, NotFound):
            return None
        status = getattr(found, "status", None)
        if isinstance(status, SourceStatus) and status.artifact is not None:
            status.artifact = self._reachable(status.artifact)
        return found

    def _find(self, key: Key) -> Any:
        return self._cache.get(key)

    def _reachable(self, artifact: Artifact) -> Artifact:
        if not self._base_url:
            return artifact
        return artifact.model_copy(update={"url": f"{self._base_url}/{artifact.path}"})


@asynccontextmanager
async def reading(
    client: Client, folder: Path, base_url: str = "", reach: Callable[[aiohttp.ClientSession], Any] = lambda one: one
) -> AsyncIterator[Reader]:
    """Give a reader that keeps what it downloads in a folder; ``reach`` may put a detour around the HTTP session."""
    store = Store(folder / "store", "")
    await store.prepare()
    trees = Trees(folder / "trees")
    await trees.prepare()
    try:
        async with aiohttp.ClientSession() as session:
            way = reach(session)
            yield Reader(client, ArtifactReader(store, lambda: way, retries=_RETRIES), trees, base_url)
    finally:
        store.close()
