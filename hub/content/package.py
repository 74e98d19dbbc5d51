"""
What a chart artifact is made of, and how it is packed: values files merged, dependencies gathered, version set.

Everything here blocks: run it in threads. :mod:`hub.content.builder` does, once for equal inputs.
"""

from __future__ import annotations

import posixpath
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.content import digest as digests
from hub.content import goyaml, tarball, values
from hub.content.chart import (
    CHART_YAML,
    MAX_SIZE,
    Chart,
    ChartReferenceError,
    Files,
    find,
)
from hub.content.semver import parse_version
from hub.errors import Stalled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VALUES_YAML = "values.yaml"
VERSION, REVISION, CONTENT = "ChartVersion", "Revision", "Content"
_SHORT = 12


class ValuesFilesError(Stalled):
    """The values files of a chart cannot be merged; the message names the file."""

    def __init__(self, why: str) -> None:
        super().__init__("ValuesFilesError", f"values files merge error: {why}")


@dataclass(frozen=True, slots=True)
class ChartRequest:
    """Which chart to build, and how its version is told.

    Attributes:
        path: Folder or ``.tgz`` in the source.
        values_files: Paths in the source, merged in this order into the chart's ``values.yaml``.
        ignore_missing_values_files: Skip any that is missing.
        optional_values_files: Those of them that may be missing.
        strategy: ``ChartVersion``, ``Revision`` or ``Content``.
        generation: ``metadata.generation`` of what asks.
        commit: Commit of the source, or the hex of its digest.
    """

    path: str
    values_files: tuple[str, ...] = ()
    ignore_missing_values_files: bool = False
    optional_values_files: tuple[str, ...] = ()
    strategy: str = VERSION
    generation: int = 0
    commit: str = ""

    @property
    def counts_generation(self) -> bool:
        """Whether the version carries the generation: with values files, as they are part of the spec."""
        return self.strategy != CONTENT and self.values_files not in {(), (VALUES_YAML,)}


@dataclass(frozen=True, slots=True)
class MergedValues:
    """The values files of a request.

    Attributes:
        data: The new ``values.yaml``; None keeps the chart's own.
        used: The files that were there.
    """

    data: bytes | None
    used: tuple[str, ...]


def merge_values_files(tree: Path | Files, request: ChartRequest) -> MergedValues:
    """
    Merge values files in their order; the chart's own ``values.yaml`` counts only when it is listed.

    They are in an unpacked source, or among the files of a chart.

    Raises:
        ValuesFilesError: One is missing (and may not be), is not YAML, or is not a mapping.
    """
    optional = _optional(request)
    if not request.values_files:
        return MergedValues(None, ())
    merged: dict[str, Any] = {}
    used = []
    for path in request.values_files:
        try:
            data = _values_file(tree, path)
        except ChartReferenceError as error:
            why = error.message.removeprefix("invalid chart reference: ")
            may_miss = request.ignore_missing_values_files or posixpath.normpath(path) in optional
            if may_miss and why.startswith("no values file found"):
                continue
            raise ValuesFilesError(why) from error
        try:
            merged = values.merge(merged, values.parse(data))
        except values.ValuesError as error:
            raise ValuesFilesError(f"cannot read values file '{path}': {error}") from error
        used.append(path)
    return MergedValues(values.dump(merged) if used else None, tuple(used))


def _values_file(tree: Path | Files, path: str) -> bytes:
    if isinstance(tree, dict):
        name = posixpath.normpath(path)
        if name not in tree:
            raise ChartReferenceError(f"no values file found at path '{path}' in the chart")
        return tree[name]
    file = find(tree, path, "values file")
    if not file.is_file():
        raise ValuesFilesError(f"'{path}' is a folder, not a values file")
    return file.read_bytes()


def _optional(request: ChartRequest) -> frozenset[str]:
    """Return the files that may be missing; one that nobody asks for is a mistake."""
    known = {posixpath.normpath(path) for path in request.values_files}
    for path in request.optional_values_files:
        if posixpath.normpath(path) not in known:
            raise ValuesFilesError(f"the optional values file '{path}' is not one of the values files")
    return frozenset(posixpath.normpath(path) for path in request.optional_values_files)


def content_digest(chart: Chart, merged: MergedValues) -> str:
    """
    Return the digest of everything in a chart that can reach a manifest, ``values.yaml`` aside.

    Templates reach other files, such as another member's values, through ``.Files`` alone; while no template and no
    values mention it, those files do not count.
    """
    counted = {name: data for name, data in chart.files.items() if name != VALUES_YAML}
    rendered = [_text(name, data) for name, data in chart.files.items() if _is_rendered(name)]
    if not any(_FILES.search(text) for text in [*rendered, merged.data or b""]):
        counted = {name: data for name, data in counted.items() if _is_rendered(name) or name in _META}
    parts = [part for name in sorted(counted) for part in (name, counted[name])]
    return digests.of_parts(*parts)


_FILES = re.compile(rb"\bFiles\b")  # as a word: "readOnlyRootFilesystem" is in every chart that 'helm create' made
_META = frozenset({CHART_YAML, "Chart.lock", "requirements.yaml", "requirements.lock", "values.schema.json"})


def _text(name: str, data: bytes) -> bytes:
    """Return what a template file says, also inside a vendored package."""
    if not name.endswith(".tgz"):
        return data
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, MAX_SIZE)
    except zlib.error:
        return data


def _is_rendered(name: str) -> bool:
    return name == VALUES_YAML or name.split("/", 1)[0] in {"templates", "crds", "charts"}


def version_of(chart: Chart, request: ChartRequest, content: str) -> str:
    """
    Return the version that the package carries; what is added replaces build metadata that was there.

    ``content`` is the digest of all inputs, of which the ``Content`` strategy takes 12 hex digits.

    Raises:
        Stalled: The version cannot carry it (reason ``MetadataPatchError``).
    """
    suffix = []
    if request.strategy == REVISION and request.commit:
        suffix.append(request.commit[:_SHORT])
    if request.strategy == CONTENT:
        suffix.append(digests.hex_of(content)[:_SHORT])
    if request.counts_generation:
        suffix.append(str(request.generation))
    if not suffix:
        return chart.metadata.version
    version = parse_version(chart.metadata.version)
    if version is None:
        why = f"chart version '{chart.metadata.version}' is not a semantic version"
        raise Stalled("MetadataPatchError", f"chart metadata patch error: {why}")
    return str(version.replace(build=".".join(suffix)))


def expected_version(version: str, request: ChartRequest) -> str:
    """Return the version that a package from a repository will carry, as far as that is known before it is here."""
    parsed = parse_version(version)
    return str(parsed.replace(build=str(request.generation))) if parsed and request.counts_generation else version


def write(target: Path, chart: Chart, version: str, merged: MergedValues, dependencies: Files) -> None:
    """Pack a chart as ``helm package`` would, under a version and with merged values; equal inputs give equal bytes."""
    files = chart.files | dependencies
    if version != chart.metadata.version:
        # requirements.yaml stays a file of its own: only what Chart.yaml itself said is written back.
        fields = goyaml.load(chart.files[CHART_YAML]) | {"version": version}
        files[CHART_YAML] = goyaml.dump(fields).encode()
    if merged.data is not None:
        files[VALUES_YAML] = merged.data
    names = sorted(files, key=lambda name: (name != CHART_YAML, name))
    with tarball.writing(target) as writer:
        for name in names:
            writer.add(f"{chart.metadata.name}/{name}", files[name])


def inputs_digest(chart: Chart, merged: MergedValues, dependencies: Files, counted: str) -> str:
    """Return the digest of what a package means: the counted files, the values it will carry and what is added."""
    own = chart.files.get(VALUES_YAML, b"") if merged.data is None else merged.data
    added: Sequence[str | bytes] = [part for name in sorted(dependencies) for part in (name, dependencies[name])]
    return digests.of_parts(counted, own, *added)
