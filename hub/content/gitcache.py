"""
Git repositories over the network, each with one bare cache on disk that everybody who names its URL shares.

A look that finds nothing new costs one ``git ls-remote``, and its answer serves everybody who asks the same with the
same credentials, for as long as their interval. When an answer is another one than before, those are told at once. A
new commit is fetched alone, without history, and only objects that the cache does not have yet are moved.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple

from hub.content import digest as digests
from hub.content import giterrors
from hub.content.git import GitError, GitFailed, GitRunner
from hub.content.gitauth import GitAuth, opened, split_url
from hub.content.gitbare import Bare, size_of, tidy
from hub.content.gitobjects import Commit, parse_commit
from hub.content.refs import GitRef, Head, RefError
from hub.content.shared import Shared
from hub.content.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
    from pathlib import Path

MAX_SIZE = 1 << 30
_MANY_PACKS = 40
_LOCAL_TIMEOUT = 300.0
"""Seconds for runs that only read or write the cache: spec.timeout speaks of the server."""
_HOST_RUNS = 8
"""Runs against one host at once: the next ones wait, so one slow server cannot take all threads."""
_LOOK_EVERY = 0.2
"""Seconds between two looks at how much a fetch has brought."""
_MAX_OUTPUT = 256 << 20
_REMEMBERED = 10_000
_FETCH = (
    "fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--update-shallow",
)  # fmt: skip
_REFUSED = re.compile(r"couldn't find remote ref|unadvertised object|not our ref")
"""The server does not have, or does not give, what was asked for: the cache is not at fault."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository and how to get in.

    Attributes:
        url: Without secrets.
        timeout: Seconds that one run of git may take.
        partial: Fetch what files contain only when it is asked for (:meth:`GitCache.bring`), from servers that can.
    """

    url: str
    auth: GitAuth
    timeout: float
    partial: bool = False

    @classmethod
    def of(cls, url: str, auth: GitAuth | None, timeout: float) -> Remote:
        """
        Take user information out of the URL.

        Raises:
            ValueError: Not a URL that git is allowed to use.
        """
        bare, full = split_url(url, auth)
        return cls(bare, full, timeout)


class _Look(NamedTuple):
    at: float
    found: dict[str, str]


class GitCache:
    """Bare repositories below one folder.

    Args:
        root: Folder of its own; only one process uses it.
        max_size: Bytes that one fetch may bring, and that the files of one commit may have together.
        clock: Seconds; says how old an answer is.
    """

    def __init__(self, root: Path, *, max_size: int = MAX_SIZE, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self.max_size = max_size
        self._clock = clock
        self.runner = GitRunner(root)
        self._looks: Shared[dict[str, str]] = Shared()
        self._fetches: Shared[Commit] = Shared()
        self._remembered: OrderedDict[Hashable, _Look] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}
        self._hosts: dict[str, asyncio.Semaphore] = {}
        self._subscribers: list[Callable[[str], None]] = []

    async def prepare(self) -> None:
        """Remove what killed runs left behind, and caches that nobody used for two weeks."""
        await asyncio.to_thread(tidy, self._root)

    def close(self) -> None:
        """Let the threads go."""
        self.runner.close()

    def subscribe(self, subscriber: Callable[[str], None]) -> None:
        """Have ``subscriber(url)`` called when a server answers something else than before."""
        self._subscribers.append(subscriber)

    async def resolve(self, remote: Remote, ref: GitRef, max_age: float = 0.0) -> Head:
        """
        Return what a reference stands for, by asking the server unless it answered within ``max_age`` seconds.

        Raises:
            GitFailed: It could not be asked, or has no such reference.
        """
        try:
            patterns = ref.patterns()
        except RefError as error:
            raise GitFailed(f"failed to checkout and determine revision: {error}") from error
        try:
            heads = ref.choose(await self._look(remote, patterns, max_age))
        except RefError as error:
            raise await self._missing(remote, error) from error
        if len(heads) == 1:
            return heads[0]
        # Versions that differ in build metadata alone: the newest commit wins.
        commits = [await self.fetch(remote, head) for head in heads]
        return max(zip(heads, commits, strict=True), key=lambda pair: pair[1].time)[0]

    async def fetch(self, remote: Remote, head: Head) -> Commit:
        """
        Return the commit of a head, fetched when the cache does not have it.

        A reference that moved since it was resolved is no error: the commit asked for is what counts.

        Raises:
            GitFailed: It could not be fetched.
        """
        key = (remote.url, remote.auth, remote.partial, head)
        return await self._fetches.run(key, lambda: self._fetch(remote, head))

    async def bring(self, remote: Remote, blobs: Sequence[str]) -> list[int]:
        """
        Return the sizes of contents of files in a partial cache; what it lacks is fetched first, in one go.

        Raises:
            GitFailed: They could not be fetched.
        """
        bare = self.bare(remote)
        async with self._lock(bare):
            sizes = await self._sizes(bare, blobs)
            if missing := [blob for blob in dict.fromkeys(blobs) if blob not in sizes]:
                arguments = [*_FETCH, "--stdin", "--", remote.url]
                await self._bring_once(remote, bare, arguments, afresh=True, replace=False, stdin=missing)
                sizes = await self._sizes(bare, blobs)
        if missing := [blob for blob in blobs if blob not in sizes]:
            raise giterrors.failed("clone", remote.url, f"the server does not give the object '{missing[0]}'")
        return [sizes[blob] for blob in blobs]

    async def look(self, remote: Remote, ref: str) -> str:
        """
        Return the commit that a full reference name stands for on the server now; empty when it is not there.

        Raises:
            GitFailed: The server could not be asked.
        """
        return (await self._look(remote, [ref])).get(ref, "")

    async def run(
        self,
        remote: Remote,
        arguments: list[str],
        *,
        stdin: bytes | None = None,
        env: dict[str, str] | None = None,
        online: bool = False,
    ) -> bytes:
        """
        Run git in the cache of a repository, and return what it prints.

        Args:
            remote: The repository.
            arguments: Of git; it must not fetch into the cache (see :mod:`hub.content.gitbare`).
            stdin: What git reads.
            env: More environment.
            online: git talks to the server, with what lets it in.

        Raises:
            GitError: git said no.
            TimeoutError: It took too long.
        """
        bare = self.bare(remote)
        with await asyncio.to_thread(tempfile.TemporaryFile) as file:
            if stdin is not None:
                await asyncio.to_thread(file.write, stdin)
                file.seek(0)
            here = bare.env | (env or {})
            if not online:
                return await self.runner.run(arguments, _read_all, timeout=_LOCAL_TIMEOUT, stdin=file, env=here)
            async with self._lock(bare):
                await in_thread(bare.write_boundary)
            async with self._host(remote), opened(remote.url, remote.auth) as access:
                env, auth, patience = access.env | here, remote.auth, remote.timeout
                try:
                    return await self.runner.run(
                        arguments, _read_all, timeout=patience, stdin=file, env=env, auth=auth, cwd=self._root
                    )
                except GitError as error:
                    raise GitError(access.problem or error.text) from error

    def bare(self, remote: Remote) -> Bare:
        """Return the cache of a repository."""
        return Bare(self._root, remote.url, partial=remote.partial)

    async def local(self, bare: Bare, arguments: Sequence[str], stdin: Sequence[str] = ()) -> bytes:
        """
        Return what git prints that only reads the cache.

        Raises:
            GitError: It said no.
            GitFailed: It took too long, or printed too much.
        """
        try:
            async with _lines(stdin) as file:
                return await self.runner.run(
                    arguments, _read_all, timeout=_LOCAL_TIMEOUT, env=bare.env, cwd=self._root, stdin=file
                )
        except TimeoutError as error:
            raise GitFailed(f"git {arguments[0]} took longer than {_LOCAL_TIMEOUT:g}s") from error

    async def damaged(self, remote: Remote, error: GitError) -> GitFailed:
        """Throw away a cache that git cannot read, so that the next try fetches it afresh; return what to raise."""
        bare = self.bare(remote)
        async with self._lock(bare):
            await in_thread(bare.discard)
        return GitFailed(f"the cache of '{remote.url}' is damaged, and fetched again: {error.text}")

    async def _look(self, remote: Remote, patterns: list[str], max_age: float = 0.0) -> dict[str, str]:
        """Ask the server for references; callers that ask the same at once share the answer."""
        key = (remote.url, remote.auth, *patterns)
        last = self._remembered.get(key)
        if last is not None and self._clock() - last.at < max_age:
            return last.found

        async def look() -> dict[str, str]:
            at = self._clock()
            out = await self._remote(remote, "list remote for", ["ls-remote", "--quiet", "--", remote.url, *patterns])
            lines = (line.split("\t", 1) for line in out.decode("utf-8", "replace").splitlines())
            found = {pair[1]: pair[0] for pair in lines if len(pair) == 2}
            self._remember(key, _Look(at, found), remote.url)
            return found

        return await self._looks.run(key, look)

    def _remember(self, key: Hashable, look: _Look, url: str) -> None:
        before = self._remembered.pop(key, None)
        self._remembered[key] = look
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        if before is not None and before.found != look.found:
            for subscriber in self._subscribers:
                subscriber(url)

    def moved(self, url: str) -> None:
        """Forget what a server said, for somebody has just pushed to it, and tell those who look there."""
        for key in [key for key in self._remembered if isinstance(key, tuple) and key[0] == url]:
            del self._remembered[key]
        for subscriber in self._subscribers:
            subscriber(url)

    async def _missing(self, remote: Remote, error: RefError) -> GitFailed:
        """Return an error that says what the repository has instead."""
        known = await self._look(remote, [])
        if not known:
            return GitFailed("git repository is empty", "EmptyGitRepository")
        branches = sorted(name.removeprefix("refs/heads/") for name in known if name.startswith("refs/heads/"))
        listed = ", ".join(branches[:5]) + (", ..." if len(branches) > 5 else "")
        hint = f"; branches there: {listed}" if listed and "refs/heads/" in str(error) else ""
        return giterrors.failed("clone", remote.url, f"{error}{hint}")

    async def _fetch(self, remote: Remote, head: Head) -> Commit:
        bare = self.bare(remote)
        name = digests.hex_of(digests.of_parts(head.ref or head.commit))[:16]
        async with self._lock(bare):
            await asyncio.to_thread(bare.touch)
            commit = await self._read(bare, head)
            if commit is None:
                commit = await self._download(remote, bare, head)
            await in_thread(bare.keep, name, head.commit)
            await self._pack(bare)
            return commit

    async def _download(self, remote: Remote, bare: Bare, head: Head) -> Commit:
        """Try the ways in which a server may give a commit, the cheapest first."""
        partly = ["--filter=blob:none"] if remote.partial else []  # of no effect where the server does not know it
        attempts = [(["--depth=1", *partly], head.tag or head.commit, False)]
        if head.ref:
            attempts.insert(0, (["--depth=1", *partly], head.ref, False))
        else:
            # A server that does not give single commits gives its branches, with all history.
            attempts.append((partly, f"refs/heads/{head.label}" if head.label else "refs/heads/*", True))
        problem: GitFailed | None = None
        for depth, source, afresh in attempts:
            target = "refs/hub/*" if source.endswith("*") else "refs/hub/new"
            arguments = [*_FETCH, *depth, "--", remote.url, f"+{source}:{target}"]
            try:
                await self._bring(remote, bare, arguments, afresh=afresh)
            except _Unexplained as error:
                problem = problem or error
            if commit := await self._read(bare, head):
                return commit
        raise problem or giterrors.failed("clone", remote.url, f"commit '{head.commit}' is not there any more")

    async def _bring(self, remote: Remote, bare: Bare, arguments: list[str], *, afresh: bool) -> None:
        try:
            await self._bring_once(remote, bare, arguments, afresh=afresh, replace=False)
        except _Unexplained as error:
            # The server answers, and git does not like what it has together with what came: then without the cache.
            if afresh or _REFUSED.search(error.message) or not await asyncio.to_thread(bare.commits):
                raise
            with contextlib.suppress(GitFailed):
                await self._bring_once(remote, bare, arguments, afresh=True, replace=True)
                return
            raise error from None

    async def _bring_once(
        self,
        remote: Remote,
        bare: Bare,
        arguments: list[str],
        *,
        afresh: bool,
        replace: bool,
        stdin: Sequence[str] = (),
    ) -> None:
        async with _entered(bare.fetching(afresh=afresh)) as folder:
            async with _lines(stdin) as file:
                await self._remote(remote, "clone", arguments, folder, file)
            await in_thread(bare.adopt, folder, afresh=replace)

    async def _sizes(self, bare: Bare, blobs: Sequence[str]) -> dict[str, int]:
        """Return the sizes of those that are here."""
        try:
            out = await self.local(bare, ["cat-file", "--batch-check", "--buffer"], blobs) if blobs else b""
        except GitError as error:
            raise GitFailed(f"the cache cannot be read: {error.text}") from error
        fields = (line.split() for line in out.decode().splitlines())
        return {one[0]: int(one[2]) for one in fields if len(one) == 3}

    async def _pack(self, bare: Bare) -> None:
        if await asyncio.to_thread(bare.packs) <= _MANY_PACKS:
            return
        await in_thread(bare.forget_old)
        with contextlib.suppress(GitError, GitFailed):  # of no use to the caller, who has his commit
            if not bare.partial:
                await self.local(bare, ["repack", "-a", "-d", "-q"])
                return
            # git's own way stops at the first object that is not here.
            commits = sorted(set((await asyncio.to_thread(bare.commits)).values()))
            walk = ["rev-list", "--objects", "--no-object-names", "--missing=allow-any", *commits]
            there = (await self.local(bare, walk)).decode().split()
            target = str(bare.path / "objects" / "pack" / "pack")
            new = await self.local(bare, ["pack-objects", "--quiet", target], there)
            await in_thread(bare.replace_packs, new.decode().strip())

    async def _read(self, bare: Bare, head: Head) -> Commit | None:
        """Return the commit of a head if everything of it is here."""
        if not await asyncio.to_thread((bare.path / "HEAD").exists):
            return None
        wanted = [head.commit, *([head.tag] if head.tag else [])]
        try:
            out = await self.local(bare, ["cat-file", "--batch"], wanted)
            return parse_commit(out, head)
        except (GitError, ValueError):
            return None

    async def _remote(
        self,
        remote: Remote,
        verb: str,
        arguments: list[str],
        folder: Path | None = None,
        stdin: BinaryIO | None = None,
    ) -> bytes:
        async with self._host(remote), opened(remote.url, remote.auth) as access:
            env = access.env | ({"GIT_DIR": str(folder)} if folder else {})
            run = self.runner.run(
                arguments, _read_all, timeout=remote.timeout, env=env, auth=remote.auth, cwd=self._root, stdin=stdin
            )
            try:
                return await (self._watched(run, folder, remote) if folder else run)
            except GitError as error:
                if access.problem:
                    raise giterrors.failed(verb, remote.url, access.problem) from error
                why = await giterrors.explain(error.text, remote.url, remote.auth)
                failed = giterrors.failed(verb, remote.url, why)
                raise (failed if giterrors.is_known(error.text) else _Unexplained(failed.message)) from error
            except TimeoutError as error:
                why = f"no answer within {remote.timeout:g}s; raise spec.timeout, or look at the server"
                raise giterrors.failed(verb, remote.url, why) from error

    async def _watched(self, run: Awaitable[bytes], folder: Path, remote: Remote) -> bytes:
        """Stop a fetch that brings too much."""
        task = asyncio.ensure_future(run)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_LOOK_EVERY)
                if await asyncio.to_thread(size_of, folder) > self.max_size:
                    why = (
                        f"it is larger than {self.max_size >> 20} MiB; raise the hub's --git-max-size, "
                        "or take what is large out of the repository"
                    )
                    raise giterrors.failed("clone", remote.url, why)
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _host(self, remote: Remote) -> asyncio.Semaphore:
        return self._hosts.setdefault(remote.url.split("/")[2], asyncio.Semaphore(_HOST_RUNS))

    def _lock(self, bare: Bare) -> asyncio.Lock:
        return self._locks.setdefault(bare.path.name, asyncio.Lock())


class _Unexplained(GitFailed):
    """git failed for a reason that may lie in the cache."""


@contextlib.asynccontextmanager
async def _entered(folder: contextlib.AbstractContextManager[Path]) -> AsyncIterator[Path]:
    """Enter and leave a context that blocks, in threads."""
    path = await in_thread(folder.__enter__)
    try:
        yield path
    finally:
        await asyncio.shield(asyncio.to_thread(folder.__exit__, None, None, None))


@contextlib.asynccontextmanager
async def _lines(lines: Sequence[str]) -> AsyncIterator[BinaryIO | None]:
    """Give a file with these lines to read, or nothing."""
    if not lines:
        yield None
        return
    with await asyncio.to_thread(tempfile.TemporaryFile) as file:
        await asyncio.to_thread(file.writelines, [f"{line}\n".encode() for line in lines])
        file.seek(0)
        yield file


def _read_all(out: IO[bytes]) -> bytes:
    data = out.read(_MAX_OUTPUT)
    if len(data) == _MAX_OUTPUT:
        raise GitFailed(f"git printed more than {_MAX_OUTPUT >> 20} MiB: the repository is too large")
    return data
