"""
What a release would be made of: its chart and its values as they are now, as they are at another commit, or as they are
in a folder of this machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.api.meta import Key
from hub.api.repositories import ExternalArtifact, OCIRepository
from hub.api.source import GitRepository, HelmChart
from hub.cli.failures import Failed
from hub.cli.packing import pack
from hub.cli.relations import chart_key, source_key
from hub.content import digest as digests
from hub.content.gitlogin import GitLogin
from hub.content.gittree import GitTrees, Wanted
from hub.content.package import ChartRequest
from hub.content.refs import GitRef, RefError
from hub.errors import HubError, NotFound
from hub.release.chart import template
from hub.release.layers import combine
from hub.release.referenced import ReferencedCharts
from hub.release.values import inline_of

if TYPE_CHECKING:
    from pathlib import Path

    from hub.api.helm import HelmRelease
    from hub.cli.workbench import Workbench
    from hub.content.builder import ChartBuilder
    from hub.content.gitcache import Remote

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a source's files are taken from instead: a commit, branch or tag of it, or a folder. One of them is set."""

    revision: str = ""
    folder: Path | None = None

    def __str__(self) -> str:
        return self.revision or str(self.folder)


class Proposal(NamedTuple):
    """A chart package, its version, and the values for it."""

    chart: Path
    name: str
    version: str
    values: dict[str, Any]


class _Chosen(NamedTuple):
    """A chart: its package, name and version."""

    package: Path
    name: str
    version: str


class _Tree(NamedTuple):
    """The files of a source as a tarball."""

    file: Path
    digest: str
    revision: str


class Proposals:
    """
    Makes proposals; equal parts are fetched and built once.

    Args:
        bench: The tools.
        elsewhere: Where the chart's source is taken from; None for what the hub has.
    """

    def __init__(self, bench: Workbench, elsewhere: Elsewhere | None = None) -> None:
        self._bench = bench
        self._elsewhere = elsewhere
        self._trees: dict[Key, _Tree] = {}

    async def of(self, release: HelmRelease, raw: dict[str, Any]) -> Proposal:
        """
        Return what a release would be made of.

        Raises:
            HubError: That cannot be had; the message says what and why.
        """
        key = chart_key(raw) or source_key(raw)
        if key is None:
            raise Failed("it names no chart", code=2)
        if key.kind != HelmChart.KIND.name:
            chosen = await self._referenced(key)
        elif self._elsewhere is None:
            chosen = await self._packaged(await self._chart_object(key, release))
        else:
            chosen = await self._built(await self._chart_object(key, release))
        layers = await self._bench.reader.layers(release)
        return Proposal(chosen.package, chosen.name, chosen.version, combine(layers, inline_of(release)))

    async def _referenced(self, key: Key) -> _Chosen:
        """Return the chart in an artifact that ``chartRef`` names, as the hub makes it."""
        kind = next((one for one in (OCIRepository.KIND, ExternalArtifact.KIND) if one.name == key.kind), None)
        if kind is None:
            raise Failed(f"a chart cannot come from {key}", code=2)
        if self._elsewhere is not None:
            raise Failed(f"--revision and --path are for charts from a GitRepository, not from {key}", code=2)
        source: Any = kind.model.parse(await self._bench.client.get(kind.api, key.name, key.namespace))
        if source.status.artifact is None:
            raise Failed(f"{key} has no artifact yet", code=2)
        charts = ReferencedCharts(self._bench.artifacts, self._bench.builder)
        found = await charts.ready(key, source.status.artifact)
        return _Chosen(await self._bench.artifacts.open(found.artifact), found.name, found.version)

    async def _packaged(self, chart: HelmChart) -> _Chosen:
        artifact = chart.status.artifact
        if artifact is None:
            raise Failed(f"HelmChart {chart.key.namespace}/{chart.key.name} is not built yet", code=2)
        package = await self._bench.artifacts.open(artifact)
        return _Chosen(package, chart.status.observed_chart_name, artifact.revision)

    async def _chart_object(self, key: Key, release: HelmRelease) -> HelmChart:
        """Return the HelmChart of a release; with another source, as the release's spec asks for it now."""
        try:
            found = HelmChart.parse(await self._bench.client.get(HelmChart.KIND.api, key.name, key.namespace))
        except NotFound:
            if self._elsewhere is None or release.spec.chart is None:
                raise
            found = HelmChart.parse(template(release))
        if self._elsewhere is not None and release.spec.chart is not None:
            found.spec = HelmChart.parse(template(release)).spec
        return found

    async def _built(self, chart: HelmChart) -> _Chosen:
        ref = chart.spec.source_ref
        tree = await self._tree(Key(ref.kind, chart.metadata.namespace, ref.name))
        request = ChartRequest(
            path=chart.spec.chart,
            values_files=chart.values_files,
            ignore_missing_values_files=chart.spec.ignore_missing_values_files,
            optional_values_files=chart.optional_values_files,
            strategy=chart.spec.reconcile_strategy,
            generation=chart.metadata.generation,
            commit=tree.revision,
        )
        builder: ChartBuilder = self._bench.builder
        build, package = await builder.build(tree.file, tree.digest, request)
        if package is None:
            raise AssertionError("nothing was excluded, so there is a package")
        return _Chosen(package, build.name, build.version)

    async def _tree(self, key: Key) -> _Tree:
        """Return the files of a source, and let the values that are read from it be of the same files."""
        if key in self._trees:
            return self._trees[key]
        if key.kind != "GitRepository":
            raise Failed(f"--revision and --path are for charts from a GitRepository, not from {key}", code=2)
        raw = await self._bench.client.get(GitRepository.KIND.api, key.name, key.namespace)
        repository = GitRepository.parse(raw)
        target = self._bench.folder / f"{len(self._trees)}.tar.gz"
        if self._elsewhere is not None and self._elsewhere.folder is not None:
            revision = _pack(self._elsewhere.folder, target, repository.spec.ignore)
        else:
            revision = await self._fetched(repository, target)
        digest = digests.of_file(target)
        file = await self._bench.store.adopt(target, digest)
        artifact = {"digest": digest, "path": "x", "revision": f"{self._elsewhere}@{revision}", "url": "http://x"}
        status = {"artifact": artifact | {"lastUpdateTime": ""}, "conditions": [_READY]}
        self._bench.reader.assume(raw | {"status": status})
        self._trees[key] = _Tree(file, digest, revision)
        return self._trees[key]

    async def _fetched(self, repository: GitRepository, target: Path) -> str:
        wanted = self._elsewhere.revision if self._elsewhere else ""
        remote = await self._remote(repository)
        refs = [GitRef(commit=wanted)] if _COMMIT.fullmatch(wanted) else [GitRef(branch=wanted), GitRef(tag=wanted)]
        problem: Exception | None = None
        for ref in refs:
            try:
                head = await self._bench.git.resolve(remote, ref)
                commit = await self._bench.git.fetch(remote, head)
            except (HubError, RefError) as error:
                problem = error
                continue
            spec = repository.spec
            wanted_files = Wanted(spec.ignore, tuple(spec.sparse_checkout), spec.recurse_submodules)
            await GitTrees(self._bench.git).archive(remote, commit, target, wanted_files)
            return commit.id
        raise Failed(f"{repository.key} has no revision '{wanted}': {problem}", code=2) from problem

    async def _remote(self, repository: GitRepository) -> Remote:
        from hub.runtime.secrets import SecretReader

        secrets = SecretReader(self._bench.client)

        async def read(namespace: str, name: str) -> dict[str, bytes]:
            return (await secrets.get(namespace, name)).data

        return await GitLogin().remote(repository, read)


_READY = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": ""}


def _pack(folder: Path, target: Path, ignore: str | None) -> str:
    """Pack a folder as the hub packs a commit; return a name for its content."""
    if not folder.is_dir():
        raise Failed(f"--path {folder} is not a folder", code=2)
    pack(folder, target, ignore)
    return digests.hex_of(digests.of_file(target))
