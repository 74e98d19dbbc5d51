"""Where a release lives and what it is called. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease

_MAX_RELEASE_NAME = 53
_KEPT_PREFIX = 40
_HASH_LENGTH = 12


class Target(NamedTuple):
    """One release on one member: Helm's name for it, and the namespaces of its objects and of its storage."""

    name: str
    namespace: str
    storage_namespace: str

    @property
    def record(self) -> tuple[str, str]:
        """What Helm keeps its record under: of two targets with the same there can be only one."""
        return self.storage_namespace, self.name

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def full_name(release: HelmRelease) -> str:
    """Return the name as users chose it: ``spec.releaseName``, else ``[<targetNamespace>-]<name>``."""
    if release.spec.release_name:
        return release.spec.release_name
    if release.spec.target_namespace:
        return f"{release.spec.target_namespace}-{release.metadata.name}"
    return release.metadata.name


def short_name(name: str) -> str:
    """Return a name that Helm accepts: of one over 53 characters the first 40, ``-`` and 12 hex of its SHA-256."""
    if len(name.encode()) <= _MAX_RELEASE_NAME:
        return name
    return f"{name[:_KEPT_PREFIX]}-{hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]}"


def target_of(release: HelmRelease) -> Target:
    """Return where the release goes. Storage defaults to the object's own namespace, not to the target's."""
    own = release.metadata.namespace
    return Target(
        name=short_name(full_name(release)),
        namespace=release.spec.target_namespace or own,
        storage_namespace=release.spec.storage_namespace or own,
    )


def chart_key(release: HelmRelease) -> tuple[str, str]:
    """Return namespace and name of the HelmChart that the hub keeps for ``spec.chart``."""
    chart = release.spec.chart
    namespace = (chart.spec.source_ref.namespace if chart else None) or release.metadata.namespace
    return namespace, f"{release.metadata.namespace}-{release.metadata.name}"
