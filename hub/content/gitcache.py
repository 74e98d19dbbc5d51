"""
Git repositories over the network, each with one bare cache on disk that everybody who names its URL shares.

A look that finds nothing new costs one ``git ls-remote``. A new commit is fetched alone, without history. Its files are
read from the object store as they are: no checkout, no filters, no line-ending or export rules.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from hub.content import digest as digests
from hub.content import tarball
from hub.content.git import GitError, GitFailed, GitRunner
from hub.content.gitauth import GitAuth, opened, redact_urls, split_url
from hub.content.ignore import SOURCE_IGNORE, IgnoreRules
from hub.content.refs import GitRef, Head, RefError
from hub.content.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_SIZE = 1 << 30
"""Bytes of all files of a commit together; a larger one is refused."""
_MANY_PACKS = 40
_UNUSED_DAYS = 14
_LOCAL_TIMEOUT = 300.0
"""Seconds for runs that only read or write the cache: spec.timeout speaks of the server."""
_HOST_RUNS = 8
"""Runs against one host at once: the next ones wait, so one slow server cannot take all threads."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository and how to get in.

    Attributes:
        url: Without user information.
        timeout: Seconds that one run of git may take.
    """

    url: str
    auth: GitAuth
    timeout: float

    @classmethod
    def of(cls, url: str, auth: GitAuth | None, timeout: float) -> Remote:
        """
        Take user information out of the URL.

        Raises:
            ValueError: Not a URL that git is allowed to use.
        """
        bare, full = split_url(url, auth)
        return cls(bare, full, timeout)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit in the cache.

    Attributes:
        message: All of it.
        time: Seconds since the epoch, as the committer's clock had it.
    """

    id: str
    message: str
    time: int


class GitCache:
    """Bare repositories below one folder.

    Args:
        root: Folder of its own; only one process uses it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._runner = GitRunner(root)
        self._looks: Shared[dict[str, str]] = Shared()
        self._fetches: Shared[Commit] = Shared()
        self._locks: dict[str, asyncio.Lock] = {}
        self._hosts: dict[str, asyncio.Semaphore] = {}

    async def prepare(self) -> None:
        """Remove what killed runs left behind, and caches that nobody used for two weeks."""
        await asyncio.to_thread(_tidy, self._root)

    def close(self) -> None:
        """Let the threads go."""
        self._runner.close()

    async def resolve(self, remote: Remote, ref: GitRef) -> Head:
        """
        Return what a reference stands for now, by asking the server.

        Raises:
            GitFailed: It could not be asked, or has no such reference.
        """
        try:
            patterns = ref.patterns()
        except RefError as error:
            raise GitFailed(f"failed to checkout and determine revision: {error}") from error
        try:
            heads = ref.choose(await self._look(remote, patterns))
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
        return await self._fetches.run((remote.url, remote.auth, head), lambda: self._fetch(remote, head))

    async def archive(self, remote: Remote, commit: Commit, target: Path, ignore: str | None = None) -> None:
        """
        Write the files of a fetched commit that ``ignore`` and the ignore files leave to a new ``.tar.gz``.

        Raises:
            GitFailed: The commit cannot be read, or is too large.
        """
        cache = self._cache(remote)
        tree = ["ls-tree", "-r", "-z", "--long", "--full-tree", commit.id]
        files = _parse_tree(await self._local(cache, tree))
        rules = await self._rules(cache, files, ignore)
        wanted = [file for file in files if not rules.ignores(file.path)]
        if sum(file.size for file in wanted) > MAX_SIZE:
            raise GitFailed(
                f"the files of commit {commit.id} of '{remote.url}' are larger than {MAX_SIZE} bytes; "
                "leave some out with spec.ignore"
            )
        wanted.sort(key=lambda file: file.path)
        await self._read_blobs(cache, wanted, lambda blobs: _write(target, wanted, blobs))

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
            arguments: Of git.
            stdin: What git reads.
            env: More environment.
            online: git talks to the server, with what lets it in.

        Raises:
            GitError: git said no.
            TimeoutError: It took too long.
        """
        cache = self._cache(remote)
        with await asyncio.to_thread(tempfile.TemporaryFile) as file:
            if stdin is not None:
                await asyncio.to_thread(file.write, stdin)
                file.seek(0)
            here = {**_at(cache), **(env or {})}
            if not online:
                return await self._runner.run(arguments, _read_all, timeout=_LOCAL_TIMEOUT, stdin=file, env=here)
            host = self._hosts.setdefault(remote.url.split("/")[2], asyncio.Semaphore(_HOST_RUNS))
            async with host, opened(remote.url, remote.auth) as access:
                env, auth, patience = access.env | here, remote.auth, remote.timeout
                try:
                    return await self._runner.run(
                        arguments, _read_all, timeout=patience, stdin=file, env=env, auth=auth, cwd=self._root
                    )
                except GitError as error:
                    raise GitError(access.problem or error.text) from error

    async def _look(self, remote: Remote, patterns: list[str]) -> dict[str, str]:
        """Ask the server for references; callers that ask the same at once share the answer."""

        async def look() -> dict[str, str]:
            out = await self._remote(remote, "list remote for", ["ls-remote", "--quiet", "--", remote.url, *patterns])
            lines = (line.split("\t", 1) for line in out.decode("utf-8", "replace").splitlines())
            return {pair[1]: pair[0] for pair in lines if len(pair) == 2}

        return await self._looks.run((remote.url, remote.auth, *patterns), look)

    async def _missing(self, remote: Remote, error: RefError) -> GitFailed:
        """Return an error that says what the repository has instead."""
        known = await self._look(remote, [])
        if not known:
            return GitFailed("git repository is empty", "EmptyGitRepository")
        branches = sorted(name.removeprefix("refs/heads/") for name in known if name.startswith("refs/heads/"))
        listed = ", ".join(branches[:5]) + (", ..." if len(branches) > 5 else "")
        hint = f"; branches there: {listed}" if listed and "refs/heads/" in str(error) else ""
        return _failed("clone", remote, f"{error}{hint}")

    async def _fetch(self, remote: Remote, head: Head) -> Commit:
        cache = self._cache(remote)
        async with self._lock(cache):
            await self._ensure(cache)
            if commit := await self._read_commit(cache, head.commit):
                return commit
            kept = f"refs/hub/{digests.hex_of(digests.of_parts(head.ref or head.commit))[:16]}"
            attempts = [["--depth=1", head.commit]]
            if head.ref:
                attempts.insert(0, ["--depth=1", head.ref])
            else:
                # A server that does not give single commits gives its branches.
                attempts.append([f"refs/heads/{head.label}" if head.label else "refs/heads/*"])
            error: GitFailed | None = None
            for *depth, source in attempts:
                target = f"{kept}/*" if source.endswith("*") else kept
                refspec = f"+{source}:{target}"
                try:
                    await self._download(cache, remote, [*depth, "--", remote.url, refspec])
                except GitFailed as failed:
                    error = error or failed
                    continue
                if commit := await self._read_commit(cache, head.commit):
                    return commit
            raise error or _failed("clone", remote, f"commit '{head.commit}' is not there any more")

    async def _download(self, cache: Path, remote: Remote, arguments: list[str]) -> None:
        flags = [
            "--quiet",
            "--force",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--update-shallow",
        ]
        fetch = ["fetch", *flags, *arguments]
        try:
            await self._remote(remote, "clone", fetch, cache)
        except GitFailed as error:
            # A cache that a power cut damaged mends by starting over; anything else fails again.
            if not _DAMAGED.search(error.message):
                raise
            await asyncio.to_thread(shutil.rmtree, cache, ignore_errors=True)
            await self._ensure(cache)
            await self._remote(remote, "clone", fetch, cache)
        finally:
            await asyncio.to_thread(_unlock, cache)
        if await asyncio.to_thread(lambda: sum(1 for _ in cache.glob("objects/pack/*.pack"))) > _MANY_PACKS:
            await self._local(cache, ["gc", "--quiet", "--prune=1.hour.ago"])

    async def _read_commit(self, cache: Path, commit: str) -> Commit | None:
        show = ["show", "--no-patch", "--no-show-signature", "--format=%H%x00%ct%x00%B", f"{commit}^{{commit}}"]
        try:
            out = await self._runner.run(["-C", str(cache), *show], _read_all, timeout=_LOCAL_TIMEOUT, env=_at(cache))
        except GitError:
            return None
        except TimeoutError as error:
            raise GitFailed(f"git did not read commit '{commit}' within {_LOCAL_TIMEOUT:g}s") from error
        _, when, message = out.decode("utf-8", "replace").split("\0", 2)
        return Commit(commit, message.rstrip("\n"), int(when))

    async def _rules(self, cache: Path, files: list[_File], ignore: str | None) -> IgnoreRules:
        named = [file for file in files if file.path.rpartition("/")[2] == SOURCE_IGNORE]
        texts: dict[str, str] = {}

        def read(blobs: Iterator[IO[bytes]]) -> None:
            for file, blob in zip(named, blobs, strict=True):
                texts[file.path.rpartition("/")[0]] = blob.read(file.size).decode("utf-8", "replace")

        if named:
            await self._read_blobs(cache, named, read)
        return IgnoreRules(texts, ignore)

    async def _read_blobs(self, cache: Path, files: list[_File], read: Callable[[Iterator[IO[bytes]]], None]) -> None:
        """Stream the content of files, in their order, through ``read``, which takes exactly ``size`` bytes of each."""
        with await asyncio.to_thread(tempfile.TemporaryFile) as wanted:
            await asyncio.to_thread(wanted.writelines, [f"{file.blob}\n".encode() for file in files])
            wanted.seek(0)
            try:
                await self._runner.run(
                    ["cat-file", "--batch", "--buffer"],
                    lambda out: read(_blobs(out, files)),
                    timeout=_LOCAL_TIMEOUT,
                    stdin=wanted,
                    env=_at(cache),
                )
            except GitError as error:
                raise GitFailed(f"cannot read the files of a fetched commit: {error.text}") from error
            except TimeoutError as error:
                raise GitFailed(f"git did not read a commit within {_LOCAL_TIMEOUT:g}s") from error

    async def _ensure(self, cache: Path) -> None:
        if not await asyncio.to_thread((cache / "HEAD").exists):
            await asyncio.to_thread(lambda: cache.mkdir(parents=True, exist_ok=True))
            await self._local(cache, ["init", "--quiet", "--bare", "--initial-branch=main", str(cache)])
        await asyncio.to_thread((cache / "HEAD").touch)  # says when the cache was used last

    async def _local(self, cache: Path, arguments: list[str]) -> bytes:
        try:
            return await self._runner.run(arguments, _read_all, timeout=_LOCAL_TIMEOUT, env=_at(cache))
        except GitError as error:
            raise GitFailed(f"git {arguments[0]} failed in the cache: {error.text}") from error
        except TimeoutError as error:
            raise GitFailed(f"git {arguments[0]} took longer than {_LOCAL_TIMEOUT:g}s") from error

    async def _remote(self, remote: Remote, verb: str, arguments: list[str], cache: Path | None = None) -> bytes:
        host = remote.url.split("/")[2]
        async with (
            self._hosts.setdefault(host, asyncio.Semaphore(_HOST_RUNS)),
            opened(remote.url, remote.auth) as access,
        ):
            env = access.env | (_at(cache) if cache else {})
            try:
                return await self._runner.run(
                    arguments, _read_all, timeout=remote.timeout, env=env, auth=remote.auth, cwd=self._root
                )
            except GitError as error:
                raise _failed(verb, remote, access.problem or explain(error.text, remote)) from error
            except TimeoutError as error:
                why = f"no answer within {remote.timeout:g}s; raise spec.timeout, or look at the server"
                raise _failed(verb, remote, why) from error

    def _cache(self, remote: Remote) -> Path:
        return self._root / f"{digests.hex_of(digests.of_parts(remote.url))[:32]}.git"

    def _lock(self, cache: Path) -> asyncio.Lock:
        return self._locks.setdefault(cache.name, asyncio.Lock())


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    blob: str
    size: int
    executable: bool


_DAMAGED = re.compile(
    r"corrupt|bad object|not a git repository: '|unable to read|missing (blob|tree|commit)|is empty"
    # What a kill left in the cache can also make client and server talk past each other (seen with git 2.39).
    r"|expected '(acknowledgments|shallow-info|packfile)'|did not send all necessary objects|unresolved delta"
)
_EXPLAINED = (
    (
        r"Authentication failed|could not read (Username|Password)|error: 40[13]|terminal prompts disabled",
        "authentication required: {refused}",
    ),
    (
        r"error: 30[1278]",
        "the server redirects, which is not followed with a bearer token: set spec.url to the address it names",
    ),
    (
        r"repository '.*' not found|error: 404",
        "repository not found: check spec.url, and that the credentials may read it",
    ),
    (
        r"is this a git repository|not a git repository|invalid server response|protocol error|bad line length",
        "the server does not answer as a git server: check spec.url",
    ),
    (r"Could not resolve host", "the host name cannot be resolved: check spec.url and DNS"),
    (
        r"SSL certificate problem|certificate",
        "the server's certificate is not trusted: give its CA as 'ca.crt' in the Secret",
    ),
    (r"Failed to connect|Couldn't connect|Connection refused", "the server does not accept connections"),
    (r"transport '.*' not allowed", "the URL scheme is not supported: use http or https"),
)


def explain(text: str, remote: Remote) -> str:
    """Turn what git printed when it talked to a server into cause and way out; what git said stays at the end."""
    said = redact_urls(" ".join(line.removeprefix("fatal: ") for line in text.splitlines() if line.strip()))
    for pattern, cause in _EXPLAINED:
        if re.search(pattern, text):
            refused = (
                "the server refused the username and password of the Secret"
                if remote.auth
                else "name a Secret with 'username' and 'password' in spec.secretRef"
            )
            return f"{cause.format(refused=refused)} ({said})"
    return said


def _failed(verb: str, remote: Remote, why: str) -> GitFailed:
    return GitFailed(f"failed to checkout and determine revision: unable to {verb} '{remote.url}': {why}")


def _at(cache: Path) -> dict[str, str]:
    return {"GIT_DIR": str(cache)}


def _read_all(out: IO[bytes]) -> bytes:
    return out.read()


def _parse_tree(out: bytes) -> list[_File]:
    """Take the regular files of ``git ls-tree --long``: links and submodules do not travel."""
    files = []
    for line in out.decode("utf-8", "surrogateescape").split("\0"):
        meta, _, path = line.partition("\t")
        fields = meta.split()
        if fields and fields[0] in {"100644", "100755", "100664"}:
            if any(part in {"", ".", ".."} for part in path.split("/")):
                raise GitFailed(f"the repository holds a file with an unsafe name: {path!r}")
            files.append(_File(path, fields[2], int(fields[3]), executable=fields[0] == "100755"))
    return files


def _blobs(out: IO[bytes], files: list[_File]) -> Iterator[IO[bytes]]:
    """Yield the stream at the start of each file's content, as ``git cat-file --batch`` prints them."""
    for file in files:
        header = out.readline().split()
        if len(header) != 3 or int(header[2]) != file.size:
            raise GitError(f"'{file.path}' is missing from the cache")
        yield out
        out.read(1)  # the line feed behind every content


def _write(target: Path, files: list[_File], blobs: Iterator[IO[bytes]]) -> None:
    with tarball.writing(target) as writer:
        for file, blob in zip(files, blobs, strict=True):
            writer.add(file.path, blob, file.size, executable=file.executable)


def _unlock(cache: Path) -> None:
    """Remove the locks of a run that was killed; the caller holds the cache, so nobody else's are there."""
    for pattern in ("*.lock", "refs/hub/**/*.lock", "objects/pack/tmp_*"):
        for path in cache.glob(pattern):
            path.unlink(missing_ok=True)


def _tidy(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for cache in root.glob("*.git"):
        head = cache / "HEAD"
        if not head.exists() or time.time() - head.stat().st_mtime > _UNUSED_DAYS * 86400:
            shutil.rmtree(cache, ignore_errors=True)
        else:
            _unlock(cache)
