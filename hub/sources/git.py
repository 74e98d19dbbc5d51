"""
The GitRepository controller: asks the server what the reference stands for, and stores the files of a new commit.

A look that finds nothing new costs at most one ``git ls-remote`` and no write; GitRepositories with the same URL,
reference and credentials share it. Follows Flux sources facts 17-29.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from hub.api.meta import READY, Key
from hub.api.source import GitRepository
from hub.content import digest as digests
from hub.content.gitlogin import GitLogin
from hub.content.gittree import GitTrees, Included, Wanted, is_sparse
from hub.content.refs import GitRef, summary
from hub.content.shared import Shared
from hub.content.threads import in_thread
from hub.errors import Stalled, Waiting
from hub.sources.gitverify import GitVerifier, NotVerified
from hub.sources.source import FETCH_FAILED, OUTDATED, STORAGE_FAILED, STORED, VERIFIED, News, SourceReconciler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hub.api.meta import Artifact
    from hub.api.source import GitRepositorySpec, GitRepositoryStatus
    from hub.content.gitcache import GitCache, Remote
    from hub.content.gitobjects import Commit
    from hub.content.refs import Head
    from hub.content.store import Store
    from hub.errors import HubError
    from hub.kube.client import Client
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.secrets import SecretReader
    from hub.runtime.steps import Attempt

INCLUDE_UNAVAILABLE = "IncludeUnavailable"
_INCLUDE_REASONS = frozenset({"NotFound", "NoArtifact", "IncludeCycle"})
_COPY_REASONS = frozenset({"IllegalPath", "CopyFailure"})
_INCLUDE_AGAIN = 30.0
_REMEMBERED = 1000
_SHARED = 0.94
"""Share of the interval for which somebody else's answer counts: less than the jitter can make of one's own."""


class GitRepositoryReconciler(SourceReconciler[GitRepository]):
    """
    Keeps an artifact of what each GitRepository refers to.

    Args:
        login: Who gets in where; shared with others that use GitRepositories.
    """

    def __init__(
        self,
        client: Client,
        cache: Cache,
        recorder: Recorder,
        *,
        secrets: SecretReader,
        store: Store,
        git: GitCache,
        login: GitLogin | None = None,
    ) -> None:
        super().__init__(client, cache, recorder, store=store)
        self._secrets = secrets
        self._git = git
        self._trees = GitTrees(git)
        self._login = login or GitLogin()
        self._verifier = GitVerifier(git)
        self._builds: Shared[Path] = Shared()
        self._archives: OrderedDict[str, str] = OrderedDict()

    async def steps(self, attempt: Attempt[GitRepository]) -> float:
        """Bring the artifact to the commit that is referred to; return the interval in seconds. Raises ``HubError``."""
        repository = attempt.resource
        spec, status = repository.spec, repository.status
        failed = attempt.conditions.is_false(VERIFIED) or attempt.conditions.is_true(INCLUDE_UNAVAILABLE)
        asks = await self._verifier.asks(repository, self._read)
        current = await self.current(attempt)
        remote = await self._login.remote(repository, self._read)
        remote = replace(remote, partial=is_sparse(spec.sparse_checkout))
        head = await self._git.resolve(remote, _ref(spec), _max_age(attempt))
        included = self._included(repository)
        changed = current is None or current.revision != head.revision
        if not changed and _is_observed(spec, status, included):
            await self._verifier.check(attempt, asks, remote, head)
            attempt.conditions.mark_true(STORED, "Succeeded", _stored(head))
            if failed:
                self._tell(attempt, "Succeeded", _stored(head))
            else:
                self.unchanged(attempt, _stored(head))
            return spec.interval.seconds
        await self._announce(attempt, head, changed=changed)
        await self._verifier.check(attempt, asks, remote, head)
        await self._build(attempt, remote, head, included)
        return spec.interval.seconds

    async def finalize(self, attempt: Attempt[GitRepository]) -> None:
        """Remove the artifacts of the object. Raises ``StoreFailed``."""
        self._verifier.forget(attempt.resource.key)
        await super().finalize(attempt)

    def summarize(self, attempt: Attempt[GitRepository], error: HubError | None) -> None:
        """Say what failed in its own condition, and the whole in Ready."""
        super().summarize(attempt, error)
        conditions = attempt.conditions
        conditions.delete(INCLUDE_UNAVAILABLE)
        if error is None:
            return
        if isinstance(error, NotVerified) or error.reason == "InvalidVerificationMode":
            conditions.delete(FETCH_FAILED)
            conditions.mark_false(VERIFIED, error.reason, error.message)
        elif error.reason in _INCLUDE_REASONS:
            conditions.delete(FETCH_FAILED)
            conditions.mark_true(INCLUDE_UNAVAILABLE, error.reason, error.message)
        elif error.reason in _COPY_REASONS:
            conditions.delete(FETCH_FAILED)
            conditions.mark_true(STORAGE_FAILED, error.reason, error.message)

    async def _announce(self, attempt: Attempt[GitRepository], head: Head, *, changed: bool) -> None:
        """Tell what is coming before the fetch, which may take long."""
        message = f"building artifact: new upstream revision '{head.revision}'" if changed else "building artifact"
        if attempt.resource.status.artifact is not None:
            reason, why = "NewRevision", f"new upstream revision '{head.revision}'"
            if not changed:
                reason, why = "IncludeChange", "what is wanted of the revision, or is included in it, changed"
            attempt.conditions.mark_true(OUTDATED, reason, why)
        await attempt.progressing(message, ready=True)

    async def _build(
        self,
        attempt: Attempt[GitRepository],
        remote: Remote,
        head: Head,
        included: Mapping[str, Artifact],
    ) -> None:
        spec, status, meta = attempt.resource.spec, attempt.resource.status, attempt.resource.metadata
        commit = await self._git.fetch(remote, head)
        wanted = Wanted(
            ignore=spec.ignore,
            sparse=tuple(spec.sparse_checkout),
            submodules=spec.recurse_submodules,
            includes=tuple([await self._copy_of(spec, number, included) for number in range(len(spec.include))]),
        )
        async with self.store.workspace() as folder:
            file = await self._archive(remote, commit, wanted, folder)
            stored = await self.store.put(
                "gitrepository", meta.namespace, meta.name, f"{commit.id}.tar.gz", head.revision, file
            )
        event = f"stored artifact for commit '{summary(commit.message)}'" if commit.message else _stored(head)
        await self.keep(attempt, stored, News("Succeeded", _stored(head), event))
        status.observed_ignore = spec.ignore
        status.observed_recurse_submodules = spec.recurse_submodules
        status.observed_sparse_checkout = list(spec.sparse_checkout)
        status.observed_include = [one.model_copy() for one in spec.include]
        status.included_artifacts = [included[one.repository.name] for one in spec.include]

    async def _archive(self, remote: Remote, commit: Commit, wanted: Wanted, folder: Path) -> Path:
        """Return the archive; equal ones of a repository are made once, whoever wants them."""
        if wanted.submodules:  # what others may read of them is not known
            await self._trees.archive(remote, commit, file := folder / "archive", wanted)
            return file
        copies = [f"{one.digest} {one.from_path!r} {one.to_path!r}" for one in wanted.includes]
        key = digests.of_parts("git", remote.url, commit.id, repr(wanted.ignore), repr(wanted.sparse), *copies)

        async def build() -> Path:
            digest = self._archives.get(key)
            if digest is not None and (made := await self.store.read(digest)) is not None:
                return made
            async with self.store.workspace() as own:
                await self._trees.archive(remote, commit, own / "archive", wanted)
                digest = await in_thread(digests.of_file, own / "archive")
                made = await self.store.adopt(own / "archive", digest)
            self._archives[key] = digest
            while len(self._archives) > _REMEMBERED:
                self._archives.popitem(last=False)
            return made

        return await self._builds.run(key, build)

    def _included(self, repository: GitRepository) -> dict[str, Artifact]:
        """
        Return the artifacts that are included, by the name of their repository.

        Raises:
            Waiting: One is not there, or has no artifact (yet).
            Stalled: It includes itself.
        """
        found: dict[str, Artifact] = {}
        for one in repository.spec.include:
            name = one.repository.name
            other = self._other(repository, name)
            if other is None:
                message = f"could not get resource for include '{name}': gitrepositories \"{name}\" not found"
                raise Waiting("NotFound", message, _INCLUDE_AGAIN)
            if self._leads_back(other, repository.metadata.name, set()):
                raise Stalled("IncludeCycle", f"include '{name}' leads back to '{repository.metadata.name}'")
            if other.status.artifact is None:
                raise Waiting("NoArtifact", f"no artifact available for include '{name}'", _INCLUDE_AGAIN)
            found[name] = other.status.artifact
        return found

    def _other(self, repository: GitRepository, name: str) -> GitRepository | None:
        found = self.cache.get(Key(GitRepository.KIND.name, repository.metadata.namespace, name))
        return found if isinstance(found, GitRepository) else None

    def _leads_back(self, at: GitRepository, name: str, seen: set[str]) -> bool:
        if at.metadata.name == name:
            return True
        seen.add(at.metadata.name)
        names = {one.repository.name for one in at.spec.include} - seen
        others = [other for one in names if (other := self._other(at, one)) is not None]
        return any(self._leads_back(other, name, seen) for other in others)

    async def _copy_of(self, spec: GitRepositorySpec, number: int, included: Mapping[str, Artifact]) -> Included:
        one = spec.include[number]
        name = one.repository.name
        artifact = included[name]
        file = await self.store.read(artifact.digest)
        if file is None:
            raise Waiting("NoArtifact", f"no artifact available for include '{name}' in storage", _INCLUDE_AGAIN)
        return Included(name, file, artifact.digest, one.from_path, one.to_path or name)

    async def _read(self, namespace: str, name: str) -> Mapping[str, bytes]:
        return (await self._secrets.get(namespace, name)).data


def _max_age(attempt: Attempt[GitRepository]) -> float:
    """Return how old an answer of the server may be: a routine look takes that of others, all else asks anew."""
    resource = attempt.resource
    routine = (
        resource.status.observed_generation == resource.metadata.generation
        and resource.requested_at == resource.status.last_handled_reconcile_at
        and attempt.conditions.is_true(READY)
    )
    return _SHARED * resource.spec.interval.seconds if routine else 0.0


def _is_observed(spec: GitRepositorySpec, status: GitRepositoryStatus, included: Mapping[str, Artifact]) -> bool:
    """Whether the artifact was made of the same wishes (Flux sources fact 22)."""
    now = [(included[one.repository.name].revision, included[one.repository.name].digest) for one in spec.include]
    return (
        (status.observed_ignore or "") == (spec.ignore or "")
        and status.observed_recurse_submodules == spec.recurse_submodules
        and status.observed_sparse_checkout == spec.sparse_checkout
        and status.observed_include == spec.include
        and [(one.revision, one.digest) for one in status.included_artifacts] == now
    )


def _ref(spec: GitRepositorySpec) -> GitRef:
    ref = spec.ref
    if ref is None:
        return GitRef()
    return GitRef(branch=ref.branch, tag=ref.tag, semver=ref.semver, name=ref.name, commit=ref.commit)


def _stored(head: Head) -> str:
    return f"stored artifact for revision '{head.revision}'"
