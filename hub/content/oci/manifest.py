"""Manifests and descriptors of OCI and Docker registries, read and written. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.content.oci.errors import BadAnswer
from hub.content.oci.reference import is_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFEST_TYPES = (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"

CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"
CHART_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
CHART_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
FLUX_CONFIG = "application/vnd.cncf.flux.config.v1+json"
FLUX_CONTENT = "application/vnd.cncf.flux.content.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """
    What a registry says of some bytes before it sends them.

    Attributes:
        digest: ``sha256:<hex>``.
        size: Bytes.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of it."""
        found = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        return found | ({"annotations": dict(self.annotations)} if self.annotations else {})


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    A manifest or an index.

    Attributes:
        descriptor: Of the manifest itself.
        data: The very bytes that its digest is of.
        config: None for an index.
        layers: Of an image or artifact, in order.
        manifests: Of an index.
    """

    descriptor: Descriptor
    data: bytes
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @property
    def is_chart(self) -> bool:
        """Whether helm pushed it."""
        return self.config is not None and self.config.media_type == CHART_CONFIG


def parse_manifest(data: bytes, digest: str, media_type: str) -> Manifest:
    """
    Read a manifest that has this digest.

    Raises:
        BadAnswer: It is none.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:  # brackets in brackets are JSON, too
        raise BadAnswer("the registry sent a manifest that is not JSON") from error
    if not isinstance(found, dict) or found.get("schemaVersion") != 2:
        raise BadAnswer("the registry sent a manifest of an unknown shape (schemaVersion 2 is expected)")
    descriptor = Descriptor(str(found.get("mediaType") or media_type), digest, len(data))
    return Manifest(
        descriptor,
        data,
        _descriptor(found["config"]) if found.get("config") else None,
        tuple(_descriptor(one) for one in _listed(found, "layers")),
        tuple(_descriptor(one) for one in _listed(found, "manifests")),
        _texts(found.get("annotations")),
    )


def compose_manifest(config: Descriptor, layers: Sequence[Descriptor], annotations: Mapping[str, str]) -> bytes:
    """Return the bytes of a manifest."""
    found: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.as_dict(),
        "layers": [layer.as_dict() for layer in layers],
    }
    if annotations:
        found["annotations"] = dict(sorted(annotations.items()))
    return json.dumps(found, separators=(",", ":")).encode()


def _listed(found: dict[str, Any], name: str) -> list[Any]:
    value = found.get(name) or []
    if not isinstance(value, list):
        raise BadAnswer(f"the registry sent a manifest whose '{name}' is not a list")
    return value


def _descriptor(found: Any) -> Descriptor:
    if not isinstance(found, dict) or not isinstance(found.get("size"), int) or found["size"] < 0:
        raise BadAnswer("the registry sent a manifest with a broken descriptor")
    digest = str(found.get("digest", ""))
    if not is_digest(digest):
        raise BadAnswer(f"the registry sent a manifest with the digest '{digest[:90]}': only sha256 is supported")
    media_type = str(found.get("mediaType", ""))
    return Descriptor(
        media_type, digest, found["size"], _texts(found.get("annotations")), _texts(found.get("platform"))
    )


def _texts(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, str)}
