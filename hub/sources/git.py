"""
The GitRepository controller: asks the server what the reference stands for, and stores the files of a new commit.

A look that finds nothing new costs one ``git ls-remote`` and no write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.source import GitRepository
from hub.content.gitauth import GitAuth, auth_of
from hub.content.gitcache import Remote
from hub.content.refs import GitRef, summary
from hub.errors import ApiError, NotFound, Stalled, Transient
from hub.sources.source import OUTDATED, STORED, News, SourceReconciler

if TYPE_CHECKING:
    from hub.api.source import GitRepositorySpec
    from hub.content.gitcache import GitCache
    from hub.content.refs import Head
    from hub.content.store import Store
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.secrets import SecretReader
    from hub.runtime.steps import Attempt


class GitRepositoryReconciler(SourceReconciler[GitRepository]):
    """Keeps an artifact of what each GitRepository refers to."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        secrets: SecretReader,
        store: Store,
        git: GitCache,
    ) -> None:
        super().__init__(client, cache, recorder, store=store)
        self._secrets = secrets
        self._git = git

    async def steps(self, attempt: Attempt[GitRepository]) -> float:
        """Bring the artifact to the commit that is referred to; return the interval in seconds. Raises ``HubError``."""
        spec, status = attempt.resource.spec, attempt.resource.status
        _refuse_unsupported(spec)
        current = await self.current(attempt)
        remote = _remote(spec, await self._auth(attempt.resource))
        head = await self._git.resolve(remote, _ref(spec))
        if (
            current is not None
            and current.revision == head.revision
            and (status.observed_ignore or "") == (spec.ignore or "")
        ):
            attempt.conditions.mark_true(STORED, "Succeeded", _stored(head))
            self.unchanged(attempt, _stored(head))
            return spec.interval.seconds
        await self._announce(attempt, head)
        await self._build(attempt, remote, head)
        return spec.interval.seconds

    async def _announce(self, attempt: Attempt[GitRepository], head: Head) -> None:
        """Tell what is coming before the fetch, which may take long."""
        message = f"building artifact: new upstream revision '{head.revision}'"
        if attempt.resource.status.artifact is not None:
            attempt.conditions.mark_true(OUTDATED, "NewRevision", f"new upstream revision '{head.revision}'")
        await attempt.progressing(message, ready=True)

    async def _build(self, attempt: Attempt[GitRepository], remote: Remote, head: Head) -> None:
        spec, meta = attempt.resource.spec, attempt.resource.metadata
        commit = await self._git.fetch(remote, head)
        async with self.store.workspace() as folder:
            file = folder / f"{commit.id}.tar.gz"
            await self._git.archive(remote, commit, file, spec.ignore)
            stored = await self.store.put("gitrepository", meta.namespace, meta.name, file.name, head.revision, file)
        event = f"stored artifact for commit '{summary(commit.message)}'" if commit.message else _stored(head)
        await self.keep(attempt, stored, News("Succeeded", _stored(head), event))
        attempt.resource.status.observed_ignore = spec.ignore

    async def _auth(self, repository: GitRepository) -> GitAuth | None:
        """
        Read the Secret of the repository.

        Raises:
            Transient: It is missing, or lacks a key (reason ``AuthenticationFailed``).
        """
        if repository.spec.secret_ref is None:
            return auth_of(repository.spec.url, {}) if repository.spec.url.startswith("ssh://") else None
        name = repository.spec.secret_ref.name
        where = f"{repository.metadata.namespace}/{name}"
        try:
            secret = await self._secrets.get(repository.metadata.namespace, name)
        except NotFound as error:
            message = f"failed to get secret '{where}': secrets \"{name}\" not found"
            raise Transient("AuthenticationFailed", message) from error
        except ApiError as error:
            raise Transient("AuthenticationFailed", f"failed to get secret '{where}': {error.message}") from error
        return auth_of(repository.spec.url, secret.data)


def _remote(spec: GitRepositorySpec, auth: GitAuth | None) -> Remote:
    try:
        return Remote.of(spec.url, auth, spec.timeout.seconds)
    except ValueError as error:
        raise Stalled("URLInvalid", f"failed to parse url '{spec.url}': {error}") from error


def _ref(spec: GitRepositorySpec) -> GitRef:
    ref = spec.ref
    if ref is None:
        return GitRef()
    return GitRef(branch=ref.branch, tag=ref.tag, semver=ref.semver, name=ref.name, commit=ref.commit)


def _stored(head: Head) -> str:
    return f"stored artifact for revision '{head.revision}'"


def _refuse_unsupported(spec: GitRepositorySpec) -> None:
    """A field that would be ignored is refused instead: nobody shall believe that a signature was checked."""
    asked = {
        "spec.verify": spec.verify is not None,
        "spec.include": bool(spec.include),
        "spec.recurseSubmodules": spec.recurse_submodules,
        "spec.sparseCheckout": bool(spec.sparse_checkout),
        "spec.proxySecretRef": spec.proxy_secret_ref is not None,
        f"spec.provider '{spec.provider}'": spec.provider not in (None, "generic"),
    }
    for field, given in asked.items():
        if given:
            raise Stalled("UnsupportedField", f"{field} is not supported yet: remove it")
