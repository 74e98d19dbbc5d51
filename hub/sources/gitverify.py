"""``spec.verify`` of a GitRepository: nothing is taken unless a trusted key signed it. Flux sources fact 28."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.content.gitobjects import tag_names
from hub.content.gitsign import SignatureError, TrustedKeys
from hub.content.threads import in_thread
from hub.errors import ApiError, Stalled, Transient
from hub.sources.source import VERIFIED

if TYPE_CHECKING:
    from hub.api.meta import Key
    from hub.api.source import GitRef, GitRepository
    from hub.content.gitcache import GitCache, Remote
    from hub.content.gitlogin import ReadSecret
    from hub.content.gitobjects import Commit
    from hub.content.refs import Head
    from hub.runtime.steps import Attempt


class NotVerified(Transient):
    """What the server offers is not signed as it has to be; the reason is Flux's."""


class Asks(NamedTuple):
    """What has to be signed, and by whom."""

    mode: str
    keys: TrustedKeys

    @property
    def tag(self) -> bool:
        return self.mode in {"Tag", "TagAndHEAD"}

    @property
    def commit(self) -> bool:
        return self.mode in {"HEAD", "TagAndHEAD"}


class GitVerifier:
    """Checks signatures, once for each commit, tag and set of keys."""

    def __init__(self, git: GitCache) -> None:
        self._git = git
        self._done: dict[Key, tuple[Asks, Head, str]] = {}

    async def asks(self, repository: GitRepository, read: ReadSecret) -> Asks | None:
        """
        Return what a GitRepository asks for, or None.

        Raises:
            Stalled: A tag has to be signed, and none is referred to (``InvalidVerificationMode``).
            NotVerified: The keys cannot be read (``VerificationError``).
        """
        spec, namespace = repository.spec, repository.metadata.namespace
        if spec.verify is None:
            return None
        mode = "HEAD" if spec.verify.mode == "head" else str(spec.verify.mode)
        if mode in {"Tag", "TagAndHEAD"} and not _names_tag(spec.ref):
            message = "cannot verify tag object's signature if a tag reference is not specified"
            raise Stalled("InvalidVerificationMode", message)
        where = f"{namespace}/{spec.verify.secret_ref.name}"
        try:
            data = await read(namespace, spec.verify.secret_ref.name)
        except ApiError as error:
            raise NotVerified("VerificationError", f"public keys secret '{where}' error: {error.message}") from error
        if not data:
            raise NotVerified("VerificationError", f"public keys secret '{where}' error: it holds no key")
        return Asks(mode, TrustedKeys.of(data))

    async def check(self, attempt: Attempt[GitRepository], asks: Asks | None, remote: Remote, head: Head) -> None:
        """
        Verify what a head stands for, and say so in the conditions.

        Raises:
            NotVerified: ``InvalidGitObject``, ``InvalidTagSignature``, ``InvalidCommitSignature``.
            GitFailed: It could not be fetched.
        """
        status, key = attempt.resource.status, attempt.resource.key
        if asks is None:
            attempt.conditions.delete(VERIFIED)
            status.source_verification_mode = None
            return
        done = self._done.get(key)
        if done is None or done[:2] != (asks, head):
            commit = await self._git.fetch(remote, head)
            done = self._done[key] = asks, head, await in_thread(_verify, asks, head, commit)
        attempt.conditions.mark_true(VERIFIED, "Succeeded", done[2])
        status.source_verification_mode = asks.mode

    def forget(self, key: Key) -> None:
        """Let go of an object that is deleted."""
        self._done.pop(key, None)


def _verify(asks: Asks, head: Head, commit: Commit) -> str:
    lines = []
    if asks.tag:
        lines.append(_verify_tag(asks.keys, head, commit))
    if asks.commit:
        try:
            signer = asks.keys.verify(commit.signed)
        except SignatureError as error:
            message = f"signature verification of commit '{commit.id}' failed: {error}"
            raise NotVerified("InvalidCommitSignature", message) from error
        lines.append(f"commit '{commit.id}' with key '{signer}'")
    return "verified signature of" + "".join(f"\n\t- {line}" for line in lines)


def _verify_tag(keys: TrustedKeys, head: Head, commit: Commit) -> str:
    name = head.ref.removeprefix("refs/tags/")
    if commit.tag is None:
        message = f"cannot verify signature of tag '{name}' since it is not annotated"
        raise NotVerified("InvalidGitObject", message)
    where = f"{name}@{head.tag}"
    # What is signed has to speak of this tag and this commit: the server says what belongs to a name, and may lie.
    if tag_names(commit.tag.payload) != (commit.id, name):
        message = f"tag '{where}' is not one of commit '{commit.id}' by this name"
        raise NotVerified("InvalidGitObject", message)
    try:
        signer = keys.verify(commit.tag)
    except SignatureError as error:
        message = f"signature verification of tag '{where}' failed: {error}"
        raise NotVerified("InvalidTagSignature", message) from error
    return f"tag '{where}' with key '{signer}'"


def _names_tag(ref: GitRef | None) -> bool:
    """Whether the part of the reference that wins names a tag."""
    if ref is None or ref.commit:
        return False
    return ref.name.startswith("refs/tags/") if ref.name else bool(ref.tag or ref.semver)
