"""
The definitions in a chart's ``crds/`` folders: applied before helm runs, by the policy of the release; never deleted.

Helm itself is always told to leave them alone: it would create them on install only, and never change them.
"""

from __future__ import annotations

import asyncio
import tarfile
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from hub.api.meta import CUSTOM_RESOURCE_DEFINITIONS
from hub.errors import Conflict, Transient
from hub.release import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hub.kube.client import Client
    from hub.members.member import Member

_ESTABLISHED_WITHIN = 60.0
_POLL = 0.2
_YAML = (".yaml", ".yml", ".json")


async def apply(chart: Path, policy: str | None, labels: Mapping[str, str], member: Member) -> list[manifest.ObjectRef]:
    """
    Bring a chart's definitions to a member and wait until they can be used.

    Args:
        chart: The chart package; named by its content, so what it holds is remembered.
        policy: ``Skip``, ``Create`` (the default: what is missing) or ``CreateReplace``.
        labels: Put on each definition.
        member: Where.

    Returns:
        The definitions of the chart.

    Raises:
        Transient: The chart's definitions cannot be read, or were not established within a minute.
        ApiError: The member refused one.
    """
    if policy == "Skip":
        return []
    definitions = await asyncio.to_thread(_definitions, chart)
    written = []
    for definition in definitions:
        item = _labelled(definition, labels)
        name = item["metadata"]["name"]
        if policy == "CreateReplace":
            await member.call(partial(_replace, item=item))
            written.append(name)
            continue
        with suppress(Conflict):  # it exists, and stays as it is
            await member.call(partial(_create, item=item))
            written.append(name)
    for name in written:
        await _established(member, name)
    return [manifest.ref(definition) for definition in definitions]


async def _create(client: Client, *, item: dict[str, Any]) -> None:
    await client.create(CUSTOM_RESOURCE_DEFINITIONS, item)


async def _replace(client: Client, *, item: dict[str, Any]) -> None:
    await client.apply(CUSTOM_RESOURCE_DEFINITIONS, item, force=True)


async def _established(member: Member, name: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ESTABLISHED_WITHIN
    while True:
        found = await member.call(lambda client: client.get(CUSTOM_RESOURCE_DEFINITIONS, name))
        conditions = (found.get("status") or {}).get("conditions") or ()
        if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
            return
        if loop.time() > deadline:
            raise Transient("InstallFailed", f"CustomResourceDefinition '{name}' was not established within a minute")
        await asyncio.sleep(_POLL)


@lru_cache(maxsize=64)
def _definitions(chart: Path) -> tuple[dict[str, Any], ...]:
    """Read the definitions of a chart and of its dependencies; other objects in ``crds/`` do not count."""
    found: list[dict[str, Any]] = []
    try:
        with tarfile.open(chart, "r:gz") as package:
            for entry in package:
                if _is_definition(entry.name) and (file := package.extractfile(entry)) is not None:
                    found += manifest.objects(file.read().decode())
    except (OSError, tarfile.TarError, ValueError) as error:
        raise Transient("ArtifactFailed", f"Could not load chart: {error}") from error
    return tuple(item for item in found if item.get("kind") == "CustomResourceDefinition")


def _is_definition(path: str) -> bool:
    """``<chart>/crds/...``, or the same below any number of ``charts/<dependency>/``."""
    parts = path.split("/")[1:]
    while len(parts) > 2 and parts[0] == "charts":
        parts = parts[2:]
    return len(parts) > 1 and parts[0] == "crds" and path.endswith(_YAML)


def _labelled(definition: dict[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    meta = definition.get("metadata") or {}
    return definition | {"metadata": meta | {"labels": {**(meta.get("labels") or {}), **labels}}}
