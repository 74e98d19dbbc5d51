"""``status.inventory``: the objects of the current revision, as tools such as ``flux tree`` read them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from hub.api.appliers import Inventory, InventoryEntry
from hub.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.kube.mapper import Mapper
    from hub.release.manifest import ObjectRef


MOST = 3000
"""Entries; an object of the API server has 1.5 MiB for everything, and nothing here decides what is removed."""


async def inventory(refs: Iterable[ObjectRef], namespace: str, mapper: Mapper) -> Inventory:
    """
    Return the inventory of a manifest.

    Args:
        refs: Objects in the order of the manifest; the first :data:`MOST` are listed.
        namespace: Namespace of those that belong into one and do not say which.
        mapper: Tells which kinds have namespaces; a kind that is gone meanwhile counts as one that has.
    """
    entries = []
    for ref in islice(refs, MOST):
        try:
            namespaced = (await mapper.api(ref.api_version, ref.kind)).namespaced
        except NotFound:
            namespaced = True
        where = (ref.namespace or namespace) if namespaced else ""
        name = ref.name.replace(":", "__")  # RBAC names may have colons; Flux writes them so
        entries.append(InventoryEntry(id=f"{where}_{name}_{ref.group}_{ref.kind}", v=ref.version))
    return Inventory(entries=entries)
