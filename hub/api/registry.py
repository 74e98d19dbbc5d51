"""
All kinds of the hub: the one list that the CRDs, the watcher and the command line are made from.

A new kind is a model with its ``KIND`` and one more entry here. Pure.
"""

from __future__ import annotations

from hub.api.fleet import Member
from hub.api.helm import HelmRelease
from hub.api.image import ImagePolicy, ImageRepository, ImageUpdateAutomation
from hub.api.kind import Column, Kind, Version
from hub.api.repositories import Bucket, ExternalArtifact, HelmRepository, OCIRepository
from hub.api.source import GitRepository, HelmChart

__all__ = ["KINDS", "Column", "Kind", "Version", "kind_for", "kind_named"]

KINDS: tuple[Kind, ...] = (
    GitRepository.KIND,
    HelmRepository.KIND,
    OCIRepository.KIND,
    Bucket.KIND,
    HelmChart.KIND,
    ExternalArtifact.KIND,
    HelmRelease.KIND,
    ImageRepository.KIND,
    ImagePolicy.KIND,
    ImageUpdateAutomation.KIND,
    Member.KIND,
)


def _words(kind: Kind) -> set[str]:
    api = kind.api
    words = {*kind.names, *kind.short_names, api.kind, api.plural, f"{api.plural}.{api.group}"}
    return {word.lower() for word in words}


_BY_WORD: dict[str, Kind] = {word: kind for kind in KINDS for word in _words(kind)}
_BY_GROUP_KIND: dict[tuple[str, str], Kind] = {(kind.api.group, kind.api.kind): kind for kind in KINDS}


def kind_named(name: str) -> Kind:
    """
    Return the kind that people call so: ``hr``, ``HelmRelease``, ``source git``, ``gitrepositories``.

    Raises:
        LookupError: No kind has that name; the message lists the names there are.
    """
    found = _BY_WORD.get(" ".join(name.lower().split()))
    if found is None:
        known = ", ".join(kind.names[0] for kind in KINDS)
        raise LookupError(f"unknown kind '{name}'; known are: {known}")
    return found


def kind_for(api_version: str, kind: str) -> Kind | None:
    """Return the kind of an object by its ``apiVersion`` (any version counts) and ``kind``; None when not ours."""
    group = api_version.partition("/")[0] if "/" in api_version else ""
    return _BY_GROUP_KIND.get((group, kind))
