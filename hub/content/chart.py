"""
Charts in a source: found, read and checked as Helm does. Everything here blocks: run it in threads.

A chart is held as its files in memory, by their path inside the chart; :data:`MAX_SIZE` bounds them as Helm does. All
errors are of reason ``InvalidChartReference`` and say which chart and why.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.content import goyaml
from hub.content.helmignore import HELM_IGNORE, HelmIgnore
from hub.content.semver import parse_version
from hub.content.tarball import BadTarballError, reading
from hub.errors import Stalled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_SIZE = 100 << 20
"""Bytes of all files of a chart together (Helm's limit)."""
MAX_FILES = 50_000
"""Entries of a packaged chart."""
CHART_YAML = "Chart.yaml"
_ALIAS = re.compile(r"[a-zA-Z0-9_-]+\Z")
_TEXTS = (
    "apiVersion",
    "name",
    "version",
    "appVersion",
    "description",
    "type",
    "kubeVersion",
    "home",
    "icon",
    "condition",
)

Files = dict[str, bytes]


class ChartReferenceError(Stalled):
    """The reference leads to no valid chart; a new spec or a new revision of the source may change that."""

    def __init__(self, why: str) -> None:
        super().__init__("InvalidChartReference", f"invalid chart reference: {why}")


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of ``dependencies`` in Chart.yaml."""

    name: str
    version: str
    repository: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What Chart.yaml says.

    Attributes:
        fields: All of it.
    """

    name: str
    version: str
    dependencies: tuple[Dependency, ...]
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that Helm would load.

    Attributes:
        folder: Where it lies in its source; None for a packaged chart.
    """

    metadata: Metadata
    files: Files
    folder: Path | None


def find(tree: Path, path: str, what: str = "chart") -> Path:
    """
    Return where a path of a source lies on disk.

    Raises:
        ChartReferenceError: It leaves the source, or is not there.
    """
    target = tree / _inside(path, what)
    # The tree was unpacked without links; this holds even if one gets there some day.
    if not target.resolve().is_relative_to(tree.resolve()):
        raise ChartReferenceError(f"the {what} path '{path}' leaves the source through a symbolic link")
    if not target.exists():
        raise ChartReferenceError(
            f"no {what} found at path '{path}' in the source (paths begin at its root; symbolic links are not followed)"
        )
    return target


def load(tree: Path, path: str) -> Chart:
    """
    Read the chart at a path of a source: a folder, or a ``.tgz``.

    Raises:
        ChartReferenceError: There is none, or Helm would not load it.
    """
    target = find(tree, path)
    if target.is_dir():
        files, folder = _read_folder(tree, target, path), target
    else:
        files, folder = read_archive(target, path), None
    return Chart(read_metadata(files, path), files, folder)


def read_metadata(files: Files, path: str) -> Metadata:
    """
    Read Chart.yaml (and ``requirements.yaml`` of old charts) and check what Helm checks.

    Raises:
        ChartReferenceError: See there.
    """
    if CHART_YAML not in files:
        raise ChartReferenceError(f"no {CHART_YAML} found in chart '{path}'")
    fields = _mapping(files[CHART_YAML], f"{CHART_YAML} of chart '{path}'")
    fields.setdefault("apiVersion", "v1")
    if "requirements.yaml" in files:
        fields |= _mapping(files["requirements.yaml"], f"requirements.yaml of chart '{path}'")
    problem = next(_problems(fields), None)
    if problem:
        raise ChartReferenceError(f"{CHART_YAML} of chart '{path}' is invalid: {problem}")
    dependencies = tuple(
        Dependency(entry["name"], str(entry.get("version") or ""), str(entry.get("repository") or ""))
        for entry in fields.get("dependencies") or []
    )
    return Metadata(fields["name"], fields["version"], dependencies, fields)


def read_archive(file: Path, path: str) -> Files:
    """
    Read a packaged chart.

    Raises:
        ChartReferenceError: It is damaged, too large, or names files outside of itself.
    """
    files: Files = {}
    size = count = 0
    try:
        with reading(file) as tar:
            for entry in tar:
                size, count = size + entry.size, count + 1
                if size > MAX_SIZE or count > MAX_FILES:
                    raise ChartReferenceError(f"chart '{path}' is larger than {MAX_SIZE} bytes or {MAX_FILES} files")
                if not entry.isreg():
                    continue
                # The first folder is the chart's own.
                inner = _inside(entry.name.partition("/")[2], f"file in chart '{path}'")
                content = tar.extractfile(entry)
                if inner == ".":
                    raise ChartReferenceError(f"chart '{path}' holds '{entry.name}' outside of its folder")
                files[inner] = content.read() if content else b""
    except BadTarballError as error:
        raise ChartReferenceError(f"chart '{path}' is {error}") from error
    return files


def _read_folder(tree: Path, folder: Path, path: str) -> Files:
    files: Files = {}
    size = 0
    try:
        ignore_file = folder / HELM_IGNORE
        ignore = HelmIgnore(ignore_file.read_text("utf-8", "replace") if ignore_file.is_file() else "")
    except ValueError as error:
        raise ChartReferenceError(f"{HELM_IGNORE} of chart '{path}' is invalid: {error}") from error
    for file in _walk(folder):
        inner = file.relative_to(folder).as_posix()
        if ignore.ignores(inner):
            continue
        if not file.resolve().is_relative_to(tree.resolve()):
            raise ChartReferenceError(f"'{inner}' of chart '{path}' leaves the source through a symbolic link")
        size += file.stat().st_size
        if size > MAX_SIZE:
            raise ChartReferenceError(
                f"chart '{path}' is larger than {MAX_SIZE} bytes; leave some out in {HELM_IGNORE}"
            )
        files[inner] = file.read_bytes()
    return files


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        elif entry.is_file() or entry.is_symlink():
            yield entry


def _inside(path: str, what: str) -> str:
    """Return a path relative to a root, without leaving it."""
    if path.startswith("/"):
        raise ChartReferenceError(f"the {what} path '{path}' is absolute; give it relative to the root of the source")
    inner = posixpath.normpath(path)
    if inner == ".." or inner.startswith("../") or "\0" in inner:
        raise ChartReferenceError(f"the {what} path '{path}' leaves the source")
    return inner


def _mapping(data: bytes, what: str) -> dict[str, Any]:
    try:
        found = goyaml.load(data)
    except goyaml.YamlError as error:
        raise ChartReferenceError(f"cannot read {what}: {error}") from error
    if not isinstance(found, dict):
        raise ChartReferenceError(f"cannot read {what}: a mapping is expected")
    return found


def _problems(fields: dict[str, Any]) -> Iterator[str]:
    """Yield what Helm would say against a chart's metadata."""
    for key in _TEXTS:
        if fields.get(key) is not None and not isinstance(fields[key], str):
            yield f"{key} must be text; put it in quotes"
    name, version = fields.get("name"), fields.get("version")
    if not name:
        yield "name is required"
    elif name in {".", ".."} or "/" in name or "\0" in name:
        yield f"name '{name}' is not allowed"
    if not version:
        yield "version is required"
    elif parse_version(version) is None:
        yield f"version '{version}' is not a semantic version"
    if fields.get("type") not in {None, "", "application", "library"}:
        yield "type must be application or library"
    yield from _dependency_problems(fields.get("dependencies"))


def _dependency_problems(dependencies: Any) -> Iterator[str]:
    if dependencies is None:
        return
    if not isinstance(dependencies, list):
        yield "dependencies must be a list"
        return
    seen: set[str] = set()
    for entry in dependencies:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
            yield "every dependency needs a name"
            return
        if "/" in entry["name"] or entry["name"] in {".", ".."}:
            yield f"dependency name '{entry['name']}' is not allowed"
        alias = entry.get("alias") or entry["name"]
        if entry.get("alias") and not _ALIAS.match(str(alias)):
            yield f"dependency '{entry['name']}' has disallowed characters in the alias"
        if alias in seen:
            yield f"more than one dependency with name or alias '{alias}'"
        seen.add(alias)
