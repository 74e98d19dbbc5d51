"""
Chart artifacts from source artifacts. Equal inputs are built once, however many objects ask and however they are named.

Two memories: per request (source artifact, path, values files ...) what it came to, and per content the package itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from hub.content import digest as digests
from hub.content import package
from hub.content.chart import Chart, load, read_archive, read_metadata
from hub.content.dependencies import DependencyBuildError, gather
from hub.content.dependencies import remote as remote_dependencies
from hub.content.package import CONTENT, REVISION, ChartRequest
from hub.content.shared import Shared
from hub.content.store import StoreFailed
from hub.content.tarball import BadTarballError
from hub.content.threads import in_thread
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from hub.content.chart import Dependency
    from hub.content.dependencies import Fetched
    from hub.content.store import Store
    from hub.content.trees import Trees

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Build:
    """What a request came to.

    Attributes:
        key: Names the package in the store by its inputs.
        values_files: The values files that were merged.
        dependencies: How many were resolved.
    """

    name: str
    version: str
    key: str
    values_files: tuple[str, ...]
    dependencies: int


class Fetch(Protocol):
    """Gives packages of dependencies."""

    @property
    def scope(self) -> str:
        """Names those who may have what it fetches."""

    async def __call__(self, dependency: Dependency) -> Path:
        """Return the package of a dependency. Raises ``HubError``."""


class ChartBuilder:
    """Builds chart packages.

    Args:
        store: Keeps them.
        trees: Gives the unpacked sources.
    """

    def __init__(self, store: Store, trees: Trees) -> None:
        self._store = store
        self._trees = trees
        self._builds: OrderedDict[tuple[str, ChartRequest], Build] = OrderedDict()
        self._shared: Shared[tuple[Build, Path | None]] = Shared()

    async def build(
        self,
        source: Path,
        digest: str,
        request: ChartRequest,
        have: str = "",
        fetch: Fetch | None = None,
    ) -> tuple[Build, Path | None]:
        """
        Return what a request comes to, and the package unless its version is the one the caller has.

        Args:
            source: Tarball of the source.
            digest: Its digest.
            request: What to build.
            have: Version that needs no package.
            fetch: Gives the package of a dependency that is not in the source; who may use which one is told by
                ``fetch.scope``, so that nobody gets what another's credentials fetched.

        Raises:
            Stalled: The chart or its values files are at fault.
            Transient: A dependency cannot be had, or the disk failed.
        """
        scope = fetch.scope if fetch is not None else ""
        asked = (f"{scope} {digest}", _without_unused(request))
        return await self._once(asked, have, lambda: self._build(source, digest, asked[1], have, fetch))

    async def repack(
        self, package: Path, digest: str, request: ChartRequest, have: str = ""
    ) -> tuple[Build, Path | None]:
        """
        Return what a packaged chart comes to: itself, or with a version and values of its own.

        Args:
            package: The ``.tgz``.
            digest: Its digest.
            request: What is asked for; ``values_files`` are paths in the chart.
            have: Version that needs no package.

        Raises:
            Stalled: The chart or its values files are at fault.
            Transient: The disk failed.
        """
        asked = (f"package {digest}", _without_unused(request))
        return await self._once(asked, have, lambda: self._repack(package, digest, asked[1], have))

    async def _once(
        self,
        asked: tuple[str, ChartRequest],
        have: str,
        work: Callable[[], Awaitable[tuple[Build, Path | None]]],
    ) -> tuple[Build, Path | None]:
        known = self._builds.get(asked)
        if known is not None:
            self._builds.move_to_end(asked)
            if known.version == have:
                return known, None
            if path := self._store.recall(known.key):
                return known, path
        build, path = await self._shared.run((*asked, have), work)
        self._builds[asked] = build
        while len(self._builds) > _REMEMBERED:
            self._builds.popitem(last=False)
        return build, path

    async def _repack(self, file: Path, digest: str, request: ChartRequest, have: str) -> tuple[Build, Path | None]:
        try:
            async with self._store.workspace() as folder:
                target = folder / "chart.tgz"
                build = await in_thread(self._pack_again, file, digest, request, have, target)
                if build.version == have:
                    return build, None
                if path := self._store.recall(build.key):
                    return build, path
                changed = await asyncio.to_thread(target.exists)
                return build, await self._store.remember(build.key, target if changed else file)
        except OSError as error:
            raise StoreFailed("ChartPackageError", "chart package error", error, self._store.root) from error

    def _pack_again(self, file: Path, digest: str, request: ChartRequest, have: str, target: Path) -> Build:
        files = read_archive(file, request.path)
        chart = Chart(read_metadata(files, request.path), files, None)
        merged = package.merge_values_files(files, request)
        version = package.version_of(chart, request, digest)
        key = digests.of_parts("package", digest, version, merged.data or b"")
        changed = version != chart.metadata.version or merged.data is not None
        if changed and version != have and self._store.recall(key) is None:
            package.write(target, chart, version, merged, {})
        return Build(chart.metadata.name, version, key, merged.used, 0)

    async def _build(
        self, source: Path, digest: str, request: ChartRequest, have: str, fetch: Fetch | None
    ) -> tuple[Build, Path | None]:
        try:
            async with self._trees.open(source, digest) as tree, self._store.workspace() as folder:
                target = folder / "chart.tgz"
                chart, remote = await in_thread(_load, tree, request.path)
                fetched = {dependency: await _fetched(fetch, dependency) for dependency in remote}
                build = await in_thread(self._pack, tree, chart, fetched, request, have, target)
                if build.version == have:
                    return build, None
                if not await asyncio.to_thread(target.exists):
                    if path := self._store.recall(build.key):
                        return build, path
                    raise Transient("ChartPackageError", "chart package error: the package was removed meanwhile")
                return build, await self._store.remember(build.key, target)
        except BadTarballError as error:
            raise Transient("ChartPackageError", f"chart package error: cannot unpack the source: {error}") from error
        except OSError as error:
            what = "chart package error"
            raise StoreFailed("ChartPackageError", what, error, self._store.root) from error

    def _pack(  # noqa: PLR0917 - a thread's work takes its arguments in order
        self, tree: Path, chart: Chart, fetched: Fetched, request: ChartRequest, have: str, target: Path
    ) -> Build:
        merged = package.merge_values_files(tree, request)
        dependencies, count = gather(tree, chart, fetched)
        counted = package.content_digest(chart, merged)
        content = package.inputs_digest(chart, merged, dependencies, counted)
        version = package.version_of(chart, request, content)
        if request.strategy == CONTENT:
            # Files that cannot reach a manifest do not make another package.
            key = digests.of_parts(chart.metadata.name, version, content)
        else:
            every = [part for name in sorted(chart.files) for part in (name, chart.files[name])]
            key = digests.of_parts(chart.metadata.name, version, content, *every)
        if version != have and self._store.recall(key) is None:
            package.write(target, chart, version, merged, dependencies)
        return Build(chart.metadata.name, version, key, merged.used, count)


def _load(tree: Path, path: str) -> tuple[Chart, list[Dependency]]:
    """Return the chart at a path, and which of its dependencies have to be fetched."""
    chart = load(tree, path)
    return chart, remote_dependencies(tree, chart)


async def _fetched(fetch: Fetch | None, dependency: Dependency) -> Path:
    if fetch is None:
        raise DependencyBuildError(f"cannot get '{dependency.name}' from '{dependency.repository}' here")
    return await fetch(dependency)


def _without_unused(request: ChartRequest) -> ChartRequest:
    """Drop what does not reach the version, so that requests which differ in it alone share a build."""
    return replace(
        request,
        generation=request.generation if request.counts_generation else 0,
        commit=request.commit if request.strategy == REVISION else "",
    )
