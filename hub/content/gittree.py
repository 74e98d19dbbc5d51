"""
From a commit in the cache to an archive of its files.

Files are read from the object store as they are: no checkout, no filters, no line-ending or export rules. Symbolic
links do not travel. What is taken: the directories of ``sparseCheckout``, without what the ignore rules leave out; the
content of submodules, when they are asked for; and copies from other artifacts (``include``). Flux sources facts 4,
15-17, 22, 25, 27 and 29.
"""

from __future__ import annotations

import posixpath
import tarfile
import tempfile
from asyncio import to_thread
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from hub.content import tarball
from hub.content.git import GitError, GitFailed
from hub.content.gitauth import origin_of
from hub.content.gitcache import GitCache, Remote
from hub.content.ignore import SOURCE_IGNORE, IgnoreRules
from hub.content.refs import GitRef
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hub.content.gitobjects import Commit

MAX_FILES = 200_000
_SUBMODULE_DEPTH = 10
_SUBMODULES = 100
_MODULES = ".gitmodules"
_MAX_MODULES = 1 << 20
_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a commit goes into its artifact.

    Attributes:
        ignore: ``spec.ignore``.
        sparse: Directories to take; nothing else is. Empty for all.
        submodules: Take the content of submodules too.
        includes: What is copied from other artifacts.
    """

    ignore: str | None = None
    sparse: tuple[str, ...] = ()
    submodules: bool = False
    includes: tuple[Included, ...] = ()


@dataclass(frozen=True, slots=True)
class Included:
    """Files of another artifact.

    Attributes:
        name: Of the other repository.
        file: Its artifact on disk.
        from_path: Where in it; empty for all of it.
        to_path: Where in the new artifact.
    """

    name: str
    file: Path
    digest: str
    from_path: str
    to_path: str


class GitTrees:
    """Writes archives of commits.

    Args:
        cache: Has the commits, and gets those of submodules.
    """

    def __init__(self, cache: GitCache) -> None:
        self._cache = cache

    async def archive(self, remote: Remote, commit: Commit, target: Path, wanted: Wanted) -> None:
        """
        Write the files of a fetched commit to a new ``.tar.gz``.

        Raises:
            GitFailed: The commit or a submodule cannot be read, a directory is missing, or it is too large.
            Transient: What is included cannot be copied (``IllegalPath``, ``CopyFailure``).
        """
        parts = await self._parts(remote, commit.id, wanted)
        rules = await self._rules(parts, wanted.ignore)
        kept = await to_thread(lambda: [part.only(lambda path: not rules.ignores(path)) for part in parts])
        self._check_size(remote, commit.id, kept)
        copies = await to_thread(_plan_copies, wanted.includes, rules, {path for part in kept for path in part.paths})
        with tarball.writing(target) as writer:
            for part in kept:
                await self._read(part, part.files, _adding(writer, part))
            await to_thread(_copy, writer, wanted.includes, copies)

    async def _parts(self, remote: Remote, commit: str, wanted: Wanted) -> list[_Part]:
        sparse = _directories(wanted.sparse)
        top = await self._list(_Part(remote, commit, ""))
        if remote.partial:
            top = await self._fill(top, sparse, _MODULES if wanted.submodules else "")
        parts = [top]
        if wanted.submodules:
            parts += await self._submodules(top, sparse)
        there = [path for part in parts for path in (*part.paths, *(f"{part.prefix}{at}/" for at in part.links))]
        for directory in sparse:
            if not any(path.startswith(f"{directory}/") for path in there):
                raise GitFailed(
                    f"failed to sparse checkout directories : sparse checkout dir '{directory}' "
                    "does not exist in repository"
                )
        return [part.only(lambda path: _within(path, sparse)) for part in parts]

    async def _fill(self, part: _Part, sparse: Sequence[str], besides: str) -> _Part:
        """Have the contents of the files that are wanted, which a partial cache lacks, and say how large they are."""
        wanted = [file for file in part.files if _within(file.path, sparse) or file.path == besides]
        sizes = await self._cache.bring(part.remote, [file.blob for file in wanted])
        known = {file.blob: size for file, size in zip(wanted, sizes, strict=True)}
        return replace(part, files=tuple(replace(file, size=known.get(file.blob, 0)) for file in part.files))

    async def _submodules(self, top: _Part, sparse: Sequence[str]) -> list[_Part]:
        found: list[_Part] = []
        waiting = [(top, 1)]
        while waiting:
            parent, depth = waiting.pop(0)
            links = {path: commit for path, commit in parent.links.items() if _near(parent.prefix + path, sparse)}
            urls = await self._urls(parent) if links else {}
            for path, commit in sorted(links.items()):
                where = parent.prefix + path
                if depth > _SUBMODULE_DEPTH or len(found) >= _SUBMODULES:
                    raise GitFailed(
                        f"there are more than {_SUBMODULES} submodules, or deeper ones than {_SUBMODULE_DEPTH}: "
                        f"no place for '{where}'"
                    )
                if path not in urls:
                    raise GitFailed(f"no URL for submodule '{where}' in {_MODULES}")
                part = await self._submodule(parent, commit, where, urls[path])
                found.append(part)
                waiting.append((part, depth + 1))
        return found

    async def _submodule(self, parent: _Part, commit: str, where: str, url: str) -> _Part:
        try:
            remote = _remote_of(parent.remote, url)
        except ValueError as error:
            raise GitFailed(f"cannot fetch submodule '{where}': bad URL '{url}': {error}") from error
        try:
            # Asked even for what the cache has: who may not read the repository gets nothing of it.
            head = await self._cache.resolve(remote, GitRef(commit=commit))
            await self._cache.fetch(remote, head)
        except GitFailed as error:
            raise GitFailed(f"cannot fetch submodule '{where}': {error.message}", error.reason) from error
        return await self._list(_Part(remote, commit, f"{where}/"))

    async def _urls(self, part: _Part) -> dict[str, str]:
        """Return the URLs of ``.gitmodules`` by path."""
        modules = [file for file in part.files if file.path == _MODULES]
        if not modules or modules[0].size > _MAX_MODULES:
            return {}
        arguments = ["config", "--null", "--blob", modules[0].blob, "--get-regexp", r"^submodule\..*\.(path|url)$"]
        try:
            out = await self._cache.local(self._cache.bare(part.remote), arguments)
        except GitError as error:
            raise GitFailed(f"{part.prefix}{_MODULES} cannot be read: {error.text}") from error
        found: dict[str, dict[str, str]] = {}
        for entry in out.decode("utf-8", "surrogateescape").split("\0"):
            key, _, value = entry.partition("\n")
            name, _, field = key.removeprefix("submodule.").rpartition(".")
            found.setdefault(name, {})[field] = value
        return {one["path"]: one["url"] for one in found.values() if one.keys() >= {"path", "url"}}

    async def _list(self, part: _Part) -> _Part:
        long = [] if part.remote.partial else ["--long"]  # sizes are those of contents, which may not be here
        arguments = ["ls-tree", "-r", "-z", *long, "--full-tree", part.commit]
        try:
            out = await self._cache.local(self._cache.bare(part.remote), arguments)
        except GitError as error:
            raise await self._cache.damaged(part.remote, error) from error
        return await to_thread(_parse, part, out)

    async def _rules(self, parts: Sequence[_Part], ignore: str | None) -> IgnoreRules:
        texts: dict[str, str] = {}
        for part in parts:
            named = [file for file in part.files if file.path.rpartition("/")[2] == SOURCE_IGNORE]

            def read(blobs: Iterator[IO[bytes]], part: _Part = part, named: list[_File] = named) -> None:
                for file, blob in zip(named, blobs, strict=True):
                    path = part.prefix + file.path
                    texts[path.rpartition("/")[0]] = blob.read(file.size).decode("utf-8", "replace")

            if named:
                await self._read(part, named, read)
        return IgnoreRules(texts, ignore)

    async def _read(self, part: _Part, files: Sequence[_File], read: Callable[[Iterator[IO[bytes]]], None]) -> None:
        """Stream the content of files, in their order, through ``read``, which takes exactly ``size`` bytes of each."""
        with await to_thread(tempfile.TemporaryFile) as asked:
            await to_thread(asked.writelines, [f"{file.blob}\n".encode() for file in files])
            asked.seek(0)
            try:
                await self._cache.runner.run(
                    ["cat-file", "--batch", "--buffer"],
                    lambda out: read(_blobs(out, files)),
                    timeout=_TIMEOUT,
                    stdin=asked,
                    env=self._cache.bare(part.remote).env,
                )
            except GitError as error:
                raise await self._cache.damaged(part.remote, error) from error
            except TimeoutError as error:
                raise GitFailed(f"git did not read a commit within {_TIMEOUT:g}s") from error

    def _check_size(self, remote: Remote, commit: str, parts: Sequence[_Part]) -> None:
        size = sum(file.size for part in parts for file in part.files)
        count = sum(len(part.files) for part in parts)
        if size > self._cache.max_size or count > MAX_FILES:
            raise GitFailed(
                f"the files of commit {commit} of '{remote.url}' are more than {self._cache.max_size >> 20} MiB or "
                f"{MAX_FILES} files: leave some out with spec.ignore or spec.sparseCheckout"
            )


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    blob: str
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """One repository's share in an archive.

    Attributes:
        prefix: Where it lies; empty for the repository itself, else it ends with a slash.
        files: Paths are those in this repository.
        links: Commits of its submodules by path.
    """

    remote: Remote
    commit: str
    prefix: str
    files: tuple[_File, ...] = ()
    links: dict[str, str] = None  # type: ignore[assignment]  # set by _parse

    @property
    def paths(self) -> list[str]:
        return [self.prefix + file.path for file in self.files]

    def only(self, keeps: Callable[[str], bool]) -> _Part:
        """Return the part with the files whose whole path is kept."""
        files = tuple(file for file in self.files if keeps(self.prefix + file.path))
        return _Part(self.remote, self.commit, self.prefix, files, self.links)


def _parse(part: _Part, out: bytes) -> _Part:
    """Take regular files and submodules of ``git ls-tree``: symbolic links do not travel."""
    files: list[_File] = []
    links: dict[str, str] = {}
    for line in out.decode("utf-8", "surrogateescape").split("\0"):
        meta, _, path = line.partition("\t")
        fields = meta.split()
        if not fields or fields[0] == "120000":
            continue
        if any(one in {"", ".", ".."} for one in path.split("/")):
            raise GitFailed(f"the repository holds a file with an unsafe name: {path!r}")
        if fields[0] == "160000":
            links[path] = fields[2]
        elif fields[1] == "blob":
            size = int(fields[3]) if len(fields) > 3 else 0
            files.append(_File(path, fields[2], size, executable=fields[0] == "100755"))
    files.sort(key=lambda file: file.path)
    return _Part(part.remote, part.commit, part.prefix, tuple(files), links)


def is_sparse(directories: Sequence[str]) -> bool:
    """Whether less than everything is taken."""
    return bool(_directories(directories))


def _directories(sparse: Sequence[str]) -> list[str]:
    """Return the directories as git has them; nothing when one of them is the root."""
    found = [posixpath.normpath(directory.strip() or ".").lstrip("/") for directory in sparse]
    return [] if any(directory in {"", "."} for directory in found) else found


def _within(path: str, directories: Sequence[str]) -> bool:
    return not directories or any(path.startswith(f"{directory}/") for directory in directories)


def _near(path: str, directories: Sequence[str]) -> bool:
    """Whether a submodule lies within a wanted directory, or holds one."""
    return _within(f"{path}/", directories) or any(directory.startswith(f"{path}/") for directory in directories)


def _remote_of(parent: Remote, url: str) -> Remote:
    """
    Return where a submodule is: relative URLs go out from the parent's.

    Its host gets the credentials only when it is the parent's; every ssh host has to be among the known ones anyhow.

    Raises:
        ValueError: Not a URL that git is allowed to use.
    """
    if url.startswith(("./", "../")):
        parts = urlsplit(parent.url)
        url = urlunsplit(parts._replace(path=posixpath.normpath(posixpath.join(parts.path, url))))
    bare = Remote.of(url, None, parent.timeout)
    same = origin_of(bare.url) == origin_of(parent.url)
    if same or bare.url.startswith("ssh:"):
        return Remote.of(url, parent.auth, parent.timeout)
    return Remote.of(url, parent.auth.elsewhere(), parent.timeout)


def _blobs(out: IO[bytes], files: Sequence[_File]) -> Iterator[IO[bytes]]:
    """Yield the stream at the start of each file's content, as ``git cat-file --batch`` prints them."""
    for file in files:
        header = out.readline().split()
        if len(header) != 3 or int(header[2]) != file.size:
            raise GitError(f"'{file.path}' is missing from the cache")
        yield out
        out.read(1)  # the line feed behind every content


def _adding(writer: tarball.Writer, part: _Part) -> Callable[[Iterator[IO[bytes]]], None]:
    def add(blobs: Iterator[IO[bytes]]) -> None:
        for file, blob in zip(part.files, blobs, strict=True):
            writer.add(part.prefix + file.path, blob, file.size, executable=file.executable)

    return add


def _plan_copies(includes: Sequence[Included], rules: IgnoreRules, taken: set[str]) -> list[dict[str, str]]:
    """Return, for each include, the new path of each file that is copied. Blocks."""
    plans: list[dict[str, str]] = []
    for one in includes:
        source, target = _inside(one.from_path), _inside(one.to_path)
        plan = {}
        with tarfile.open(one.file) as tar:
            for entry in tar:
                if entry.isreg() and (path := _moved(entry.name, source, target)) and not rules.ignores(path):
                    plan[entry.name] = path
        if source and not plan:
            raise Transient("IllegalPath", f"cannot include '{one.name}': there is nothing at '{one.from_path}' in it")
        if clash := taken.intersection(plan.values()):
            raise Transient("CopyFailure", f"cannot include '{one.name}': '{min(clash)}' is there already")
        taken = taken.union(plan.values())
        plans.append(plan)
    return plans


def _copy(writer: tarball.Writer, includes: Sequence[Included], plans: Sequence[dict[str, str]]) -> None:
    for one, plan in zip(includes, plans, strict=True):
        with tarfile.open(one.file) as tar:
            for entry in tar:
                if entry.name in plan and (content := tar.extractfile(entry)) is not None:
                    writer.add(plan[entry.name], content, entry.size, executable=bool(entry.mode & 0o100))


def _moved(name: str, source: str, target: str) -> str:
    """Return where a file goes, or nothing when it is not below ``source``."""
    if name == source:
        return target
    below = name if not source else name.removeprefix(f"{source}/") if name.startswith(f"{source}/") else ""
    return posixpath.join(target, below) if below else ""


def _inside(path: str) -> str:
    """Return a path that cannot leave the tree, whatever dots it has."""
    return posixpath.normpath(f"/{path}").lstrip("/")
