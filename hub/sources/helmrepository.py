"""
The HelmRepository controller: keeps the index of a repository as an artifact. Follows Flux sources facts 30-33.

A look that finds nothing new costs one conditional request, where the server supports that, and no write. A repository
of type ``oci`` is data: charts ask its registry themselves, nothing is fetched for it and nothing is written into it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hub.api.repositories import HelmRepository
from hub.api.source import SourceStatus
from hub.content import digest as digests
from hub.content import helmindex
from hub.content.helmrepo import HelmRepo, RepositoryFailed
from hub.content.http import Connection
from hub.content.threads import in_thread
from hub.errors import Stalled, Transient
from hub.runtime.steps import Attempt
from hub.sources.source import STORED, News, SourceReconciler

if TYPE_CHECKING:
    from pathlib import Path

    from hub.api.meta import Key
    from hub.content.helmrepo import HelmRepos
    from hub.content.store import Store
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.origins import Origins

TIMEOUT = 60.0
"""Seconds for one request, when the spec does not say."""


class HelmRepositoryReconciler(SourceReconciler[HelmRepository]):
    """Keeps an artifact of the index of each HelmRepository."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        store: Store,
        origins: Origins,
        repos: HelmRepos,
    ) -> None:
        super().__init__(client, cache, recorder, store=store)
        self._origins = origins
        self._repos = repos

    async def reconcile(self, key: Key) -> float | None:
        """Reconcile one object, as every reconciler does; one of type ``oci`` is left alone."""
        repository = self.cache.get(key)
        if isinstance(repository, HelmRepository) and repository.is_oci:
            await self._leave(Attempt(repository, self.client, self.cache, self._room))
            return None
        return await super().reconcile(key)

    async def steps(self, attempt: Attempt[HelmRepository]) -> float:
        """Bring the artifact to the index of now; return the interval in seconds. Raises ``HubError``."""
        spec = attempt.resource.spec
        current = await self.current(attempt)
        repo = await repo_of(attempt.resource, self._origins)
        have = current.revision if current is not None else ""
        async with self.store.workspace() as folder:
            file = folder / "index.yaml"
            revision = await self._fetch(attempt.resource, repo, file, have)
            if revision == have:
                attempt.conditions.mark_true(STORED, "Succeeded", _stored(revision))
                self.unchanged(attempt, _stored(revision))
            else:
                news = f"new index revision '{revision}'"
                await self.announce(attempt, news, news)
                await self._keep(attempt, file, revision)
        return spec.interval.seconds

    async def _fetch(self, repository: HelmRepository, repo: HelmRepo, file: Path, have: str) -> str:
        timeout = repository.spec.timeout.seconds if repository.spec.timeout is not None else TIMEOUT
        try:
            async with asyncio.timeout(timeout):
                return await self._repos.fetch_index(repo, file, have)
        except RepositoryFailed as error:
            reason = "AuthenticationFailed" if error.denied else "Failed"
            raise Transient(reason, f"failed to fetch Helm repository index: {error.message}") from error
        except TimeoutError as error:
            why = f"no complete answer within {timeout:g}s (spec.timeout)"
            raise Transient("Failed", f"failed to fetch Helm repository index: {why}") from error

    async def _keep(self, attempt: Attempt[HelmRepository], file: Path, revision: str) -> None:
        size = (await asyncio.to_thread(file.stat)).st_size
        try:
            index = await in_thread(helmindex.load, file, file.with_name("spare.yaml"))
        except helmindex.BadIndexError as error:
            message = f"failed to load Helm repository from index YAML: {error}"
            raise Transient("IndexationFailed", message) from error
        meta = attempt.resource.metadata
        name = f"index-{digests.hex_of(revision)}.yaml"
        stored = await self.store.put("helmrepository", meta.namespace, meta.name, name, revision, index.file)
        event = f"stored fetched index of size {human(size)} from '{attempt.resource.spec.url}'"
        await self.keep(attempt, stored, News("Succeeded", _stored(revision), event))

    async def _leave(self, attempt: Attempt[HelmRepository]) -> None:
        """Take away what was made for it when it was of the other type."""
        repository = attempt.resource
        if repository.status.artifact is not None or repository.status.conditions:
            await self.finalize(attempt)
            attempt.conditions.delete(*(one.type for one in repository.status.conditions))
            repository.status = SourceStatus()
            await attempt.save()
        await attempt.drop_finalizer()


async def repo_of(repository: HelmRepository, origins: Origins) -> HelmRepo:
    """
    Return how a repository with an index is reached.

    Raises:
        Stalled: Its URL cannot be used (reason ``URLInvalid``).
        Transient: Its Secrets cannot be used (reason ``AuthenticationFailed``).
    """
    spec, namespace = repository.spec, repository.metadata.namespace
    if spec.url.startswith("oci://"):
        why = "'oci' URL scheme cannot be used with 'default' HelmRepository type"
        raise Stalled("URLInvalid", f"invalid Helm repository URL: {why}")
    login = await origins.login(namespace, spec.secret_ref.name) if spec.secret_ref is not None else None
    # Before certSecretRef there was, certificates were in secretRef.
    tls = await origins.tls(namespace, spec.cert_secret_ref) if spec.cert_secret_ref is not None else None
    if tls is None and spec.secret_ref is not None:
        tls = await origins.legacy_tls(namespace, spec.secret_ref)
    username, password = login if login is not None else ("", "")
    return HelmRepo(spec.url, username, password, Connection(tls), pass_credentials=spec.pass_credentials)


def human(size: int) -> str:
    """Return a number of bytes in words, as Docker's tools do: ``1.234kB``."""
    value, units = float(size), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.4g}{units[0]}"


def _stored(revision: str) -> str:
    return f"stored artifact: revision '{revision}'"
