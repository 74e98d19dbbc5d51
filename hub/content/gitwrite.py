"""
Commits without a checkout: files of a fetched commit are read, changed and pushed as objects of the shared cache.

There is no working tree, so nothing is followed through a symbolic link, no filter or hook runs, and a process that is
killed leaves no half of a commit: what is not pushed is nowhere named, and what is pushed was whole.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hub.content.git import GitError
from hub.content.giterrors import cause_of
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hub.content.commitsign import Signer
    from hub.content.gitcache import GitCache, Remote

LINK = "120000"
_FILES = frozenset({"100644", "100755", "100664", LINK})
_MOVED = re.compile(
    r"\((fetch first|non-fast-forward|stale info|incorrect old value provided|failed to update ref"
    r"|reference already exists)\)|cannot lock ref"
)
_REFUSED = re.compile(r"! \[remote rejected\].*\((?P<why>.*)\)")
_SAID = re.compile(r"^remote: (.*)$", re.MULTILINE)


class WriteFailed(Transient):
    """The repository could not be read or written; the message has the form Flux gives it."""

    def __init__(self, message: str, reason: str = "GitOperationFailed") -> None:
        super().__init__(reason, message)


class BranchMoved(WriteFailed):
    """Somebody else pushed in between: look again, and try again."""


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a commit.

    Attributes:
        mode: As Git writes it; :data:`LINK` is a symbolic link.
        blob: Object id of the content.
    """

    path: str
    mode: str
    blob: str


@dataclass(frozen=True, slots=True)
class Signature:
    """Who commits, and when (seconds since the epoch)."""

    name: str
    email: str
    when: int

    def __str__(self) -> str:
        name = _plain(self.name) or _plain(self.email).partition("@")[0] or "hub"
        return f"{name} <{_plain(self.email)}> {self.when} +0000"


@dataclass(frozen=True, slots=True)
class Push:
    """
    One reference to push.

    Attributes:
        source: A commit.
        target: Full name of the reference.
        expected: Commit that the target must have now, "" when it must not be there; None pushes only forward.
        force: Push whatever the target has now.
    """

    source: str
    target: str
    expected: str | None = None
    force: bool = False


class GitWriter:
    """Reads and writes commits of repositories.

    Args:
        cache: Where they are fetched into.
    """

    def __init__(self, cache: GitCache) -> None:
        self._cache = cache

    async def files(self, remote: Remote, commit: str, below: str = "") -> list[TreeFile]:
        """Return the files and links of a commit at or below a path (all when it is empty). Raises ``WriteFailed``."""
        paths = ["--", below] if below else []
        out = await self._local(remote, ["ls-tree", "-r", "-z", "--full-tree", commit, *paths])
        found = []
        for line in out.decode("utf-8", "surrogateescape").split("\0"):
            meta, _, path = line.partition("\t")
            fields = meta.split()
            if fields and fields[0] in _FILES:
                found.append(TreeFile(path, fields[0], fields[2]))
        return found

    async def containing(self, remote: Remote, commit: str, text: str, below: str = "") -> set[str]:
        """Return the paths of the files that hold a text. Raises ``WriteFailed``."""
        paths = ["--", f":(literal,top){below}"] if below else []
        search = ["grep", "--name-only", "-z", "--fixed-strings", "-I", "-e", text, commit, *paths]
        try:
            out = await self._cache.run(remote, search)
        except GitError as error:
            if error.text == "exit code 1":  # nothing found
                return set()
            raise WriteFailed(f"git cannot search the files of a commit: {error.text}") from error
        except TimeoutError as error:
            raise WriteFailed("git took too long to search the files of a commit") from error
        prefix = f"{commit}:"
        names = out.decode("utf-8", "surrogateescape").split("\0")
        return {name.removeprefix(prefix) for name in names if name}

    async def read(self, remote: Remote, file: TreeFile) -> bytes:
        """Return the content of a file, or the target of a link. Raises ``WriteFailed``."""
        return await self._local(remote, ["cat-file", "blob", file.blob])

    async def tree_of(self, remote: Remote, commit: str) -> tuple[str, tuple[str, ...]]:
        """Return the tree and the parents of a commit that was fetched. Raises ``WriteFailed``."""
        out = await self._local(remote, ["cat-file", "commit", commit])
        head = out.decode("utf-8", "replace").partition("\n\n")[0].splitlines()
        parents = tuple(line.split()[1] for line in head if line.startswith("parent "))
        return head[0].split()[1], parents

    async def tree(self, remote: Remote, parent: str, files: Mapping[TreeFile, bytes]) -> str:
        """Return the tree of ``parent`` with other content in some of its files. Raises ``WriteFailed``."""
        lines = []
        for file, content in files.items():
            blob = (await self._local(remote, ["hash-object", "-w", "--stdin"], content)).decode().strip()
            lines.append(f"{file.mode} {blob}\t{file.path}\0")
        with tempfile.TemporaryDirectory(prefix="hub-index-") as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            await self._local(remote, ["read-tree", parent], env=env)
            entries = "".join(lines).encode("utf-8", "surrogateescape")
            await self._local(remote, ["update-index", "-z", "--index-info"], entries, env=env)
            return (await self._local(remote, ["write-tree"], env=env)).decode().strip()

    async def commit(
        self,
        remote: Remote,
        *,
        tree: str,
        parent: str,
        author: Signature,
        message: str,
        signer: Signer | None = None,
    ) -> str:
        """
        Store a commit, signed when ``signer`` is given; return its id. Nobody sees it until it is pushed.

        Raises:
            WriteFailed: Git cannot store it.
            BadKeyError: The key cannot sign.
        """
        head = f"tree {tree}\nparent {parent}\nauthor {author}\ncommitter {author}\n"
        body = f"\n{message.replace(chr(0), '')}"
        if not body.endswith("\n"):
            body += "\n"
        data = (head + body).encode("utf-8", "replace")
        if signer is not None:
            lines = signer(data).rstrip("\n").split("\n")
            data = (head + "gpgsig " + "\n ".join(lines) + "\n" + body).encode("utf-8", "replace")
        return (await self._local(remote, ["hash-object", "-t", "commit", "-w", "--stdin"], data)).decode().strip()

    async def push(self, remote: Remote, pushes: Sequence[Push], options: Mapping[str, str]) -> None:
        """
        Push references, all in one run.

        Raises:
            BranchMoved: Another push came first.
            WriteFailed: The server does not take it; the message says what it said.
        """
        arguments = ["push", "--quiet", "--no-verify"]
        arguments += [
            f"--push-option={key}={value}" if value else f"--push-option={key}" for key, value in options.items()
        ]
        arguments += [f"--force-with-lease={one.target}:{one.expected}" for one in pushes if one.expected is not None]
        refs = [f"{'+' if one.force else ''}{one.source}:{one.target}" for one in pushes]
        try:
            await self._cache.run(remote, [*arguments, "--", remote.url, *refs], online=True)
        except GitError as error:
            raise _push_failed(remote, error.text) from error
        except TimeoutError as error:
            why = (
                f"no answer within {remote.timeout:g}s; raise spec.timeout of the GitRepository, or look at the server"
            )
            raise WriteFailed(f"failed to push to remote '{remote.url}': {why}") from error
        self._cache.moved(remote.url)

    async def _local(
        self, remote: Remote, arguments: list[str], stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> bytes:
        try:
            return await self._cache.run(remote, arguments, stdin=stdin, env=env)
        except GitError as error:
            raise WriteFailed(f"git {arguments[0]} failed: {error.text}") from error
        except TimeoutError as error:
            raise WriteFailed(f"git {arguments[0]} took too long") from error


def _push_failed(remote: Remote, text: str) -> WriteFailed:
    start = f"failed to push to remote '{remote.url}'"
    said = "; ".join(line.strip() for line in _SAID.findall(text) if line.strip())
    if _MOVED.search(text):
        return BranchMoved(f"{start}: the branch moved meanwhile")
    if refused := _REFUSED.search(text):
        detail = f" ({said})" if said else ""
        return WriteFailed(
            f"{start}: the server refused the push: {refused['why']}{detail}; "
            "is the branch protected? push to another one with spec.git.push.branch, or allow this user to push"
        )
    if re.search(r"error: 403|permission|not allowed to push|read[- ]only|denied", text, re.IGNORECASE):
        why = (
            cause_of(text, remote.auth)
            if "error: 403" not in text
            else f"the credentials may not write ({_short(text)})"
        )
        return WriteFailed(f"{start}: {why}; give the GitRepository a Secret whose user or key may push")
    return WriteFailed(f"{start}: {cause_of(text, remote.auth)}")


def _short(text: str) -> str:
    return " ".join(line.removeprefix("fatal: ") for line in text.splitlines() if line.strip())[:500]


def _plain(text: str) -> str:
    """Return a text without what would end a line or a name in a commit."""
    return re.sub(r"[<>\x00-\x1f]", "", text).strip()
