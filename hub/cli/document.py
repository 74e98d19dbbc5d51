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
    return text(form, plain(raw))


def written_list(form: Literal["json", "yaml"], objects: Sequence[dict[str, Any]]) -> str:
    """Return objects as one ``List``, as kubectl does."""
    return text(form, {"apiVersion": "v1", "kind": "List", "items": [plain(raw) for raw in objects], "metadata": {}})


def plain(raw: dict[str, Any]) -> dict[str, Any]:
    """Return an object as people write it: kind first, no book-keeping."""
    metadata = {key: value for key, value in raw.get("metadata", {}).items() if key != "managedFields"}
    return {"apiVersion": raw.get("apiVersion"), "kind": raw.get("kind"), **raw, "metadata": metadata}


def text(form: str, data: Any) -> str:
    """Return data as JSON or YAML."""
    if form == "json":
        return json.dumps(data, indent=4, ensure_ascii=False)
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as people do."""

    Dumper.add_representer(str, _represent)
    return yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6).rstrip("\n")


def _represent(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
