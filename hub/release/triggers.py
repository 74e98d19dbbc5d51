"""What else brings a release back besides its own changes: its chart, its dependencies, its Secrets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.api.helm import HelmRelease
from hub.api.meta import READY, STALLED, Key, Resource
from hub.api.source import SourceStatus
from hub.release.names import chart_key, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MEMBER = "KubeConfig"
RECORD = "Record"
"""Words that stand for a kind in keys of what is no object: a cluster, and what Helm keeps of a release on one."""


def chart_of(release: Resource) -> Iterable[Key]:
    """Return the key of the HelmChart that a release uses."""
    if not isinstance(release, HelmRelease):
        return
    if release.spec.chart is not None:
        yield Key("HelmChart", *chart_key(release))
    elif release.spec.chart_ref is not None:
        ref = release.spec.chart_ref
        yield Key(ref.kind, ref.namespace or release.metadata.namespace, ref.name)


def references_of(release: Resource) -> Iterable[Key]:
    """Return the Secrets and ConfigMaps that a release reads."""
    if not isinstance(release, HelmRelease):
        return
    namespace, kube = release.metadata.namespace, release.spec.kube_config
    if kube and kube.secret_ref:
        yield Key("Secret", namespace, kube.secret_ref.name)
    if kube and kube.config_map_ref:
        yield Key("ConfigMap", namespace, kube.config_map_ref.name)
    for reference in release.spec.values_from:
        yield Key(reference.kind, namespace, reference.name)


def member_of(release: Resource) -> Iterable[Key]:
    """Return what stands for the member of a release: its namespace and kubeconfig, empty for the hub's own cluster."""
    if isinstance(release, HelmRelease):
        kube = release.spec.kube_config
        if kube is None:
            yield Key(MEMBER, "", "")
        elif kube.member:
            yield Key(MEMBER, release.metadata.namespace, kube.member)


def record_of(release: Resource) -> Iterable[Key]:
    """Return what stands for Helm's records of a release: its cluster, storage namespace and name."""
    if isinstance(release, HelmRelease):
        target = target_of(release)
        for cluster in member_of(release):
            yield record(cluster.namespace, cluster.name, target.storage_namespace, target.name)


def record(namespace: str, secret: str, storage_namespace: str, name: str) -> Key:
    """Return what stands for Helm's records of a release on the cluster of a kubeconfig Secret."""
    return Key(RECORD, f"{namespace}/{secret}", f"{storage_namespace}/{name}")


def misses_its_member(release: Resource | None) -> bool:
    """Whether a release says that its member does not answer, or was given up while it may not have been well."""
    if release is None:
        return False
    ready, stalled = release.status.condition(READY), release.status.condition(STALLED)
    return (ready is not None and ready.reason == "MemberUnreachable") or (
        stalled is not None and stalled.reason == "RetriesExceeded"
    )


def chart_matters(old: Resource | None, new: Resource | None) -> bool:
    """Whether an event of a chart concerns the releases that use it: it is gone, or has something new to say."""
    if new is None or not isinstance(new.status, SourceStatus):
        return True
    if old is None or not isinstance(old.status, SourceStatus):
        return new.status.artifact is not None
    return _offer(old, old.status) != _offer(new, new.status)


def _offer(chart: Resource, status: SourceStatus) -> tuple[object, ...]:
    artifact, ready = status.artifact, status.condition(READY)
    return (
        (artifact.revision, artifact.digest) if artifact else None,
        status.observed_generation == chart.metadata.generation,
        (ready.status, ready.message) if ready else None,
        chart.deleted,
    )
