"""
Values files in the artifacts of sources, for layers that are not the chart's own.

Parsed files are remembered by the digest of the artifact and their path, so that a look at a release whose sources did
not change reads nothing.
"""

from __future__ import annotations

import posixpath
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.api.meta import Key
from hub.api.source import SourceStatus
from hub.content import digest as digests
from hub.content.chart import ChartReferenceError, find
from hub.content.tarball import BadTarballError
from hub.content.threads import in_thread
from hub.content.values import ValuesError, parse
from hub.errors import Stalled, Transient, Waiting
from hub.release.layer_refs import LayersError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hub.api.helm import ValuesLayer
    from hub.api.meta import Artifact
    from hub.content.fetch import ArtifactReader
    from hub.content.trees import Trees

MAX_SIZE = 8 << 20
"""Bytes of one values file."""
_REMEMBERED = 4 << 20  # bytes of all files that are remembered


class File(NamedTuple):
    """A values file: what it says, the digest of its text, and how long that is."""

    values: dict[str, Any]
    digest: str
    size: int


class SourceFiles:
    """
    Reads values files of sources.

    Args:
        find_source: Returns a source by its key, or None.
        artifacts: Gives the tarballs.
        trees: Unpacks them.
    """

    def __init__(self, find_source: Callable[[Key], Any], artifacts: ArtifactReader, trees: Trees) -> None:
        self._find = find_source
        self._artifacts = artifacts
        self._trees = trees
        self._known: OrderedDict[tuple[str, str], File | None] = OrderedDict()
        self._size = 0

    def artifact(self, namespace: str, layer: ValuesLayer) -> Artifact:
        """
        Return the artifact that a layer's file is in.

        Raises:
            Waiting: The source is not there, or has none yet; its next event brings the release back.
        """
        source = self._find(Key(layer.kind, namespace, layer.name))
        if source is None:
            raise Waiting("SourceNotReady", f"{layer.kind} '{namespace}/{layer.name}' not found")
        if not isinstance(source.status, SourceStatus) or source.status.artifact is None:
            why = "does not have an artifact"
            raise Waiting("SourceNotReady", f"{layer.kind} '{namespace}/{layer.name}' is not ready: {why}")
        return source.status.artifact

    async def read(self, artifact: Artifact, path: str) -> File | None:
        """
        Return a values file; None when there is no file at the path.

        Raises:
            LayersError: The path leaves the artifact, or what is there is no values file.
            Waiting: The artifact is being replaced.
            Transient: The artifact cannot be had.
        """
        key = (artifact.digest, posixpath.normpath(path))
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        tarball = await self._artifacts.open(artifact)
        try:
            async with self._trees.open(tarball, artifact.digest) as tree:
                found = await in_thread(_read, tree, path)
        except BadTarballError as error:
            raise Transient("ArtifactFailed", f"cannot unpack '{artifact.url}': {error}") from error
        self._remember(key, found)
        return found

    def _remember(self, key: tuple[str, str], found: File | None) -> None:
        self._known[key] = found
        self._size += _weight(found)
        while self._size > _REMEMBERED and len(self._known) > 1:
            _, dropped = self._known.popitem(last=False)
            self._size -= _weight(dropped)


def _weight(found: File | None) -> int:
    return 1024 + (found.size if found is not None else 0)


def _read(tree: Path, path: str) -> File | None:
    try:
        file = find(tree, path, "values file")
    except ChartReferenceError as error:
        why = error.message.removeprefix("invalid chart reference: ")
        if why.startswith("no values file found"):
            return None
        raise LayersError(why) from error
    if not file.is_file():
        raise LayersError(f"'{path}' is a folder, not a values file")
    if file.stat().st_size > MAX_SIZE:
        raise LayersError(f"'{path}' is larger than {MAX_SIZE} bytes")
    data = file.read_bytes()
    try:
        return File(parse(data), digests.of_bytes(data), len(data))
    except ValuesError as error:
        raise LayersError(f"cannot read '{path}': {error}") from error


def within(where: str, error: Stalled | Waiting | Transient) -> Stalled | Waiting | Transient:
    """Return an error that says in which layer it happened."""
    message = f"{where}: {error.message}"
    match error:
        case Stalled():
            return Stalled(error.reason, message)
        case Waiting():
            return Waiting(error.reason, message, error.after, quiet=error.quiet)
        case _:
            return Transient(error.reason, message)
