"""What is made from what: the objects of all kinds, and the sources that they name. Pure, but for :meth:`load`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from hub.api.kind import Key
from hub.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hub.cli.scope import Cluster
    from hub.kube.client import Client


def source_key(raw: Mapping[str, Any]) -> Key | None:
    """Return the key of what an object is made from; None when it does not say, or is an origin itself."""
    spec, meta = raw.get("spec") or {}, raw["metadata"]
    template = spec.get("chart")
    chart = (template.get("spec") or {}) if isinstance(template, dict) else {}
    ref = chart.get("sourceRef") or spec.get("chartRef") or spec.get("sourceRef")
    if not isinstance(ref, dict) or not ref.get("name"):
        return None
    return Key(str(ref.get("kind", "")), ref.get("namespace") or meta.get("namespace", ""), str(ref["name"]))


def chart_key(raw: Mapping[str, Any]) -> Key | None:
    """Return the key of the HelmChart that is kept for a release; None when it has none of its own."""
    if raw.get("kind") != "HelmRelease" or not (raw.get("spec") or {}).get("chart"):
        return None
    namespace, _, name = str((raw.get("status") or {}).get("helmChart") or "").partition("/")
    meta, source = raw["metadata"], source_key(raw)
    home = source.namespace if source else meta["namespace"]
    return Key("HelmChart", namespace or home, name or f"{meta['namespace']}-{meta['name']}")


@dataclass(slots=True)
class Relations:
    """Objects by key, and who is made from whom."""

    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    async def load(cls, client: Client, namespace: str | None) -> Self:
        """
        Read the objects of every kind that the cluster knows.

        Raises:
            ApiError: We may not, or it knows none of the kinds.
        """
        from hub.api.kinds import KINDS
        from hub.cli.failures import is_missing_kind
        from hub.errors import NotFound

        listed = await asyncio.gather(*(client.list(k.api, namespace) for k in KINDS), return_exceptions=True)
        errors = [one for one in listed if isinstance(one, BaseException)]
        for error in errors:
            if not (isinstance(error, NotFound) and is_missing_kind(error)) or len(errors) == len(listed):
                raise error
        return cls.of(raw for one in listed if not isinstance(one, BaseException) for raw in one.items)

    @classmethod
    async def around(cls, cluster: Cluster) -> Self:
        """Read what we may: all namespaces, else that of the cluster's scope. Raises as :meth:`load`."""
        try:
            return await cls.load(cluster.client, None)
        except Forbidden:
            return await cls.load(cluster.client, cluster.namespace)

    @classmethod
    def of(cls, objects: Iterable[dict[str, Any]]) -> Self:
        """Take objects."""
        return cls({key_of(raw): raw for raw in objects})

    def parent(self, raw: Mapping[str, Any]) -> Key | None:
        """Return what an object is made from directly: a release's HelmChart when it is there, else its source."""
        chart = chart_key(raw)
        return chart if chart in self.objects else source_key(raw)

    def made_from(self, kind: str, namespace: str, name: str) -> list[Key]:
        """Return the keys of what is made from an object directly."""
        wanted = Key(kind, namespace, name)
        return sorted(key for key, raw in self.objects.items() if self.parent(raw) == wanted)

    def chain(self, raw: Mapping[str, Any]) -> list[Key]:
        """Return what an object is made from, the nearest first, down to what is not there or has no source."""
        found: list[Key] = []
        key = self.parent(raw)
        while key is not None and key not in found:
            found.append(key)
            key = self.parent(self.objects[key]) if key in self.objects else None
        return found


def key_of(raw: Mapping[str, Any]) -> Key:
    """Return the identity of an object."""
    return Key(raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"])
