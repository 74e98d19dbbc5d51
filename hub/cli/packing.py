"""Folders of this machine, packed as the hub packs commits: the same files are left out, always the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.content.ignore import SOURCE_IGNORE, IgnoreRules
from hub.content.tarball import writing

if TYPE_CHECKING:
    from pathlib import Path

_LEFT_OUT = frozenset({".git", ".hg", ".svn"})


def pack(folder: Path, target: Path, ignore: str | None = None) -> int:
    """
    Pack what the rules of a folder leave; return how many files that are.

    Args:
        folder: What to pack; links in it are not followed and not packed.
        target: The new ``.tar.gz``.
        ignore: Further rules, as in ``spec.ignore``.

    Raises:
        OSError: It cannot be read or written.
    """
    files = sorted(path for path in folder.rglob("*") if _is_packed(path, folder))
    texts = {
        _name(path.parent, folder): path.read_text("utf-8", "replace") for path in files if path.name == SOURCE_IGNORE
    }
    rules = IgnoreRules({"" if name == "." else name: text for name, text in texts.items()}, ignore)
    chosen = [path for path in files if not rules.ignores(_name(path, folder))]
    with writing(target) as tar:
        for path in chosen:
            tar.add(_name(path, folder), path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))
    return len(chosen)


def _is_packed(path: Path, folder: Path) -> bool:
    return path.is_file() and not path.is_symlink() and not _LEFT_OUT & set(path.relative_to(folder).parts)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
