"""
Dependencies of a chart that ``charts/`` lacks: those in the same source, and which ones have to be fetched.

Versions of ``Chart.lock`` win over the ranges in ``Chart.yaml`` (fact 39). Everything here blocks: run it in threads.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hub.content import goyaml
from hub.content.chart import (
    CHART_YAML,
    Chart,
    ChartReferenceError,
    Dependency,
    Files,
    load,
    read_archive,
    read_metadata,
)
from hub.content.semver import BadConstraint, Constraint, parse_version
from hub.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Fetched = Mapping[Dependency, Path]
    """Packages of what :func:`remote` named."""

_MAX_DEPTH = 10
_LOCKS = ("Chart.lock", "requirements.lock")
_SCHEMES = ("http://", "https://", "oci://")


class DependencyBuildError(Transient):
    """A chart's dependency cannot be had; the message names it and says what to do."""

    def __init__(self, why: str) -> None:
        super().__init__("DependencyBuildError", f"dependency build error: {why}")


def missing(chart: Chart) -> list[Dependency]:
    """Return the dependencies that are not in ``charts/``, by name as Helm looks for them, in their locked version."""
    present: set[str] = set()
    for name, data in chart.files.items():
        parts = name.split("/")
        if parts[0] != "charts" or len(parts) < 2 or parts[1].startswith(("_", ".")):
            continue
        if len(parts) == 2 and name.endswith(".tgz"):
            # <name>-<version>.tgz: the version begins at the first dash before a digit that makes it a version.
            stem = parts[1].removesuffix(".tgz")
            cuts = [i for i, char in enumerate(stem) if char == "-" and parse_version(stem[i + 1 :])]
            present.update(stem[:cut] for cut in cuts)
        elif len(parts) == 3 and parts[2] == CHART_YAML:
            present.add(read_metadata({CHART_YAML: data}, f"charts/{parts[1]}").name)
    lacking = [dependency for dependency in chart.metadata.dependencies if dependency.name not in present]
    return _locked(chart, lacking) if lacking else []


def remote(tree: Path, chart: Chart, depth: int = 0) -> list[Dependency]:
    """
    Return the dependencies that are not in the source, of the chart and of those that are.

    Raises:
        DependencyBuildError: One cannot be found, or they go round in circles.
    """
    found = []
    for dependency in missing(chart):
        if dependency.repository.startswith(_SCHEMES):
            found.append(dependency)
        else:
            found += remote(tree, _beside(tree, chart, dependency, depth), depth + 1)
    return list(dict.fromkeys(found))


def gather(tree: Path, chart: Chart, fetched: Fetched, depth: int = 0) -> tuple[Files, int]:
    """
    Return the files of the dependencies that ``charts/`` lacks, and how many dependencies they are.

    Raises:
        DependencyBuildError: One cannot be found, has the wrong version, or they go round in circles.
    """
    added: Files = {}
    lacking = missing(chart)
    for dependency in lacking:
        if dependency in fetched:
            name, files = dependency.name, _package(fetched[dependency], dependency)
        else:
            found = _beside(tree, chart, dependency, depth)
            nested, _ = gather(tree, found, fetched, depth + 1)
            name, files = found.metadata.name, found.files | nested
        added |= {f"charts/{name}/{path}": data for path, data in files.items()}
    return added, len(lacking)


def _beside(tree: Path, chart: Chart, dependency: Dependency, depth: int) -> Chart:
    """Return a dependency that is in the source."""
    where = dependency.repository
    if depth >= _MAX_DEPTH:
        raise DependencyBuildError(f"'{dependency.name}' is nested more than {_MAX_DEPTH} deep: a circle?")
    if not where.startswith("file://") or chart.folder is None:
        at = f"from '{where}'" if where else "that names no repository"
        raise DependencyBuildError(
            f"cannot get '{dependency.name}' {at}: repositories are http(s):// or oci:// addresses, or file:// paths "
            "inside the source; aliases of repositories are not known here"
        )
    below = chart.folder.relative_to(tree).as_posix()
    try:
        found = load(tree, posixpath.join(below, where.removeprefix("file://")))
    except ChartReferenceError as error:
        why = error.message.removeprefix("invalid chart reference: ")
        raise DependencyBuildError(f"cannot get '{dependency.name}' from '{where}': {why}") from error
    _check_version(found.metadata.version, dependency)
    return found


def _package(file: Path, dependency: Dependency) -> Files:
    """Return the files of a dependency that was fetched."""
    try:
        files = read_archive(file, dependency.name)
        _check_version(read_metadata(files, dependency.name).version, dependency)
    except ChartReferenceError as error:
        why = error.message.removeprefix("invalid chart reference: ")
        raise DependencyBuildError(f"cannot use '{dependency.name}' from '{dependency.repository}': {why}") from error
    return files


def _locked(chart: Chart, dependencies: list[Dependency]) -> list[Dependency]:
    versions = {(entry.get("name"), entry.get("repository")): entry.get("version") for entry in _lock(chart)}
    locked = []
    for dependency in dependencies:
        version = versions.get((dependency.name, dependency.repository))
        locked.append(replace(dependency, version=version) if isinstance(version, str) else dependency)
    return locked


def _lock(chart: Chart) -> Iterator[dict[str, Any]]:
    for name in _LOCKS:
        if name not in chart.files:
            continue
        try:
            found = goyaml.load(chart.files[name])
        except goyaml.YamlError as error:
            raise DependencyBuildError(f"cannot read {name}: {error}") from error
        entries = found.get("dependencies") if isinstance(found, dict) else None
        yield from (entry for entry in entries or [] if isinstance(entry, dict))


def _check_version(found: str, dependency: Dependency) -> None:
    version = parse_version(found)
    try:
        fits = version is not None and Constraint(dependency.version or "*").matches(version)
    except BadConstraint as error:
        raise DependencyBuildError(f"version of '{dependency.name}': {error}") from error
    if not fits:
        raise DependencyBuildError(
            f"'{dependency.name}' at '{dependency.repository}' has version {found}, "
            f"which is not within '{dependency.version}'"
        )
