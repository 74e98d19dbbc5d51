"""``status.inventory``: the objects that a release or a Kustomization applied. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Entry(NamedTuple):
    """An applied object."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)

    @property
    def api_version(self) -> str:
        """As objects write it."""
        return f"{self.group}/{self.version}" if self.group else self.version


def entries(raw: Mapping[str, Any]) -> list[Entry]:
    """Return what an object applied, in the order of its inventory; what cannot be read is left out."""
    inventory = (raw.get("status") or {}).get("inventory") or {}
    found = []
    for entry in inventory.get("entries") or ():
        namespace, _, rest = str(entry.get("id", "")).partition("_")
        name, *identity = rest.rsplit("_", 2)
        if len(identity) == 2:
            # Names of RBAC objects may have colons, which Flux writes as two underscores.
            found.append(Entry(identity[0], str(entry.get("v", "")), identity[1], namespace, name.replace("__", ":")))
    return found
