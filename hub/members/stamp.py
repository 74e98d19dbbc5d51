"""Put labels and annotations on an object as it passes by. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.members.paths import ResourcePath

_NOT_STORED = frozenset({"authorization.k8s.io", "authentication.k8s.io"})  # questions in the shape of objects
_WHOLE_OBJECTS = ("application/json", "application/apply-patch+yaml", "")
_PATCHES = ("application/strategic-merge-patch+json", "application/merge-patch+json")


def takes_stamp(method: str, path: ResourcePath, content_type: str) -> bool:
    """Whether the body of a request is an object, or a patch of one, that would be stored with its labels."""
    if path.subresource or path.group in _NOT_STORED:
        return False
    kind = content_type.partition(";")[0].strip()
    if method == "PATCH":
        return kind in _WHOLE_OBJECTS or kind in _PATCHES
    return method in ("POST", "PUT") and kind in _WHOLE_OBJECTS


def stamp(body: bytes, labels: Mapping[str, str], annotations: Mapping[str, str]) -> bytes:
    """Return the JSON object with the labels and annotations set; anything else as it came."""
    try:
        item = json.loads(body)
    except ValueError:
        return body
    if not isinstance(item, dict):
        return body
    metadata = item.setdefault("metadata", {})
    for name, wanted in (("labels", labels), ("annotations", annotations)):
        if wanted:
            metadata[name] = {**(metadata.get(name) or {}), **wanted}
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
