"""What a commit has to change: the marked files of another commit, edited."""

from __future__ import annotations

import asyncio
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hub.content.gitwrite import LINK, TreeFile
from hub.errors import Transient
from hub.images.setters import KEY, Edited, Image, edit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.content.gitcache import Remote
    from hub.content.gitwrite import GitWriter
    from hub.images.setters import Change

UPDATE_FAILED = "UpdateFailed"
_MAX_FILE = 8 << 20  # bytes
_ENDINGS = (".yaml", ".yml")
_NAMES = frozenset({"Kustomization"})


@dataclass(slots=True)
class Edits:
    """
    The edits of one commit.

    Attributes:
        files: New content of the files that change.
        changes: By path.
        problems: What was left alone, as ``<file>:<line>: <why>``.
        unknown: Markers: place and ``<namespace>:<policy>`` of which nobody gave an image.
    """

    files: dict[TreeFile, bytes] = field(default_factory=dict)
    before: dict[str, bytes] = field(default_factory=dict)
    changes: dict[str, list[Change]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)


async def edits_of(writer: GitWriter, remote: Remote, commit: str, path: str, images: Mapping[str, Image]) -> Edits:
    """
    Edit the marked files of a commit in memory.

    Args:
        writer: Reads the commit.
        remote: Its repository.
        commit: It has been fetched.
        path: ``spec.update.path``.
        images: By ``<namespace>:<policy>``.

    Raises:
        Transient: The path leads nowhere (reason ``UpdateFailed``), or Git cannot read the commit.
    """
    below = _below(path)
    files = await writer.files(remote, commit, below)
    _check_path(below, files, commit)
    marked = await writer.containing(remote, commit, KEY, below)
    edits = Edits()
    for file in files:
        if not _is_yaml(file.path):
            continue
        if file.mode == LINK:
            await _look_at_link(writer, remote, file, edits)
        elif file.path in marked:
            # In a thread: reading YAML takes its time, and everybody else waits meanwhile.
            await asyncio.to_thread(_take, edits, file, await writer.read(remote, file), images)
    return edits


def _below(path: str) -> str:
    """Return a path from the root of the repository, empty for all of it."""
    below = posixpath.normpath(path.lstrip("/") or ".")
    if below == ".":
        return ""
    if below.startswith("../") or below == "..":
        raise Transient(UPDATE_FAILED, f"failed to apply policies: spec.update.path '{path}' leaves the repository")
    return below


def _check_path(below: str, files: list[TreeFile], commit: str) -> None:
    if below and not files:
        message = f"failed to apply policies: spec.update.path '{below}' is not in commit {commit[:7]}"
        raise Transient(UPDATE_FAILED, message)
    if len(files) == 1 and files[0].path == below and files[0].mode == LINK:
        message = f"failed to apply policies: spec.update.path '{below}' is a symbolic link: name what it points to"
        raise Transient(UPDATE_FAILED, message)


def _is_yaml(path: str) -> bool:
    return path.endswith(_ENDINGS) or posixpath.basename(path) in _NAMES


async def _look_at_link(writer: GitWriter, remote: Remote, file: TreeFile, edits: Edits) -> None:
    """Links are never followed; one within the repository leads to a file that is looked at by its own name."""
    target = (await writer.read(remote, file)).decode("utf-8", "replace")
    leads = posixpath.normpath(posixpath.join(posixpath.dirname(file.path), target))
    if target.startswith("/") or leads.startswith(".."):
        edits.problems.append(f"{file.path}: a symbolic link out of the repository, which is not followed")


def _take(edits: Edits, file: TreeFile, content: bytes, images: Mapping[str, Image]) -> None:
    edited = _edited(edits, file.path, content, images)
    if edited is None:
        return
    edits.problems += [f"{file.path}:{problem.line}: {problem.message}" for problem in edited.problems]
    edits.unknown += [(f"{file.path}:{line}", policy) for line, policy in edited.unknown]
    if edited.changes:
        edits.before[file.path] = content
        edits.files[file] = edited.text.encode()
        edits.changes[file.path] = edited.changes


def _edited(edits: Edits, path: str, content: bytes, images: Mapping[str, Image]) -> Edited | None:
    if len(content) > _MAX_FILE:
        edits.problems.append(f"{path}: larger than {_MAX_FILE} bytes, which is not looked at")
        return None
    try:
        return edit(content.decode(), images)
    except UnicodeDecodeError:
        edits.problems.append(f"{path}: not UTF-8, which is not looked at")
        return None
