"""Objects of any kind that the API server offers, by the word that people use for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.api.kind import Api
from hub.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.kube.client import Client

_USUAL = ("v1", "apps/v1", "batch/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1")


async def find(client: Client, word: str, name: str, namespace: str | None, api_version: str = "") -> dict[str, Any]:
    """
    Return an object.

    Args:
        client: The API server.
        word: Kind, plural, singular or short name.
        name: Of the object.
        namespace: Of the object, for kinds that have one.
        api_version: Look only there.

    Raises:
        NotFound: There is no such object, or no such kind.
    """
    async for offered in _offers(client, api_version):
        for api in offered:
            if word.lower() not in api[1]:
                continue
            return await client.get(api[0], name, namespace)
    raise NotFound(404, "NotFound", f"the server has no kind '{word}'")


async def _offers(client: Client, api_version: str) -> AsyncIterator[list[tuple[Api, set[str]]]]:
    """Yield the kinds of each group and version, the usual ones first."""
    if api_version:
        yield await _kinds(client, api_version)
        return
    for usual in _USUAL:
        yield await _kinds(client, usual)
    groups = (await client.read("/apis")).get("groups") or ()
    for group in groups:
        preferred = group["preferredVersion"]["groupVersion"]
        if preferred not in _USUAL:
            yield await _kinds(client, preferred)


async def _kinds(client: Client, api_version: str) -> list[tuple[Api, set[str]]]:
    group, _, version = api_version.rpartition("/")
    try:
        offered = await client.read(f"/apis/{group}/{version}" if group else f"/api/{version}")
    except NotFound:
        return []
    return [
        (
            Api(group, version, item["kind"], item["name"], namespaced=bool(item["namespaced"])),
            {
                item["kind"].lower(), item["name"], item.get("singularName", ""), *(item.get("shortNames") or ())
            },
        )
        for item in offered.get("resources") or ()
        if "/" not in item["name"]
    ]  # fmt: skip
