"""The manifest that Helm stored, as objects. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ObjectRef(NamedTuple):
    """An object of a manifest; the namespace is empty when the manifest does not say."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """API version without the group."""
        return self.api_version.rpartition("/")[2]

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind}/{where}"


def objects(manifest: str) -> list[dict[str, Any]]:
    """
    Return the objects of a manifest in its order; lists are opened, empty documents dropped.

    Raises:
        ValueError: It is not YAML.
    """
    found: list[dict[str, Any]] = []
    try:
        documents = list(yaml.load_all(manifest, Loader=_Loader))
    except yaml.YAMLError as error:
        raise ValueError(f"the stored manifest is not YAML: {error}") from error
    for document in documents:
        if not isinstance(document, dict):
            continue
        items = document.get("items") if str(document.get("kind", "")).endswith("List") else None
        found += [item for item in items if isinstance(item, dict)] if isinstance(items, list) else [document]
    return found


def ref(item: dict[str, Any]) -> ObjectRef:
    """Return the identity of an object."""
    meta = item.get("metadata") or {}
    return ObjectRef(
        str(item.get("apiVersion", "")),
        str(item.get("kind", "")),
        str(meta.get("namespace") or ""),
        str(meta.get("name", "")),
    )
