"""What else brings a source back besides its own changes: the source it is built from, its Secrets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.meta import Key, Resource
from hub.api.source import GitRepository, HelmChart, SourceStatus

if TYPE_CHECKING:
    from collections.abc import Iterable


def source_of(chart: Resource) -> Iterable[Key]:
    """Return the key of the source that a chart is built from."""
    if isinstance(chart, HelmChart):
        ref = chart.spec.source_ref
        yield Key(ref.kind, chart.metadata.namespace, ref.name)


def references_of(repository: Resource) -> Iterable[Key]:
    """Return the Secrets that a repository reads."""
    if not isinstance(repository, GitRepository):
        return
    spec, namespace = repository.spec, repository.metadata.namespace
    for ref in (spec.secret_ref, spec.proxy_secret_ref, spec.verify.secret_ref if spec.verify else None):
        if ref is not None:
            yield Key("Secret", namespace, ref.name)


def artifact_matters(old: Resource | None, new: Resource | None) -> bool:
    """Whether an event of a source concerns the charts built from it: it has another artifact, or none."""
    return _artifact(old) != _artifact(new)


def _artifact(source: Resource | None) -> tuple[str, str] | None:
    if source is None or not isinstance(source.status, SourceStatus) or source.status.artifact is None:
        return None
    return source.status.artifact.revision, source.status.artifact.digest
