"""
Dependencies of charts that are elsewhere: from a HelmRepository of the namespace with the same URL, with its
credentials, else as nobody. Follows Flux sources fact 39.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.api.repositories import HelmRepository
from hub.content import helmindex
from hub.content.dependencies import DependencyBuildError
from hub.content.threads import in_thread
from hub.errors import HubError
from hub.sources.helmrepository import TIMEOUT, repo_of

if TYPE_CHECKING:
    from pathlib import Path

    from hub.content.chart import Dependency
    from hub.content.helmrepo import HelmRepos
    from hub.content.store import Store
    from hub.runtime.cache import Cache
    from hub.runtime.origins import Origins
    from hub.sources.pulled import PulledCharts


@dataclass(frozen=True, slots=True)
class DependencyTools:
    """What dependencies are found and fetched with."""

    cache: Cache
    store: Store
    repos: HelmRepos
    origins: Origins
    pulled: PulledCharts


class Dependencies:
    """
    Fetches dependencies for the charts of one namespace.

    Args:
        tools: Shared by all namespaces.
        namespace: Whose HelmRepositories count.
    """

    def __init__(self, tools: DependencyTools, namespace: str) -> None:
        self._tools = tools
        self.scope = namespace

    async def __call__(self, dependency: Dependency) -> Path:
        """Return the package of a dependency. Raises ``DependencyBuildError``."""
        try:
            repository = self._repository(dependency.repository)
            if repository.is_oci:
                found = await self._tools.pulled.find(repository, dependency.name, dependency.version)
                return (await found.fetch(_accept)).file
            return await self._from_index(repository, dependency)
        except DependencyBuildError:
            raise
        except (HubError, helmindex.NoSuchVersionError, helmindex.BadIndexError, TimeoutError) as error:
            why = getattr(error, "message", "") or str(error) or f"no complete answer within {TIMEOUT:g}s"
            raise DependencyBuildError(
                f"cannot get '{dependency.name}' from '{dependency.repository}': {why}"
            ) from error

    async def _from_index(self, repository: HelmRepository, dependency: Dependency) -> Path:
        """Pick from the index as it is now: the one in storage may be older than what Chart.yaml asks for."""
        tools = self._tools
        repo = await repo_of(repository, tools.origins)
        async with tools.store.workspace() as folder:
            file = folder / "index.yaml"
            async with asyncio.timeout(TIMEOUT):
                await tools.repos.fetch_index(repo, file, "")
            index = await in_thread(helmindex.load, file, folder / "spare.yaml")
            versions = await in_thread(index.versions, dependency.name)
        chosen = helmindex.pick(versions, dependency.version)
        return (await tools.pulled.fetch(repo, chosen, TIMEOUT)).file

    def _repository(self, url: str) -> HelmRepository:
        """Return the HelmRepository of a URL, or one that has no credentials."""
        for one in self._tools.cache.all(HelmRepository.KIND):
            if one.metadata.namespace == self.scope and one.spec.url.rstrip("/") == url.rstrip("/"):
                found: HelmRepository = one
                return found
        kind = "oci" if url.startswith("oci://") else "default"
        return HelmRepository.parse({"metadata": {"namespace": self.scope}, "spec": {"url": url, "type": kind}})


async def _accept(_registry: object, _digest: str) -> None:
    """Dependencies are not signed: the lock file of the chart says what they are."""
