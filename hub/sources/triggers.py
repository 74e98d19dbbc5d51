"""What else brings a source back besides its own changes: the source it is built from, its Secrets. Pure."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hub.api.meta import Key, LocalRef, Resource
from hub.api.repositories import Bucket, HelmRepository, OCIRepository
from hub.api.source import GitRepository, HelmChart, SourceStatus
from hub.content.gitauth import split_url

if TYPE_CHECKING:
    from collections.abc import Iterable

READERS = (GitRepository.KIND, HelmRepository.KIND, OCIRepository.KIND, Bucket.KIND, HelmChart.KIND)
"""Kinds that read Secrets."""
PLACE = "place of a Git repository"
"""Stands for the kind of a key that is no object: the name is a URL."""


def source_of(chart: Resource) -> Iterable[Key]:
    """Return the key of the source that a chart is built from."""
    if isinstance(chart, HelmChart):
        ref = chart.spec.source_ref
        yield Key(ref.kind, chart.metadata.namespace, ref.name)


def references_of(source: Resource) -> Iterable[Key]:
    """Return the Secrets that a source reads."""
    spec, namespace = source.spec, source.metadata.namespace
    for name in ("secret_ref", "cert_secret_ref", "proxy_secret_ref"):
        if isinstance(ref := getattr(spec, name, None), LocalRef):
            yield Key("Secret", namespace, ref.name)
    verification = getattr(spec, "verify", None)
    for name in ("secret_ref", "trusted_root_secret_ref"):
        if isinstance(ref := getattr(verification, name, None), LocalRef):
            yield Key("Secret", namespace, ref.name)
    if isinstance(source, HelmChart) and source.provenance_keys:
        yield Key("Secret", namespace, source.provenance_keys)


def includes_of(repository: Resource) -> Iterable[Key]:
    """Return the repositories whose artifacts a repository includes."""
    if isinstance(repository, GitRepository):
        for one in repository.spec.include:
            yield Key(GitRepository.KIND.name, repository.metadata.namespace, one.repository.name)


def place_of(repository: Resource) -> Iterable[Key]:
    """Return where a repository is: those at the same place learn together that it moved."""
    if isinstance(repository, GitRepository):
        with contextlib.suppress(ValueError):
            yield Key(PLACE, "", split_url(repository.spec.url, None)[0])


def artifact_matters(old: Resource | None, new: Resource | None) -> bool:
    """Whether an event of a source concerns what is built from it: it has another artifact, or none."""
    return _offer(old) != _offer(new)


def _offer(source: Resource | None) -> tuple[object, ...] | None:
    if isinstance(source, HelmRepository) and source.is_oci:
        return source.metadata.uid, source.metadata.generation  # it has no artifact: what it says is what counts
    if source is None or not isinstance(source.status, SourceStatus) or source.status.artifact is None:
        return None
    return source.status.artifact.revision, source.status.artifact.digest
