"""Foreign archives and folders as artifacts: unpacked safely, filtered, packed reproducibly. Blocks: use threads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hub.content import tarball
from hub.content.ignore import SOURCE_IGNORE, IgnoreRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hub.content.tarball import Limits

_MAX_RULES = 1 << 20  # bytes of one .sourceignore


def repack(source: Path, folder: Path, target: Path, ignore: str | None, limits: Limits | None = None) -> None:
    """
    Unpack an archive into an empty folder and pack what the ignore rules leave of it.

    Raises:
        BadTarballError: It is damaged, too large, or wants to leave the folder.
        OSError: The disk is full, and the like.
    """
    tarball.unpack(source, folder, limits, skip_links=True)
    pack(folder, target, ignore)


def pack(folder: Path, target: Path, ignore: str | None = None) -> int:
    """Pack the regular files of a folder that the ignore rules leave; return how many. Raises ``OSError``."""
    files = sorted(_files(folder))
    rules = IgnoreRules({name.rpartition("/")[0]: _text(folder / name) for name in files if _is_rules(name)}, ignore)
    count = 0
    with tarball.writing(target) as writer:
        for name in files:
            if rules.ignores(name):
                continue
            count += 1
            with (folder / name).open("rb") as content:
                stat = os.fstat(content.fileno())
                writer.add(name, content, stat.st_size, executable=bool(stat.st_mode & 0o100))
    return count


def _files(folder: Path) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            file = Path(path, name)
            if file.is_file() and not file.is_symlink():
                yield file.relative_to(folder).as_posix()


def _is_rules(name: str) -> bool:
    return name.rpartition("/")[2] == SOURCE_IGNORE


def _text(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as text:
        return text.read(_MAX_RULES)
