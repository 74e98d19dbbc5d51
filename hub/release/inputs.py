"""Everything that a revision of a release is made from, as digests: equal inputs make equal revisions. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from hub.release import gojson

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease


class Inputs(NamedTuple):
    """
    What goes into a revision.

    Attributes:
        chart: Version of the chart, with its build metadata.
        values: Digest of the composed values.
        renderers: Digest of ``spec.postRenderers``; empty without.
        metadata: Digest of ``spec.commonMetadata``; empty without.
    """

    chart: str
    values: str
    renderers: str = ""
    metadata: str = ""


def inputs_of(release: HelmRelease, chart: str, values: str) -> Inputs:
    """Return the inputs of a release with a chart version and a digest of values."""
    return Inputs(chart, values, _renderers_digest(release), _metadata_digest(release))


def _metadata_digest(release: HelmRelease) -> str:
    common = release.spec.common_metadata
    return _go_digest(common.dump()) if common else ""


def _renderers_digest(release: HelmRelease) -> str:
    """Return the digest of ``spec.postRenderers``, its fields in the order of Flux's Go types."""
    if not release.spec.post_renderers:
        return ""
    renderers = []
    for one in release.spec.post_renderers:
        changes = one.kustomize.dump() if one.kustomize else {}
        first = {key: changes.pop(key) for key in ("patches", "images") if key in changes}
        renderers.append({"kustomize": first | changes} if one.kustomize else {})
    return _go_digest(renderers)


def _go_digest(value: object) -> str:
    return "sha256:" + hashlib.sha256(f"{gojson.dumps(value)}\n".encode()).hexdigest()
