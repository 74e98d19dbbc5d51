"""
One bare repository on disk that serves as a cache, and how new objects get in: whole, or not at all.

::

    <root>/<digest of the URL>.git/   objects/, and refs/hub/<digest>: the commit kept for each reference
    <root>/tmp/                       fetches under way, emptied at start

git fetches into a fresh repository below ``tmp`` that borrows the objects of the cache. When git has ended well, its
packs are renamed into the cache, and only then does a reference name the new commit. So ``kill -9`` at any instant
leaves a cache that git can use, with nothing to repair: at worst there are packs that nobody needs.

Which commits are without their parents (git's file ``shallow``) is never remembered from run to run, but written anew
from the references for each fetch: every commit is fetched alone. In a cache that git fetches into by itself, a kill
between the new objects and the new reference makes the next fetch ask for nothing, and client and server talk past each
other ("expected 'acknowledgments'") for as long as that commit is the newest.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hub.content import digest as digests

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNUSED_DAYS = 14
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
_REFS = "refs/hub"
_SHA1_LENGTH = 40


class Bare:
    """A cache. Its methods block; whoever changes it holds its lock.

    Args:
        root: Folder of all caches.
        url: Without user information.
        partial: It has the files' contents only where somebody asked for them. Such a cache is apart from the one that
            has everything: what is in that one is whole.
    """

    def __init__(self, root: Path, url: str, *, partial: bool = False) -> None:
        self.partial = partial
        name = digests.of_parts(url, "partial") if partial else digests.of_parts(url)
        self.path = root / f"{digests.hex_of(name)[:32]}.git"
        self._tmp = root / "tmp"

    @property
    def env(self) -> dict[str, str]:
        """What makes git work here."""
        return {"GIT_DIR": str(self.path)}

    def commits(self) -> dict[str, str]:
        """Return the commits that are kept, by the name of their reference."""
        folder = self.path / _REFS
        found = {}
        for file in folder.glob("*"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                if len(commit := file.read_text().strip()) == _SHA1_LENGTH:  # a power cut leaves empty files
                    found[file.name] = commit
        return found

    def touch(self) -> None:
        """Say that the cache is used; one that nobody uses for two weeks goes."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / "HEAD").touch()

    def keep(self, name: str, commit: str) -> None:
        """Keep a commit that is here, in place of the last one of this reference."""
        folder = self.path / _REFS
        folder.mkdir(parents=True, exist_ok=True)
        self._replace(folder / name, f"{commit}\n")

    @contextlib.contextmanager
    def fetching(self, *, afresh: bool) -> Iterator[Path]:
        """
        Give a repository to fetch into; :meth:`adopt` takes what it got.

        Args:
            afresh: Borrow nothing from the cache, because it is damaged or its commits are in the way.
        """
        self._tmp.mkdir(parents=True, exist_ok=True)
        folder = _make(self._tmp)
        try:
            if not afresh:
                self._lend(folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, fetched: Path, *, afresh: bool) -> None:
        """Take the packs of a fetch that ended well; with ``afresh`` they replace all that was here."""
        if afresh:
            self.discard()
        if not (self.path / "HEAD").exists():
            shutil.rmtree(self.path, ignore_errors=True)
            _make(self._tmp).rename(self.path)
        packs = self.path / "objects" / "pack"
        packs.mkdir(parents=True, exist_ok=True)
        new = sorted((fetched / "objects" / "pack").glob("pack-*"), key=lambda path: path.suffix == ".idx")
        for file in new:  # a pack is there for git once its index is: that comes last
            file.rename(packs / file.name)

    def discard(self) -> None:
        """Throw the cache away, at once for everybody."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(trash := self._tmp / f"trash-{time.monotonic_ns()}")
            shutil.rmtree(trash, ignore_errors=True)

    def replace_packs(self, new: str) -> None:
        """Remove all packs but a new one, which has what they had."""
        for file in (self.path / "objects" / "pack").glob("pack-*"):
            if not file.name.startswith(f"pack-{new}."):
                file.unlink(missing_ok=True)

    def packs(self) -> int:
        """Return how many packs there are."""
        return sum(1 for _ in self.path.glob("objects/pack/*.pack"))

    def forget_old(self) -> None:
        """Let go of references that nobody asked for lately, and say to git which commits have no parents here."""
        for name in list(self.commits()):
            file = self.path / _REFS / name
            if time.time() - file.stat().st_mtime > _UNUSED_DAYS * 86400:
                file.unlink(missing_ok=True)
        self.write_boundary()

    def write_boundary(self) -> None:
        """Say to git, for a run that looks at ancestors, which commits have no parents here."""
        self._write_boundary(self.path)

    def _lend(self, folder: Path) -> None:
        kept = self.commits()
        if not kept:
            return
        (folder / "objects" / "info").mkdir()
        (folder / "objects" / "info" / "alternates").write_text(f"{self.path.absolute() / 'objects'}\n")
        lines = [f"{commit} {_REFS}/{name}\n" for name, commit in sorted(kept.items())]
        (folder / "packed-refs").write_text("".join(lines))
        self._write_boundary(folder)

    def _write_boundary(self, folder: Path) -> None:
        commits = sorted(set(self.commits().values()))
        self._replace(folder / "shallow", "".join(f"{commit}\n" for commit in commits))

    def _replace(self, target: Path, text: str) -> None:
        self._tmp.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._tmp, delete=False) as file:
            file.write(text)
        Path(file.name).replace(target)


def tidy(root: Path) -> None:
    """Remove what killed runs left behind, and caches that nobody used for two weeks."""
    shutil.rmtree(root / "tmp", ignore_errors=True)
    (root / "tmp").mkdir(parents=True)
    for cache in root.glob("*.git"):
        head = cache / "HEAD"
        if not head.exists() or time.time() - head.stat().st_mtime > _UNUSED_DAYS * 86400:
            shutil.rmtree(cache, ignore_errors=True)


def size_of(repository: Path) -> int:
    """Return the bytes that a repository's packs have so far; what vanishes meanwhile counts nothing."""
    size = 0
    for file in (repository / "objects" / "pack").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


def _make(parent: Path) -> Path:
    """Make an empty bare repository, as ``git init`` would, without a process."""
    folder = Path(tempfile.mkdtemp(dir=parent, suffix=".git"))
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "config").write_text(_CONFIG)
    (folder / "objects" / "pack").mkdir(parents=True)
    (folder / "refs").mkdir()
    return folder
