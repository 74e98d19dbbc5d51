"""Objects as JSON, YAML or names, for programs. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.api.kind import Kind

Format = Literal["json", "yaml", "name"]


def written(form: Format, kind: Kind, raw: dict[str, Any]) -> str:
    """Return one object, without the book-keeping of field managers."""
    if form == "name":
        return f"{kind.name.lower()}.{kind.api.group}/{raw['metadata']['name']}"
    return _text(form, _plain(raw))


def written_list(form: Literal["json", "yaml"], objects: Sequence[dict[str, Any]]) -> str:
    """Return objects as one ``List``, as kubectl does."""
    return _text(form, {"apiVersion": "v1", "kind": "List", "items": [_plain(raw) for raw in objects], "metadata": {}})


def _plain(raw: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in raw.get("metadata", {}).items() if key != "managedFields"}
    return {"apiVersion": raw.get("apiVersion"), "kind": raw.get("kind"), **raw, "metadata": metadata}


def _text(form: str, data: dict[str, Any]) -> str:
    if form == "json":
        return json.dumps(data, indent=4, ensure_ascii=False)
    import yaml

    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=10**6).rstrip("\n")
